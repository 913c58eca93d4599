package io.tumar.client;

import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What an issuer says in an access token (RFC 9068). For tests and small issuers: a bank has an authorisation server.
 *
 * @param issuer as the nodes know it
 * @param deployment name of the installation
 * @param client the {@code client_id}
 * @param jkt thumbprint of the client's proof key
 * @param details what it allows
 * @param amr evidence of other factors: {@code mobile_auth}, {@code registry_check}, {@code pin}
 * @param lifetime null for as long as nodes take it
 */
public record TokenClaims(
        String issuer, String deployment, String client, String jkt, Details details, List<String> amr, Duration lifetime) {
    private static final SecureRandom RANDOM = new SecureRandom();

    /** The list is copied. */
    public TokenClaims {
        amr = List.copyOf(amr);
    }

    /** The token, signed with the issuer's key, whose thumbprint is the {@code kid}. */
    public String mint(SigningKey key) {
        return mint(key, Instant.now(), drawId());
    }

    String mint(SigningKey key, Instant now, String jti) {
        return key.jws(Map.of("typ", "at+jwt", "kid", key.thumbprint()), claims(now.getEpochSecond(), jti));
    }

    private Map<String, Object> claims(long now, String jti) {
        Map<String, Object> claims = new LinkedHashMap<>();
        claims.put("iss", issuer);
        claims.put("aud", audience(deployment));
        claims.put("client_id", client);
        claims.put("sub", client);
        claims.put("iat", now);
        claims.put("nbf", now);
        claims.put("exp", now + (lifetime == null ? details.longestLife() : lifetime.toSeconds()));
        claims.put("jti", jti);
        claims.put("cnf", Map.of("jkt", jkt));
        claims.put("authorization_details", List.of(details.toJson()));
        if (!amr.isEmpty()) {
            claims.put("amr", amr);
        }
        return claims;
    }

    static String audience(String deployment) {
        return "urn:tumar:" + deployment;
    }

    /** A {@code jti} of 128 random bits. */
    static String drawId() {
        byte[] random = new byte[16];
        RANDOM.nextBytes(random);
        return Framing.b64u(random);
    }
}
