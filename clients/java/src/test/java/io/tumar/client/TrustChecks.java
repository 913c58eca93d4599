package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import tumar.v1.Committee.GetCommitteeResponse;
import tumar.v1.ReceiptOuterClass;

/** What a file of signed things must say: who the nodes are, receipts, certificates, tokens, approvals. */
final class TrustChecks {
    private static final HexFormat HEX = HexFormat.of();
    private static final ClientConfig CONFIG = Vectors.config();

    private TrustChecks() {}

    static void committee(JsonObject file) throws Exception {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String name = Vectors.text(vector, "name");
            GetCommitteeResponse answer = GetCommitteeResponse.parseFrom(Vectors.hex(vector, "answer"));
            String fault = Vectors.textOrNull(vector, "fault");
            if (fault != null) {
                CommitteeNotTrusted error = assertThrows(CommitteeNotTrusted.class, () -> Committee.check(answer, CONFIG), name);
                assertEquals(fault, error.fault().word(), name);
                assertEquals(Vectors.textOrNull(vector, "party"), error.party().map(Party::name).orElse(null), name);
                continue;
            }
            Committee committee = Committee.check(answer, CONFIG);
            assertEquals(file.get("keys"), Json.parse(Json.compact(Conform.keyIds(committee))), name);
            assertEquals(file.get("until").getAsLong(), committee.until(), name);
            assertEquals(Vectors.text(file, "context"), HEX.formatHex(committee.context()), name);
            assertEquals(file.get("models"), shown(committee.models()), name);
            List<Long> limits = List.of((long) answer.getLimits().getMaxRequestBytes(), (long) answer.getLimits().getMaxSamples(),
                    answer.getLimits().getRequestRetentionSeconds());
            assertEquals(limits, file.get("limits").getAsJsonObject().asMap().values().stream().map(JsonElement::getAsLong).toList());
            if (name.equals("good")) {
                assertEquals(Vectors.text(file, "signed_by_a"), HEX.formatHex(Committee.message(answer.getNodes(0), CONFIG.deployment())));
            }
        }
    }

    private static JsonElement shown(List<Model> models) {
        JsonArray made = new JsonArray();
        for (Model model : models) {
            JsonArray one = new JsonArray();
            one.add(model.id());
            one.add(model.modality().word());
            one.add(model.isRows() ? "rows" : "vector");
            one.add(new BigInteger(Integer.toString(model.dimension())));
            made.add(one);
        }
        return made;
    }

    static void receipts(JsonObject file) throws Exception {
        Prepared prepared = Conform.prepared(file);
        assertEquals(Vectors.text(file, "transcript"), HEX.formatHex(prepared.transcript()));
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String name = Vectors.text(vector, "name");
            List<ReceiptOuterClass.Receipt> receipts = Conform.parsed(Vectors.texts(vector.get("receipts")));
            String fault = Vectors.textOrNull(vector, "fault");
            if (fault != null) {
                ReceiptNotTrusted error = assertThrows(ReceiptNotTrusted.class, () -> Receipts.check(receipts, prepared, CONFIG), name);
                assertEquals(fault, error.fault().word(), name);
                assertEquals(Vectors.textOrNull(vector, "party"), error.party().map(Party::name).orElse(null), name);
                continue;
            }
            Receipts checked = Receipts.check(receipts, prepared, CONFIG);
            assertEquals(name.equals("good, a match") ? Outcome.MATCH : Outcome.NO_MATCH, checked.outcome(), name);
            if (checked.outcome() == Outcome.MATCH) {
                ofA(file.get("a").getAsJsonObject(), checked.of(Party.A));
            }
        }
        found(file.get("found").getAsJsonObject());
    }

    private static void ofA(JsonObject shown, Receipt a) {
        List<Object> own = List.of(HEX.formatHex(a.message(CONFIG.deployment())), a.checkpoint(), HEX.formatHex(a.leafHash()),
                a.logIndex(), a.inclusionProof().stream().map(HEX::formatHex).toList());
        assertEquals(List.copyOf(shown.asMap().values()), List.copyOf(Json.parse(Json.compact(own)).getAsJsonArray().asList()));
    }

    private static void found(JsonObject found) {
        List<String> candidates = Vectors.texts(found.get("candidates"));
        List<byte[]> fields = new ArrayList<>(List.of(Framing.utf8("tumar found v1"), new byte[] {1}));
        candidates.forEach(candidate -> fields.add(Framing.utf8(candidate)));
        assertTrue(found.get("truncated").getAsBoolean());
        assertEquals(Vectors.text(found, "bytes"), HEX.formatHex(Framing.framed(fields)));
        assertEquals(Vectors.text(found, "digest"), HEX.formatHex(Receipts.foundDigest(candidates, true)));
    }

    static void certificates(JsonObject file) {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String name = Vectors.text(vector, "name");
            String text = Vectors.text(vector, "text");
            String fault = Vectors.textOrNull(vector, "fault");
            if (fault == null) {
                ErasureCertificate certificate = ErasureCertificate.fromJson(text);
                certificate.verify(CONFIG.nodes(), CONFIG.deployment());
                assertEquals(text, certificate.toJson(), name);
                assertEquals(name.equals("good") ? List.of() : List.of(Party.B), certificate.hadNone(), name);
                continue;
            }
            NotTrusted error = assertThrows(NotTrusted.class,
                    () -> ErasureCertificate.fromJson(text).verify(CONFIG.nodes(), CONFIG.deployment()), name);
            assertEquals(fault, error instanceof CertificateNotTrusted certificate ? certificate.fault().word() : "receipt", name);
        }
    }

    private static JsonElement part(String jws, int place) {
        byte[] raw = Base64.getUrlDecoder().decode(jws.split("\\.")[place]);
        return Json.parse(new String(raw, StandardCharsets.UTF_8));
    }

    /** Header and claims are these, signed by this Ed25519 key. */
    private static void isSigned(String jws, JsonElement header, JsonElement claims, Map<String, String> jwk) {
        assertEquals(header, part(jws, 0));
        assertEquals(claims, part(jws, 1));
        int dot = jws.lastIndexOf('.');
        byte[] signature = Base64.getUrlDecoder().decode(jws.substring(dot + 1));
        assertTrue(Ed25519.isSigned(Base64.getUrlDecoder().decode(jwk.get("x")), signature, Framing.utf8(jws.substring(0, dot))));
    }

    static void tokens(JsonObject file) {
        JsonObject good = file.get("good").getAsJsonObject();
        JsonObject claims = good.get("claims").getAsJsonObject();
        Instant now = Instant.ofEpochSecond(file.get("now").getAsLong());
        SigningKey issuer = SigningKey.of(Framing.utf8(Vectors.text(file, "issuer_key")));
        JsonArray elements = claims.get("authorization_details").getAsJsonArray();
        assertEquals(1, elements.size());
        TokenClaims said = new TokenClaims(Vectors.text(claims, "iss"), CONFIG.deployment(), CONFIG.client(),
                CONFIG.proofKey().thumbprint(), Vectors.details(elements.get(0).getAsJsonObject()), List.of(), null);
        isSigned(said.mint(issuer, now, Vectors.text(claims, "jti")), good.get("header"), claims, issuer.jwk());
        JsonObject trusted = file.get("trusted").getAsJsonObject().get("jwks").getAsJsonObject();
        String x = Vectors.text(trusted.get("keys").getAsJsonArray().get(0).getAsJsonObject(), "x");
        assertEquals(x, issuer.jwk().get("x"));
        isSigned(Vectors.text(good, "token"), good.get("header"), claims, Map.of("x", x));
        byte[] transcript = Vectors.hex(Vectors.load("receipts"), "transcript");
        JsonObject proof = good.get("proof").getAsJsonObject();
        Proof own = new Proof(CONFIG.base() + Call.VERIFY.path(), Vectors.text(good, "token"), transcript);
        String signed = own.sign(CONFIG.proofKey(), now, Vectors.text(proof, "jti"));
        isSigned(signed, good.get("proof_header"), proof, CONFIG.proofKey().jwk());
        isSigned(Vectors.text(good, "proof_token"), good.get("proof_header"), proof, CONFIG.proofKey().jwk());
        reasons(file);
    }

    static void approvals(JsonObject file) {
        JsonObject aida = file.get("officers").getAsJsonArray().get(0).getAsJsonObject();
        SigningKey key = SigningKey.of(Framing.utf8(Vectors.text(aida, "key")));
        assertEquals(aida.get("jwk"), Json.parse(Json.compact(key.jwk())));
        JsonObject claims = file.get("claims").getAsJsonObject();
        Details details = Vectors.details(file.get("details").getAsJsonObject());
        assertEquals(file.get("details"), Json.parse(Json.compact(details.toJson())));
        Approval approval = new Approval(
                Vectors.text(aida, "name"), Vectors.text(aida, "role"), CONFIG.deployment(), details, Vectors.hex(file, "case"));
        Instant now = Instant.ofEpochSecond(file.get("now").getAsLong());
        isSigned(approval.approve(key, now, Vectors.text(claims, "jti")), file.get("header"), claims, key.jwk());
        JsonObject first = Vectors.objects(file.get("cases")).get(0);
        assertEquals(null, Vectors.textOrNull(first, "reason"));
        isSigned(Vectors.texts(first.get("approvals")).get(0), file.get("header"), claims, key.jwk());
        reasons(file);
    }

    /** Refused tokens are for verifiers: a client must know their reasons. */
    private static void reasons(JsonObject file) {
        for (JsonObject vector : Vectors.objects(file.get("cases"))) {
            String reason = Vectors.textOrNull(vector, "reason");
            assertNotEquals(Reason.UNKNOWN, reason == null ? null : Reason.of(reason));
        }
    }
}
