package io.tumar.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/** A node refused, and says why: match on {@link #reason}. */
public final class Refusal extends TumarException {
    private static final long serialVersionUID = 1;
    private final String code;
    private final Status.Code status;
    private final String node;
    private final String field;
    private final Duration retryAfter;

    Refusal(String code, Status status, String node, String field, Duration retryAfter) {
        super(code + in(node == null ? null : "node " + node) + in(field) + ": " + status.getDescription(), null);
        this.code = code;
        this.status = status.getCode();
        this.node = node;
        this.field = field;
        this.retryAfter = retryAfter;
    }

    private static String in(String place) {
        return place == null ? "" : " (" + place + ")";
    }

    /** Why, by a word that keeps its meaning. */
    public Reason reason() {
        return Reason.of(code);
    }

    /** The reason as it came. */
    public String code() {
        return code;
    }

    /** The gRPC status. */
    public Status.Code status() {
        return status;
    }

    /** Which node refused, by the leader's account: A, B or C. */
    public Optional<String> node() {
        return Optional.ofNullable(node);
    }

    /** The field of the request, or the claim of the token or proof, that is at fault. */
    public Optional<String> field() {
        return Optional.ofNullable(field);
    }

    /** After how long it is worth trying again. */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }
}
