package io.tumar.client;

import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.crypto.signers.Ed25519Signer;

/** Signatures over bytes. */
final class Ed25519 {
    private Ed25519() {}

    /** Whether a signature is this key's over the message. What is no key has signed nothing. */
    static boolean isSigned(byte[] publicKey, byte[] signature, byte[] message) {
        if (publicKey.length != Ed25519PublicKeyParameters.KEY_SIZE) {
            return false;
        }
        Ed25519Signer signer = new Ed25519Signer();
        try {
            signer.init(false, new Ed25519PublicKeyParameters(publicKey));
        } catch (IllegalArgumentException error) {
            return false;
        }
        signer.update(message, 0, message.length);
        return signer.verifySignature(signature);
    }
}
