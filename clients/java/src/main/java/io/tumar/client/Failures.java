package io.tumar.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;

/** What a failed call says. */
final class Failures {
    private static final String DOMAIN = "tumar.v1";

    private Failures() {}

    /** A refusal where the status has a node's {@code ErrorInfo}; {@link Unanswered} where it has none. */
    static TumarException of(StatusRuntimeException error) {
        ErrorInfo info = null;
        Duration retryAfter = null;
        try {
            com.google.rpc.Status details = StatusProto.fromThrowable(error);
            for (Any detail : details == null ? List.<Any>of() : details.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    info = detail.unpack(ErrorInfo.class);
                } else if (detail.is(RetryInfo.class)) {
                    RetryInfo retry = detail.unpack(RetryInfo.class);
                    retryAfter = Duration.ofSeconds(retry.getRetryDelay().getSeconds(), retry.getRetryDelay().getNanos());
                }
            }
        } catch (InvalidProtocolBufferException | IllegalArgumentException malformed) {
            // Details that nobody can read are no node's word.
            return new Unanswered(error.getStatus(), error);
        }
        if (info == null || !info.getDomain().equals(DOMAIN)) {
            return new Unanswered(error.getStatus(), error);
        }
        String field = info.getMetadataOrDefault("claim", info.getMetadataOrDefault("field", null));
        return new Refusal(info.getReason(), error.getStatus(), info.getMetadataOrDefault("node", null), field, retryAfter);
    }
}
