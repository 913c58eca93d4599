//! One request for a token: its form, the assertion of who asks, and the proof of the key that the token is bound to.

use serde_json::{Map, Value};

use super::rules::{Client, Rules};
use super::{Code, Refused};
use crate::token::claims::is_id;
use crate::token::details::Details;
use crate::token::jws::{Algorithm, Jws, PublicKey};
use crate::token::jwt::{Claims, is_type, texts};
use crate::token::{MAX_BYTES, MAX_LIFETIME, MAX_PROOF_AGE, SKEW, json};

/// `client_assertion_type` of RFC 7523 2.2.
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The members of the form.
pub(super) struct Asked {
    pub(super) assertion: String,
    pub(super) client_id: Option<String>,
    details: String,
}

impl Asked {
    /// Reads `application/x-www-form-urlencoded`.
    pub(super) fn read(form: &[u8]) -> Result<Self, Refused> {
        let (mut grant, mut kind, mut assertion, mut client_id, mut details) = (None, None, None, None, None);
        for (name, value) in form_urlencoded::parse(form) {
            let member = match name.as_ref() {
                "grant_type" => &mut grant,
                "client_assertion_type" => &mut kind,
                "client_assertion" => &mut assertion,
                "client_id" => &mut client_id,
                "authorization_details" => &mut details,
                // RFC 6749 3.2: what is not understood is ignored.
                _ => continue,
            };
            if member.replace(value.into_owned()).is_some() {
                return Err(Code::InvalidRequest.of(format!("{name} stands twice")));
            }
        }
        let missing = |name: &str| Code::InvalidRequest.of(format!("{name} is missing"));
        if grant.ok_or_else(|| missing("grant_type"))? != "client_credentials" {
            return Err(Code::UnsupportedGrantType.of("grant_type must be client_credentials"));
        }
        if kind.ok_or_else(|| missing("client_assertion_type"))? != BEARER {
            return Err(Code::InvalidClient.of(format!("client_assertion_type must be {BEARER}")));
        }
        let assertion = assertion.ok_or_else(|| missing("client_assertion"))?;
        Ok(Self { assertion, client_id, details: details.ok_or_else(|| missing("authorization_details"))? })
    }

    /// What is asked for.
    pub(super) fn details(&self) -> Result<Details, Refused> {
        let wrong = || {
            Code::InvalidAuthorizationDetails.of(
                "authorization_details must be a list of one object of type urn:tumar:match:1, with purpose, actions, relying_party, \
                 galleries, modalities and max_uses, each once and nothing else but legal_basis",
            )
        };
        // Strict JSON is one object: a key that stands twice would be read in two ways.
        let wrapped = json::object(format!("{{\"list\":{}}}", self.details).as_bytes()).map_err(|_| wrong())?;
        match (wrapped.len(), wrapped.get("list")) {
            (1, Some(list)) => Details::read(list).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

/// What a good assertion says.
pub(super) struct Assertion {
    pub(super) id: String,
    pub(super) issued: u64,
    pub(super) expires: u64,
    /// Evidence of other factors that the client states.
    pub(super) amr: Vec<String>,
}

/// An assertion of which nothing is believed yet.
pub(super) struct Unchecked<'a> {
    jws: Jws<'a>,
    claims: Map<String, Value>,
}

impl Assertion {
    pub(super) fn take_apart(text: &str) -> Result<Unchecked<'_>, Refused> {
        let form = |_| Code::InvalidClient.of("client_assertion is not a compact JWS of JSON without double keys");
        if text.len() > MAX_BYTES {
            return Err(Code::InvalidClient.of(format!("client_assertion is longer than {MAX_BYTES} bytes")));
        }
        let jws = Jws::parse(text).map_err(form)?;
        let claims = jws.claims().map_err(form)?;
        Ok(Unchecked { jws, claims })
    }
}

impl Unchecked<'_> {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// RFC 7523 3: signature, subject, audience, times; RFC 9700's single use is the service's to see to.
    pub(super) fn check(self, client: &Client, rules: &Rules, now: u64) -> Result<Assertion, Refused> {
        let wrong = |what: String| Code::InvalidClient.of(format!("client_assertion: {what}"));
        signed_by(&self.jws, &client.key, &["typ", "alg", "kid", "x5t", "x5t#S256"])
            .map_err(|what| wrong(what.to_owned()))?;
        let mut claims = Claims(self.claims);
        if claims.text("sub").as_deref() != Some(client.id.as_str()) {
            return Err(wrong("sub must be the client's id, like iss".to_owned()));
        }
        let audiences = [rules.endpoint(), rules.issuer.clone(), rules.base.clone()];
        let audience = match claims.0.remove("aud") {
            Some(Value::String(name)) => Some(name),
            Some(list) => texts(&list).and_then(|list| <[String; 1]>::try_from(list).ok()).map(|[name]| name),
            None => None,
        };
        if audience.is_none_or(|name| !audiences.contains(&name)) {
            return Err(wrong(format!("aud must be {}", rules.endpoint())));
        }
        let time = |claim: &str| claims.time(claim).ok_or_else(|| wrong(format!("{claim} must be Unix seconds")));
        let (issued, expires) = (time("iat")?, time("exp")?);
        let latest = now.saturating_add(SKEW);
        if issued > latest || claims.get("nbf").is_some() && time("nbf")? > latest {
            return Err(wrong("it is not valid yet; compare the clocks".to_owned()));
        }
        if now >= expires.saturating_add(SKEW) {
            return Err(wrong("it has expired; make a new one for each request".to_owned()));
        }
        if expires > latest.saturating_add(MAX_LIFETIME) {
            return Err(wrong(format!("exp must be at most {MAX_LIFETIME} seconds away")));
        }
        let amr = match claims.0.remove("amr") {
            Some(list) => texts(&list).ok_or_else(|| wrong("amr must be a list of texts".to_owned()))?,
            None => Vec::new(),
        };
        let id = claims.text("jti").filter(|id| is_id(id));
        let id = id.ok_or_else(|| wrong("jti must be 16 to 128 visible ASCII characters".to_owned()))?;
        Ok(Assertion { id, issued, expires, amr })
    }
}

