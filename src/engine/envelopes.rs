//! A request's envelopes: their form is looked at before anything is spent, their content after the use stands in the log.

use zeroize::Zeroizing;

use super::Engine;
use super::refusal::{Cause as _, Malformed, Refusal, UnknownKey};
use crate::log::access::Permit;
use crate::party::Party;
use crate::request::{Ask, Method};
use crate::seal::{Binding, Envelope, KeyId, OpenError};
use crate::share::Summands;
use crate::template::Shape;
use crate::token::purpose::{For, SpentEnvelope};
use crate::wire::peer::v1::relayed::Request;
use crate::wire::{RequestError, envelopes_of, samples_of};

/// Bytes of the key that an enrolment brings for the subject's handles in this node's log, behind the summands of its first
/// sample.
const SUBJECT_KEY: usize = 32;

/// This node's envelope of one sample, well formed and not yet opened.
pub(super) struct Sealed {
    envelope: Envelope,
    shape: Shape,
    digest: [u8; 32],
}

impl Sealed {
    /// The shape of the template in it, as its length tells.
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    /// What is used up of it.
    pub(super) fn spent(&self) -> SpentEnvelope {
        SpentEnvelope { key: *self.envelope.key().as_bytes(), digest: self.digest }
    }
}

/// References on their way in.
pub(super) struct Incoming {
    /// This node's two summands of each, in the order of the request's samples.
    pub(super) summands: Vec<Summands>,
    /// This node's key for the subject's handles in its log. It stays where it is when what holds it moves, and leaves no copy behind.
    pub(super) subject_key: Box<Zeroizing<[u8; SUBJECT_KEY]>>,
}

impl Engine {
    /// This node's envelopes, one for each sample: of a length that the sample's model has templates for, as long as the
    /// others' two, and, unless it was `answered` and is not opened again, to a key that this node has.
    pub(super) fn well_formed(&self, ask: &Ask, request: &Request, answered: bool) -> Result<Vec<Sealed>, Refusal> {
        let mut sealed = Vec::with_capacity(ask.samples.len());
        for (place, (sample, sent)) in ask.samples.iter().zip(samples_of(request)).enumerate() {
            let model = self.models.find(&sample.model).ok_or_else(|| RequestError::Samples.at(self.party))?;
            let key = if ask.method == Method::Enroll && place == 0 { SUBJECT_KEY } else { 0 };
            let all = envelopes_of(sent);
            let own = all[self.party.index()];
            let components = own.len().checked_sub(Envelope::OVERHEAD + key);
            let shape = components.and_then(|components| model.shape(components));
            let alike = all.iter().all(|other| other.len() == own.len());
            let shape = shape.filter(|_| alike).ok_or_else(|| Malformed.at(self.party))?;
            let envelope = Envelope::parse(own, shape.components() + key).map_err(|_| Malformed.at(self.party))?;
            if let Some(party) = self.gone_at(&all).filter(|_| !answered) {
                return Err(UnknownKey.at(party));
            }
            sealed.push(Sealed { envelope, shape, digest: sample.envelopes[self.party.index()] });
        }
        Ok(sealed)
    }

    /// Whether any sample is sealed to a key that is not known any more.
    pub(super) fn has_gone(&self, request: &Request) -> bool {
        samples_of(request).iter().any(|sent| self.gone_at(&envelopes_of(sent)).is_some())
    }

    /// The node whose envelope of a sample is sealed to a key that is not known.
    fn gone_at(&self, envelopes: &[&[u8]; 3]) -> Option<Party> {
        let own = envelopes[self.party.index()].first_chunk().map(|id| KeyId::from_bytes(*id));
        let knows = own.is_some_and(|id| self.ring().keys().knows(&id));
        if knows { self.unknown_elsewhere(envelopes) } else { Some(self.party) }
    }

    /// The other node whose envelope of a sample is sealed to a key that it does not tell of. The leader alone looks: what a helper
    /// would refuse uses nothing up then, and the client may seal it anew.
    fn unknown_elsewhere(&self, envelopes: &[&[u8]; 3]) -> Option<Party> {
        let peers = self.linked().filter(|_| self.party == Party::LEADER)?;
        let is_unknown = |party: &Party| {
            let id = envelopes[party.index()].get(..KeyId::LEN).unwrap_or_default();
            // Of a node that is not linked nothing is known, and nothing will run.
            peers.node(*party).is_some_and(|node| node.envelope_keys.iter().all(|told| told.id != id))
        };
        Party::ALL.into_iter().filter(|party| *party != self.party).find(is_unknown)
    }

    /// The references of an enrolment, and behind the first of them this node's subject key.
    pub(super) fn open_references<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &Ask,
        sealed: &[Sealed],
    ) -> Result<Incoming, OpenError> {
        let opened = self.open_each(permit, ask, sealed)?;
        let (first, shape) = opened.first().zip(sealed.first()).ok_or(OpenError)?;
        let (_, key) = first.split_at_checked(shape.shape.components()).ok_or(OpenError)?;
        let key: &[u8; SUBJECT_KEY] = key.as_array().ok_or(OpenError)?;
        let mut subject_key = Box::new(Zeroizing::new([0; SUBJECT_KEY]));
        subject_key.copy_from_slice(key);
        Ok(Incoming { summands: summands(&opened, sealed)?, subject_key })
    }

    /// The probes of a comparison.
    pub(super) fn open_probes<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &Ask,
        sealed: &[Sealed],
    ) -> Result<Vec<Summands>, OpenError> {
        summands(&self.open_each(permit, ask, sealed)?, sealed)
    }

    fn open_each<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &Ask,
        sealed: &[Sealed],
    ) -> Result<Vec<Zeroizing<Box<[u8]>>>, OpenError> {
        let open = |(sample, sealed): (&crate::request::Sample, &Sealed)| {
            let binding = Binding {
                party: self.party,
                deployment: &self.deployment,
                relying_party: &permit.record().relying_party,
                client: &ask.client,
                method: ask.method,
                purpose: &ask.purpose,
                request_id: &ask.request_id,
                gallery: &ask.gallery,
                subject: ask.subject(),
                modality: sample.modality,
                model: &sample.model,
                amount_kzt: ask.amount_kzt,
                captured: ask.captured,
            };
            self.ring().keys().open(&sealed.envelope, &binding)
        };
        ask.samples.iter().zip(sealed).map(open).collect()
    }
}

/// Two summands of half a byte for each component, at the beginning of each plaintext.
fn summands(opened: &[Zeroizing<Box<[u8]>>], sealed: &[Sealed]) -> Result<Vec<Summands>, OpenError> {
    let one = |(plaintext, sealed): (&Zeroizing<Box<[u8]>>, &Sealed)| {
        let (both, _) = plaintext.split_at_checked(sealed.shape.components()).ok_or(OpenError)?;
        Summands::from_envelope(sealed.shape, Zeroizing::new(both.to_vec())).map_err(|_| OpenError)
    };
    opened.iter().zip(sealed).map(one).collect()
}
