//! Approvals: a search among many is allowed only if two officers of the bank have signed that they want this one.
//!
//! ```text
//! case file --case_digest--> 32 bytes --Officer::approve--> approval, twice --Officers::check--> 2, or a Denial
//! ```
//!
//! An approval is a compact JWS. Header: `typ` `tumar-approval+jwt`, `alg`, `kid` (the thumbprint of the officer's key), no
//! more. Claims: `sub` (the officer's name), `role`, `iat`, `jti`, `aud`, `authorization_details` (equal to the token's) and
//! `case` (SHA-256 of the case file), no more. It is bound to no token: for [`MAX_APPROVAL_AGE`] it stands for every token with
//! the same details and the same case.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::claims::{MAX_BYTES, SKEW, audience, is_id, is_role, is_simple};
use super::details::Details;
use super::jws::{Algorithm, Jws, JwsError, PublicKey, SigningKey, draw_id, from_base64_32, sha256, to_base64};
use super::refusal::Denial;
use crate::form::{self, FormError};
use crate::name::{Deployment, RelyingParty};

/// Approvals that a search needs: no fewer, no more.
pub const APPROVALS: u32 = 2;

/// Most seconds from an approval's `iat` to now. [`SKEW`] is not added to it: an officer's clock may run ahead by that much,
/// and one that runs behind shortens the time.
pub const MAX_APPROVAL_AGE: u64 = 900;

/// The `typ` of an approval: no token and no proof passes for one, and it passes for none of them.
pub const TYPE: &str = "tumar-approval+jwt";

/// SHA-256 of a case file: what an approval says of the case, and all that the nodes learn of it.
#[must_use]
pub fn case_digest(file: &[u8]) -> [u8; 32] {
    sha256(file)
}

/// What is wrong with an officer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfficerFault {
    /// Not a name.
    #[error("a name must be 1 to 64 of a-z 0-9 - .")]
    Name,
    /// Not a role.
    #[error("a role must be 1 to 48 of a-z 0-9 -")]
    Role,
    /// Not a public key, or a private one.
    #[error("its jwk: {0}")]
    Key(#[from] JwsError),
    /// Two officers of one bank under one name: an approval would not say whose it is.
    #[error("two officers of its relying party have this name")]
    NameTwice,
    /// Two officers of one bank with one key: one person could approve for both.
    #[error("two officers of its relying party have this key")]
    KeyTwice,
}

/// Why a text is no list of officers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfficersError {
    /// Not TOML, or a key that is unknown, missing, doubled or of another type: it says which, and on which line.
    #[error("{0}")]
    Form(#[from] FormError),
    /// In an officer.
    #[error("officer {place}: {fault}")]
    Officer {
        /// Which, from 1.
        place: usize,
        /// What.
        fault: OfficerFault,
    },
}

/// Who may approve. Without any, which is the default, no search is ever approved.
#[derive(Clone, Debug, Default)]
pub struct Officers(Vec<Registered>);

/// An officer, as the nodes know one.
#[derive(Clone, Debug)]
struct Registered {
    name: String,
    role: String,
    relying_party: RelyingParty,
    key: PublicKey,
    /// The `kid` of its approvals.
    kid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    officer: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: String,
    relying_party: RelyingParty,
    jwk: Value,
}

impl Officers {
    /// Reads the text of an `officers.toml`: `[[officer]]` with `name`, `role`, `relying_party` and `jwk`, an inline table with
    /// a public key. Names and keys are unique within a relying party.
    ///
    /// # Errors
    /// [`OfficersError`] says what and where; there is no list with a part that is ignored.
    pub fn parse(text: &str) -> Result<Self, OfficersError> {
        let File { officer: entries } = form::parse(text)?;
        let mut officers = Self::default();
        for (place, entry) in entries.into_iter().enumerate() {
            officers.add(entry).map_err(|fault| OfficersError::Officer { place: place + 1, fault })?;
        }
        Ok(officers)
    }

    fn add(&mut self, Entry { name, role, relying_party, jwk }: Entry) -> Result<(), OfficerFault> {
        check_names(&name, &role)?;
        let key = PublicKey::from_jwk(&jwk)?;
        let colleagues = || self.0.iter().filter(|other| other.relying_party == relying_party);
        if colleagues().any(|other| other.name == name) {
            return Err(OfficerFault::NameTwice);
        }
        if colleagues().any(|other| other.key == key) {
            return Err(OfficerFault::KeyTwice);
        }
        let kid = to_base64(&key.thumbprint());
        self.0.push(Registered { name, role, relying_party, key, kid });
        Ok(())
    }

