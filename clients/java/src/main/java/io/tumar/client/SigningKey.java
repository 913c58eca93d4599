package io.tumar.client;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.bouncycastle.asn1.sec.SECObjectIdentifiers;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;
import org.bouncycastle.crypto.params.ECNamedDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.crypto.signers.ECDSASigner;
import org.bouncycastle.crypto.signers.Ed25519Signer;
import org.bouncycastle.crypto.signers.HMacDSAKCalculator;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.math.ec.ECPoint;
import org.bouncycastle.util.BigIntegers;

/**
 * A key that signs: a client's for its proofs, an issuer's, an officer's. EdDSA over Ed25519, or ES256. It is not wiped: its library holds it.
 */
public final class SigningKey {
    private final AsymmetricKeyParameter key;
    private final Map<String, String> jwk;

    private SigningKey(AsymmetricKeyParameter key) {
        this.key = key;
        this.jwk = Collections.unmodifiableMap(jwk(key));
    }

    /** A fresh Ed25519 key. */
    public static SigningKey generate() {
        return new SigningKey(new Ed25519PrivateKeyParameters(new SecureRandom()));
    }

    /** From a file: PKCS#8, DER or PEM, without a password. InputException for anything else. */
    public static SigningKey read(Path path) {
        byte[] file;
        try {
            file = Files.readAllBytes(path);
        } catch (IOException error) {
            throw new InputException(path + ": " + error.getMessage(), error);
        }
        try {
            return of(file);
        } catch (InputException error) {
            throw new InputException(path + ": " + error.getMessage(), error);
        } finally {
            Arrays.fill(file, (byte) 0);
        }
    }

    /** The same, of a path in words. */
    public static SigningKey read(String path) {
        return read(Path.of(path));
    }

    /** From PKCS#8, DER or PEM, without a password. InputException for anything else. */
    public static SigningKey of(byte[] pkcs8) {
        String text = new String(pkcs8, StandardCharsets.ISO_8859_1);
        try {
            byte[] der = text.contains("-----BEGIN") ? fromPem(text) : pkcs8;
            AsymmetricKeyParameter key = PrivateKeyFactory.createKey(der);
            if (key instanceof Ed25519PrivateKeyParameters || isP256(key)) {
                return new SigningKey(key);
            }
        } catch (IOException | RuntimeException error) {
            throw new InputException("not a private key in PKCS#8, without a password", error);
        }
        throw new InputException("not an Ed25519 or P-256 private key");
    }

    private static byte[] fromPem(String text) {
        String begin = "-----BEGIN PRIVATE KEY-----";
        int from = text.indexOf(begin);
        int to = text.indexOf("-----END PRIVATE KEY-----");
        if (from < 0 || to < from) {
            throw new IllegalArgumentException("no PRIVATE KEY");
        }
        return Base64.getDecoder().decode(text.substring(from + begin.length(), to).replaceAll("\\s", ""));
    }

    private static boolean isP256(AsymmetricKeyParameter key) {
        return key instanceof ECPrivateKeyParameters ec
                && ec.getParameters() instanceof ECNamedDomainParameters named
                && named.getName().equals(SECObjectIdentifiers.secp256r1);
    }

    private static Map<String, String> jwk(AsymmetricKeyParameter key) {
        // Sorted, as the thumbprint wants them.
        Map<String, String> made = new TreeMap<>();
        if (key instanceof Ed25519PrivateKeyParameters ed) {
            made.putAll(Map.of("crv", "Ed25519", "kty", "OKP", "x", Framing.b64u(ed.generatePublicKey().getEncoded())));
        } else {
            ECPrivateKeyParameters ec = (ECPrivateKeyParameters) key;
            ECPoint point = ec.getParameters().getG().multiply(ec.getD()).normalize();
            made.putAll(Map.of("crv", "P-256", "kty", "EC"));
            made.put("x", Framing.b64u(point.getAffineXCoord().getEncoded()));
            made.put("y", Framing.b64u(point.getAffineYCoord().getEncoded()));
        }
        return made;
    }

    /** {@code EdDSA} or {@code ES256}. */
    public String algorithm() {
        return key instanceof Ed25519PrivateKeyParameters ? "EdDSA" : "ES256";
    }

    /** The public key (RFC 7517), and nothing private. */
    public Map<String, String> jwk() {
        return jwk;
    }

    /** RFC 7638, base64url: what a token's {@code cnf.jkt} and a key's {@code kid} name. */
    public String thumbprint() {
        return Framing.b64u(Framing.sha256(Framing.utf8(Json.compact(jwk))));
    }

    /** A compact JWS (RFC 7515); {@code alg} is added to the header. */
    String jws(Map<String, ?> header, Map<String, ?> claims) {
        Map<String, Object> whole = new LinkedHashMap<>(header);
        whole.put("alg", algorithm());
        String text = part(whole) + "." + part(claims);
        return text + "." + Framing.b64u(sign(text.getBytes(StandardCharsets.US_ASCII)));
    }

    private static String part(Map<String, ?> members) {
        return Framing.b64u(Framing.utf8(Json.compact(members)));
    }

    private byte[] sign(byte[] message) {
        if (key instanceof Ed25519PrivateKeyParameters) {
            Ed25519Signer signer = new Ed25519Signer();
            signer.init(true, key);
            signer.update(message, 0, message.length);
            return signer.generateSignature();
        }
        ECDSASigner signer = new ECDSASigner(new HMacDSAKCalculator(new SHA256Digest()));
        signer.init(true, key);
        BigInteger[] pair = signer.generateSignature(Framing.sha256(message));
        byte[] signature = new byte[64];
        BigIntegers.asUnsignedByteArray(pair[0], signature, 0, 32);
        BigIntegers.asUnsignedByteArray(pair[1], signature, 32, 32);
        return signature;
    }

    @Override
    public String toString() {
        return "SigningKey(" + algorithm() + " " + thumbprint() + ")";
    }
}
