package io.tumar.client;

import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import tumar.v1.Committee.GetCommitteeResponse;
import tumar.v1.ReceiptOuterClass;

/** Answers the questions of {@code vectors/conform.py} by this client. */
public final class Conform {
    private static final HexFormat HEX = HexFormat.of();

    private Conform() {}

    /** One question a line, one answer a line. */
    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(Json.compact(answer(Json.parse(line).getAsJsonObject())));
        }
    }

    private static Map<String, ?> answer(JsonObject q) throws IOException {
        return switch (Vectors.text(q, "ask")) {
            case "quantise" -> quantise(q);
            case "split" -> split(q);
            case "info" -> Map.of("info", hex(binding(q).info(party(q), Vectors.hex(q, "key_id"))));
            case "seal" -> seal(q);
            case "transcript" -> transcript(q);
            case "person" -> person(q);
            case "committee" -> committee(q);
            case "receipts" -> receipts(q);
            case "found" -> found(q);
            case "certificate" -> certificate(q);
            case "proof" -> proof(q);
            case "approval" -> approval(q);
            case "finger" -> finger(q);
            default -> Map.of("unsupported", true);
        };
    }

    private static String hex(byte[] data) {
        return HEX.formatHex(data);
    }

    private static Party party(JsonObject q) {
        return Party.valueOf(Vectors.text(q, "party"));
    }

    private static ClientConfig config(JsonObject q) {
        return ClientConfig.read(Vectors.text(q, "config"));
    }

    private static Map<String, ?> quantise(JsonObject q) {
        try (Template template = Template.quantise(Vectors.embedding(q))) {
            return Map.of("packed", hex(template.pack()));
        } catch (TemplateException error) {
            return Map.of("fault", error.fault().name().toLowerCase(Locale.ROOT));
        }
    }

    private static Map<String, ?> split(JsonObject q) {
        Map<String, String> answer = new LinkedHashMap<>();
        try (Template template = Vectors.unpack(Vectors.hex(q, "packed"));
                Shares shares = Shares.split(template, Vectors.hex(q, "masks"))) {
            for (Party party : Party.values()) {
                answer.put(party.name(), hex(shares.of(party)));
            }
        }
        return answer;
    }

    static Binding binding(JsonObject q) {
        return new Binding(
                Vectors.text(q, "deployment"), Vectors.text(q, "relying_party"), Vectors.text(q, "client"), Vectors.text(q, "path"),
                Vectors.text(q, "purpose"), UUID.fromString(Vectors.text(q, "request_id")), Vectors.text(q, "gallery"),
                Vectors.text(q, "subject"), Modality.valueOf(Vectors.text(q, "modality").toUpperCase(Locale.ROOT)),
                Vectors.text(q, "model"), q.get("amount_kzt").getAsLong(), q.get("capture_minute").getAsInt());
    }

    private static Map<String, ?> seal(JsonObject q) {
        EnvelopeKey key = EnvelopeKey.of(Vectors.hex(q, "public"));
        return Map.of("envelope", hex(key.seal(Vectors.hex(q, "plaintext"), Vectors.hex(q, "info"))));
    }

    static Prepared prepared(JsonObject q) {
        return Prepared.parse(Call.of(Vectors.text(q, "call")).orElseThrow(), Vectors.hex(q, "message"));
    }

    private static Map<String, ?> transcript(JsonObject q) {
        Prepared prepared = prepared(q);
        byte[] bytes = Framing.framed(Transcript.fields(prepared.call(), prepared.message()));
        return Map.of("bytes", hex(bytes), "hash", hex(prepared.transcript()));
    }

    private static Map<String, ?> person(JsonObject q) {
        try (PersonKey key = PersonKey.parse(Vectors.text(q, "file"))) {
            List<String> handles = new ArrayList<>();
            q.get("counters").getAsJsonArray().forEach(count -> handles.add(hex(key.handle(party(q), count.getAsLong()))));
            return Map.of("key", hex(key.forNode(party(q))), "handles", handles);
        }
    }

    private static Map<String, ?> fault(String word, Party party) {
        return party == null ? Map.of("fault", word) : Map.of("fault", word, "party", party.name());
    }

    private static Map<String, ?> committee(JsonObject q) throws InvalidProtocolBufferException {
        try {
            Committee committee = Committee.check(GetCommitteeResponse.parseFrom(Vectors.hex(q, "answer")), config(q));
            return Map.of("keys", keyIds(committee), "until", committee.until());
        } catch (CommitteeNotTrusted error) {
            return fault(error.fault().word(), error.party().orElse(null));
        }
    }

    static Map<String, String> keyIds(Committee committee) {
        Map<String, String> ids = new LinkedHashMap<>();
        for (Party party : Party.values()) {
            ids.put(party.name(), hex(committee.keys().get(party.ordinal()).id()));
        }
        return ids;
    }

    static List<ReceiptOuterClass.Receipt> parsed(List<String> receipts) throws InvalidProtocolBufferException {
        List<ReceiptOuterClass.Receipt> made = new ArrayList<>();
        for (String receipt : receipts) {
            made.add(ReceiptOuterClass.Receipt.parseFrom(HEX.parseHex(receipt)));
        }
        return made;
    }

    private static Map<String, ?> receipts(JsonObject q) throws InvalidProtocolBufferException {
        try {
            Receipts checked = Receipts.check(parsed(Vectors.texts(q.get("receipts"))), prepared(q), config(q));
            return Map.of("outcome", checked.outcome().word());
        } catch (ReceiptNotTrusted error) {
            return fault(error.fault().word(), error.party().orElse(null));
        }
    }

    private static Map<String, ?> found(JsonObject q) {
        return Map.of("digest", hex(Receipts.foundDigest(Vectors.texts(q.get("candidates")), q.get("truncated").getAsBoolean())));
    }

    private static Map<String, ?> certificate(JsonObject q) {
        ClientConfig config = config(q);
        try {
            ErasureCertificate certificate = ErasureCertificate.fromJson(Vectors.text(q, "text"));
            certificate.verify(config.nodes(), config.deployment());
            return Map.of("subject", certificate.subject());
        } catch (CertificateNotTrusted error) {
            return fault(error.fault().word(), null);
        } catch (ReceiptNotTrusted error) {
            return fault("receipt", null);
        }
    }

    private static Map<String, ?> proof(JsonObject q) {
        Proof proof = new Proof(Vectors.text(q, "htu"), Vectors.text(q, "token"), Vectors.hex(q, "transcript"));
        return Map.of("jws", proof.sign(config(q).proofKey(), now(q), Vectors.text(q, "jti")));
    }

    private static Map<String, ?> approval(JsonObject q) {
        Approval approval = new Approval(
                Vectors.text(q, "name"), Vectors.text(q, "role"), Vectors.text(q, "deployment"),
                Vectors.details(q.get("details").getAsJsonObject()), Vectors.hex(q, "case"));
        SigningKey key = SigningKey.of(Framing.utf8(Vectors.text(q, "key")));
        return Map.of("jws", approval.approve(key, now(q), Vectors.text(q, "jti")));
    }

    private static Map<String, ?> finger(JsonObject q) {
        byte[] record = Vectors.hex(q, "record");
        try (Template set = Fingers.rows(record); Template vector = Fingers.vector(record)) {
            return Map.of("set", hex(set.pack()), "vector", hex(vector.pack()));
        } catch (FingerException error) {
            return Map.of("reason", error.reason());
        }
    }

    private static Instant now(JsonObject q) {
        return Instant.ofEpochSecond(q.get("iat").getAsLong());
    }
}
