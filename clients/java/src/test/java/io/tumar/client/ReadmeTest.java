package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The README's lines are run as they stand. */
@ExtendWith(Nodes.Running.class)
class ReadmeTest {
    @Test
    void theTenLines(Nodes nodes) throws IOException {
        String readme = Files.readString(Path.of("README.md"));
        MatchResult block = Pattern.compile("^```java\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL).matcher(readme).results().findFirst().orElseThrow();
        String lines = block.group(1);
        assertTrue(lines.lines().count() <= 12, "they have grown");
        String jshell = Path.of(System.getProperty("java.home"), "bin", "jshell").toString();
        Commands ran = Commands.feed(nodes.folder.getParent(), lines, jshell, "-s", "--class-path", Commands.classPath(), "-");
        assertEquals("true\nfalse\n", ran.expect(0), ran.err());
    }
}
