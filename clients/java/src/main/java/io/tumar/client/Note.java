package io.tumar.client;

import java.util.ArrayList;
import java.util.List;

/** A C2SP signed note, taken apart; nothing is verified yet. */
record Note(String text, List<Signature> signatures) {
    private static final int MOST_BYTES = 128 * 1024;
    private static final int MOST_SIGNATURES = 16;

    /** Four bytes that name a key, then what it signed. */
    record Signature(String name, byte[] blob) {}

    static Note parse(String whole) throws LogException {
        byte[] raw = Framing.utf8(whole);
        boolean controls = whole.chars().anyMatch(character -> character < 0x20 && character != '\n');
        // The last one: a text may have empty lines of its own.
        int blank = whole.lastIndexOf("\n\n");
        if (raw.length > MOST_BYTES || controls || blank < 0 || !whole.endsWith("\n")) {
            throw new LogException("not a signed note");
        }
        String[] lines = whole.substring(blank + 2).split("\n", -1);
        List<Signature> signatures = new ArrayList<>();
        // Behind the last line end is nothing.
        for (int place = 0; place < lines.length - 1; place++) {
            signatures.add(signature(lines[place]));
        }
        if (signatures.isEmpty() || signatures.size() > MOST_SIGNATURES) {
            throw new LogException("not a signed note");
        }
        return new Note(whole.substring(0, blank + 1), List.copyOf(signatures));
    }

    private static Signature signature(String line) throws LogException {
        String[] parts = line.split(" ", 3);
        if (parts.length != 3 || !parts[0].equals("\u2014") || parts[1].isEmpty()) {
            throw new LogException("not a signed note");
        }
        try {
            byte[] blob = Framing.fromB64(parts[2]);
            if (blob.length >= 5) {
                return new Signature(parts[1], blob);
            }
        } catch (IllegalArgumentException error) {
            throw new LogException("not a signed note", error);
        }
        throw new LogException("not a signed note");
    }
}
