package io.tumar.client;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * That the holder of the token's key wants this one request, now (RFC 9449 with {@code rqh}). A proof works once.
 *
 * @param htu {@code base} of {@code client.toml}, and the path of the call
 * @param token as it is presented
 * @param transcript SHA-256 of the request, 32 bytes
 */
public record Proof(String htu, String token, byte[] transcript) {
    /** For the metadata {@code dpop}. */
    public String sign(SigningKey key) {
        return sign(key, Instant.now(), TokenClaims.drawId());
    }

    String sign(SigningKey key, Instant now, String jti) {
        return key.jws(Map.of("typ", "dpop+jwt", "jwk", key.jwk()), claims(now.getEpochSecond(), jti));
    }

    private Map<String, Object> claims(long now, String jti) {
        Map<String, Object> claims = new LinkedHashMap<>();
        claims.put("htm", "POST");
        claims.put("htu", htu);
        claims.put("iat", now);
        claims.put("jti", jti);
        claims.put("ath", Framing.b64u(Framing.sha256(Framing.utf8(token))));
        claims.put("rqh", Framing.b64u(transcript));
        return claims;
    }
}
