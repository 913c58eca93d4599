package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The client against vectors that an independent script made; and each of them with a bit flipped, which it must not pass. */
class VectorsTest {
    /** Throws where a file does not hold. */
    interface Check {
        void run(JsonObject file) throws Exception;
    }

    private static final Map<String, Check> CHECKS = new TreeMap<>(Map.of(
            "templates", VectorChecks::templates, "envelopes", VectorChecks::envelopes, "transcripts", VectorChecks::transcripts,
            "person", VectorChecks::person, "committee", TrustChecks::committee, "receipts", TrustChecks::receipts,
            "fingers", VectorChecks::fingers, "certificates", TrustChecks::certificates, "tokens", TrustChecks::tokens, "approvals", TrustChecks::approvals));

    /** Verifiers' parts, which the nodes' tests hold; names, which are for people; floats, whose last bits are rounded away. */
    private static final List<Pattern> NOT_HELD = List.of(
            Pattern.compile(".*/(name|model)"), Pattern.compile("(templates|fingers)/.*/(embedding|record)"),
            Pattern.compile("tokens/(cases|trusted/(issuer|relying_parties|bases|jwks/keys/0/(kid|kty|crv)))(/.*)?"),
            Pattern.compile("approvals/(cases|roles|officers/[12]|officers/0/relying_party)(/.*)?"));

    static Set<String> names() {
        return CHECKS.keySet();
    }

    @ParameterizedTest
    @MethodSource("names")
    void allVectorsPass(String name) throws Exception {
        CHECKS.get(name).run(Vectors.load(name));
    }

    @Test
    void noFileOfVectorsIsLeftOut() throws IOException {
        assertEquals(List.copyOf(CHECKS.keySet()), Vectors.names());
    }

    @ParameterizedTest
    @MethodSource("names")
    void aBitFlippedInAnyVectorFails(String name) {
        Random dice = new Random(name.hashCode());
        JsonObject file = Vectors.load(name);
        List<List<String>> places = new ArrayList<>();
        leaves(file, List.of(), places);
        int tried = 0;
        for (List<String> place : places) {
            String shown = name + "/" + String.join("/", place);
            if (NOT_HELD.stream().anyMatch(pattern -> pattern.matcher(shown).matches())) {
                continue;
            }
            JsonObject spoilt = file.deepCopy();
            flip(spoilt, place, dice);
            if (place.get(0).equals("cases")) {
                // The others are as they were: not to check them again saves most of the time.
                JsonArray only = new JsonArray();
                only.add(spoilt.get("cases").getAsJsonArray().get(Integer.parseInt(place.get(1))));
                spoilt.add("cases", only);
            }
            assertThrows(Throwable.class, () -> CHECKS.get(name).run(spoilt), shown);
            tried++;
        }
        assertTrue(tried > 4, "only " + tried + " were tried");
    }

    /** Where texts are. What is spoilt already may be spoilt further, but not said to be spoilt in another way. */
    private static void leaves(JsonElement element, List<String> place, List<List<String>> found) {
        if (element.isJsonObject()) {
            boolean spoilt = isText(element.getAsJsonObject().get("fault")) || isText(element.getAsJsonObject().get("reason"));
            element.getAsJsonObject().entrySet().forEach(member -> {
                if (!spoilt || Set.of("fault", "reason").contains(member.getKey())) {
                    leaves(member.getValue(), joined(place, member.getKey()), found);
                }
            });
        } else if (element.isJsonArray()) {
            for (int index = 0; index < element.getAsJsonArray().size(); index++) {
                leaves(element.getAsJsonArray().get(index), joined(place, Integer.toString(index)), found);
            }
        } else if (isText(element) && !element.getAsString().isEmpty()) {
            found.add(place);
        }
    }

    private static boolean isText(JsonElement element) {
        return element != null && element.isJsonPrimitive() && element.getAsJsonPrimitive().isString();
    }

    private static List<String> joined(List<String> place, String step) {
        List<String> made = new ArrayList<>(place);
        made.add(step);
        return made;
    }

    private static void flip(JsonElement file, List<String> place, Random dice) {
        JsonElement at = file;
        for (String step : place.subList(0, place.size() - 1)) {
            at = at.isJsonObject() ? at.getAsJsonObject().get(step) : at.getAsJsonArray().get(Integer.parseInt(step));
        }
        String last = place.get(place.size() - 1);
        if (at.isJsonObject()) {
            at.getAsJsonObject().addProperty(last, flipped(at.getAsJsonObject().get(last).getAsString(), dice));
        } else {
            int index = Integer.parseInt(last);
            at.getAsJsonArray().set(index, new JsonPrimitive(flipped(at.getAsJsonArray().get(index).getAsString(), dice)));
        }
    }

    /** A text with one bit of it changed; of hexadecimal, a bit of what it says. */
    private static String flipped(String text, Random dice) {
        char[] spoilt = text.toCharArray();
        if (text.matches("[0-9a-f]+")) {
            int place = dice.nextInt(spoilt.length);
            spoilt[place] = Character.forDigit(Character.digit(spoilt[place], 16) ^ 1 << dice.nextInt(4), 16);
        } else {
            int place = dice.nextInt(spoilt.length);
            spoilt[place] ^= (char) (1 << dice.nextInt(7));
        }
        assertTrue(!Arrays.equals(spoilt, text.toCharArray()));
        return new String(spoilt);
    }

    @Test
    void theReasonsAreThoseOfTheTable() throws IOException {
        String document = Files.readString(Vectors.REPOSITORY.resolve("docs").resolve("reasons.md"));
        String table = document.split("\n## Refusals\n")[1].split("\n## ")[0];
        Set<String> told = new TreeSet<>();
        table.lines().filter(line -> line.startsWith("| `")).forEach(line -> told.add(line.split("`")[1]));
        assertEquals(told, new TreeSet<>(Arrays.stream(Reason.values()).map(Reason::name).toList()));
    }
}
