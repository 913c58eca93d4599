package io.tumar.client;

import java.util.Optional;

/** What came of a request, by the word that the nodes sign. */
public enum Outcome {
    /** The opened bit was 1. */
    MATCH("match"),
    /** The opened bit was 0. */
    NO_MATCH("no_match"),
    /** The references stand. */
    ENROLLED("enrolled"),
    /** The record key is destroyed. */
    ERASED("erased"),
    /** The person is locked. */
    LOCKED("locked"),
    /** The person is no longer locked. */
    UNLOCKED("unlocked"),
    /** The gallery was searched. */
    SEARCHED("searched"),
    /** The entry stands in the log. No call of this client ends so. */
    LOGGED("logged"),
    /** Of an erasure: this node held nothing of the person, and another did. */
    HAD_NONE("had_none");

    private final String word;

    Outcome(String word) {
        this.word = word;
    }

    /** As it is signed. */
    public String word() {
        return word;
    }

    /** By the number that protobuf has for it, from 1. */
    static Optional<Outcome> of(int number) {
        return 1 <= number && number <= values().length ? Optional.of(values()[number - 1]) : Optional.empty();
    }
}
