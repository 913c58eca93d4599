package io.tumar.client;

/**
 * One node's public keys, as they are pinned.
 *
 * @param party whose
 * @param identity Ed25519, 32 bytes, as 64 digits of lower-case hexadecimal
 * @param logKey of the node's access log
 */
public record NodePin(Party party, String identity, VerifierKey logKey) {
    /** InputException for what is no key. */
    public NodePin {
        try {
            Framing.fromHex(identity, 32);
        } catch (IllegalArgumentException error) {
            throw new InputException("node " + party + ": identity: " + error.getMessage(), error);
        }
    }

    byte[] identityKey() {
        return Framing.fromHex(identity, 32);
    }
}
