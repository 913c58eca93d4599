package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The runner of the vectors, {@code vectors/conform.py}, with this client's program. */
class ConformTest {
    private static Commands conform(Path vectors) {
        String client = Commands.java() + " -cp " + Commands.classPath() + " " + Conform.class.getName();
        return Commands.run(vectors, Commands.python(), vectors.resolve("conform.py").toString(), "--cmd", client);
    }

    @Test
    void theRunnerFindsThisClientRight() {
        String said = conform(Vectors.FOLDER).expect(0);
        System.out.print(said);
        assertTrue(said.matches("[1-9][0-9]{2} vectors passed\n"), said);
    }

    @ParameterizedTest
    @CsvSource({
        "templates, '\"packed\": \"4', '\"packed\": \"5', 'templates, 128 components: '",
        "person, '\"A\": \"fd', '\"A\": \"fe', 'person, A: '",
        "committee, '\"fault\": \"suite\"', '\"fault\": \"nodes\"', 'committee, another suite: '",
    })
    void itNamesTheVectorThatWasChanged(String file, String from, String to, String named, @TempDir Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(Vectors.FOLDER)) {
            for (Path path : List.copyOf(all.filter(Files::isRegularFile).toList())) {
                Path copy = folder.resolve(Vectors.FOLDER.relativize(path));
                Files.createDirectories(copy.getParent());
                Files.copy(path, copy);
            }
        }
        Path changed = folder.resolve(file + ".json");
        String before = Files.readString(changed);
        String after = before.replace(from, to);
        assertTrue(!before.equals(after), "nothing was changed");
        Files.writeString(changed, after);
        Commands ran = conform(folder);
        assertEquals(1, ran.code(), ran.out() + ran.err());
        assertTrue(ran.out().lines().anyMatch(line -> line.matches("FAILED after \\d+ vectors: .*") && line.contains(named)), ran.out());
    }
}
