package io.tumar.client;

import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** How large a log is, and its root at that size. */
record Checkpoint(String origin, long size, byte[] root) {
    private static final int LONGEST_PATH = 64;
    private static final Pattern HALF = Pattern.compile("(19[7-9][0-9]|[2-9][0-9]{3})h[12]");
    private static final Pattern SIZE = Pattern.compile("0|[1-9][0-9]{0,18}");
    private static final byte[] INNER = {1};

    /** Of some half-year of the log with this key. The key's name has no half-year; origin and signature do. */
    static Checkpoint open(String whole, VerifierKey key) throws LogException {
        Note note = Note.parse(whole);
        String origin = note.text().substring(0, note.text().indexOf('\n'));
        int slash = origin.lastIndexOf('/');
        if (slash < 0 || !origin.substring(0, slash).equals(key.name()) || !HALF.matcher(origin.substring(slash + 1)).matches()) {
            throw new LogException("a checkpoint of another log");
        }
        return parse(key.named(origin).open(note));
    }

    /** Three lines and no more. */
    private static Checkpoint parse(String text) throws LogException {
        String[] lines = text.split("\n", -1);
        if (lines.length != 4 || !lines[3].isEmpty() || lines[0].isEmpty() || !SIZE.matcher(lines[1]).matches()) {
            throw new LogException("not a checkpoint");
        }
        try {
            byte[] root = Framing.fromB64(lines[2]);
            if (root.length == 32) {
                return new Checkpoint(lines[0], Long.parseUnsignedLong(lines[1]), root);
            }
        } catch (IllegalArgumentException error) {
            throw new LogException("not a checkpoint", error);
        }
        throw new LogException("not a checkpoint");
    }

    /** Whether a leaf's hash leads to the root by its path, lowest hash first (RFC 9162, section 2.1.3.2). Numbers are unsigned. */
    void verifyInclusion(byte[] leaf, long index, List<byte[]> path) throws LogException {
        if (Long.compareUnsigned(index, size) >= 0 || path.size() > LONGEST_PATH) {
            throw new LogException("an index beyond the tree, or a path longer than any");
        }
        long node = index;
        long last = size - 1;
        byte[] computed = leaf;
        for (byte[] sibling : path) {
            if (last == 0) {
                throw new LogException("the path is too long");
            }
            if ((node & 1) == 1 || node == last) {
                computed = Framing.sha256(INNER, sibling, computed);
                while ((node & 1) == 0 && node != 0) {
                    node >>>= 1;
                    last >>>= 1;
                }
            } else {
                computed = Framing.sha256(INNER, computed, sibling);
            }
            node >>>= 1;
            last >>>= 1;
        }
        if (last != 0) {
            throw new LogException("the path is too short");
        }
        if (!Arrays.equals(computed, root)) {
            throw new LogException("the path leads to another root");
        }
    }
}
