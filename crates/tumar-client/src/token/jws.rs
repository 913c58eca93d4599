//! Signed JSON in compact form (RFC 7515), with the two algorithms that this system takes: `EdDSA` over Ed25519
//! (RFC 8037) and `ES256` (RFC 7518 3.4). The key says which algorithm; a header can only agree with it.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::json::{self, NotStrict};
use crate::ed25519;
use crate::pem::{self, KeyFault};

/// Why a text is no JWS of this system, or a key none of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three strict base64url parts with a strict JSON header in front.
    #[error("not a compact JWS")]
    Form,
    /// The signature is not this key's over these bytes.
    #[error("signature does not verify")]
    Signature,
    /// Not an Ed25519 or P-256 key in the form asked for.
    #[error("not an Ed25519 or P-256 key")]
    Key,
    /// An Ed25519 key of small order: anybody can make signatures that it verifies.
    #[error("an Ed25519 key of small order, which verifies what nobody signed")]
    SmallOrder,
    /// A file that should hold a private key does not.
    #[error(transparent)]
    PrivateKey(#[from] KeyFault),
    /// A public key was wanted and a private one came: someone leaks it.
    #[error("the jwk has a private key; remove its private members")]
    Private,
    /// The system's random generator failed.
    #[error("the operating system's random number generator failed")]
    Randomness,
}

/// The two signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256, signature as `r || s`.
    Es256,
}

impl Algorithm {
    /// As the `alg` header spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of an `alg` header, where Ed25519 has a newer name as well (RFC 9864); `None` for every other one, `none` and
    /// `HS256` among them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// Base64url without padding.
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Strict base64url: no padding, no other alphabet, no set bits after the end, so one text for one value.
///
/// # Errors
/// [`JwsError::Form`].
pub fn from_base64(text: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsError::Form)
}

/// 32 bytes (a SHA-256, a coordinate) in strict base64url.
///
/// # Errors
/// [`JwsError::Form`].
pub fn from_base64_32(text: &str) -> Result<[u8; 32], JwsError> {
    from_base64(text)?.try_into().map_err(|_| JwsError::Form)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// RFC 7638: SHA-256 over a key's required members, sorted by name, without white space.
///
/// The values are base64url and registered names, so no member here needs an escape.
#[must_use]
pub fn thumbprint(required: &BTreeMap<&str, &str>) -> [u8; 32] {
    let members: Vec<String> = required.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    sha256(format!("{{{}}}", members.join(",")).as_bytes())
}

/// A compact JWS taken apart: nothing of it is believed until [`verify`](Self::verify) said so.
#[derive(Debug)]
pub struct Jws<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `header.payload.signature` apart.
    ///
    /// # Errors
    /// [`JwsError::Form`] unless all three parts are strict base64url and the header is strict JSON.
    pub fn parse(text: &'a str) -> Result<Self, JwsError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form)?;
        let header = json::object(&from_base64(header)?).map_err(|NotStrict| JwsError::Form)?;
        Ok(Self { signed, header, payload: from_base64(payload)?, signature: from_base64(signature)? })
    }

    /// The header's members.
    #[must_use]
    pub const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// A header member that is a text.
    #[must_use]
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as strict JSON.
    ///
    /// # Errors
    /// [`JwsError::Form`].
    pub fn claims(&self) -> Result<Map<String, Value>, JwsError> {
        json::object(&self.payload).map_err(|NotStrict| JwsError::Form)
    }

    /// Whether `key` signed this, by the key's own algorithm. What the header says of `alg` is the caller's to compare.
    ///
    /// # Errors
    /// [`JwsError::Signature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        let verified = match key {
            PublicKey::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(self.signed.as_bytes(), &self.signature)
            }
            PublicKey::P256 { x, y } => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4][..], x, y].concat())
                .verify(self.signed.as_bytes(), &self.signature),
        };
        verified.map_err(|_| JwsError::Signature)
    }
}

/// A key that verifies. Whether it is a point of its curve is found out when it verifies: a wrong one verifies nothing, and
/// one of small order, which would verify anything, is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RFC 8032.
    Ed25519([u8; 32]),
    /// Affine coordinates, big-endian.
    P256 {
        /// First coordinate.
        x: [u8; 32],
        /// Second coordinate.
        y: [u8; 32],
    },
}

