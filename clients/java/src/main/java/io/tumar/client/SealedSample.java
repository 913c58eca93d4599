package io.tumar.client;

import java.util.Arrays;
import java.util.List;

/** Three envelopes of one template, each of which opens at one node. */
public final class SealedSample {
    private final List<byte[]> envelopes;

    private SealedSample(byte[]... envelopes) {
        this.envelopes = List.of(envelopes);
    }

    /** Splits a template and seals the parts to the keys of A, B and C, in this order. */
    public static SealedSample seal(Template template, List<EnvelopeKey> keys, Binding binding) {
        return seal(template, keys, binding, null);
    }

    /** The same of the first sample of an enrolment, and of no other: each node is sent its key for the person's log entries as well. */
    public static SealedSample seal(Template template, List<EnvelopeKey> keys, Binding binding, PersonKey person) {
        byte[][] envelopes = new byte[Party.values().length][];
        try (Shares shares = Shares.split(template)) {
            for (Party party : Party.values()) {
                EnvelopeKey key = keys.get(party.ordinal());
                byte[] plaintext = person == null ? shares.of(party) : joined(shares.of(party), person.forNode(party));
                try {
                    envelopes[party.ordinal()] = key.seal(plaintext, binding.info(party, key.id()));
                } finally {
                    Arrays.fill(plaintext, (byte) 0);
                }
            }
        }
        return new SealedSample(envelopes);
    }

    private static byte[] joined(byte[] share, byte[] subjectKey) {
        byte[] both = Arrays.copyOf(share, share.length + subjectKey.length);
        System.arraycopy(subjectKey, 0, both, share.length, subjectKey.length);
        Arrays.fill(subjectKey, (byte) 0);
        return both;
    }

    /** The envelope to one node. */
    public byte[] of(Party party) {
        return envelopes.get(party.ordinal()).clone();
    }
}
