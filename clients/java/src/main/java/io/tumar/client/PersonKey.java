package io.tumar.client;

import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.params.HKDFParameters;

/**
 * The person's own key, drawn at enrolment: it finds their entries in all three access logs, and nobody else's.
 *
 * <p>It is for the person, and kept by nobody else. {@link #close} overwrites it; the text that {@link #toText} gives can not be overwritten.
 */
public final class PersonKey implements AutoCloseable {
    private static final int LENGTH = 32;
    private final byte[] key;
    private boolean wiped;

    private PersonKey(byte[] key) {
        this.key = key;
    }

    /** Draws one. */
    public static PersonKey draw() {
        byte[] key = new byte[LENGTH];
        new SecureRandom().nextBytes(key);
        return new PersonKey(key);
    }

    /** From 32 bytes, which are copied. */
    public static PersonKey of(byte[] key) {
        if (key.length != LENGTH) {
            throw new InputException("a person's key has 32 bytes");
        }
        return new PersonKey(key.clone());
    }

    /** From 64 digits of lower-case hexadecimal; white space around them does not matter. */
    public static PersonKey parse(String text) {
        try {
            return new PersonKey(Framing.fromHex(text.strip(), LENGTH));
        } catch (IllegalArgumentException error) {
            throw new InputException("a person's key is 64 digits of lower-case hex", error);
        }
    }

    /** 64 digits of lower-case hexadecimal, for the person to keep. */
    public String toText() {
        return Framing.hex(key());
    }

    /** What one node blinds its entries about the person with: HKDF-SHA256 without salt, 32 bytes. The caller wipes it. */
    public byte[] forNode(Party party) {
        HKDFBytesGenerator hkdf = new HKDFBytesGenerator(new SHA256Digest());
        hkdf.init(new HKDFParameters(key(), null, Framing.utf8("tumar subject key v1" + party)));
        byte[] made = new byte[LENGTH];
        hkdf.generateBytes(made, 0, LENGTH);
        return made;
    }

    /** What stands in the log of this node in its entry of this number about the person, from 0. */
    public byte[] handle(Party party, long counter) {
        byte[] own = forNode(party);
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(own, "HmacSHA256"));
            return mac.doFinal(Framing.u64(counter));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("every Java has HMAC-SHA256", error);
        } finally {
            Arrays.fill(own, (byte) 0);
        }
    }

    private byte[] key() {
        if (wiped) {
            throw new IllegalStateException("the person's key was wiped");
        }
        return key;
    }

    /** Overwrites the key. It can not be used after that. */
    @Override
    public void close() {
        Arrays.fill(key, (byte) 0);
        wiped = true;
    }

    @Override
    public String toString() {
        return "PersonKey(..)";
    }
}
