//! Whom a terminal believes, and for whom it seals.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tumar_client::form::{self, FormError};
use tumar_client::hex::unhex;
use tumar_client::log::note::VerifierKey;
use tumar_client::name::{ClientName, Deployment, RelyingParty, RequestId};
use tumar_client::party::Party;
use tumar_client::prepare::{NodePin, Pins, Requester};

/// Why a text is no configuration of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinsError {
    /// Not TOML of the required form.
    #[error("pins: {0}")]
    Form(FormError),
    /// Not one `[[node]]` for each of A, B and C, in this order.
    #[error("pins: [[node]] must stand three times, for A, B and C in this order")]
    Nodes,
}

/// What `client.toml` says of this; what it says of connections and keys is passed over, and may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    deployment: Deployment,
    relying_party: RelyingParty,
    client: ClientName,
    node: Vec<FileNode>,
    #[serde(default, rename = "address")]
    _address: IgnoredAny,
    #[serde(default, rename = "server_name")]
    _server_name: IgnoredAny,
    #[serde(default, rename = "base")]
    _base: IgnoredAny,
    #[serde(default, rename = "certificate")]
    _certificate: IgnoredAny,
    #[serde(default, rename = "proof_key")]
    _proof_key: IgnoredAny,
    #[serde(default, rename = "retry_seconds")]
    _retry_seconds: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    party: Party,
    #[serde(deserialize_with = "form::identity")]
    identity: String,
    #[serde(deserialize_with = "form::read_as")]
    log_key: VerifierKey,
    #[serde(default, rename = "address")]
    _address: IgnoredAny,
    #[serde(default, rename = "base")]
    _base: IgnoredAny,
    #[serde(default, rename = "certificate")]
    _certificate: IgnoredAny,
}

/// The pins of one terminal.
pub(crate) struct Pinned {
    deployment: Deployment,
    relying_party: RelyingParty,
    client: ClientName,
    nodes: [NodePin; 3],
}

impl Pinned {
    /// Reads a `client.toml`, or what of it a terminal needs.
    pub(crate) fn parse(text: &str) -> Result<Self, PinsError> {
        let File { deployment, relying_party, client, node, .. } = form::parse(text).map_err(PinsError::Form)?;
        // The identity's form was checked when it was read.
        let pins = node.into_iter().filter_map(|node| {
            Some(NodePin { party: node.party, identity: unhex(&node.identity)?, log: node.log_key })
        });
        let nodes: [NodePin; 3] = pins.collect::<Vec<_>>().try_into().map_err(|_| PinsError::Nodes)?;
        if nodes.iter().map(|node| node.party).ne(Party::ALL) {
            return Err(PinsError::Nodes);
        }
        Ok(Self { deployment, relying_party, client, nodes })
    }

    pub(crate) const fn nodes(&self) -> Pins<'_> {
        Pins { deployment: &self.deployment, nodes: &self.nodes }
    }

    pub(crate) const fn requester(&self, request_id: Option<RequestId>) -> Requester<'_> {
        let Self { deployment, relying_party, client, .. } = self;
        Requester { deployment, relying_party, client, request_id }
    }
}
