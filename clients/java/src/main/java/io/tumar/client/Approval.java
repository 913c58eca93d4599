package io.tumar.client;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An officer's word that one case may be searched for. A search needs those of two officers; each is good for 15 minutes.
 *
 * @param officer by name
 * @param role the officer's
 * @param deployment name of the installation
 * @param details exactly those of the tokens that will search
 * @param caseDigest SHA-256 of the file of the case, 32 bytes
 */
public record Approval(String officer, String role, String deployment, Details details, byte[] caseDigest) {
    /** What a {@link Search} is given. */
    public String approve(SigningKey key) {
        return approve(key, Instant.now(), TokenClaims.drawId());
    }

    String approve(SigningKey key, Instant now, String jti) {
        Map<String, Object> claims = new LinkedHashMap<>();
        claims.put("sub", officer);
        claims.put("role", role);
        claims.put("iat", now.getEpochSecond());
        claims.put("jti", jti);
        claims.put("aud", TokenClaims.audience(deployment));
        claims.put("authorization_details", List.of(details.toJson()));
        claims.put("case", Framing.b64u(caseDigest));
        return key.jws(Map.of("typ", "tumar-approval+jwt", "kid", key.thumbprint()), claims);
    }
}
