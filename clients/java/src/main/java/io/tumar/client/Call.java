package io.tumar.client;

import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoUtils;
import java.util.Optional;
import java.util.Set;
import tumar.v1.Matching;

/** What can be asked of the nodes. */
public enum Call {
    /** Takes a person in. */
    ENROLL("EnrollSubject", Matching.EnrollSubjectRequest.getDefaultInstance(), Matching.EnrollSubjectResponse.getDefaultInstance(),
            Outcome.ENROLLED),
    /** Compares probes with a person's references. */
    VERIFY("VerifySubject", Matching.VerifySubjectRequest.getDefaultInstance(), Matching.VerifySubjectResponse.getDefaultInstance(),
            Outcome.MATCH, Outcome.NO_MATCH),
    /** Destroys a person's references. */
    ERASE("EraseSubject", Matching.EraseSubjectRequest.getDefaultInstance(), Matching.EraseSubjectResponse.getDefaultInstance(),
            Outcome.ERASED, Outcome.HAD_NONE),
    /** Stops every use of a person. */
    LOCK("LockSubject", Matching.LockSubjectRequest.getDefaultInstance(), Matching.LockSubjectResponse.getDefaultInstance(),
            Outcome.LOCKED),
    /** Ends a lock. */
    UNLOCK("UnlockSubject", Matching.UnlockSubjectRequest.getDefaultInstance(), Matching.UnlockSubjectResponse.getDefaultInstance(),
            Outcome.UNLOCKED),
    /** Compares a probe with everybody in a gallery. */
    SEARCH("SearchGallery", Matching.SearchGalleryRequest.getDefaultInstance(), Matching.SearchGalleryResponse.getDefaultInstance(),
            Outcome.SEARCHED);

    static final String SERVICE = "tumar.v1.MatchingService";

    private final String method;
    private final Message request;
    private final Message answer;
    private final Set<Outcome> outcomes;

    Call(String method, Message request, Message answer, Outcome... outcomes) {
        this.method = method;
        this.request = request;
        this.answer = answer;
        this.outcomes = Set.of(outcomes);
    }

    /** As the service has it, {@code VerifySubject}. */
    public String method() {
        return method;
    }

    /** The gRPC path, with its leading slash. */
    public String path() {
        return "/" + SERVICE + "/" + method;
    }

    /** By the service's name for it. */
    static Optional<Call> of(String method) {
        for (Call call : values()) {
            if (call.method.equals(method)) {
                return Optional.of(call);
            }
        }
        return Optional.empty();
    }

    Message request() {
        return request;
    }

    /** Those that an answer may have. */
    Set<Outcome> outcomes() {
        return outcomes;
    }

    MethodDescriptor<Message, Message> descriptor() {
        return MethodDescriptor.<Message, Message>newBuilder()
                .setType(this == SEARCH ? MethodDescriptor.MethodType.SERVER_STREAMING : MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, method))
                .setRequestMarshaller(ProtoUtils.marshaller(request))
                .setResponseMarshaller(ProtoUtils.marshaller(answer))
                .build();
    }
}
