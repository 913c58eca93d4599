package io.tumar.client;

/** A record is none, or no template can be made of it: capture again. */
public final class FingerException extends InputException {
    private static final long serialVersionUID = 1;
    private final String reason;

    FingerException(String reason, String message) {
        super(message);
        this.reason = reason;
    }

    /** Stable, as Tumar's own tools have it: {@code RECORD_LENGTH}, {@code FINGER_REPEATS}, ... */
    public String reason() {
        return reason;
    }
}
