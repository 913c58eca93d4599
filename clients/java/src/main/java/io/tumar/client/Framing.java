package io.tumar.client;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/** Bytes as all sides agree on them: framed fields, numbers, hexadecimal, base64. */
final class Framing {
    private static final HexFormat HEX = HexFormat.of();

    private Framing() {}

    /** Each field behind its length in 8 bytes, big-endian: two different lists never give one string. */
    static byte[] framed(List<byte[]> fields) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        for (byte[] field : fields) {
            whole.writeBytes(u64(field.length));
            whole.writeBytes(field);
        }
        return whole.toByteArray();
    }

    static byte[] framed(byte[]... fields) {
        return framed(List.of(fields));
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] u32(int number) {
        return ByteBuffer.allocate(4).putInt(number).array();
    }

    static byte[] u64(long number) {
        return ByteBuffer.allocate(8).putLong(number).array();
    }

    static byte[] sha256(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : parts) {
                digest.update(part);
            }
            return digest.digest();
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Java has SHA-256", error);
        }
    }

    /** Base64url without padding (RFC 4648, section 5). */
    static String b64u(byte[] data) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(data);
    }

    static String b64(byte[] data) {
        return Base64.getEncoder().encodeToString(data);
    }

    /** Standard base64, and the one text of these bytes. IllegalArgumentException for anything else. */
    static byte[] fromB64(String text) {
        byte[] data = Base64.getDecoder().decode(text);
        if (!b64(data).equals(text)) {
            throw new IllegalArgumentException("not the one base64 of these bytes");
        }
        return data;
    }

    static String hex(byte[] data) {
        return HEX.formatHex(data);
    }

    /** Lower-case hexadecimal of so many bytes. IllegalArgumentException for anything else. */
    static byte[] fromHex(String text, int length) {
        if (text.length() != 2 * length || !text.equals(text.toLowerCase(Locale.ROOT))) {
            throw new IllegalArgumentException("not " + 2 * length + " digits of lower-case hex");
        }
        return HEX.parseHex(text);
    }
}
