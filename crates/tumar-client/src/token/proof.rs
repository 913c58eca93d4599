//! The proof: a client signs with its own key that it wants this request, now, by this token (RFC 9449), and the
//! request's hash `rqh`, which RFC 9449 does not have, makes it this request and no other.

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::claims::{MAX_PROOF_AGE, SKEW, is_id};
use super::details::Narrowing;
use super::jws::{Algorithm, Jws, JwsError, PublicKey, SigningKey, draw_id, sha256, to_base64};
use super::jwt::{Claims, is_type, unknown_member};
use super::refusal::{TokenError, TokenFault};
use crate::request::RequestInfo;

/// A proof whose own key signed it, at the right address and time.
pub(super) struct Proof {
    pub(super) key: PublicKey,
    pub(super) id: String,
    pub(super) issued: u64,
    pub(super) narrowing: Option<Narrowing>,
    ath: String,
    rqh: String,
}

/// Everything that can be said of a proof without its token and request.
pub(super) fn check(
    jws: &Jws<'_>,
    claims: Map<String, Value>,
    addresses: &[String],
    now: u64,
) -> Result<Proof, TokenFault> {
    let key = signer_of(jws)?;
    let mut claims = Claims(claims);
    let wrong = |claim| TokenError::ProofClaims.of(claim);
    let mut text = |claim| claims.text(claim).ok_or(wrong(claim));
    let (htm, htu, id, ath, rqh) = (text("htm")?, text("htu")?, text("jti")?, text("ath")?, text("rqh")?);
    let issued = claims.time("iat").ok_or(wrong("iat"))?;
    if htm != "POST" {
        return Err(TokenError::ProofMethod.into());
    }
    if !addresses.contains(&htu) {
        return Err(TokenError::ProofUri.into());
    }
    if issued > now.saturating_add(SKEW) {
        return Err(TokenError::ProofNotYetValid.into());
    }
    if now > issued.saturating_add(MAX_PROOF_AGE) {
        return Err(TokenError::ProofExpired.into());
    }
    if !is_id(&id) {
        return Err(TokenError::ProofId.into());
    }
    let narrowing = match claims.get("authorization_details").filter(|details| !details.is_null()) {
        Some(array) => Some(Narrowing::read(array).ok_or(TokenError::ProofDetails)?),
        None => None,
    };
    Ok(Proof { key, id, issued, narrowing, ath, rqh })
}

fn signer_of(jws: &Jws<'_>) -> Result<PublicKey, TokenFault> {
    if !is_type(jws, "dpop+jwt") {
        return Err(TokenError::ProofType.into());
    }
    let algorithm = jws.header_text("alg").and_then(Algorithm::named).ok_or(TokenError::ProofAlgorithm)?;
    // A kid names the key that stands in full beside it, and is not looked at.
    if let Some(fault) = unknown_member(jws, &["typ", "alg", "jwk", "kid"]) {
        return Err(TokenError::ProofHeader.of(fault));
    }
    let jwk = jws.header().get("jwk").ok_or(TokenError::ProofKey)?;
    let key = PublicKey::from_jwk(jwk).map_err(|_| TokenError::ProofKey)?;
    if key.algorithm() != algorithm {
        return Err(TokenError::ProofKeyAlgorithm.into());
    }
    jws.verify(&key).map_err(|_| TokenError::ProofSignature)?;
    Ok(key)
}

impl Proof {
    /// Whether it was made with this access token, for this request.
    pub(super) fn is_over(&self, access: &str, ask: &RequestInfo) -> Result<(), TokenError> {
        if self.ath != to_base64(&sha256(access.as_bytes())) {
            return Err(TokenError::ProofToken);
        }
        if self.rqh != to_base64(&ask.request_digest()) {
            return Err(TokenError::ProofRequest);
        }
        Ok(())
    }
}

/// A client's own key, to which its tokens are bound.
#[derive(Debug)]
pub struct ProofKey(SigningKey);

impl ProofKey {
    /// Takes a key for this use.
    #[must_use]
    pub const fn new(key: SigningKey) -> Self {
        Self(key)
    }

    /// Draws a key; gives it as PKCS#8 as well, for the caller to keep.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<Vec<u8>>), JwsError> {
        SigningKey::generate(algorithm).map(|(key, pkcs8)| (Self(key), pkcs8))
    }

    /// Reads a PKCS#8 key, in DER or PEM.
    ///
    /// # Errors
    /// [`JwsError::PrivateKey`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, JwsError> {
        SigningKey::from_pkcs8(pkcs8).map(Self)
    }

    /// The public half, as JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        self.0.public().to_jwk()
    }

    /// RFC 7638 thumbprint: the `jkt` to ask a token for.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        self.0.public().thumbprint()
    }

    /// The header of its proofs.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.0.public().algorithm().as_str(), "jwk": self.jwk() })
    }

    /// The claims of the proof that it would give, with a fresh `jti`.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn claims(
        &self,
        access: &str,
        ask: &RequestInfo,
        base: &str,
        narrowing: Option<&Narrowing>,
        now: u64,
    ) -> Result<Value, JwsError> {
        let mut claims = json!({
            "htm": "POST",
            "htu": format!("{base}{}", ask.method.path()),
            "iat": now,
            "jti": draw_id()?,
            "ath": to_base64(&sha256(access.as_bytes())),
            "rqh": to_base64(&ask.request_digest()),
        });
        if let Some(narrowing) = narrowing {
            claims["authorization_details"] = json!([narrowing]);
        }
        Ok(claims)
    }

    /// Proves that its holder wants `ask` by the token `access` from the service at `base` (`https://HOST[:PORT]`), and
    /// nothing beyond `narrowing`. A proof works once; draw a new one to try again. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn prove(
        &self,
        access: &str,
        ask: &RequestInfo,
        base: &str,
        narrowing: Option<&Narrowing>,
        now: u64,
    ) -> Result<String, JwsError> {
        self.0.sign(&self.header(), &self.claims(access, ask, base, narrowing, now)?)
    }
}
