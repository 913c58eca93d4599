package io.tumar.client;

import java.util.UUID;

/**
 * What an envelope is for: sealed for one, it opens for no other.
 *
 * @param deployment name of the installation
 * @param relyingParty the bank
 * @param client the {@code client_id} of the token
 * @param path of the call, with its leading slash
 * @param purpose the token's
 * @param requestId the request's
 * @param gallery where the person is
 * @param subject who; empty in a search
 * @param modality of the sample
 * @param model of the sample
 * @param amountKzt whole tenge; 0 but in a verification
 * @param captureMinute Unix time of the capture in whole minutes
 */
public record Binding(
        String deployment,
        String relyingParty,
        String client,
        String path,
        String purpose,
        UUID requestId,
        String gallery,
        String subject,
        Modality modality,
        String model,
        long amountKzt,
        int captureMinute) {
    /** HPKE's {@code info} for the envelope to this node's key. */
    public byte[] info(Party party, byte[] keyId) {
        return Framing.framed(
                Framing.utf8("tumar envelope v2"), party.letter(), keyId, Framing.utf8(deployment), Framing.utf8(relyingParty),
                Framing.utf8(client), Framing.utf8(path), Framing.utf8(purpose), bytes(requestId), Framing.utf8(gallery),
                Framing.utf8(subject), Framing.utf8(modality.word()), Framing.utf8(model), Framing.u64(amountKzt),
                Framing.u32(captureMinute));
    }

    static byte[] bytes(UUID id) {
        byte[] whole = new byte[16];
        System.arraycopy(Framing.u64(id.getMostSignificantBits()), 0, whole, 0, 8);
        System.arraycopy(Framing.u64(id.getLeastSignificantBits()), 0, whole, 8, 8);
        return whole;
    }
}
