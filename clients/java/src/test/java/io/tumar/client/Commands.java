package io.tumar.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Other programs, run to their end. */
record Commands(String command, int code, String out, String err) {
    static Commands run(Path folder, String... command) {
        return feed(folder, "", command);
    }

    static Commands feed(Path folder, String input, String... command) {
        try {
            Path in = Files.writeString(Files.createTempFile("in", ""), input);
            Path out = Files.createTempFile("out", "");
            Path err = Files.createTempFile("err", "");
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
            int code = builder.redirectInput(in.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile()).start().waitFor();
            Commands done = new Commands(String.join(" ", command), code, Files.readString(out), Files.readString(err));
            for (Path file : List.of(in, out, err)) {
                Files.delete(file);
            }
            return done;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    /** What it printed, if it ended with this code. */
    String expect(int expected) {
        if (code != expected) {
            throw new AssertionError(command + " ended with " + code + ", not " + expected + ":\n" + out + err);
        }
        return out;
    }

    /** The Python with the Python client and the packages of vectors/conform.py. */
    static String python() {
        String python = System.getenv("TUMAR_PYTHON");
        if (python == null) {
            throw new IllegalStateException("these tests need TUMAR_PYTHON=/path/to/a/python with the Python client");
        }
        return Path.of(python).toAbsolutePath().toString();
    }

    /** What this program was started with. */
    static String classPath() {
        return System.getProperty("java.class.path");
    }

    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }
}
