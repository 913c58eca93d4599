package io.tumar.client;

/** Not what a node's log signed, or not in it. Does not leave the package: what is told is a {@link ReceiptNotTrusted}. */
final class LogException extends Exception {
    private static final long serialVersionUID = 1;

    LogException(String message) {
        super(message);
    }

    LogException(String message, Throwable cause) {
        super(message, cause);
    }
}
