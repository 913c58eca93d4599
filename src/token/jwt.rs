//! The access token: `at+jwt` (RFC 9068), who is believed to give one out, and the giving out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use super::approval::Officers;
use super::details::Details;
use super::jws::{Algorithm, Jws, JwsError, PublicKey, SigningKey, draw_id, from_base64_32, to_base64};
use super::refusal::TokenError;
use super::{SKEW, json};
use crate::name::{Deployment, RelyingParty};
use crate::request::Method;

/// Why a node's trust settings are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No issuer is named, so no token could ever be genuine.
    #[error("no token issuer is configured")]
    NoIssuer,
    /// An issuer's name is empty or has other than visible ASCII characters.
    #[error("an issuer's name must be 1 to 200 visible ASCII characters")]
    IssuerName,
    /// Two issuers of one name: their tokens could not be told apart.
    #[error("an issuer's name stands twice; give one issuer all of its keys and relying parties")]
    IssuerTwice,
    /// An issuer speaks for nobody, or for somebody twice.
    #[error("relying_parties must name those that an issuer gives tokens to, at least one, and each once")]
    RelyingParties,
    /// Not a JWK set, or an empty one.
    #[error("an issuer's keys are not a JWK set with at least one key")]
    Keys,
    /// A key of another kind, or a private one.
    #[error("an issuer's key: {0}")]
    Key(#[from] JwsError),
    /// A key without a `kid`, or with that of another key, of any issuer.
    #[error("every issuer key needs a kid of its own")]
    KeyId,
    /// No address, so no proof could ever fit.
    #[error("no public address is configured")]
    NoBase,
    /// Not `https://` with host and port only.
    #[error("a public address must be https://HOST[:PORT] and nothing after it")]
    Base,
}

/// Whose tokens are believed, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct TrustedIssuer<'a> {
    /// The `iss` of its tokens.
    pub issuer: &'a str,
    /// The relying parties that it speaks for: a bank's authorisation server for that bank, the regulator's for the regulator. It is
    /// believed of no other, whatever it signs.
    pub relying_parties: &'a [RelyingParty],
    /// Its public keys, a JWK set (RFC 7517 5), each with a `kid`.
    pub jwks: &'a str,
}

/// An issuer as a node knows it.
#[derive(Debug)]
struct Known {
    name: String,
    relying_parties: Vec<RelyingParty>,
}

/// What a node holds tokens against.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: BTreeMap<String, (Arc<Known>, PublicKey)>,
    audience: String,
    bases: Vec<String>,
    officers: Officers,
}