impl PublicKey {
    /// The one algorithm of this key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256 { .. } => Algorithm::Es256,
        }
    }

    /// Reads a JWK (RFC 7517, RFC 8037 2). Members that say nothing of the key itself are skipped.
    ///
    /// # Errors
    /// [`JwsError::Private`] if it has a member of a private or symmetric key, [`JwsError::SmallOrder`] for one that anybody signs by,
    /// [`JwsError::Key`] for another kind, form or `alg`.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwsError> {
        if is_private(jwk) {
            return Err(JwsError::Private);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).ok_or(JwsError::Key);
        let bytes = |name: &str| from_base64_32(text(name)?).map_err(|_| JwsError::Key);
        let key = match (text("kty")?, text("crv")?) {
            ("OKP", "Ed25519") if jwk.get("y").is_none() => Self::Ed25519(
                Some(bytes("x")?).filter(|key| !ed25519::has_small_order(key)).ok_or(JwsError::SmallOrder)?,
            ),
            ("EC", "P-256") => Self::P256 { x: bytes("x")?, y: bytes("y")? },
            _ => return Err(JwsError::Key),
        };
        match jwk.get("alg") {
            Some(named) if named.as_str().and_then(Algorithm::named) != Some(key.algorithm()) => Err(JwsError::Key),
            _ => Ok(key),
        }
    }

    /// Reads a key of an issuer's set (RFC 7517 5). A key that is none of ours, or is for something else than signatures, is there
    /// for others: then why it is not used.
    ///
    /// # Errors
    /// As [`from_jwk`](Self::from_jwk), for one that is ours by its kind.
    pub(super) fn from_set(jwk: &Value) -> Result<Result<Self, &'static str>, JwsError> {
        if is_private(jwk) {
            return Err(JwsError::Private);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let algorithm = match (text("kty"), text("crv")) {
            (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
            (Some("EC"), Some("P-256")) => Algorithm::Es256,
            _ => return Ok(Err("it is not an Ed25519 or P-256 key")),
        };
        let verifies = |operations: &Value| operations.as_array().is_some_and(|all| all.contains(&json!("verify")));
        if jwk.get("use").is_some_and(|wanted| wanted != "sig") || !jwk.get("key_ops").is_none_or(verifies) {
            return Ok(Err("it is not for signatures"));
        }
        if jwk.get("alg").is_some() && text("alg").and_then(Algorithm::named) != Some(algorithm) {
            return Ok(Err("its alg is neither EdDSA nor ES256"));
        }
        Self::from_jwk(jwk).map(Ok)
    }

    /// As JWK: the required members only.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        match self {
            Self::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": to_base64(x) }),
            Self::P256 { x, y } => json!({ "kty": "EC", "crv": "P-256", "x": to_base64(x), "y": to_base64(y) }),
        }
    }

    /// RFC 7638 thumbprint: what a token's `cnf.jkt` names.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        match self {
            Self::Ed25519(x) => {
                thumbprint(&BTreeMap::from([("crv", "Ed25519"), ("kty", "OKP"), ("x", to_base64(x).as_str())]))
            }
            Self::P256 { x, y } => thumbprint(&BTreeMap::from([
                ("crv", "P-256"),
                ("kty", "EC"),
                ("x", to_base64(x).as_str()),
                ("y", to_base64(y).as_str()),
            ])),
        }
    }
}

/// Whether it has a member of a private or symmetric key.
fn is_private(jwk: &Value) -> bool {
    ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.get(name).is_some())
}

/// A key that signs: an issuer's, or a client's for its proofs.
///
/// No `Clone` and no `Serialize`. `ring` does not wipe its keys when dropped.
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// Prints the algorithm and the public half.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Draws a key; gives it as PKCS#8, version 1, DER, as well, for the caller to keep: other tools read that.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<Vec<u8>>), JwsError> {
        let random = SystemRandom::new();
        let pkcs8 = match algorithm {
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                random.fill(seed.as_mut_slice()).map_err(|_| JwsError::Randomness)?;
                pem::ed25519(&seed)
            }
            Algorithm::Es256 => {
                let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                Zeroizing::new(document.map_err(|_| JwsError::Randomness)?.as_ref().to_vec())
            }
        };
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// Reads a PKCS#8 key, of version 1 or 2, in DER or PEM.
    ///
    /// # Errors
    /// [`JwsError::PrivateKey`].
    pub fn from_pkcs8(file: &[u8]) -> Result<Self, JwsError> {
        let pkcs8 = pem::pkcs8(file)?;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8) {
            let mut point = [0; 32];
            point.copy_from_slice(pair.public_key().as_ref());
            return Ok(Self { secret: Secret::Ed25519(pair), public: PublicKey::Ed25519(point) });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &SystemRandom::new())
            .map_err(|_| KeyFault::Kind)?;
        let (mut x, mut y) = ([0; 32], [0; 32]);
        // Uncompressed point (SEC 1, 2.3.3): 4, x, y.
        x.copy_from_slice(&pair.public_key().as_ref()[1..33]);
        y.copy_from_slice(&pair.public_key().as_ref()[33..]);
        Ok(Self { secret: Secret::P256(pair), public: PublicKey::P256 { x, y } })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `header` and `claims` as they are: nothing is added, nothing is checked.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, JwsError> {
        self.sign_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// The same over any bytes.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> Result<String, JwsError> {
        let mut text = format!("{}.{}", to_base64(header), to_base64(payload));
        let signature = match &self.secret {
            Secret::Ed25519(pair) => pair.sign(text.as_bytes()),
            Secret::P256(pair) => pair.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| JwsError::Randomness)?,
        };
        text.push('.');
        text.push_str(&to_base64(signature.as_ref()));
        Ok(text)
    }
}

/// A `jti` of 128 random bits: 22 characters.
pub(super) fn draw_id() -> Result<String, JwsError> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).map_err(|_| JwsError::Randomness)?;
    Ok(to_base64(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_anybody_signs_by_is_not_read() {
        let read = |key: &[u8; 32]| {
            PublicKey::from_jwk(&json!({ "kty": "OKP", "crv": "Ed25519", "x": to_base64(key) })).map(|_| ())
        };
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!((read(&identity), read(&[0; 32])), (Err(JwsError::SmallOrder), Err(JwsError::SmallOrder)));
        let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
        assert!(PublicKey::from_jwk(&key.public().to_jwk()).is_ok());
    }
}
