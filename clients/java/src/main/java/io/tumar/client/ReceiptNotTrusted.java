package io.tumar.client;

import java.util.Locale;
import java.util.Optional;

/** The receipts do not show what the answer says. */
public final class ReceiptNotTrusted extends NotTrusted {
    private static final long serialVersionUID = 1;

    /** What is wrong with receipts. */
    public enum Fault {
        /** Not one of each node, in order. */
        COUNT,
        /** A hash or signature of another length, or an outcome without a word. */
        FORM,
        /** Not signed by the pinned identity key. */
        SIGNATURE,
        /** The checkpoint is none of the node's log. */
        CHECKPOINT,
        /** The entry is not shown to stand in the log. */
        INCLUSION,
        /** Of another request. */
        OTHER_REQUEST,
        /** An outcome that is not the call's, or not the same at all three. */
        OUTCOME,
        /** The result of a search is there and should not be, or the other way round, or is not the same at all three. */
        FOUND,
        /** The answer says something else than what is signed. */
        DECISION;

        /** In lower case, as the conformance vectors have it. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Fault fault;
    private final Party party;

    ReceiptNotTrusted(Fault fault, Party party, Throwable cause) {
        super("receipt not trusted: " + fault.word() + of(party), cause);
        this.fault = fault;
        this.party = party;
    }

    ReceiptNotTrusted(Fault fault, Party party) {
        this(fault, party, null);
    }

    /** What is wrong. */
    public Fault fault() {
        return fault;
    }

    /** Of which node, where it is one's. */
    public Optional<Party> party() {
        return Optional.ofNullable(party);
    }
}
