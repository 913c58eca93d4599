package io.tumar.client;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import tumar.v1.Matching;

/** What of a request is hashed: its proof signs the hash, and all three receipts must be of it. */
final class Transcript {
    private Transcript() {}

    /** The fields, in their order. InputException for a request that has no form. */
    static List<byte[]> fields(Call call, Message message) {
        List<byte[]> fields = new ArrayList<>();
        fields.add(Framing.utf8("tumar request v2"));
        fields.add(Framing.utf8(call.path()));
        fields.add(text(message, "client"));
        fields.add(Binding.bytes(requestId(message)));
        fields.add(text(message, "gallery"));
        if (message instanceof Matching.SearchGalleryRequest search) {
            fields.add(new byte[0]);
            fields.add(search.getCaseDigest().toByteArray());
            fields.add(Framing.u32(search.getMaxCandidates()));
            fields.add(Framing.u64(search.getApprovalsCount()));
            search.getApprovalsList().forEach(approval -> fields.add(Framing.utf8(approval)));
        } else {
            fields.add(text(message, "subject"));
        }
        fields.add(text(message, "purpose"));
        fields.add(Framing.u64((Long) value(message, "amount_kzt", 0L)));
        fields.add(Framing.u32((Integer) value(message, "capture_minute", 0)));
        List<?> samples = (List<?>) value(message, "samples", List.of());
        fields.add(Framing.u64(samples.size()));
        samples.forEach(sample -> addSample(fields, (Matching.Sample) sample));
        return fields;
    }

    private static void addSample(List<byte[]> fields, Matching.Sample sample) {
        Modality modality = Modality.of(sample.getModalityValue()).orElseThrow(() -> new InputException("a sample of no modality"));
        fields.add(Framing.utf8(modality.word()));
        fields.add(Framing.utf8(sample.getModel()));
        fields.add(Framing.sha256(sample.getEnvelopeA().toByteArray()));
        fields.add(Framing.sha256(sample.getEnvelopeB().toByteArray()));
        fields.add(Framing.sha256(sample.getEnvelopeC().toByteArray()));
    }

    /** Its one text is in lower case; UUID.fromString takes others too. */
    static UUID requestId(Message message) {
        String text = (String) value(message, "request_id", "");
        try {
            UUID id = UUID.fromString(text);
            if (id.toString().equals(text) && id.version() == 4 && id.variant() == 2) {
                return id;
            }
        } catch (IllegalArgumentException error) {
            throw new InputException("the request id is no UUID", error);
        }
        throw new InputException("the request id is no UUID of version 4 in lower case");
    }

    private static byte[] text(Message message, String name) {
        return Framing.utf8((String) value(message, name, ""));
    }

    /** The messages have these fields under the same names, or not at all. */
    private static Object value(Message message, String name, Object absent) {
        FieldDescriptor field = message.getDescriptorForType().findFieldByName(name);
        return field == null ? absent : message.getField(field);
    }
}
