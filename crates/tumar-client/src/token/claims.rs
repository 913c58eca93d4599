//! The forms that claims of tokens, proofs and approvals have, and how long what they say is good.

use ring::digest::{Context, SHA256};

use crate::name::Deployment;

/// Seconds by which another's clock may differ from ours.
pub const SKEW: u64 = 30;

/// Most seconds from a token's `iat` to its `exp`.
pub const MAX_LIFETIME: u64 = 300;

/// The same of a token that allows searches.
pub const MAX_SEARCH_LIFETIME: u64 = 120;

/// The same of a token that allows to read logs and nothing else.
pub const MAX_READ_LIFETIME: u64 = 3600;

/// Most seconds from a proof's `iat` to now.
pub const MAX_PROOF_AGE: u64 = 60;

/// Longest access token, and longest proof, in bytes.
pub const MAX_BYTES: usize = 4096;

/// The one audience of a deployment's tokens and approvals.
pub(super) fn audience(deployment: &Deployment) -> String {
    format!("urn:tumar:{deployment}")
}

/// Characters that are printed, and not too many.
pub(super) fn is_visible(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What an issuer or a client gives a token or proof to tell it from all others, in any form: a UUID, one with a prefix, base64url.
/// Whether it is random, only they know.
#[must_use]
pub fn is_id(id: &str) -> bool {
    id.len() >= 16 && is_visible(id, 128)
}

/// Whether a text has the form of a role: `fraud-analyst`.
pub(super) fn is_role(text: &str) -> bool {
    is_simple(text, 48, b"-")
}

/// Small letters, digits and a few bytes more, not too many.
pub(super) fn is_simple(text: &str, longest: usize, also: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

/// SHA-256 over fields, each with its length in front.
pub(super) fn digest_of(fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for field in fields {
        hash.update(&(field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}
