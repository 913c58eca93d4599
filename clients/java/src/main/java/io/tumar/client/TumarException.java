package io.tumar.client;

/** All that this package throws by itself. */
public abstract class TumarException extends RuntimeException {
    private static final long serialVersionUID = 1;

    TumarException(String message, Throwable cause) {
        super(message, cause);
    }
}
