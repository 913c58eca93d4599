//! Who the nodes are, by their own signed word, held against the keys that are pinned.

use super::fault::CommitteeFault;
use super::input::InputError;
use super::pins::{NodePin, Pins};
use crate::name::{Modality, ModelId};
use crate::party::Party;
use crate::seal::PublicKey;
use crate::seal::SUITE;
use crate::template::Shape;
use crate::template::model::Encoding;
use crate::wire::{encoding_from, v1, verify_node};

/// A model that the nodes serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name.
    pub id: ModelId,
    /// What it takes.
    pub modality: Modality,
    /// What its templates consist of.
    pub encoding: Encoding,
    /// Components of a vector, or of each row.
    pub dimension: usize,
}

impl ServedModel {
    /// The shape of a template of so many components in all; `None` if the model makes none.
    #[must_use]
    pub const fn shape(&self, components: usize) -> Option<Shape> {
        self.encoding.shape(self.dimension, components)
    }
}

/// A checked committee.
#[derive(Clone, Debug)]
pub struct Committee {
    keys: [PublicKey; 3],
    /// Unix seconds until which the first of these keys is taken.
    until: u64,
    models: Vec<ServedModel>,
    context: [u8; 32],
    limits: v1::Limits,
}

impl Committee {
    /// Checks the answer to `GetCommittee` against what is pinned.
    ///
    /// # Errors
    /// [`CommitteeFault`]: the first that is found.
    pub fn check<'a>(answer: &v1::GetCommitteeResponse, pins: impl Into<Pins<'a>>) -> Result<Self, CommitteeFault> {
        let pins = pins.into();
        if answer.deployment != pins.deployment.as_str() {
            return Err(CommitteeFault::Deployment);
        }
        let [a, b, c] = answer.nodes.as_slice() else { return Err(CommitteeFault::Nodes) };
        let context = &a.context_digest;
        let checked = |node, pin| check_node(node, pin, context, pins);
        let [pin_a, pin_b, pin_c] = pins.nodes;
        let [(a, until_a), (b, until_b), (c, until_c)] = [checked(a, pin_a)?, checked(b, pin_b)?, checked(c, pin_c)?];
        Ok(Self {
            keys: [a, b, c],
            until: until_a.min(until_b).min(until_c),
            models: answer.models.iter().map(served).collect::<Result<_, _>>()?,
            context: context.as_slice().try_into().map_err(|_| CommitteeFault::Context(Party::A))?,
            limits: answer.limits.unwrap_or_default(),
        })
    }

    /// Unix seconds until which all three keys are taken: seal with a committee that was asked for anew before.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// The key to seal envelopes to a node with: its current one.
    #[must_use]
    pub const fn key(&self, party: Party) -> &PublicKey {
        &self.keys[party.index()]
    }

    /// The models that the nodes serve. By the leader's word alone: a false one leads to a refusal, not to a disclosure.
    #[must_use]
    pub fn models(&self) -> &[ServedModel] {
        &self.models
    }

    /// SHA-256 over the policy and the models in force, the same at all three nodes.
    #[must_use]
    pub const fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// What a request may not exceed, by the leader's word.
    #[must_use]
    pub const fn limits(&self) -> &v1::Limits {
        &self.limits
    }

    pub(super) fn model(&self, id: &ModelId) -> Result<&ServedModel, InputError> {
        self.models.iter().find(|model| model.id == *id).ok_or(InputError::Model)
    }
}

fn check_node(
    node: &v1::Node,
    pin: &NodePin,
    context: &[u8],
    pins: Pins<'_>,
) -> Result<(PublicKey, u64), CommitteeFault> {
    let party = pin.party;
    verify_node(node, party, pins.deployment, &pin.identity).map_err(|_| CommitteeFault::Signature(party))?;
    if node.log_key != pin.log.to_string() {
        return Err(CommitteeFault::LogKey(party));
    }
    if node.suite != SUITE {
        return Err(CommitteeFault::Suite(party));
    }
    if node.context_digest != context {
        return Err(CommitteeFault::Context(party));
    }
    let current = node.envelope_keys.first().ok_or(CommitteeFault::EnvelopeKey(party))?;
    let key = PublicKey::parse(&current.public_key).map_err(|_| CommitteeFault::EnvelopeKey(party))?;
    if current.id == key.id().as_bytes() { Ok((key, current.until)) } else { Err(CommitteeFault::EnvelopeKey(party)) }
}

fn served(model: &v1::Model) -> Result<ServedModel, CommitteeFault> {
    let modality = model.modality().try_into().map_err(|_| CommitteeFault::Model)?;
    let encoding = encoding_from(model.encoding()).ok_or(CommitteeFault::Model)?;
    let id = model.id.parse().map_err(|_| CommitteeFault::Model)?;
    let dimension = usize::try_from(model.dimension).map_err(|_| CommitteeFault::Model)?;
    Ok(ServedModel { id, modality, encoding, dimension })
}
