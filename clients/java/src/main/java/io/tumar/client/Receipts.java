package io.tumar.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import tumar.v1.ReceiptOuterClass;

/** Three receipts, of A, B and C, that were checked against pinned keys and against one request. */
public final class Receipts implements Iterable<Receipt> {
    private final List<Receipt> all;

    private Receipts(List<Receipt> all) {
        this.all = List.copyOf(all);
    }

    /** ReceiptNotTrusted: the first fault that is found. */
    public static Receipts check(List<ReceiptOuterClass.Receipt> receipts, Prepared prepared, ClientConfig config) {
        if (receipts.size() != Party.values().length) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.COUNT, null);
        }
        List<Receipt> parsed = new ArrayList<>();
        for (Party party : Party.values()) {
            parsed.add(Receipt.parse(party, receipts.get(party.ordinal())));
        }
        return of(parsed, prepared.transcript(), prepared.call().outcomes(), config.nodes(), config.deployment());
    }

    /** The same, of receipts that came in another form. */
    static Receipts of(List<Receipt> receipts, byte[] transcript, Set<Outcome> outcomes, List<NodePin> pins, String deployment) {
        Receipt first = receipts.get(0);
        for (NodePin pin : pins) {
            Receipt receipt = receipts.get(pin.party().ordinal());
            receipt.verify(pin, deployment);
            if (!Arrays.equals(receipt.transcript(), transcript)) {
                throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.OTHER_REQUEST, pin.party());
            }
            if (!outcomes.contains(receipt.outcome()) || meant(receipt) != meant(first)) {
                throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.OUTCOME, pin.party());
            }
            boolean isThere = receipt.found().length > 0;
            if (!Arrays.equals(receipt.found(), first.found()) || isThere != (first.outcome() == Outcome.SEARCHED)) {
                throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.FOUND, pin.party());
            }
        }
        if (receipts.stream().allMatch(receipt -> receipt.outcome() == Outcome.HAD_NONE)) {
            throw new ReceiptNotTrusted(ReceiptNotTrusted.Fault.OUTCOME, Party.A);
        }
        return new Receipts(receipts);
    }

    /** An erasure is made where there is anything, and a node that had lost the person says so. */
    private static Outcome meant(Receipt receipt) {
        return receipt.outcome() == Outcome.HAD_NONE ? Outcome.ERASED : receipt.outcome();
    }

    /** What receipts of a search sign of its result. */
    static byte[] foundDigest(List<String> candidates, boolean truncated) {
        List<byte[]> fields = new ArrayList<>();
        fields.add(Framing.utf8("tumar found v1"));
        fields.add(new byte[] {(byte) (truncated ? 1 : 0)});
        candidates.forEach(candidate -> fields.add(Framing.utf8(candidate)));
        return Framing.sha256(Framing.framed(fields));
    }

    /** What all three signed; {@link Outcome#ERASED} of an erasure, and each receipt says for itself what its node had. */
    public Outcome outcome() {
        return meant(all.get(0));
    }

    /** One node's. */
    public Receipt of(Party party) {
        return all.get(party.ordinal());
    }

    @Override
    public Iterator<Receipt> iterator() {
        return all.iterator();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Receipts receipts && all.equals(receipts.all);
    }

    @Override
    public int hashCode() {
        return all.hashCode();
    }

    @Override
    public String toString() {
        return "Receipts(" + outcome().word() + ")";
    }
}
