package io.tumar.client;

import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import tumar.v1.Committee.GetCommitteeRequest;
import tumar.v1.Committee.GetCommitteeResponse;
import tumar.v1.Matching.SearchGalleryResponse;
import tumar.v1.Matching.SearchResult;

/** The connection to the leader: carries messages, believes nothing of them. */
final class Wire implements AutoCloseable {
    private static final int DEADLINE_SECONDS = 10;
    private static final int SEARCH_DEADLINE_SECONDS = 300;
    private static final int LARGEST_ANSWER = 16 * 1024 * 1024;
    private static final Metadata.Key<String> AUTHORIZATION = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> DPOP = Metadata.Key.of("dpop", Metadata.ASCII_STRING_MARSHALLER);
    private static final MethodDescriptor<GetCommitteeRequest, GetCommitteeResponse> GET_COMMITTEE =
            MethodDescriptor.<GetCommitteeRequest, GetCommitteeResponse>newBuilder()
                    .setType(MethodDescriptor.MethodType.UNARY)
                    .setFullMethodName(MethodDescriptor.generateFullMethodName(Call.SERVICE, "GetCommittee"))
                    .setRequestMarshaller(ProtoUtils.marshaller(GetCommitteeRequest.getDefaultInstance()))
                    .setResponseMarshaller(ProtoUtils.marshaller(GetCommitteeResponse.getDefaultInstance()))
                    .build();

    private final ManagedChannel channel;

    /** The pinned certificate is the only root that is believed. */
    Wire(ClientConfig config) {
        int colon = config.address().lastIndexOf(':');
        try {
            ChannelCredentials tls = TlsChannelCredentials.newBuilder()
                    .trustManager(new ByteArrayInputStream(Framing.utf8(config.certificate())))
                    .build();
            int port = Integer.parseInt(config.address().substring(colon + 1));
            channel = Grpc.newChannelBuilderForAddress(config.address().substring(0, Math.max(colon, 0)), port, tls)
                    .overrideAuthority(config.serverName())
                    .maxInboundMessageSize(LARGEST_ANSWER)
                    .build();
        } catch (IOException | IllegalArgumentException error) {
            throw new InputException("the leader's address or certificate: " + error.getMessage(), error);
        }
    }

    GetCommitteeResponse committee() {
        try {
            return ClientCalls.blockingUnaryCall(channel, GET_COMMITTEE, within(DEADLINE_SECONDS), GetCommitteeRequest.getDefaultInstance());
        } catch (StatusRuntimeException error) {
            throw Failures.of(error);
        }
    }

    /** Of any call but a search. */
    Message ask(Prepared prepared, String token, String proof) {
        try {
            return ClientCalls.blockingUnaryCall(
                    with(token, proof), prepared.call().descriptor(), within(DEADLINE_SECONDS), prepared.message());
        } catch (StatusRuntimeException error) {
            throw Failures.of(error);
        }
    }

    /** The last result of a search; null where the nodes ended without one. Whatever ends this call ends the search. */
    SearchResult search(Prepared prepared, String token, String proof, BiConsumer<Integer, Integer> watch) {
        Context.CancellableContext context = Context.current().withCancellation();
        Context before = context.attach();
        try {
            Iterator<Message> steps = ClientCalls.blockingServerStreamingCall(
                    with(token, proof), prepared.call().descriptor(), within(SEARCH_DEADLINE_SECONDS), prepared.message());
            SearchResult result = null;
            while (steps.hasNext()) {
                SearchGalleryResponse step = (SearchGalleryResponse) steps.next();
                if (step.hasResult()) {
                    result = step.getResult();
                } else {
                    watch.accept(step.getProgress().getBlocksDone(), step.getProgress().getBlocks());
                }
            }
            return result;
        } catch (StatusRuntimeException error) {
            throw Failures.of(error);
        } finally {
            context.detach(before);
            context.cancel(null);
        }
    }

    private Channel with(String token, String proof) {
        Metadata entries = new Metadata();
        entries.put(AUTHORIZATION, "DPoP " + token);
        entries.put(DPOP, proof);
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(entries));
    }

    private static CallOptions within(int seconds) {
        return CallOptions.DEFAULT.withDeadlineAfter(seconds, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
