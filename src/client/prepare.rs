//! One request, its template split and its shares sealed: what may be sent again, unchanged, until there is an answer.

use zeroize::Zeroizing;

use super::committee::{Committee, ServedModel};
use super::config::ClientConfig;
use super::error::InputError;
use super::subject_key::SubjectKey;
use crate::name::{GalleryName, ModelId, PurposeName, RequestId, Subject};
use crate::party::Party;
use crate::request::Ask;
use crate::seal::{Binding, random};
use crate::share::{Masks, Summands, split};
use crate::template::{SEGMENT, Shape, Template};
use crate::wire::peer::v1::relayed::Request;
use crate::wire::{ask_of, v1};

/// Bytes of what a node blinds a person's log entries with.
const NODE_KEY: usize = 32;

/// Whom a call is about, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where the person is, or will be.
    pub gallery: GalleryName,
    /// The bank's handle for the person.
    pub subject: Subject,
    /// A purpose of the policy.
    pub purpose: PurposeName,
}

/// One request, ready to be proven and sent. It holds no secret: its shares are sealed.
#[derive(Clone, Debug)]
pub struct Prepared {
    request: Request,
    ask: Ask,
}

impl Prepared {
    /// From a request that was built elsewhere.
    ///
    /// # Errors
    /// [`InputError::Request`], naming the field at fault.
    pub fn new(request: Request) -> Result<Self, InputError> {
        let ask = ask_of(&request)?;
        Ok(Self { request, ask })
    }

    /// What is asked, as nodes see it.
    #[must_use]
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The message.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The message, to be changed.
    #[must_use]
    pub fn into_request(self) -> Request {
        self.request
    }

    /// Takes a reference in. Each node is sent its share, and the key that it blinds this person's log entries with.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn enroll(
        config: &ClientConfig,
        committee: &Committee,
        target: &Target,
        model: &ModelId,
        reference: &Template,
        key: &SubjectKey,
    ) -> Result<Self, InputError> {
        let (request_id, model) = (new_id()?, committee.model(model)?);
        let sealer = Sealer { config, committee, target, request_id, model };
        let samples = vec![sealer.template(reference, Some(key))?];
        let (gallery, subject, purpose) = texts(target);
        let request_id = request_id.to_string();
        Self::new(Request::Enroll(v1::EnrollSubjectRequest { request_id, gallery, subject, purpose, samples }))
    }

    /// Compares a probe. `amount_kzt` is whole tenge; 0 where none are at stake.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn verify(
        config: &ClientConfig,
        committee: &Committee,
        target: &Target,
        model: &ModelId,
        probe: &Template,
        amount_kzt: u64,
    ) -> Result<Self, InputError> {
        let (request_id, model) = (new_id()?, committee.model(model)?);
        let sealer = Sealer { config, committee, target, request_id, model };
        Self::comparison(&sealer, sealer.template(probe, None)?, amount_kzt)
    }

    /// The same for packed nibbles of which nothing was checked but their number: what a hostile terminal could send. Nodes
    /// must refuse what no extractor makes; this is to show that they do.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn danger_verify_packed(
        config: &ClientConfig,
        committee: &Committee,
        target: &Target,
        model: &ModelId,
        packed: &[u8],
        amount_kzt: u64,
    ) -> Result<Self, InputError> {
        let (request_id, model) = (new_id()?, committee.model(model)?);
        let sealer = Sealer { config, committee, target, request_id, model };
        Self::comparison(&sealer, sealer.packed(packed, None)?, amount_kzt)
    }

    fn comparison(sealer: &Sealer<'_>, sample: v1::Sample, amount_kzt: u64) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(sealer.target);
        let request_id = sealer.request_id.to_string();
        let samples = vec![sample];
        Self::new(Request::Verify(v1::VerifySubjectRequest {
            request_id,
            gallery,
            subject,
            purpose,
            amount_kzt,
            samples,
        }))
    }

    /// Destroys a person's references.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn erase(target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let request_id = new_id()?.to_string();
        Self::new(Request::Erase(v1::EraseSubjectRequest { request_id, gallery, subject, purpose }))
    }

    /// Stops every use.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn lock(target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let request_id = new_id()?.to_string();
        Self::new(Request::Lock(v1::LockSubjectRequest { request_id, gallery, subject, purpose }))
    }

    /// Ends a lock.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn unlock(target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let request_id = new_id()?.to_string();
        Self::new(Request::Unlock(v1::UnlockSubjectRequest { request_id, gallery, subject, purpose }))
    }
}

fn new_id() -> Result<RequestId, InputError> {
    Ok(RequestId::from_random(*random()?))
}

fn texts(target: &Target) -> (String, String, String) {
    (target.gallery.to_string(), target.subject.to_string(), target.purpose.to_string())
}

/// What an envelope is for.
struct Sealer<'a> {
    config: &'a ClientConfig,
    committee: &'a Committee,
    target: &'a Target,
    request_id: RequestId,
    model: &'a ServedModel,
}

impl Sealer<'_> {
    fn template(&self, template: &Template, key: Option<&SubjectKey>) -> Result<v1::Sample, InputError> {
        let (expected, found) = (self.model.dimension, template.shape().components());
        if expected != found {
            return Err(InputError::Dimension { expected, found });
        }
        self.packed(&template.pack(), key)
    }

    /// Splits packed nibbles and seals each party's pair of summands, at enrolment with the party's key behind it.
    fn packed(&self, packed: &[u8], key: Option<&SubjectKey>) -> Result<v1::Sample, InputError> {
        let fresh = random::<SEGMENT>()?;
        let masks = Zeroizing::new(fresh.iter().copied().take(2 * packed.len()).collect());
        let shape = Shape::vector(self.model.dimension).ok_or(InputError::Model)?;
        let shares = split(shape, packed, Masks::from_random(masks))?;
        let [envelope_a, envelope_b, envelope_c] =
            Party::ALL.map(|party| self.seal(party, &shares[party.index()], key));
        Ok(v1::Sample {
            modality: v1::Modality::Face.into(),
            model: self.model.id.to_string(),
            envelope_a: envelope_a?,
            envelope_b: envelope_b?,
            envelope_c: envelope_c?,
        })
    }

    fn seal(&self, party: Party, share: &Summands, key: Option<&SubjectKey>) -> Result<Vec<u8>, InputError> {
        let binding = Binding {
            party,
            deployment: &self.config.deployment,
            relying_party: &self.config.relying_party,
            purpose: &self.target.purpose,
            request_id: &self.request_id,
            gallery: &self.target.gallery,
            subject: &self.target.subject,
            modality: self.model.modality,
            model: &self.model.id,
        };
        let share = share.for_envelope();
        // As long as it becomes, so that it does not grow and leave a copy behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(share.len() + NODE_KEY));
        plaintext.extend_from_slice(share);
        if let Some(key) = key {
            plaintext.extend_from_slice(key.for_node(party).as_slice());
        }
        Ok(self.committee.key(party).seal(&binding, &plaintext)?.to_bytes())
    }
}
