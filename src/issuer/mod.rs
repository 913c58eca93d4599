//! A token service: workloads of a bank ask for access tokens, and get those that its rules allow.
//!
//! ```text
//! POST /token   client_credentials (RFC 6749 4.4), private_key_jwt (RFC 7523), authorization_details (RFC 9396), DPoP (RFC 9449 5)
//!   assertion --> client --> proof --> rules --> audit line --> token
//! ```
//!
//! A token is given once its audit line is written. What was used once (assertions, proofs) is remembered for as long as it could be
//! used again; what is older than the service's start is refused, so that a restart forgets nothing.
//!
//! | file | what |
//! |---|---|
//! | `rules` | `issuer.toml`: which client may ask for what |
//! | `asked` | the form, the assertion and the proof of one request |
//! | `http` | the endpoint over HTTPS |

mod asked;
pub mod http;
pub mod rules;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::token::details::TYPE;
use crate::token::jws::to_base64;
use crate::token::{Details, Issuer, SKEW, TokenRequest};
use asked::{Asked, Assertion};
use rules::{Client, Rules};

/// Most assertions and proofs that are remembered; beyond them, nothing is given until some expire.
const REMEMBERED: usize = 200_000;

/// An error of RFC 6749 5.2, RFC 9396 5 or RFC 9449 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request lacks something, has it twice, or has not its form.
    InvalidRequest,
    /// The client is not known, or its assertion is not good.
    InvalidClient,
    /// Not `client_credentials`.
    UnsupportedGrantType,
    /// No rule of the client allows these details.
    InvalidAuthorizationDetails,
    /// The proof in the header `DPoP`.
    InvalidDpopProof,
    /// The service can not remember or write down any more: try again.
    TemporarilyUnavailable,
}

impl Code {
    /// As it stands in `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            Self::InvalidRequest
            | Self::UnsupportedGrantType
            | Self::InvalidAuthorizationDetails
            | Self::InvalidDpopProof => 400,
        }
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", code.as_str())]
pub struct Refused {
    /// Which error.
    pub code: Code,
    /// What is wrong, where, and what would be right.
    pub why: String,
}

impl Code {
    fn of(self, why: impl Into<String>) -> Refused {
        Refused { code: self, why: why.into() }
    }
}

/// Unix seconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Writes one line of JSON down, so that it is there after a crash.
pub type Audit = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Gives out tokens by its rules.
pub struct TokenService {
    rules: Rules,
    issuer: Issuer,
    clock: Clock,
    audit: Audit,
    started: u64,
    used: Mutex<HashMap<String, u64>>,
}

impl fmt::Debug for TokenService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenService({})", self.issuer.name())
    }
}

impl TokenService {
    /// A service that starts now.
    #[must_use]
    pub fn new(rules: Rules, issuer: Issuer, clock: Clock, audit: Audit) -> Self {
        let started = clock();
        Self { rules, issuer, clock, audit, started, used: Mutex::default() }
    }

    /// The public keys of its tokens, as a JWK set (RFC 7517 5).
    #[must_use]
    pub fn jwks(&self) -> String {
        self.issuer.jwks()
    }

    /// What clients read of it (RFC 8414 2).
    #[must_use]
    pub fn metadata(&self) -> Value {
        let base = &self.rules.base;
        json!({
            "issuer": self.issuer.name(),
            "token_endpoint": self.rules.endpoint(),
            "jwks_uri": format!("{base}/jwks"),
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
            "dpop_signing_alg_values_supported": ["EdDSA", "ES256"],
            "authorization_details_types_supported": [TYPE],
        })
    }

    /// Answers one request: the body of a form, and the header `DPoP`.
    ///
    /// # Errors
    /// [`Refused`], as RFC 6749 5.2 has it.
    pub fn answer(&self, form: &[u8], dpop: Option<&str>) -> Result<Value, Refused> {
        let now = (self.clock)();
        let asked = Asked::read(form)?;
        let (client, assertion) = self.client_of(&asked, now)?;
        self.use_once("assertion", client.id.as_str(), &assertion.id, assertion.expires)?;
        match self.give(client, &assertion, &asked, dpop, now) {
            Ok(given) => Ok(given),
            Err(refused) => {
                let line = json!({
                    "time": now, "outcome": "refused", "client_id": client.id, "error": refused.code.as_str(), "why": refused.why,
                });
                // There is nothing to give, so nothing is lost by a line that is.
                let _ = (self.audit)(&line.to_string());
                Err(refused)
            }
        }
    }

