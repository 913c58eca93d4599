//! Whom a client calls, whom it believes, and which key it proves with: `client.toml` and the files beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

use serde::Deserialize;

use crate::form::{self, FormError};
use crate::hex::unhex;
use crate::log::note::VerifierKey;
use crate::name::{ClientName, Deployment, RelyingParty};
use crate::party::Party;
use crate::prepare::{NodePin, Pins, Requester};
use crate::tls::{Dialler, Pinned, TlsError};
use crate::token::ProofKey;
use crate::token::jws::JwsError;

/// Why a client's configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that can not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not TOML of the required form; an unknown key is one reason, and an address or a pinned key that is none.
    #[error("{}: {source}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: FormError,
    },
    /// Not one `[[node]]` for each of A, B and C, in this order.
    #[error("{}: [[node]] must stand three times, for A, B and C in this order", .0.display())]
    Nodes(PathBuf),
    /// A file that should hold a pinned certificate does not.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// A file that should hold the proof key does not.
    #[error("{}: {source}", path.display())]
    ProofKey {
        /// Which.
        path: PathBuf,
        /// Why.
        source: JwsError,
    },
}

/// Everything a client needs before it connects.
pub struct ClientConfig {
    /// Name of the installation.
    pub deployment: Deployment,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// By which of its workloads: the `client_id` of its tokens.
    pub client: ClientName,
    /// The leader, `host:port`.
    pub address: String,
    /// The name in the leader's certificate.
    pub server_name: String,
    /// What proofs say of the leader's address: `https://HOST[:PORT]`, one of the bases in the nodes' configurations.
    pub base: String,
    /// The leader's certificate.
    pub certificate: Pinned,
    /// The key that tokens are bound to.
    pub proof_key: ProofKey,
    /// The file that it was read from.
    pub proof_key_file: PathBuf,
    /// A, B, C.
    pub nodes: [NodePin; 3],
    /// How each of them is called about its own log, where that is known.
    pub doors: [Option<NodeEndpoint>; 3],
    /// For how long what passes by itself is waited for, in each call; 10 seconds if the file does not say.
    pub retry: Duration,
}

impl<'a> From<&'a ClientConfig> for Pins<'a> {
    fn from(config: &'a ClientConfig) -> Self {
        Self { deployment: &config.deployment, nodes: &config.nodes }
    }
}

/// Draws the ids of its requests.
impl<'a> From<&'a ClientConfig> for Requester<'a> {
    fn from(config: &'a ClientConfig) -> Self {
        let ClientConfig { deployment, relying_party, client, .. } = config;
        Self { deployment, relying_party, client, request_id: None }
    }
}

/// For how long if the file does not say: a node that is started again is back by then.
const RETRY_SECONDS: u16 = 10;

/// How one node is called.
pub struct NodeEndpoint {
    /// `host:port`.
    pub address: String,
    /// What proofs say of that address: one of the bases in the node's configuration.
    pub base: String,
    /// The node's certificate.
    pub certificate: Pinned,
}

/// Prints whom it names.
impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientConfig({} at {} for {})", self.deployment, self.address, self.relying_party)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    deployment: Deployment,
    relying_party: RelyingParty,
    client: ClientName,
    #[serde(deserialize_with = "form::address")]
    address: String,
    #[serde(deserialize_with = "form::server_name")]
    server_name: String,
    #[serde(deserialize_with = "form::base")]
    base: String,
    certificate: PathBuf,
    proof_key: PathBuf,
    retry_seconds: Option<u16>,
    node: Vec<FileNode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    party: Party,
    #[serde(deserialize_with = "form::identity")]
    identity: String,
    #[serde(deserialize_with = "form::read_as")]
    log_key: VerifierKey,
    #[serde(default, deserialize_with = "form::some_address")]
    address: Option<String>,
    #[serde(default, deserialize_with = "form::some_base")]
    base: Option<String>,
    certificate: Option<PathBuf>,
}

impl ClientConfig {
    /// Reads `client.toml` and the files it names, which are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], with the file or node at fault.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = form::text(bytes_of(path)?).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let file: File = form::parse(&text).map_err(|source| ConfigError::Form { path: path.to_owned(), source })?;
        let nodes: Vec<NodePin> = file.node.iter().filter_map(pin).collect();
        let nodes: [NodePin; 3] = nodes.try_into().map_err(|_| ConfigError::Nodes(path.to_owned()))?;
        if nodes.iter().map(|node| node.party).ne(Party::ALL) {
            return Err(ConfigError::Nodes(path.to_owned()));
        }
        let mut doors = [None, None, None];
        for (door, node) in doors.iter_mut().zip(&file.node) {
            *door = door_of(node, folder)?;
        }
        let key = folder.join(&file.proof_key);
        let pkcs8 = zeroize::Zeroizing::new(bytes_of(&key)?);
        Ok(Self {
            deployment: file.deployment,
            relying_party: file.relying_party,
            client: file.client,
            address: file.address,
            server_name: file.server_name,
            base: file.base,
            certificate: pinned(&folder.join(&file.certificate))?,
            proof_key: ProofKey::from_pkcs8(&pkcs8)
                .map_err(|source| ConfigError::ProofKey { path: key.clone(), source })?,
            proof_key_file: key,
            nodes,
            doors,
            retry: Duration::from_secs(file.retry_seconds.unwrap_or(RETRY_SECONDS).into()),
        })
    }

    pub(super) fn dialler(&self) -> Result<Dialler, TlsError> {
        Dialler::new(None, &self.certificate, &self.server_name)
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })
}

fn pinned(path: &Path) -> Result<Pinned, ConfigError> {
    Pinned::from_pem(&bytes_of(path)?).map_err(|source| ConfigError::Certificate { path: path.to_owned(), source })
}

/// All three members, or it is not called.
fn door_of(node: &FileNode, folder: &Path) -> Result<Option<NodeEndpoint>, ConfigError> {
    let (Some(address), Some(base), Some(certificate)) = (&node.address, &node.base, &node.certificate) else {
        return Ok(None);
    };
    let certificate = pinned(&folder.join(certificate))?;
    Ok(Some(NodeEndpoint { address: address.clone(), base: base.clone(), certificate }))
}

/// The identity's form was checked when it was read.
fn pin(node: &FileNode) -> Option<NodePin> {
    Some(NodePin { party: node.party, identity: unhex(&node.identity)?, log: node.log_key.clone() })
}
