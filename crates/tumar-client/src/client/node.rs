//! What is asked of one node about its own log: evidence, by an auditor; the own entries, for a person.

use std::fmt;
use std::sync::Arc;

use tonic::Request;
use tonic::transport::Channel;

use super::config::NodeEndpoint;
use super::{ClientConfig, ClientError, Clock, InputError, NodePin, ReceiptFault, Target, metadata};
use crate::log::entry::Entry;
use crate::log::merkle::{leaf_hash, verify_inclusion};
use crate::log::note::Checkpoint;
use crate::log::shard::{EntryId, Shard};
use crate::name::{GalleryName, PurposeName, RequestId};
use crate::party::Party;
use crate::request::RequestInfo;
use crate::seal::random;
use crate::tls::Dialler;
use crate::token::Part;
use crate::token::evidence::digest_of_parts;
use crate::wire::v1::access_log_service_client::AccessLogServiceClient;
use crate::wire::v1::subject_service_client::SubjectServiceClient;
use crate::wire::{ask_of_evidence, ask_of_uses, sha256, v1};

/// What an auditor wants to see.
#[derive(Clone, Debug)]
pub struct Exhibit {
    /// The gallery that the entry's request was about.
    pub gallery: GalleryName,
    /// A purpose of the policy that allows `open_evidence`.
    pub purpose: PurposeName,
    /// Where the entry stands.
    pub place: EntryId,
    /// Which part of its evidence.
    pub part: Part,
}

/// A part of the evidence behind an entry.
pub struct Opened {
    /// A compact JWS.
    pub text: String,
    digests: Vec<[u8; 32]>,
}

/// Prints how long it is: a token may still be good.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes of {} parts)", self.text.len(), self.digests.len())
    }
}

impl Opened {
    /// Whether this is what the request behind an entry presented, as this part.
    #[must_use]
    pub fn is_behind(&self, entry: &Entry, part: Part) -> bool {
        self.digests.get(part.place()) == Some(&sha256(self.text.as_bytes()))
            && entry.commits_to(&digest_of_parts(&self.digests))
    }
}

/// An entry about a person, which stands in the log of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEntry {
    /// Where.
    pub place: EntryId,
    /// What it says.
    pub entry: Entry,
    /// Under which checkpoint that was proven.
    pub checkpoint: String,
}

/// A connection to one node.
pub struct NodeClient {
    log: AccessLogServiceClient<Channel>,
    subject: SubjectServiceClient<Channel>,
    config: Arc<ClientConfig>,
    pin: NodePin,
    base: String,
    clock: Clock,
}

/// Prints which node.
impl fmt::Debug for NodeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeClient({})", self.pin.party)
    }
}

impl NodeClient {
    /// Connects to a node that the configuration gives an address for.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Tls`], or [`InputError::NoAddress`].
    pub async fn connect(config: Arc<ClientConfig>, party: Party, clock: Clock) -> Result<Self, ClientError> {
        let door = config.doors[party.index()].as_ref().ok_or(InputError::NoAddress(party))?;
        let NodeEndpoint { address, base, certificate } = door;
        let channel = Dialler::new(None, certificate, &config.server_name)?.dial(address).await?;
        let (log, subject) = (AccessLogServiceClient::new(channel.clone()), SubjectServiceClient::new(channel));
        let (pin, base) = (config.nodes[party.index()].clone(), base.clone());
        Ok(Self { log, subject, config, pin, base, clock })
    }

    /// Opens a part of the evidence behind an entry. Whether it is what the entry commits to, [`Opened::is_behind`] tells.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open_evidence(&self, access: &str, exhibit: &Exhibit) -> Result<Opened, ClientError> {
        let part = match exhibit.part {
            Part::Token => v1::EvidencePart::Token,
            Part::Proof => v1::EvidencePart::Proof,
            Part::Approval(0) => v1::EvidencePart::FirstApproval,
            Part::Approval(_) => v1::EvidencePart::SecondApproval,
        };
        let asked = v1::OpenEvidenceRequest {
            request_id: RequestId::from_random(*random()?).to_string(),
            gallery: exhibit.gallery.to_string(),
            purpose: exhibit.purpose.to_string(),
            half: exhibit.place.half.to_string(),
            index: exhibit.place.index,
            part: part.into(),
            client: self.config.client.to_string(),
        };
        let (ask, _, _) = ask_of_evidence(&asked, self.pin.party).map_err(InputError::from)?;
        let request = self.proven(access, &ask, asked)?;
        let v1::OpenEvidenceResponse { part, digests } = self.log.clone().open_evidence(request).await?.into_inner();
        let digests = digests.iter().map(|digest| digest.as_slice().try_into().ok()).collect::<Option<_>>();
        Ok(Opened { text: part, digests: digests.ok_or(ReceiptFault::Form(self.pin.party))? })
    }

    /// Every entry of this node's log about a person whom an earlier request, `verified`, has just matched; each is proven to stand
    /// there under a checkpoint of the pinned key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_uses(
        &self,
        access: &str,
        target: &Target,
        verified: RequestId,
    ) -> Result<Vec<OwnEntry>, ClientError> {
        let asked = v1::ListUsesRequest {
            request_id: RequestId::from_random(*random()?).to_string(),
            gallery: target.gallery.to_string(),
            subject: target.subject.to_string(),
            purpose: target.purpose.to_string(),
            verified_request_id: verified.to_string(),
            client: self.config.client.to_string(),
        };
        let ask = ask_of_uses(&asked, self.pin.party).map_err(InputError::from)?;
        let request = self.proven(access, &ask, asked)?;
        let mut listed = self.subject.clone().list_uses(request).await?.into_inner();
        let mut own = Vec::new();
        while let Some(shown) = listed.message().await? {
            own.push(self.own_entry(&shown).ok_or(ReceiptFault::Form(self.pin.party))?);
        }
        Ok(own)
    }

    /// What was shown, if it stands where it says.
    fn own_entry(&self, shown: &v1::ListUsesResponse) -> Option<OwnEntry> {
        let (half, checkpoint) = Checkpoint::open_half(&shown.checkpoint, &self.pin.log).ok()?;
        if shown.half.parse::<Shard>() != Ok(half) {
            return None;
        }
        let proof: Vec<[u8; 32]> =
            shown.inclusion_proof.iter().map(|hash| hash.as_slice().try_into().ok()).collect::<Option<_>>()?;
        let leaf = leaf_hash(&shown.entry);
        verify_inclusion(&leaf, shown.index, checkpoint.size, &proof, &checkpoint.root).ok()?;
        let place = EntryId { half, index: shown.index };
        Some(OwnEntry { place, entry: Entry::parse(&shown.entry).ok()?, checkpoint: shown.checkpoint.clone() })
    }

    fn proven<T>(&self, access: &str, ask: &RequestInfo, message: T) -> Result<Request<T>, ClientError> {
        let proof = self.config.proof_key.prove(access, ask, &self.base, None, (self.clock)());
        let proof = proof.map_err(|_| InputError::Randomness)?;
        let mut request = Request::new(message);
        request.set_timeout(super::DEADLINE);
        request.metadata_mut().insert("authorization", metadata(&format!("DPoP {access}"))?);
        request.metadata_mut().insert("dpop", metadata(&proof)?);
        Ok(request)
    }
}
