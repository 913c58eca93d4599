//! Plain HTTP calls: to fetch logs from a node, and to ask witnesses.
//!
//! Blocking: call it on a thread that may block. Whoever asks trusts nothing that comes: it is signed, or it is refused.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::tls::{Untrusted, untrusted};

/// No longer answer is read, in bytes: a full bundle of the longest entries that the specification allows is 16 MiB.
const MAX_BYTES: u64 = 17 << 20;

/// An answer that did not come, or is not one.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The pinned certificate is none.
    #[error("no certificate in PEM; of one in DER: openssl x509 -inform DER -in OLD -out NEW")]
    Certificate,
    /// Nobody there, or the connection was not what it must be.
    #[error("{0} can not be reached")]
    Unreachable(String, #[source] Box<ureq::Error>),
    /// Somebody there, and not who should be.
    #[error("the server at {0} is not the pinned one")]
    Untrusted(String, #[source] Untrusted),
    /// More than 17 MiB, or cut off.
    #[error("the response of {0} is not valid")]
    Body(String, #[source] Box<ureq::Error>),
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A place on the web that is asked more than once: connections stay open.
#[derive(Debug, Clone)]
pub struct HttpClient {
    base: String,
    agent: Agent,
}

impl HttpClient {
    /// `base` is an address without its last slash, `https://host:port/a`. Over TLS the server is believed if its certificate leads
    /// to `root`, PEM, or without one to an authority that browsers believe.
    ///
    /// # Errors
    /// [`WebError::Certificate`].
    pub fn new(base: &str, root: Option<&[u8]>, patience: Duration) -> Result<Self, WebError> {
        let roots = match root {
            None => RootCerts::WebPki,
            Some(pem) => {
                let certificates: Vec<Certificate<'static>> = parse_pem(pem)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                        Ok(_) => None,
                        Err(_) => Some(Err(WebError::Certificate)),
                    })
                    .collect::<Result<_, _>>()?;
                if certificates.is_empty() {
                    return Err(WebError::Certificate);
                }
                RootCerts::from(certificates)
            }
        };
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent("tumar")
            .build();
        Ok(Self { base: base.trim_end_matches('/').to_owned(), agent: agent.into() })
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for `path`, which begins with a slash; `token` is shown as a bearer.
    ///
    /// # Errors
    /// [`WebError`] if no whole answer came. A status that is no success is an answer.
    pub fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, WebError> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.read(request.call())
    }

    /// Posts a body to `path`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer, WebError> {
        self.read(self.agent.post(format!("{}{path}", self.base)).send(body))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of faults has no end")]
    fn unanswered(&self, error: ureq::Error) -> WebError {
        let fault = match &error {
            ureq::Error::Io(error) => untrusted(error),
            ureq::Error::Rustls(error) => untrusted(error),
            _ => None,
        };
        match fault {
            Some(fault) => WebError::Untrusted(self.base.clone(), fault),
            None => WebError::Unreachable(self.base.clone(), Box::new(error)),
        }
    }

    fn read(&self, answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, WebError> {
        let mut response = answered.map_err(|error| self.unanswered(error))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
        Ok(Answer { status, body: body.map_err(|error| WebError::Body(self.base.clone(), Box::new(error)))? })
    }
}
