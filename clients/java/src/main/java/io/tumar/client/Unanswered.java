package io.tumar.client;

import io.grpc.Status;

/**
 * Nobody answered, or somebody did who is no node: whether anything was done is not known. Send the same {@link Prepared} again.
 */
public final class Unanswered extends TumarException {
    private static final long serialVersionUID = 1;
    private final Status.Code status;

    Unanswered(Status status, Throwable cause) {
        super("the call ended without an answer (" + status.getCode() + "): " + status.getDescription(), cause);
        this.status = status.getCode();
    }

    /** The gRPC status. */
    public Status.Code status() {
        return status;
    }
}
