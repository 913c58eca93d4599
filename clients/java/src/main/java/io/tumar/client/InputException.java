package io.tumar.client;

/** What the caller brought makes no request; nothing was sent. */
public class InputException extends TumarException {
    private static final long serialVersionUID = 1;

    InputException(String message) {
        super(message, null);
    }

    InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
