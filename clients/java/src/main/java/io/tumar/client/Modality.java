package io.tumar.client;

import java.util.Optional;

/** What a template is made from. */
public enum Modality {
    /** A face embedding. */
    FACE("face"),
    /** The minutiae of a fingerprint. */
    FINGER("finger");

    private final String word;

    Modality(String word) {
        this.word = word;
    }

    /** As it is hashed, and as tokens name it. */
    public String word() {
        return word;
    }

    /** The number that protobuf has for it. */
    int number() {
        return ordinal() + 1;
    }

    static Optional<Modality> of(int number) {
        return 1 <= number && number <= values().length ? Optional.of(values()[number - 1]) : Optional.empty();
    }
}
