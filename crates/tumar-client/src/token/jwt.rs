//! The access token: `at+jwt` (RFC 9068), who is believed to give one out, and the giving out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::approval::Officers;
use super::claims::{SKEW, audience, is_id, is_visible};
use super::details::Details;
use super::jws::{Algorithm, Jws, JwsError, PublicKey, SigningKey, draw_id, from_base64_32, to_base64};
use super::keys::{KeysFault, Unused, read_keys};
use super::refusal::{TokenError, TokenFault};
use crate::form::is_base;
use crate::name::{Deployment, GalleryName, RelyingParty};
use crate::request::Method;

/// Why a node's trust settings are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No issuer is named, so no token could ever be genuine.
    #[error("no token issuer is configured")]
    NoIssuer,
    /// An issuer's name is empty or has other than visible ASCII characters.
    #[error("an issuer's name must be 1 to 200 visible ASCII characters")]
    IssuerName,
    /// Two issuers of one name: their tokens could not be told apart.
    #[error("two [[issuers]] have the same name; merge them into one")]
    IssuerTwice,
    /// An issuer speaks for nobody, or for somebody twice.
    #[error("relying_parties must list at least one relying party, each once")]
    RelyingParties,
    /// A gallery of somebody else, or one that stands twice.
    #[error(
        "galleries of issuer {issuer}: each must begin with one of its relying_parties and be listed once: {gallery}"
    )]
    Gallery {
        /// Which issuer.
        issuer: String,
        /// Which gallery.
        gallery: GalleryName,
    },
    /// What is wrong with the keys of one.
    #[error("the keys of issuer {issuer}: {fault}")]
    Keys {
        /// Which.
        issuer: String,
        /// What.
        fault: KeysFault,
    },
    /// No address, so no proof could ever fit.
    #[error("no base is configured")]
    NoBase,
    /// Not `https://` with host and port only.
    #[error("a base must be https://HOST[:PORT] without a path")]
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
    /// Their galleries: people are enrolled into these alone.
    pub galleries: &'a [GalleryName],
    /// Its public keys, a JWK set (RFC 7517 5). Those of other kinds, for other uses, or without a `kid` are not used.
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
    unused: Vec<(String, Unused)>,
    galleries: BTreeSet<GalleryName>,
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
        let (mut keys, mut all_unused) = (BTreeMap::new(), Vec::new());
        let (mut names, mut all_galleries) = (BTreeSet::new(), BTreeSet::new());
        for TrustedIssuer { issuer, relying_parties, galleries, jwks } in issuers {
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
            for gallery in *galleries {
                let owned = relying_parties.iter().any(|owner| gallery.belongs_to(owner));
                if !owned || !all_galleries.insert(gallery.clone()) {
                    return Err(TrustError::Gallery { issuer: (*issuer).to_owned(), gallery: gallery.clone() });
                }
            }
            let known = Arc::new(Known { name: (*issuer).to_owned(), relying_parties: relying_parties.to_vec() });
            let wrong = |fault| TrustError::Keys { issuer: (*issuer).to_owned(), fault };
            let (used, unused) = read_keys(jwks).map_err(wrong)?;
            for (kid, key) in used {
                if keys.contains_key(&kid) {
                    return Err(wrong(KeysFault::Twice(kid)));
                }
                keys.insert(kid, (Arc::clone(&known), key));
            }
            all_unused.extend(unused.into_iter().map(|unused| ((*issuer).to_owned(), unused)));
        }
        if keys.is_empty() {
            return Err(TrustError::NoIssuer);
        }
        if bases.is_empty() {
            return Err(TrustError::NoBase);
        }
        if !bases.iter().all(|base| is_base(base)) {
            return Err(TrustError::Base);
        }
        let (unused, galleries) = (all_unused, all_galleries);
        Ok(Self { keys, unused, galleries, audience: audience(deployment), bases, officers })
    }

    /// Keys of issuers that are not used, each with its issuer's name.
    #[must_use]
    pub fn unused(&self) -> &[(String, Unused)] {
        &self.unused
    }

    /// Whether people may be enrolled into a gallery: it is listed for its relying party.
    pub(super) fn lists(&self, gallery: &GalleryName) -> bool {
        self.galleries.contains(gallery)
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
    pub(super) fn access(&self, jws: &Jws<'_>, claims: Map<String, Value>, now: u64) -> Result<Access, TokenFault> {
        let issuer = self.signer_of(jws)?;
        let claims = Said::read(Claims(claims)).map_err(|claim| TokenError::Claims.of(claim))?;
        if !is_id(&claims.id) {
            return Err(TokenError::Id.into());
        }
        let details = claims.details.as_ref().and_then(Details::read).ok_or(TokenError::Details)?;
        if claims.issuer != issuer.name {
            return Err(TokenError::Issuer.into());
        }
        if !issuer.relying_parties.contains(&details.relying_party) {
            return Err(TokenError::IssuerRelyingParty.into());
        }
        if claims.audience.as_deref() != Some(self.audience.as_str()) {
            return Err(TokenError::Audience.into());
        }
        let latest = now.saturating_add(SKEW);
        for (claim, from) in [("iat", Some(claims.issued)), ("nbf", claims.not_before)] {
            if from.is_some_and(|from| from > latest) {
                return Err(TokenError::NotYetValid.of(claim));
            }
        }
        if now >= claims.expires.saturating_add(SKEW) {
            return Err(TokenError::Expired.into());
        }
        if claims.expires - claims.issued > details.longest_life() {
            return Err(TokenError::TooLongLived.into());
        }
        Ok(Access {
            issuer: claims.issuer,
            client: claims.client,
            id: claims.id,
            expires: claims.expires,
            details,
            amr: claims.amr,
            jkt: claims.jkt,
            certificate: claims.certificate,
        })
    }

    /// The issuer whose key signed it.
    fn signer_of(&self, jws: &Jws<'_>) -> Result<&Known, TokenFault> {
        if !is_type(jws, "at+jwt") {
            return Err(TokenError::Type.into());
        }
        let algorithm = jws.header_text("alg").and_then(Algorithm::named).ok_or(TokenError::Algorithm)?;
        // A header is not asked for its keys (jwk, jku, x5u, x5c), and what it holds to be critical we do not know.
        if let Some(fault) = unknown_member(jws, &["typ", "alg", "kid"]) {
            return Err(TokenError::Header.of(fault));
        }
        let kid = jws.header_text("kid").ok_or(TokenError::KeyUnknown)?;
        let (issuer, key) = self.keys.get(kid).ok_or(TokenError::KeyUnknown)?;
        if key.algorithm() != algorithm {
            return Err(TokenError::KeyAlgorithm.into());
        }
        jws.verify(key).map_err(|_| TokenError::Signature)?;
        Ok(issuer)
    }
}

