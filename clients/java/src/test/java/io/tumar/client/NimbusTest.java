package io.tumar.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import java.net.URI;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tumar.v1.Matching.EraseSubjectResponse;

/** Proofs as Nimbus makes them by default: by ES256, with a jti of 16 characters, and a kid if the key has one. Only {@code rqh} is added. */
@ExtendWith(Nodes.Running.class)
class NimbusTest {
    private static SignedJWT proof(ECKey key, URI htu, String token, byte[] transcript) throws Exception {
        DefaultDPoPProofFactory factory = new DefaultDPoPProofFactory(key, JWSAlgorithm.ES256);
        SignedJWT made = factory.createDPoPJWT("POST", htu, new DPoPAccessToken(token));
        JWTClaimsSet claims = new JWTClaimsSet.Builder(made.getJWTClaimsSet()).claim("rqh", Framing.b64u(transcript)).build();
        SignedJWT signed = new SignedJWT(made.getHeader(), claims);
        signed.sign(factory.getJWSSigner());
        return signed;
    }

    private static ECKey key(boolean named) throws Exception {
        return new ECKeyGenerator(Curve.P_256).keyIDFromThumbprint(named).generate();
    }

    private static String token(Desk desk, ECKey key) throws Exception {
        ClientConfig config = desk.client.config();
        Details details = Details.of("erasure", "erase", Desk.BANK, Desk.GALLERY).withModalities();
        String jkt = key.computeThumbprint().toString();
        assertEquals(SigningKey.of(key.toPrivateKey().getEncoded()).thumbprint(), jkt);
        return new TokenClaims(Desk.ISSUER, config.deployment(), config.client(), jkt, details, List.of(), null).mint(desk.issuer);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theNodesTakeADefaultProof(boolean named, Nodes nodes) throws Exception {
        ECKey key = key(named);
        try (Desk desk = new Desk(nodes); Wire wire = new Wire(desk.client.config())) {
            desk.enroll(Desk.capture(Desk.face()));
            Prepared prepared = desk.client.prepareErasure(desk.about("erasure"));
            String token = token(desk, key);
            URI htu = URI.create(desk.client.config().base() + prepared.call().path());
            SignedJWT proof = proof(key, htu, token, prepared.transcript());
            assertEquals(16, proof.getJWTClaimsSet().getJWTID().length());
            EraseSubjectResponse answer =
                    (EraseSubjectResponse) wire.ask(prepared, token, proof.serialize());
            assertEquals(Outcome.ERASED, Receipts.check(answer.getReceiptsList(), prepared, desk.client.config()).outcome());
        }
    }

    @Test
    void theyRefuseOneForAnotherRequest(Nodes nodes) throws Exception {
        ECKey key = key(false);
        try (Desk desk = new Desk(nodes); Wire wire = new Wire(desk.client.config())) {
            Prepared prepared = desk.client.prepareErasure(desk.about("erasure"));
            Prepared other = desk.client.prepareErasure(desk.about("erasure"));
            String token = token(desk, key);
            URI htu = URI.create(desk.client.config().base() + prepared.call().path());
            String proof = proof(key, htu, token, other.transcript()).serialize();
            assertEquals(Reason.PROOF_RQH, assertThrows(Refusal.class, () -> wire.ask(prepared, token, proof)).reason());
        }
    }
}
