//! An issuer's keys, as it publishes them for everybody who takes its tokens: a JWK set (RFC 7517 5).

use serde_json::Value;

use super::json;
use super::jws::{JwsError, PublicKey};

/// Why a text is no JWK set that tokens could be verified by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysFault {
    /// Not JSON without double keys, or not an object with a list of `keys`.
    #[error("not a JWK set: {{\"keys\": [..]}}, in JSON without double keys")]
    Form,
    /// There is no key in it.
    #[error("there is no key in the set")]
    Empty,
    /// None of them is one of ours.
    #[error("no usable Ed25519 or P-256 key with a kid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoneOfUse(Vec<Unused>),
    /// A key of ours that is malformed, or any private one.
    #[error("key {kid}: {fault}")]
    Key {
        /// Its `kid`.
        kid: String,
        /// What.
        fault: JwsError,
    },
    /// Two keys under one `kid`, of this issuer or of another: a token would not say whose it is.
    #[error("key {0}: another key has this kid")]
    Twice(String),
}

/// A key of an issuer that no token is verified by. It is there for others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {kid}: {why}")]
pub struct Unused {
    /// Its `kid`, or `without kid`.
    pub kid: String,
    /// Why it is none of ours.
    pub why: &'static str,
}

/// Keys that verify, by `kid`, and those that do not.
pub(super) type Set = (Vec<(String, PublicKey)>, Vec<Unused>);

/// A set is published for everybody who takes an issuer's tokens, and most have keys that are not for us (RFC 7517 5).
pub(super) fn read_keys(jwks: &str) -> Result<Set, KeysFault> {
    // Some editors begin a text with a mark of its encoding.
    let text = jwks.strip_prefix('\u{feff}').unwrap_or(jwks);
    let set = json::object(text.as_bytes()).map_err(|_| KeysFault::Form)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(KeysFault::Form)?;
    if keys.is_empty() {
        return Err(KeysFault::Empty);
    }
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    for jwk in keys {
        let kid = jwk.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
        let name = || kid.unwrap_or("without kid").to_owned();
        match (PublicKey::from_set(jwk), kid) {
            (Err(fault), _) => return Err(KeysFault::Key { kid: name(), fault }),
            (Ok(Err(why)), _) => unused.push(Unused { kid: name(), why }),
            (Ok(Ok(_)), None) => unused.push(Unused { kid: name(), why: "a token could not name it" }),
            (Ok(Ok(key)), Some(kid)) => used.push((kid.to_owned(), key)),
        }
    }
    if used.is_empty() { Err(KeysFault::NoneOfUse(unused)) } else { Ok((used, unused)) }
}
