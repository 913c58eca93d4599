package io.tumar.client;

import java.util.Arrays;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.hpke.HPKE;
import org.bouncycastle.crypto.hpke.HPKEContextWithEncapsulation;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;

/** A node's X-Wing public key: 1184 bytes of ML-KEM-768, then 32 of X25519. */
public final class EnvelopeKey {
    static final String SUITE_NAME = "hpke-base+x-wing+hkdf-sha256+aes-256-gcm";
    private static final int MLKEM_COEFFICIENTS = 1152;
    private static final int LENGTH = 1216;
    private static final int PRIME = 3329;

    private final byte[] id;
    private final AsymmetricKeyParameter key;

    private EnvelopeKey(byte[] id, AsymmetricKeyParameter key) {
        this.id = id;
        this.key = key;
    }

    /** InputException for what is no such key. */
    public static EnvelopeKey of(byte[] publicKey) {
        if (publicKey.length != LENGTH || !isReduced(publicKey)) {
            throw new InputException("not an X-Wing public key of " + LENGTH + " bytes");
        }
        byte[] id = Arrays.copyOf(Framing.sha256(publicKey), 8);
        return new EnvelopeKey(id, suite().deserializePublicKey(publicKey));
    }

    /** FIPS 203, 7.2: every coefficient of 12 bits is below the prime. */
    private static boolean isReduced(byte[] publicKey) {
        for (int place = 0; place < MLKEM_COEFFICIENTS; place += 3) {
            int three = publicKey[place] & 255 | (publicKey[place + 1] & 255) << 8 | (publicKey[place + 2] & 255) << 16;
            if ((three & 4095) >= PRIME || three >>> 12 >= PRIME) {
                return false;
            }
        }
        return true;
    }

    /** RFC 9180: base mode, X-Wing (0x647a), HKDF-SHA256, AES-256-GCM. It has a state, so each use has its own. */
    static HPKE suite() {
        return new HPKE(HPKE.mode_base, HPKE.kem_X_WING, HPKE.kdf_HKDF_SHA256, HPKE.aead_AES_GCM256);
    }

    /** The first 8 bytes of the key's SHA-256. */
    public byte[] id() {
        return id.clone();
    }

    /** Key id, X-Wing ciphertext (1120), AES-256-GCM ciphertext and tag. The plaintext is the caller's to wipe. */
    public byte[] seal(byte[] plaintext, byte[] info) {
        HPKEContextWithEncapsulation context = suite().setupBaseS(key, info);
        byte[] encapsulated = context.getEncapsulation();
        byte[] sealed;
        try {
            sealed = context.seal(new byte[0], plaintext);
        } catch (InvalidCipherTextException error) {
            throw new IllegalStateException("sealing never fails", error);
        }
        byte[] whole = Arrays.copyOf(id, id.length + encapsulated.length + sealed.length);
        System.arraycopy(encapsulated, 0, whole, id.length, encapsulated.length);
        System.arraycopy(sealed, 0, whole, id.length + encapsulated.length, sealed.length);
        return whole;
    }
}