/// Whether a header's `typ` is this media type, which has no case and may have `application/` in front (RFC 7515 4.1.9).
#[must_use]
pub fn is_type(jws: &Jws<'_>, wanted: &str) -> bool {
    let typ = jws.header_text("typ").unwrap_or_default().to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == wanted
}

/// The first member of a header beyond these; by its name, if others know it too.
pub(super) fn unknown_member(jws: &Jws<'_>, known: &[&str]) -> Option<&'static str> {
    const REGISTERED: [&str; 10] = ["jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "cty", "crit", "b64"];
    let unknown = jws.header().keys().find(|name| !known.contains(&name.as_str()))?;
    Some(REGISTERED.into_iter().find(|name| name == unknown).unwrap_or("a member of the header"))
}

/// Claims as they came, each read as what it must be.
pub struct Claims(pub Map<String, Value>);

impl Claims {
    /// A claim as it is.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// Takes a text out.
    pub fn text(&mut self, claim: &str) -> Option<String> {
        match self.0.remove(claim) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Unix seconds, of which the fraction is cut off (RFC 7519 2).
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was looked at")]
    #[must_use]
    pub fn time(&self, claim: &str) -> Option<u64> {
        // Above, there are no seconds any more.
        const END: f64 = 9_007_199_254_740_992.0;
        let number = self.0.get(claim)?;
        number.as_u64().or_else(|| number.as_f64().filter(|at| (0.0..END).contains(at)).map(|at| at as u64))
    }
}

/// What a token says, in its form.
struct Said {
    issuer: String,
    /// If there is exactly one.
    audience: Option<String>,
    client: String,
    issued: u64,
    not_before: Option<u64>,
    expires: u64,
    id: String,
    jkt: [u8; 32],
    certificate: Option<[u8; 32]>,
    details: Option<Value>,
    amr: Vec<String>,
}

impl Said {
    /// Or the claim that is missing or has not its form.
    fn read(mut claims: Claims) -> Result<Self, &'static str> {
        let (jkt, certificate) = bound_to(claims.get("cnf")).ok_or("cnf")?;
        let audience = match claims.0.remove("aud") {
            Some(Value::String(name)) => Some(name),
            Some(list) => {
                let list = texts(&list).ok_or("aud")?;
                <[String; 1]>::try_from(list).ok().map(|[name]| name)
            }
            None => return Err("aud"),
        };
        let not_before = match claims.get("nbf") {
            Some(_) => Some(claims.time("nbf").ok_or("nbf")?),
            None => None,
        };
        let amr = match claims.0.remove("amr") {
            Some(list) => texts(&list).ok_or("amr")?,
            None => Vec::new(),
        };
        let said = Self {
            issuer: claims.text("iss").ok_or("iss")?,
            audience,
            client: claims.text("client_id").filter(|name| is_visible(name, 128)).ok_or("client_id")?,
            issued: claims.time("iat").ok_or("iat")?,
            not_before,
            expires: claims.time("exp").ok_or("exp")?,
            id: claims.text("jti").ok_or("jti")?,
            jkt,
            certificate,
            details: claims.0.remove("authorization_details"),
            amr,
        };
        claims.text("sub").filter(|name| is_visible(name, 128)).ok_or("sub")?;
        if said.expires > said.issued { Ok(said) } else { Err("exp") }
    }
}

/// A list of texts.
#[must_use]
pub fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// The key that a token is bound to, and the certificate, if to one as well. A way of binding that we do not know we can not check: it
/// is a refusal.
fn bound_to(confirmation: Option<&Value>) -> Option<([u8; 32], Option<[u8; 32]>)> {
    let members = confirmation?.as_object()?;
    if members.keys().any(|name| !matches!(name.as_str(), "jkt" | "x5t#S256")) {
        return None;
    }
    let digest = |value: &Value| from_base64_32(value.as_str()?).ok();
    let certificate = match members.get("x5t#S256") {
        Some(value) => Some(digest(value)?),
        None => None,
    };
    Some((digest(members.get("jkt")?)?, certificate))
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
        self.sign(&self.claims(request, now)?)
    }

    /// The token of these [`claims`](Self::claims).
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn sign(&self, claims: &Value) -> Result<String, JwsError> {
        self.key.sign(&self.header(), claims)
    }
}
