package io.tumar.client;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.Arrays;
import java.util.UUID;

/**
 * One request, ready to be proven and sent; the same may be sent again, until there is an answer. It holds no secret: its shares are sealed.
 * It says whom it is about.
 */
public final class Prepared {
    private static final String KEPT = "tumar java request v1 ";
    private final Call call;
    private final Message message;
    private final UUID requestId;
    private final byte[] transcript;

    Prepared(Call call, Message message) {
        this.call = call;
        this.message = message;
        this.requestId = Transcript.requestId(message);
        this.transcript = Framing.sha256(Framing.framed(Transcript.fields(call, message)));
    }

    /** Which call. */
    public Call call() {
        return call;
    }

    Message message() {
        return message;
    }

    /** The id under which the nodes know it. */
    public UUID requestId() {
        return requestId;
    }

    /** SHA-256 over every field: what a proof signs as {@code rqh}, and what all three receipts must be of. */
    public byte[] transcript() {
        return transcript.clone();
    }

    /** To be kept before it is sent: after a crash the very same can be sent again, with a new token if need be. */
    public byte[] toBytes() {
        byte[] head = Framing.utf8(KEPT + call.method() + "\n");
        byte[] body = message.toByteArray();
        byte[] whole = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, whole, head.length, body.length);
        return whole;
    }

    /** From what {@link #toBytes} gave. InputException for anything else. */
    public static Prepared fromBytes(byte[] kept) {
        for (Call call : Call.values()) {
            byte[] head = Framing.utf8(KEPT + call.method() + "\n");
            if (kept.length >= head.length && Arrays.equals(kept, 0, head.length, head, 0, head.length)) {
                return parse(call, Arrays.copyOfRange(kept, head.length, kept.length));
            }
        }
        throw new InputException("the bytes are no request as this version keeps it");
    }

    /** From the message as it is on the wire. */
    static Prepared parse(Call call, byte[] message) {
        try {
            return new Prepared(call, call.request().getParserForType().parseFrom(message));
        } catch (InvalidProtocolBufferException error) {
            throw new InputException("the bytes are no request as this version keeps it", error);
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Prepared prepared && call == prepared.call && message.equals(prepared.message);
    }

    @Override
    public int hashCode() {
        return message.hashCode();
    }

    @Override
    public String toString() {
        return "Prepared(" + call.method() + " " + requestId + ")";
    }
}
