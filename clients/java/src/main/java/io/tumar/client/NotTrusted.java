package io.tumar.client;

/** What came back does not hold against the pinned keys. Nothing of it is to be believed. */
public abstract class NotTrusted extends TumarException {
    private static final long serialVersionUID = 1;

    NotTrusted(String message, Throwable cause) {
        super(message, cause);
    }

    static String of(Party party) {
        return party == null ? "" : " of node " + party;
    }
}
