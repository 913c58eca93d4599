package io.tumar.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import tumar.v1.Matching.EraseSubjectRequest;
import tumar.v1.ReceiptOuterClass;

/**
 * Three nodes' signed word that a person's record key is destroyed, or that the node held none. Whoever has their public keys can check it,
 * offline.
 */
public final class ErasureCertificate {
    private static final String KIND = "tumar erasure certificate 3";
    private static final Set<String> MEMBERS =
            Set.of("kind", "deployment", "client", "request_id", "gallery", "subject", "purpose", "receipts");
    private static final Set<String> OF_RECEIPT =
            Set.of("party", "outcome", "log_index", "leaf_hash", "inclusion_proof", "checkpoint", "signature");

    private final JsonObject document;

    private ErasureCertificate(JsonObject document) {
        this.document = document;
    }

    /** From receipts that were checked. */
    static ErasureCertificate of(String deployment, EraseSubjectRequest request, Receipts receipts) {
        JsonObject document = new JsonObject();
        document.addProperty("kind", KIND);
        document.addProperty("deployment", deployment);
        document.addProperty("client", request.getClient());
        document.addProperty("request_id", request.getRequestId());
        document.addProperty("gallery", request.getGallery());
        document.addProperty("subject", request.getSubject());
        document.addProperty("purpose", request.getPurpose());
        JsonArray shown = new JsonArray();
        receipts.forEach(receipt -> shown.add(shown(receipt)));
        document.add("receipts", shown);
        return new ErasureCertificate(document);
    }

    private static JsonObject shown(Receipt receipt) {
        JsonObject shown = new JsonObject();
        shown.addProperty("party", receipt.party().name());
        shown.addProperty("outcome", receipt.outcome().word());
        shown.addProperty("log_index", new BigInteger(Long.toUnsignedString(receipt.logIndex())));
        shown.addProperty("leaf_hash", Framing.hex(receipt.leafHash()));
        JsonArray path = new JsonArray();
        receipt.inclusionProof().forEach(hash -> path.add(Framing.hex(hash)));
        shown.add("inclusion_proof", path);
        shown.addProperty("checkpoint", receipt.checkpoint());
        shown.addProperty("signature", Framing.hex(receipt.signature()));
        return shown;
    }

    /** It proves nothing until it is verified. CertificateNotTrusted for what is no certificate. */
    public static ErasureCertificate fromJson(String text) {
        try {
            JsonElement document = Json.parse(text);
            if (document.isJsonObject() && document.getAsJsonObject().keySet().equals(MEMBERS)
                    && Json.text(document.getAsJsonObject(), "kind").equals(KIND)) {
                return new ErasureCertificate(document.getAsJsonObject());
            }
        } catch (IllegalArgumentException error) {
            throw new CertificateNotTrusted(CertificateNotTrusted.Fault.FORM, error);
        }
        throw new CertificateNotTrusted(CertificateNotTrusted.Fault.FORM);
    }

    /** To keep. */
    public String toJson() {
        return Json.indented(document) + "\n";
    }

    /** Who was erased. */
    public String subject() {
        return text("subject");
    }

    /** In which gallery. */
    public String gallery() {
        return text("gallery");
    }

    /** The nodes that say that they held nothing of the person: they had lost what the others held. */
    public List<Party> hadNone() {
        List<Party> found = new ArrayList<>();
        try {
            for (JsonElement shown : Json.list(document, "receipts")) {
                if (Json.text(Json.object(shown), "outcome").equals(Outcome.HAD_NONE.word())) {
                    found.add(Party.valueOf(Json.text(Json.object(shown), "party")));
                }
            }
        } catch (IllegalArgumentException error) {
            throw new CertificateNotTrusted(CertificateNotTrusted.Fault.FORM, error);
        }
        return found;
    }

    private String text(String name) {
        try {
            return Json.text(document, name);
        } catch (IllegalArgumentException error) {
            throw new CertificateNotTrusted(CertificateNotTrusted.Fault.FORM, error);
        }
    }

    /** Checks all three signatures and places. CertificateNotTrusted or ReceiptNotTrusted. */
    public void verify(List<NodePin> pins, String deployment) {
        if (!text("deployment").equals(deployment)) {
            throw new CertificateNotTrusted(CertificateNotTrusted.Fault.DEPLOYMENT);
        }
        byte[] transcript;
        List<Receipt> receipts = new ArrayList<>();
        try {
            transcript = new Prepared(Call.ERASE, request()).transcript();
            JsonArray shown = Json.list(document, "receipts");
            if (shown.size() != Party.values().length) {
                throw new IllegalArgumentException("not three receipts");
            }
            for (Party party : Party.values()) {
                receipts.add(receipt(party, Json.object(shown.get(party.ordinal())), transcript));
            }
        } catch (IllegalArgumentException | InputException error) {
            throw new CertificateNotTrusted(CertificateNotTrusted.Fault.FORM, error);
        }
        Receipts.of(receipts, transcript, Call.ERASE.outcomes(), pins, deployment);
    }

    private EraseSubjectRequest request() {
        return EraseSubjectRequest.newBuilder()
                .setRequestId(text("request_id"))
                .setGallery(text("gallery"))
                .setSubject(text("subject"))
                .setPurpose(text("purpose"))
                .setClient(text("client"))
                .build();
    }

    private static Receipt receipt(Party party, JsonObject shown, byte[] transcript) {
        if (!shown.keySet().equals(OF_RECEIPT) || !Json.text(shown, "party").equals(party.name())) {
            throw new IllegalArgumentException("not a receipt");
        }
        ReceiptOuterClass.Receipt.Builder made = ReceiptOuterClass.Receipt.newBuilder()
                .setRequestDigest(ByteString.copyFrom(transcript))
                .setLogIndex(Json.unsigned(shown, "log_index"))
                .setLeafHash(ByteString.copyFrom(Framing.fromHex(Json.text(shown, "leaf_hash"), 32)))
                .setCheckpoint(Json.text(shown, "checkpoint"))
                .setSignature(ByteString.copyFrom(Framing.fromHex(Json.text(shown, "signature"), 64)));
        Json.list(shown, "inclusion_proof")
                .forEach(hash -> made.addInclusionProof(ByteString.copyFrom(Framing.fromHex(Json.text(hash), 32))));
        return new Receipt(party, outcome(shown), made.build());
    }

    private static Outcome outcome(JsonObject shown) {
        String word = Json.text(shown, "outcome");
        return Call.ERASE.outcomes().stream().filter(outcome -> outcome.word().equals(word)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("not an outcome of an erasure"));
    }
}