impl Verifier {
    /// For one deployment, with at least one issuer, reached by clients at any of `bases` (`https://tumar.example:8443`), where
    /// `officers` may approve searches.
    ///
    /// # Errors
    /// [`TrustError`]: there is no setting that trusts everyone.
    pub fn new(
        deployment: &Deployment,
        issuers: &[TrustedIssuer<'_>],
        bases: Vec<String>,
        officers: Officers,
    ) -> Result<Self, TrustError> {
        let mut keys = BTreeMap::new();
        let mut names = BTreeSet::new();
        for TrustedIssuer { issuer, relying_parties, jwks } in issuers {
            if !is_visible(issuer, 200) {
                return Err(TrustError::IssuerName);
            }
            if !names.insert(issuer) {
                return Err(TrustError::IssuerTwice);
            }
            let differ = relying_parties.iter().collect::<BTreeSet<_>>().len() == relying_parties.len();
            if relying_parties.is_empty() || !differ {
                return Err(TrustError::RelyingParties);
            }
            let known = Arc::new(Known { name: (*issuer).to_owned(), relying_parties: relying_parties.to_vec() });
            for (kid, key) in read_keys(jwks)? {
                if keys.insert(kid, (Arc::clone(&known), key)).is_some() {
                    return Err(TrustError::KeyId);
                }
            }
        }
        if keys.is_empty() {
            return Err(TrustError::NoIssuer);
        }
        if bases.is_empty() {
            return Err(TrustError::NoBase);
        }
        let is_base = |base: &String| {
            base.strip_prefix("https://")
                .is_some_and(|host| is_visible(host, 260) && !host.contains(['/', '?', '#', '@']))
        };
        if !bases.iter().all(is_base) {
            return Err(TrustError::Base);
        }
        Ok(Self { keys, audience: audience(deployment), bases, officers })
    }

    /// Who may approve searches.
    #[must_use]
    pub const fn officers(&self) -> &Officers {
        &self.officers
    }

    /// The one audience of tokens and approvals here.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Every `htu` that a proof for `method` may have.
    pub(super) fn addresses(&self, method: Method) -> Vec<String> {
        self.bases.iter().map(|base| format!("{base}{}", method.path())).collect()
    }

    /// Typ, alg, kid; signature; form of the claims; issuer, and whether it speaks for the relying party; audience; times.
    pub(super) fn access(&self, jws: &Jws<'_>, claims: Map<String, Value>, now: u64) -> Result<Access, TokenError> {
        let issuer = self.signer_of(jws)?;
        let claims = Claims::deserialize(Value::Object(claims)).map_err(|_| TokenError::Claims)?;
        if claims.exp <= claims.iat || !is_visible(&claims.client_id, 128) || !is_visible(&claims.sub, 128) {
            return Err(TokenError::Claims);
        }
        let jkt = from_base64_32(&claims.cnf.jkt).map_err(|_| TokenError::Claims)?;
        let certificate =
            claims.cnf.certificate.as_deref().map(from_base64_32).transpose().map_err(|_| TokenError::Claims)?;
        if !is_id(&claims.jti) {
            return Err(TokenError::Id);
        }
        let details = Details::read(&claims.authorization_details).ok_or(TokenError::Details)?;
        if claims.iss != issuer.name {
            return Err(TokenError::Issuer);
        }
        if !issuer.relying_parties.contains(&details.relying_party) {
            return Err(TokenError::IssuerRelyingParty);
        }
        if claims.aud.only() != Some(self.audience.as_str()) {
            return Err(TokenError::Audience);
        }
        if claims.iat.max(claims.nbf) > now.saturating_add(SKEW) {
            return Err(TokenError::NotYetValid);
        }
        if now >= claims.exp.saturating_add(SKEW) {
            return Err(TokenError::Expired);
        }
        if claims.exp - claims.iat > details.longest_life() {
            return Err(TokenError::TooLongLived);
        }
        Ok(Access {
            issuer: claims.iss,
            client: claims.client_id,
            id: claims.jti,
            expires: claims.exp,
            details,
            amr: claims.amr,
            jkt,
            certificate,
        })
    }

    /// The issuer whose key signed it.
    fn signer_of(&self, jws: &Jws<'_>) -> Result<&Known, TokenError> {
        if !matches!(jws.header_text("typ"), Some("at+jwt" | "application/at+jwt")) {
            return Err(TokenError::Type);
        }
        let algorithm = jws.header_text("alg").and_then(Algorithm::named).ok_or(TokenError::Algorithm)?;
        // A header is not asked for its keys (jwk, jku, x5u, x5c), and what it holds to be critical we do not know.
        if jws.header().keys().any(|name| !matches!(name.as_str(), "typ" | "alg" | "kid")) {
            return Err(TokenError::Header);
        }
        let kid = jws.header_text("kid").ok_or(TokenError::KeyUnknown)?;
        let (issuer, key) = self.keys.get(kid).ok_or(TokenError::KeyUnknown)?;
        if key.algorithm() != algorithm {
            return Err(TokenError::KeyAlgorithm);
        }
        jws.verify(key).map_err(|_| TokenError::Signature)?;
        Ok(issuer)
    }
}

fn read_keys(jwks: &str) -> Result<Vec<(String, PublicKey)>, TrustError> {
    let set = json::object(jwks.as_bytes()).map_err(|_| TrustError::Keys)?;
    let keys = set.get("keys").and_then(Value::as_array).filter(|keys| !keys.is_empty()).ok_or(TrustError::Keys)?;
    let read = |jwk: &Value| {
        let kid = jwk.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty()).ok_or(TrustError::KeyId)?;
        Ok((kid.to_owned(), PublicKey::from_jwk(jwk)?))
    };
    keys.iter().map(read).collect()
}

/// The one audience of a deployment's tokens and approvals.
pub(super) fn audience(deployment: &Deployment) -> String {
    format!("urn:tumar:{deployment}")
}

