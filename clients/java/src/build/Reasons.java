import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Makes the enumeration of reasons from the table "Refusals" of docs/reasons.md: {@code Reasons FILE FOLDER}. Run by Maven. */
final class Reasons {
    private static final Pattern ROW = Pattern.compile("^\\| `([A-Z_]+)` \\| `\\w+` \\| (.+?) \\|$", Pattern.MULTILINE);
    private static final String HEAD = """
            package io.tumar.client;

            /** Why a node refuses: match on these. Made from the table "Refusals" of Tumar's docs/reasons.md. */
            public enum Reason {
            """;
    private static final String TAIL = """
                ;

                /** {@link #UNKNOWN} for a reason that this version of the client does not know: {@link Refusal#code} has it as it came. */
                static Reason of(String code) {
                    for (Reason reason : values()) {
                        if (reason.name().equals(code)) {
                            return reason;
                        }
                    }
                    return UNKNOWN;
                }
            }
            """;

    public static void main(String[] arguments) throws IOException {
        String document = Files.readString(Path.of(arguments[0]));
        String table = document.split("\n## Refusals\n")[1].split("\n## ")[0];
        StringBuilder made = new StringBuilder(HEAD);
        int rows = 0;
        for (MatchResult row : ROW.matcher(table).results().toList()) {
            made.append("    /** ").append(row.group(2)).append(" */\n    ").append(row.group(1)).append(",\n");
            rows++;
        }
        if (rows < 100) {
            throw new IllegalStateException("docs/reasons.md has no table of reasons");
        }
        Path folder = Path.of(arguments[1], "io", "tumar", "client");
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("Reason.java"), made.append(TAIL));
    }
}
