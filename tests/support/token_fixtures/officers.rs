//! Officers of a bank, and approvals before they are signed.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tumar::token::approval::case_digest;
use tumar::token::jws::to_base64;
use tumar::token::{Algorithm, SigningKey};

use super::{NOW, details, draw};

pub(crate) const CASE: &[u8] = b"case 17";

pub(crate) static AIDA: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static BOLAT: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static CLARA: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));
pub(crate) static DINA: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::Es256));
pub(crate) static EMIR: LazyLock<SigningKey> = LazyLock::new(|| draw(Algorithm::EdDsa));

/// Two analysts, one for privacy, one whom the policy does not ask; and at another bank somebody else, and Aida once more.
pub(crate) fn officers_text() -> String {
    [
        ("aida", "fraud-analyst", "banks/b17", &*AIDA),
        ("bolat", "privacy-officer", "banks/b17", &*BOLAT),
        ("clara", "fraud-analyst", "banks/b17", &*CLARA),
        ("dina", "auditor", "banks/b17", &*DINA),
        ("emir", "privacy-officer", "banks/b18", &*EMIR),
        ("aida", "fraud-analyst", "banks/b18", &*AIDA),
    ]
    .map(|(name, role, bank, key)| entry(name, role, bank, &key.public().to_jwk()))
    .concat()
}

/// An `[[officer]]`; a JWK's members are texts.
pub(crate) fn entry(name: &str, role: &str, bank: &str, jwk: &Value) -> String {
    let members: Vec<_> =
        jwk.as_object().unwrap().iter().map(|(member, value)| format!("{member} = {value}")).collect();
    let jwk = members.join(", ");
    format!("[[officer]]\nname = \"{name}\"\nrole = \"{role}\"\nrelying_party = \"{bank}\"\njwk = {{ {jwk} }}\n")
}

/// One approval before it is signed.
#[derive(Clone)]
pub(crate) struct Sheet {
    pub(crate) key: &'static SigningKey,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) text: Vec<fn(String) -> String>,
}

impl Sheet {
    /// Of the drafts' details and [`CASE`].
    pub(crate) fn of(name: &str, role: &str, key: &'static SigningKey) -> Self {
        let mut sheet = Self::fitting(name, role, key);
        sheet.claims["authorization_details"] = json!([details()]);
        sheet.claims["case"] = json!(to_base64(&case_digest(CASE)));
        sheet
    }

    /// Of whatever it is [signed over](Self::signed_over).
    pub(crate) fn fitting(name: &str, role: &str, key: &'static SigningKey) -> Self {
        let public = key.public();
        Self {
            key,
            header: json!({
                "typ": "tumar-approval+jwt", "alg": public.algorithm().as_str(), "kid": to_base64(&public.thumbprint()),
            }),
            claims: json!({
                "sub": name, "role": role, "iat": NOW, "jti": "a".repeat(22), "aud": "urn:tumar:kz-test",
            }),
            text: Vec::new(),
        }
    }

    /// Those of two officers that a search needs.
    pub(crate) fn two() -> Vec<Self> {
        vec![Self::fitting("aida", "fraud-analyst", &AIDA), Self::fitting("bolat", "privacy-officer", &BOLAT)]
    }

    pub(crate) fn details(&mut self) -> &mut Value {
        &mut self.claims["authorization_details"][0]
    }

    pub(crate) fn signed(&self) -> String {
        let signed = self.key.sign(&self.header, &self.claims).unwrap();
        self.text.iter().fold(signed, |text, change| change(text))
    }

    /// Signed, with a token's `authorization_details` and a case's digest where it has none of its own.
    pub(crate) fn signed_over(&self, details: &Value, case: &[u8; 32]) -> String {
        let mut sheet = self.clone();
        for (name, fitting) in [("authorization_details", details.clone()), ("case", json!(to_base64(case)))] {
            if sheet.claims.get(name).is_none() {
                sheet.claims[name] = fitting;
            }
        }
        sheet.signed()
    }
}