/// The proof of the key that the token is bound to.
pub(super) struct Proof {
    pub(super) jkt: [u8; 32],
    pub(super) id: String,
    pub(super) issued: u64,
    pub(super) expires: u64,
}

/// Checks the header `DPoP` (RFC 9449 4.3), of which a token request has no `ath`.
pub(super) fn proof(dpop: Option<&str>, endpoint: &str, now: u64) -> Result<Proof, Refused> {
    let wrong = |what: &str| Code::InvalidDpopProof.of(format!("DPoP: {what}"));
    let text = dpop.ok_or_else(|| wrong("the header is missing; a token is bound to the key of a proof"))?;
    if text.len() > MAX_BYTES {
        return Err(wrong("the proof is too long"));
    }
    let form = |_| wrong("it is not a compact JWS of JSON without double keys");
    let jws = Jws::parse(text).map_err(form)?;
    let mut claims = Claims(jws.claims().map_err(form)?);
    if !is_type(&jws, "dpop+jwt") {
        return Err(wrong("typ must be dpop+jwt"));
    }
    let jwk = jws.header().get("jwk").ok_or_else(|| wrong("jwk is missing in its header"))?;
    let key = PublicKey::from_jwk(jwk).map_err(|fault| wrong(&format!("jwk: {fault}")))?;
    signed_by(&jws, &key, &["typ", "alg", "jwk", "kid"]).map_err(wrong)?;
    if claims.text("htm").as_deref() != Some("POST") {
        return Err(wrong("htm must be POST"));
    }
    if claims.text("htu").as_deref() != Some(endpoint) {
        return Err(wrong(&format!("htu must be {endpoint}")));
    }
    let issued = claims.time("iat").ok_or_else(|| wrong("iat must be Unix seconds"))?;
    let expires = issued.saturating_add(MAX_PROOF_AGE);
    if issued > now.saturating_add(SKEW) || now > expires {
        return Err(wrong("iat must be the time of the request; a proof is good for 60 seconds"));
    }
    let id = claims.text("jti").filter(|id| is_id(id));
    let id = id.ok_or_else(|| wrong("jti must be 16 to 128 visible ASCII characters"))?;
    Ok(Proof { jkt: key.thumbprint(), id, issued, expires })
}

/// Whether this key signed it, by its own algorithm and under a header of known members.
fn signed_by(jws: &Jws<'_>, key: &PublicKey, known: &[&str]) -> Result<(), &'static str> {
    if jws.header_text("alg").and_then(Algorithm::named) != Some(key.algorithm()) {
        return Err("alg must be EdDSA or ES256, as the key is");
    }
    if jws.header().keys().any(|name| !known.contains(&name.as_str())) {
        return Err("its header has a member that is not known here, such as crit, jku or x5c");
    }
    jws.verify(key).map_err(|_| "the signature does not verify with the client's key")
}
