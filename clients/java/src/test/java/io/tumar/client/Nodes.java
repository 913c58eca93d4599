package io.tumar.client;

import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** Three nodes that run, once for all tests that ask for them. The environment variable TUMAR names the binary. */
final class Nodes implements ExtensionContext.Store.CloseableResource, AutoCloseable {
    private static final MethodDescriptor<byte[], byte[]> WATCH = MethodDescriptor.<byte[], byte[]>newBuilder()
            .setType(MethodDescriptor.MethodType.SERVER_STREAMING)
            .setFullMethodName("grpc.health.v1.Health/Watch")
            .setRequestMarshaller(new Bytes())
            .setResponseMarshaller(new Bytes())
            .build();

    /** Gives the nodes to tests as a parameter. */
    static final class Running implements ParameterResolver {
        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == Nodes.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return context.getRoot().getStore(ExtensionContext.Namespace.GLOBAL).getOrComputeIfAbsent(Nodes.class, key -> new Nodes(), Nodes.class);
        }
    }

    /** What `tumar init` wrote, in a folder of its own named `try`, as the READMEs call it. */
    final Path folder;
    private final List<Process> running = new ArrayList<>();

    private Nodes() {
        try {
            folder = Files.createTempDirectory("nodes").resolve("try");
            Commands.run(folder.getParent(), tumar(), "init", folder.toString(), "--base-port", Integer.toString(freeBase())).expect(0);
            for (String party : List.of("a", "b", "c")) {
                ProcessBuilder node = new ProcessBuilder(tumar(), "node", "--config", folder.resolve(party).resolve("node.toml").toString());
                node.redirectErrorStream(true).redirectOutput(folder.resolve(party + ".log").toFile());
                running.add(node.start());
            }
            awaitLinks(ClientConfig.read(toml()));
        } catch (IOException error) {
            close();
            throw new UncheckedIOException(error);
        } catch (RuntimeException error) {
            close();
            throw error;
        }
    }

    static String tumar() {
        String binary = System.getenv("TUMAR");
        if (binary == null) {
            throw new IllegalStateException("these tests need TUMAR=/path/to/a/built/tumar");
        }
        return Path.of(binary).toAbsolutePath().normalize().toString();
    }

    Path toml() {
        return folder.resolve("client").resolve("client.toml");
    }

    /** A port from which on all that `tumar init` uses are free at this moment. */
    private static int freeBase() throws IOException {
        Random dice = new Random();
        while (true) {
            int base = 20_000 + dice.nextInt(30_000);
            if (List.of(0, 100, 200).stream().allMatch(step -> isFree(base + step) && isFree(base + step + 1) && isFree(base + step + 2))) {
                return base;
            }
        }
    }

    private static boolean isFree(int port) {
        try (ServerSocket taken = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            return taken.isBound();
        } catch (IOException error) {
            return false;
        }
    }

    /** Until the leader's health says that all three nodes are linked. */
    private static void awaitLinks(ClientConfig config) throws IOException {
        String[] address = config.address().split(":");
        ChannelCredentials tls = TlsChannelCredentials.newBuilder()
                .trustManager(new ByteArrayInputStream(Framing.utf8(config.certificate()))).build();
        ManagedChannel channel = Grpc.newChannelBuilderForAddress(address[0], Integer.parseInt(address[1]), tls)
                .overrideAuthority(config.serverName()).build();
        byte[] service = Framing.utf8(Call.SERVICE);
        byte[] request = new byte[service.length + 2];
        request[0] = '\n';
        request[1] = (byte) service.length;
        System.arraycopy(service, 0, request, 2, service.length);
        try {
            CallOptions patient = CallOptions.DEFAULT.withWaitForReady().withDeadlineAfter(60, TimeUnit.SECONDS);
            Iterator<byte[]> states = ClientCalls.blockingServerStreamingCall(channel, WATCH, patient, request);
            // The one field of the answer: SERVING.
            while (!Arrays.equals(states.next(), new byte[] {8, 1})) {
                continue;
            }
        } finally {
            channel.shutdownNow();
        }
    }

    @Override
    public void close() {
        running.forEach(Process::destroy);
        for (Process node : running) {
            try {
                if (!node.waitFor(30, TimeUnit.SECONDS)) {
                    node.destroyForcibly();
                }
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Messages as they are on the wire. */
    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
