package io.tumar.client;

import java.util.Arrays;

/** A log's name and Ed25519 key, {@code NAME+HASH+BASE64} (C2SP signed-note). */
public final class VerifierKey {
    private static final byte[] ED25519 = {1};
    private final String name;
    private final byte[] key;

    VerifierKey(String name, byte[] key) {
        this.name = name;
        this.key = key;
    }

    /** InputException for what does not print back as it came. */
    public static VerifierKey parse(String text) {
        String[] parts = text.split("\\+", 3);
        try {
            byte[] material = parts.length == 3 ? Framing.fromB64(parts[2]) : new byte[0];
            if (material.length == 33) {
                VerifierKey made = new VerifierKey(parts[0], Arrays.copyOfRange(material, 1, 33));
                if (!parts[0].isEmpty() && made.toString().equals(text)) {
                    return made;
                }
            }
        } catch (IllegalArgumentException error) {
            throw new InputException("not a verifier key: " + text, error);
        }
        throw new InputException("not a verifier key: " + text);
    }

    String name() {
        return name;
    }

    /** The same key under another name: a half-year's checkpoints are signed so. */
    VerifierKey named(String other) {
        return new VerifierKey(other, key);
    }

    /** The first 4 bytes of the hash over name and key. */
    private byte[] id() {
        return Arrays.copyOf(Framing.sha256(Framing.utf8(name + "\n"), ED25519, key), 4);
    }

    /** The text of a note that this key signed, with its last line end. Signatures by others are not looked at. */
    String open(Note note) throws LogException {
        boolean signed = false;
        for (Note.Signature signature : note.signatures()) {
            byte[] blob = signature.blob();
            if (!signature.name().equals(name) || !Arrays.equals(Arrays.copyOf(blob, 4), id())) {
                continue;
            }
            if (!Ed25519.isSigned(key, Arrays.copyOfRange(blob, 4, blob.length), Framing.utf8(note.text()))) {
                throw new LogException("a signature is not by the key it names");
            }
            signed = true;
        }
        if (!signed) {
            throw new LogException("the note is not signed by this key");
        }
        return note.text();
    }

    /** As it is pinned. */
    @Override
    public String toString() {
        byte[] material = new byte[33];
        material[0] = ED25519[0];
        System.arraycopy(key, 0, material, 1, 32);
        return name + "+" + Framing.hex(id()) + "+" + Framing.b64(material);
    }
}