    /// Who asks, if that is so.
    fn client_of(&self, asked: &Asked, now: u64) -> Result<(&Client, Assertion), Refused> {
        let assertion = Assertion::take_apart(&asked.assertion)?;
        let client = assertion.issuer().and_then(|id| self.rules.client(id));
        let client = client.ok_or_else(|| {
            Code::InvalidClient
                .of("client_assertion: iss names no [[client]] of this service; it must be the client's id")
        })?;
        if asked.client_id.as_deref().is_some_and(|id| id != client.id.as_str()) {
            return Err(Code::InvalidClient.of("client_id is not the iss of client_assertion"));
        }
        let assertion = assertion.check(client, &self.rules, now)?;
        if assertion.issued < self.started {
            return Err(Code::InvalidClient.of(
                "client_assertion: iat is before the start of this service; make a new assertion for each request",
            ));
        }
        Ok((client, assertion))
    }

    fn give(
        &self,
        client: &Client,
        assertion: &Assertion,
        asked: &Asked,
        dpop: Option<&str>,
        now: u64,
    ) -> Result<Value, Refused> {
        let details = asked.details()?;
        let proof = asked::proof(dpop, &self.rules.endpoint(), now)?;
        if proof.issued < self.started {
            return Err(Code::InvalidDpopProof
                .of("DPoP: iat is before the start of this service; make a new proof for each request"));
        }
        if !client.proof_keys.is_empty() && !client.proof_keys.contains(&to_base64(&proof.jkt)) {
            return Err(Code::InvalidDpopProof.of("DPoP: the thumbprint of jwk is not among the client's proof_keys"));
        }
        let lifetime = client.allows(&details, &assertion.amr)?;
        self.use_once("proof", &to_base64(&proof.jkt), &proof.id, proof.expires)?;
        let request = TokenRequest {
            deployment: self.rules.deployment.clone(),
            client: client.id.to_string(),
            jkt: proof.jkt,
            certificate: None,
            details,
            amr: assertion.amr.clone(),
            lifetime,
        };
        self.issue(&request, now)
    }

    /// The token, once it is written down that it is given.
    fn issue(&self, request: &TokenRequest, now: u64) -> Result<Value, Refused> {
        let random = |_| Code::TemporarilyUnavailable.of("the operating system gives no random numbers");
        let claims = self.issuer.claims(request, now).map_err(random)?;
        let token = self.issuer.sign(&claims).map_err(random)?;
        let line = json!({
            "time": now, "outcome": "issued", "client_id": request.client, "jti": claims["jti"], "exp": claims["exp"],
            "jkt": claims["cnf"]["jkt"], "amr": request.amr, "authorization_details": [request.details],
        });
        (self.audit)(&line.to_string())
            .map_err(|error| Code::TemporarilyUnavailable.of(format!("the audit line was not written: {error}")))?;
        Ok(json!({
            "access_token": token,
            "token_type": "DPoP",
            "expires_in": request.lifetime,
            "authorization_details": [request.details],
        }))
    }

    /// Remembers an id until `expires`, which must not have been used before.
    fn use_once(&self, what: &'static str, whose: &str, id: &str, expires: u64) -> Result<(), Refused> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= REMEMBERED {
            let now = (self.clock)();
            used.retain(|_, expires| *expires >= now);
            if used.len() >= REMEMBERED {
                return Err(Code::TemporarilyUnavailable.of("too many requests; try again in a minute"));
            }
        }
        match used.insert(format!("{what} {whose} {id}"), expires.saturating_add(SKEW)) {
            None => Ok(()),
            Some(earlier) => {
                used.insert(format!("{what} {whose} {id}"), earlier.max(expires.saturating_add(SKEW)));
                let code = if what == "proof" { Code::InvalidDpopProof } else { Code::InvalidClient };
                Err(code.of(format!("the jti of the {what} was used before; make a new {what} for each request")))
            }
        }
    }
}

impl Client {
    /// For how many seconds a token of these details may live, if any rule allows them.
    fn allows(&self, details: &Details, amr: &[String]) -> Result<u64, Refused> {
        if details.relying_party != self.relying_party {
            return Err(Code::InvalidAuthorizationDetails
                .of(format!("authorization_details: relying_party must be the client's, {}", self.relying_party)));
        }
        let mut nearest = None;
        for rule in self.allow.iter().filter(|rule| rule.purpose == details.purpose) {
            match rule.refuses(details, amr) {
                None => return Ok(rule.lifetime.unwrap_or(u64::MAX).min(details.longest_life())),
                Some(member) => nearest = nearest.or(Some(member)),
            }
        }
        Err(Code::InvalidAuthorizationDetails.of(match nearest {
            None => format!(
                "authorization_details: no [[client.allow]] of this client is for the purpose {}",
                details.purpose
            ),
            Some(member) => {
                format!("{member} is more than [[client.allow]] for the purpose {} allows this client", details.purpose)
            }
        }))
    }
}
