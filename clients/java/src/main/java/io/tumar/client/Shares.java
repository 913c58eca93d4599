package io.tumar.client;

import java.security.SecureRandom;
import java.util.Arrays;

/**
 * A template in three parts, of which any one is noise, and any two tell all. Each node is sent its own summand and the next node's.
 * {@link #close} overwrites them.
 */
public final class Shares implements AutoCloseable {
    private static final SecureRandom RANDOM = new SecureRandom();
    private final byte[][] plaintexts;

    private Shares(byte[]... plaintexts) {
        this.plaintexts = plaintexts;
    }

    /** Splits a template, which stays as it is. */
    public static Shares split(Template template) {
        byte[] masks = new byte[template.rows() * template.columns()];
        RANDOM.nextBytes(masks);
        try {
            return split(template, masks);
        } finally {
            Arrays.fill(masks, (byte) 0);
        }
    }

    /** The same by given masks: as many fresh random bytes as the template has components, the summands of A and of B. */
    public static Shares split(Template template, byte[] masks) {
        byte[] c = template.pack();
        int half = c.length;
        if (masks.length != 2 * half) {
            Arrays.fill(c, (byte) 0);
            throw new InputException(2 * half + " bytes of masks are due, not " + masks.length);
        }
        byte[] a = Arrays.copyOf(masks, half);
        byte[] b = Arrays.copyOfRange(masks, half, 2 * half);
        for (int place = 0; place < half; place++) {
            c[place] ^= (byte) (a[place] ^ b[place]);
        }
        Shares made = new Shares(pair(a, b), pair(b, c), pair(c, a));
        Arrays.fill(a, (byte) 0);
        Arrays.fill(b, (byte) 0);
        Arrays.fill(c, (byte) 0);
        return made;
    }

    private static byte[] pair(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    /** What is sealed to one node; not a copy. */
    public byte[] of(Party party) {
        return plaintexts[party.ordinal()];
    }

    /** Overwrites all three. */
    @Override
    public void close() {
        for (byte[] plaintext : plaintexts) {
            Arrays.fill(plaintext, (byte) 0);
        }
    }
}