    /// How many there are, of all relying parties.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, so that no search can be approved.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these are two officers' approvals of exactly what a token allows, in exactly this case, now; then how many.
    ///
    /// `details` are the token's, `case` is the request's, `roles` are the policy's for the purpose, `audience` is the
    /// deployment's, `now` is in Unix seconds. Each check is made of both approvals before the next: their number; their form;
    /// that they say different names, roles and keys; that these are names and keys of officers of the details' relying party;
    /// algorithm and signature; that the roles are those officers' own and among `roles`; details and audience; case; age.
    ///
    /// # Errors
    /// [`Denial`]: the first check that fails, in this order.
    pub fn check(
        &self,
        approvals: &[String],
        details: &Details,
        case: &[u8; 32],
        roles: &[String],
        audience: &str,
        now: u64,
    ) -> Result<u32, Denial> {
        let [one, other] = approvals else { return Err(Denial::ApprovalsMissing) };
        let [one, other] = [one, other].map(|text| Approval::parse(text));
        let [one, other] = [one.ok_or(Denial::ApprovalMalformed)?, other.ok_or(Denial::ApprovalMalformed)?];
        // What they say of themselves is compared first, and is held against the list below: so the officers differ too.
        if one.claims.sub == other.claims.sub {
            return Err(Denial::ApprovalSameOfficer);
        }
        if one.claims.role == other.claims.role {
            return Err(Denial::ApprovalSameRole);
        }
        if one.kid == other.kid {
            return Err(Denial::ApprovalSameKey);
        }
        let by = |approval: &Approval<'_>| self.signer_of(approval, &details.relying_party);
        let pairs = [(by(&one)?, &one), (by(&other)?, &other)];
        let hold = |denial, holds: &dyn Fn(&Registered, &Approval<'_>) -> bool| {
            if pairs.iter().all(|(officer, approval)| holds(officer, approval)) { Ok(()) } else { Err(denial) }
        };
        hold(Denial::ApprovalSignature, &|officer, approval| {
            approval.algorithm == officer.key.algorithm() && approval.jws.verify(&officer.key).is_ok()
        })?;
        hold(Denial::ApprovalRole, &|officer, approval| {
            approval.claims.role == officer.role && roles.contains(&officer.role)
        })?;
        hold(Denial::ApprovalOtherDetails, &|_, approval| {
            approval.details == *details && approval.claims.aud == audience
        })?;
        hold(Denial::ApprovalOtherCase, &|_, approval| approval.case == *case)?;
        hold(Denial::ApprovalExpired, &|_, approval| {
            let issued = approval.claims.iat;
            issued <= now.saturating_add(SKEW) && now <= issued.saturating_add(MAX_APPROVAL_AGE)
        })?;
        Ok(APPROVALS)
    }

    /// The officer of this relying party whose key and name it gives.
    fn signer_of(&self, approval: &Approval<'_>, relying_party: &RelyingParty) -> Result<&Registered, Denial> {
        let is_theirs = |officer: &&Registered| {
            officer.relying_party == *relying_party
                && officer.kid == approval.kid
                && officer.name == approval.claims.sub
        };
        self.0.iter().find(is_theirs).ok_or(Denial::ApprovalOfficerUnknown)
    }
}

/// A claim that is not named here makes the whole approval refused: it might have been a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    sub: String,
    role: String,
    iat: u64,
    jti: String,
    aud: String,
    authorization_details: Value,
    case: String,
}

/// An approval that has its form. Nothing of it is believed yet.
struct Approval<'a> {
    jws: Jws<'a>,
    algorithm: Algorithm,
    kid: String,
    claims: Claims,
    details: Details,
    case: [u8; 32],
}

impl<'a> Approval<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let jws = Jws::parse(text).ok()?;
        if jws.header_text("typ") != Some(TYPE) || jws.header().len() != 3 {
            return None;
        }
        let algorithm = jws.header_text("alg").and_then(Algorithm::named)?;
        let kid = jws.header_text("kid")?.to_owned();
        let claims = Claims::deserialize(Value::Object(jws.claims().ok()?)).ok()?;
        check_names(&claims.sub, &claims.role).ok()?;
        let details = Details::read(&claims.authorization_details)?;
        let case = from_base64_32(&claims.case).ok()?;
        is_id(&claims.jti).then_some(Self { jws, algorithm, kid, claims, details, case })
    }
}

fn check_names(name: &str, role: &str) -> Result<(), OfficerFault> {
    if !is_simple(name, 64, b"-.") {
        return Err(OfficerFault::Name);
    }
    if is_role(role) { Ok(()) } else { Err(OfficerFault::Role) }
}

/// An officer of a bank, with the key to sign approvals.
///
/// It approves what it is asked to; that a node takes it is the node's to decide.
#[derive(Debug)]
pub struct Officer {
    name: String,
    role: String,
    key: SigningKey,
}

impl Officer {
    /// Under this name, in this role, with this key.
    ///
    /// # Errors
    /// [`OfficerFault::Name`], [`OfficerFault::Role`].
    pub fn new(name: impl Into<String>, role: impl Into<String>, key: SigningKey) -> Result<Self, OfficerFault> {
        let (name, role) = (name.into(), role.into());
        check_names(&name, &role)?;
        Ok(Self { name, role, key })
    }

    /// Its `[[officer]]` in an `officers.toml`, of this relying party. It has the public half of the key.
    #[must_use]
    pub fn entry(&self, relying_party: &RelyingParty) -> String {
        let jwk = self.key.public().to_jwk();
        let members: Vec<String> =
            jwk.as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}")).collect();
        let mut text = format!("[[officer]]\nname = \"{}\"\nrole = \"{}\"\n", self.name, self.role);
        // A String takes all.
        let _ = writeln!(text, "relying_party = \"{relying_party}\"\njwk = {{ {} }}", members.join(", "));
        text
    }

    /// The header of its approvals.
    #[must_use]
    pub fn header(&self) -> Value {
        let key = self.key.public();
        json!({ "typ": TYPE, "alg": key.algorithm().as_str(), "kid": to_base64(&key.thumbprint()) })
    }

    /// The claims of the approval that it would give, with a fresh `jti`. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn claims(
        &self,
        deployment: &Deployment,
        details: &Details,
        case: &[u8; 32],
        now: u64,
    ) -> Result<Value, JwsError> {
        Ok(json!({
            "sub": self.name,
            "role": self.role,
            "iat": now,
            "jti": draw_id()?,
            "aud": audience(deployment),
            "authorization_details": [details],
            "case": to_base64(case),
        }))
    }

    /// Approves searches by tokens with exactly these details, in the case with this [`case_digest`]. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`JwsError::Randomness`].
    pub fn approve(
        &self,
        deployment: &Deployment,
        details: &Details,
        case: &[u8; 32],
        now: u64,
    ) -> Result<String, JwsError> {
        self.key.sign(&self.header(), &self.claims(deployment, details, case, now)?)
    }
}
