//! Who is believed, and who asks: what a request depends on besides what is asked.

use crate::log::receipt::NodeKeys;
use crate::name::{ClientName, Deployment, RelyingParty, RequestId};

/// One node as it is pinned: the party, its Ed25519 identity, its log.
pub type NodePin = NodeKeys;

/// The three nodes of an installation, as they are pinned.
#[derive(Clone, Copy, Debug)]
pub struct Pins<'a> {
    /// Name of the installation.
    pub deployment: &'a Deployment,
    /// A, B, C.
    pub nodes: &'a [NodePin; 3],
}

/// Who asks, and by which id: what envelopes are bound to besides the call.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// Name of the installation.
    pub deployment: &'a Deployment,
    /// Who asks.
    pub relying_party: &'a RelyingParty,
    /// By which of its workloads: the `client_id` of its tokens.
    pub client: &'a ClientName,
    /// The request's id where somebody else drew it, as a backend does for its terminal; one is drawn if there is none.
    pub request_id: Option<RequestId>,
}
