package io.tumar.client;

import com.google.protobuf.ByteString;
import java.util.List;
import java.util.stream.Stream;
import tumar.v1.ReceiptOuterClass;

/** One node's signed word on a request. */
public final class Receipt {
    private final Party party;
    private final Outcome outcome;
    private final ByteString transcript;
    private final long logIndex;
    private final ByteString leafHash;
    private final List<ByteString> inclusionProof;
    private final String checkpoint;
    private final ByteString signature;
    private final ByteString found;

    /** Of members in their form; nothing is believed yet. */
    Receipt(Party party, Outcome outcome, ReceiptOuterClass.Receipt receipt) {
        this.party = party;
        this.outcome = outcome;
        this.transcript = receipt.getRequestDigest();
        this.logIndex = receipt.getLogIndex();
        this.leafHash = receipt.getLeafHash();
        this.inclusionProof = List.copyOf(receipt.getInclusionProofList());
        this.checkpoint = receipt.getCheckpoint();
        this.signature = receipt.getSignature();
        this.found = receipt.getFoundDigest();
    }

    /** Checks lengths and words; nothing is believed yet. */
    static Receipt parse(Party party, ReceiptOuterClass.Receipt receipt) {
        Stream<ByteString> hashes = Stream.concat(
                Stream.of(receipt.getRequestDigest(), receipt.getLeafHash()), receipt.getInclusionProofList().stream());
        int found = receipt.getFoundDigest().size();
        boolean wellFormed = hashes.allMatch(hash -> hash.size() == 32) && receipt.getSignature().size() == 64
                && (found == 0 || found == 32) && 1 <= receipt.getPartyValue() && receipt.getPartyValue() <= 3;
        Outcome outcome = Outcome.of(receipt.getOutcomeValue()).orElse(null);
        if (!wellFormed || outcome == null) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.FORM, party);
        }
        if (receipt.getPartyValue() != party.number()) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.COUNT, null);
        }
        return new Receipt(party, outcome, receipt);
    }

    /** What is signed: all but the path, which proves itself against the checkpoint. */
    byte[] message(String deployment) {
        return Framing.framed(
                Framing.utf8("tumar receipt v1"), Framing.utf8(deployment), party.letter(), Framing.utf8(outcome.word()), transcript(),
                Framing.u64(logIndex), leafHash(), Framing.sha256(Framing.utf8(checkpoint)), found());
    }

    /** Checks signature, checkpoint and place. */
    void verify(NodePin pin, String deployment) {
        if (!Ed25519.isSigned(pin.identityKey(), signature(), message(deployment))) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.SIGNATURE, party);
        }
        Checkpoint opened;
        try {
            opened = Checkpoint.open(checkpoint, pin.logKey());
        } catch (LogException error) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.CHECKPOINT, party, error);
        }
        try {
            opened.verifyInclusion(leafHash(), logIndex, inclusionProof());
        } catch (LogException error) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.INCLUSION, party, error);
        }
    }

    /** Whose word it is. */
    public Party party() {
        return party;
    }

    /** What came of the request. */
    public Outcome outcome() {
        return outcome;
    }

    /** SHA-256 of the request. */
    public byte[] transcript() {
        return transcript.toByteArray();
    }

    /** Place of the request's admission in the node's log, from 0, unsigned. */
    public long logIndex() {
        return logIndex;
    }

    /** RFC 6962 leaf hash of that entry. */
    public byte[] leafHash() {
        return leafHash.toByteArray();
    }

    /** RFC 6962 audit path to the checkpoint's root, leaf side first. */
    public List<byte[]> inclusionProof() {
        return inclusionProof.stream().map(ByteString::toByteArray).toList();
    }

    /** The log's checkpoint, a C2SP signed note. A careful client keeps it, to ask for consistency later. */
    public String checkpoint() {
        return checkpoint;
    }

    /** Ed25519 by the node's identity key. */
    public byte[] signature() {
        return signature.toByteArray();
    }

    /** Of a search, the digest of its result; empty of other calls. */
    public byte[] found() {
        return found.toByteArray();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Receipt receipt && party == receipt.party && outcome == receipt.outcome
                && transcript.equals(receipt.transcript) && logIndex == receipt.logIndex && leafHash.equals(receipt.leafHash)
                && inclusionProof.equals(receipt.inclusionProof) && checkpoint.equals(receipt.checkpoint)
                && signature.equals(receipt.signature) && found.equals(receipt.found);
    }

    @Override
    public int hashCode() {
        return signature.hashCode();
    }

    @Override
    public String toString() {
        return "Receipt(" + party + " " + outcome.word() + ")";
    }
}
