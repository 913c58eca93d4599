package io.tumar.client;

/** One of the three operators. */
public enum Party {
    /** The leader, whom clients call. */
    A,
    /** A helper. */
    B,
    /** A helper. */
    C;

    /** The number that protobuf has for it, from 1. */
    int number() {
        return ordinal() + 1;
    }

    /** The letter as it is hashed. */
    byte[] letter() {
        return Framing.utf8(name());
    }
}