fn is_visible(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// 22 characters of base64url hold 128 bits. Whether they are random, only the issuer knows.
pub(super) fn is_id(id: &str) -> bool {
    (22..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    client_id: String,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    #[serde(deserialize_with = "object")]
    cnf: Confirmation,
    #[serde(default)]
    authorization_details: Value,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List(Vec<String>),
}

impl Audience {
    fn only(&self) -> Option<&str> {
        match self {
            Self::One(name) => Some(name),
            Self::List(list) => match list.as_slice() {
                [name] => Some(name),
                _ => None,
            },
        }
    }
}

/// From an object only: serde would take an array of the members in order as well.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Confirmation, D::Error> {
    let members = Map::deserialize(from)?;
    Confirmation::deserialize(Value::Object(members)).map_err(de::Error::custom)
}

/// A way of binding that we do not know we can not check: it is a refusal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    jkt: String,
    #[serde(rename = "x5t#S256")]
    certificate: Option<String>,
}

/// A genuine access token's content.
pub(super) struct Access {
    pub(super) issuer: String,
    pub(super) client: String,
    pub(super) id: String,
    pub(super) expires: u64,
    pub(super) details: Details,
    pub(super) amr: Vec<String>,
    jkt: [u8; 32],
    certificate: Option<[u8; 32]>,
}

impl Access {
    pub(super) fn is_bound_to(&self, key: &PublicKey, shown: Option<&[u8; 32]>) -> Result<(), TokenError> {
        if self.jkt != key.thumbprint() {
            return Err(TokenError::Binding);
        }
        match &self.certificate {
            Some(certificate) if shown != Some(certificate) => Err(TokenError::Certificate),
            Some(_) | None => Ok(()),
        }
    }
}

/// What an issuer is asked to put into a token.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The deployment it is for.
    pub deployment: Deployment,
    /// The bank's workload: 1 to 128 visible ASCII characters. Becomes `client_id` and `sub`.
    pub client: String,
    /// Thumbprint of the client's proof key.
    pub jkt: [u8; 32],
    /// SHA-256 of the client's TLS certificate, to bind the token to that as well.
    pub certificate: Option<[u8; 32]>,
    /// What it allows.
    pub details: Details,
    /// Evidence of other factors: `mobile_auth`, `registry_check`, `pin`.
    pub amr: Vec<String>,
    /// Seconds it lives, at most [`MAX_LIFETIME`](super::MAX_LIFETIME).
    pub lifetime: u64,
}

/// Gives out tokens: the bank's authorisation server in small, for the command line, the demo and tests.
///
/// It gives what it is asked for; that a node takes it is the node's to decide.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    kid: String,
    key: SigningKey,
}

impl Issuer {
    /// Named `name` (the `iss` of its tokens); the `kid` is the key's thumbprint.
    #[must_use]
    pub fn new(name: impl Into<String>, key: SigningKey) -> Self {
        Self { name: name.into(), kid: to_base64(&key.public().thumbprint()), key }
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `kid` of its tokens.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public key as a JWK set, for the nodes' configurations.
    #[must_use]
    pub fn jwks(&self) -> String {
        let mut jwk = self.key.public().to_jwk();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.key.public().algorithm().as_str());
        format!("{:#}\n", json!({ "keys": [jwk] }))
    }

    /// The header of its tokens.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": self.key.public().algorithm().as_str(), "kid": self.kid })
    }

    /// The claims of the token that it would give, with a fresh `jti`. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn claims(&self, request: &TokenRequest, now: u64) -> Result<Value, JwsError> {
        let mut claims = json!({
            "iss": self.name,
            "aud": audience(&request.deployment),
            "client_id": request.client,
            "sub": request.client,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(request.lifetime),
            "jti": draw_id()?,
            "cnf": { "jkt": to_base64(&request.jkt) },
            "authorization_details": [request.details],
        });
        if let Some(certificate) = &request.certificate {
            claims["cnf"]["x5t#S256"] = json!(to_base64(certificate));
        }
        if !request.amr.is_empty() {
            claims["amr"] = json!(request.amr);
        }
        Ok(claims)
    }

    /// Gives a token. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn issue(&self, request: &TokenRequest, now: u64) -> Result<String, JwsError> {
        self.key.sign(&self.header(), &self.claims(request, now)?)
    }
}
