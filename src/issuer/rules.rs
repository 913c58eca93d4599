//! `issuer.toml`: which client may ask for tokens for what.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::form::{self, FormError};
use crate::name::{ClientName, Deployment, GalleryName, Modality, PurposeName, RelyingParty};
use crate::request::Method;
use crate::token::jws::{JwsError, PublicKey, from_base64_32};
use crate::token::{Action, Details, MAX_LIFETIME, MAX_READ_LIFETIME};

/// Why the rules were refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not TOML of the required form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// `iss` of the tokens.
    #[error("issuer must be 1 to 200 visible ASCII characters")]
    Issuer,
    /// There is none, or one stands twice.
    #[error("[[client]] must stand at least once, each id once; {0}")]
    Clients(String),
    /// The key of a client's assertions.
    #[error("[[client]] {client}: jwk: {fault}")]
    Key {
        /// Whose.
        client: ClientName,
        /// What is wrong with it.
        fault: JwsError,
    },
    /// Any other member of a client.
    #[error("[[client]] {client}: {member}: {fault}")]
    Client {
        /// Whose.
        client: ClientName,
        /// Which member.
        member: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The `iss` of its tokens: `name` of an `[[issuers]]` in the nodes' configurations.
    pub issuer: String,
    /// Whose nodes the tokens are for.
    pub deployment: Deployment,
    /// Where clients reach it, `https://HOST[:PORT]`; the audience of assertions and the address of proofs follow from it.
    #[serde(deserialize_with = "form::base")]
    pub base: String,
    /// Where it listens, `host:port`.
    #[serde(deserialize_with = "form::address")]
    pub listen: String,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM.
    pub certificate_key: PathBuf,
    /// The key that signs tokens, PKCS#8.
    pub signing_key: PathBuf,
    /// Where a line goes for each token; standard output if absent.
    pub audit_log: Option<PathBuf>,
    client: Vec<FileClient>,
    #[serde(skip)]
    clients: Vec<Client>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileClient {
    id: ClientName,
    relying_party: RelyingParty,
    jwk: Value,
    #[serde(default)]
    proof_keys: Vec<String>,
    allow: Vec<Allow>,
}

/// One workload of a bank.
#[derive(Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientName,
    /// On whose behalf it asks.
    pub relying_party: RelyingParty,
    /// Verifies its assertions.
    pub key: PublicKey,
    /// Thumbprints (RFC 7638) of the keys that its tokens may be bound to; any if empty.
    pub proof_keys: Vec<String>,
    /// What it may ask for.
    pub allow: Vec<Allow>,
}

/// What a client may ask for, for one purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The purpose.
    pub purpose: PurposeName,
    /// The most that may be asked for.
    pub actions: Vec<Action>,
    /// Where.
    pub galleries: Vec<GalleryName>,
    /// Modalities of samples.
    #[serde(default)]
    pub modalities: Vec<Modality>,
    /// Most requests that one token allows; 1 if absent.
    #[serde(default = "one")]
    pub max_uses: u32,
    /// Evidence of other factors that the client may state.
    #[serde(default)]
    pub amr: Vec<String>,
    /// Seconds that a token lives; as long as nodes accept it if absent.
    pub lifetime: Option<u64>,
}

const fn one() -> u32 {
    1
}

impl Rules {
    /// Reads `issuer.toml`; paths are relative to `folder`.
    ///
    /// # Errors
    /// [`RulesError`], with the client and member at fault.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, RulesError> {
        let mut rules: Self = form::parse(text)?;
        if !(1..=200).contains(&rules.issuer.len()) || !rules.issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RulesError::Issuer);
        }
        for path in [&mut rules.certificate, &mut rules.certificate_key, &mut rules.signing_key] {
            *path = folder.join(&path);
        }
        rules.audit_log = rules.audit_log.map(|path| folder.join(path));
        for client in std::mem::take(&mut rules.client) {
            if rules.client(client.id.as_str()).is_some() {
                return Err(RulesError::Clients(format!("{} stands twice", client.id)));
            }
            rules.clients.push(client.checked()?);
        }
        if rules.clients.is_empty() { Err(RulesError::Clients("there is none".to_owned())) } else { Ok(rules) }
    }

    /// The client of this id.
    #[must_use]
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id.as_str() == id)
    }

    /// Where tokens are asked for.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}/token", self.base)
    }
}

impl FileClient {
    fn checked(self) -> Result<Client, RulesError> {
        let Self { id, relying_party, jwk, proof_keys, allow } = self;
        let wrong = |member, fault| RulesError::Client { client: id.clone(), member, fault };
        let key = PublicKey::from_jwk(&jwk).map_err(|fault| RulesError::Key { client: id.clone(), fault })?;
        if proof_keys.iter().any(|key| from_base64_32(key).is_err()) {
            return Err(wrong("proof_keys", "each must be a thumbprint (RFC 7638): 32 bytes in base64url"));
        }
        if allow.is_empty() {
            return Err(wrong("allow", "a client without [[client.allow]] gets no token"));
        }
        for rule in &allow {
            if rule.actions.is_empty() {
                return Err(wrong("actions", "there must be at least one"));
            }
            if rule.galleries.is_empty() {
                return Err(wrong("galleries", "there must be at least one"));
            }
            let of_auditor = |action: &Action| matches!(action.0, Method::ReadLog | Method::OpenEvidence);
            if !rule.actions.iter().all(of_auditor)
                && !rule.galleries.iter().all(|name| name.belongs_to(&relying_party))
            {
                return Err(wrong("galleries", "each must be one of the client's relying party"));
            }
            if !(1..=crate::token::details::MAX_USES).contains(&rule.max_uses) {
                return Err(wrong("max_uses", "it must be 1 to 1000"));
            }
            let longest = if rule.actions.iter().all(of_auditor) { MAX_READ_LIFETIME } else { MAX_LIFETIME };
            if rule.lifetime.is_some_and(|seconds| !(1..=longest).contains(&seconds)) {
                return Err(wrong("lifetime", "nodes take tokens of 1 to 300 seconds, and 3600 to read logs alone"));
            }
        }
        Ok(Client { id, relying_party, key, proof_keys, allow })
    }
}

impl Allow {
    /// Which member asks for more than this, if any.
    #[must_use]
    pub fn refuses(&self, details: &Details, amr: &[String]) -> Option<&'static str> {
        let beyond = [
            ("authorization_details: actions", details.actions.iter().any(|action| !self.actions.contains(action))),
            ("authorization_details: galleries", details.galleries.iter().any(|name| !self.galleries.contains(name))),
            ("authorization_details: modalities", details.modalities.iter().any(|of| !self.modalities.contains(of))),
            ("authorization_details: max_uses", details.max_uses > self.max_uses),
            ("client_assertion: amr", amr.iter().any(|factor| !self.amr.contains(factor))),
        ];
        beyond.into_iter().find(|(_, is_beyond)| *is_beyond).map(|(member, _)| member)
    }
}
