package io.tumar.client;

import java.util.Locale;
import java.util.Optional;

/** The nodes are not those that are pinned. */
public final class CommitteeNotTrusted extends NotTrusted {
    private static final long serialVersionUID = 1;

    /** What is wrong with who the nodes say they are. */
    public enum Fault {
        /** Another deployment. */
        DEPLOYMENT,
        /** Not three nodes. */
        NODES,
        /** Another party or identity than the pinned one, or not signed by it. */
        SIGNATURE,
        /** Another log key than the pinned one. */
        LOG_KEY,
        /** Another suite of envelopes. */
        SUITE,
        /** Not the same policy and models at all three. */
        CONTEXT,
        /** The first envelope key is missing, or is none, or has another id. */
        ENVELOPE_KEY,
        /** A model without a name, or of a modality or encoding that is not known. */
        MODEL;

        /** In lower case, as the conformance vectors have it. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Fault fault;
    private final Party party;

    CommitteeNotTrusted(Fault fault, Party party, Throwable cause) {
        super("committee not trusted: " + fault.word() + of(party), cause);
        this.fault = fault;
        this.party = party;
    }

    CommitteeNotTrusted(Fault fault, Party party) {
        this(fault, party, null);
    }

    /** What is wrong. */
    public Fault fault() {
        return fault;
    }

    /** At which node, where it is one's. */
    public Optional<Party> party() {
        return Optional.ofNullable(party);
    }
}
