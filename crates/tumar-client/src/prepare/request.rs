//! One request, its templates split and their shares sealed: what may be sent again, unchanged, until there is an answer.

use zeroize::Zeroizing;

use super::committee::{Committee, ServedModel};
use super::input::InputError;
use super::pins::Requester;
use super::subject_key::SubjectKey;
use crate::name::{GalleryName, ModelId, PurposeName, RequestId, Subject};
use crate::party::Party;
use crate::request::{Case, Method, Minute, RequestInfo};
use crate::seal::{Binding, random};
use crate::share::{InputShares, Masks, split};
use crate::template::{MOST_ROWS, ROW, Template};
use crate::wire::peer::v1::relayed::Request;
use crate::wire::{RequestError, ask_of, request_from_bytes, request_to_bytes, samples_taken, v1};

/// Bytes of what a node blinds a person's log entries with.
const NODE_KEY: usize = 32;

/// Components of the largest template: a full set of rows.
const MOST_COMPONENTS: usize = MOST_ROWS * ROW;

/// What a kept request begins with.
const SAVED: &[u8] = b"tumar saved request v1\n";

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

/// Whom a search looks for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Which gallery.
    pub gallery: GalleryName,
    /// A purpose of the policy.
    pub purpose: PurposeName,
    /// The case, how many people may be named, and the officers' approvals.
    pub case: Case,
}

/// One template of a person, and what made it.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    /// The extractor.
    pub model: &'a ModelId,
    /// What it made.
    pub template: &'a Template,
}

/// One request, ready to be proven and sent. It holds no secret: its shares are sealed.
#[derive(Clone, Debug)]
pub struct Prepared {
    request: Request,
    ask: RequestInfo,
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
    pub const fn ask(&self) -> &RequestInfo {
        &self.ask
    }

    /// The message.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// As bytes, to be kept on a disk before it is sent: with [`from_bytes`](Self::from_bytes) the very same request can be sent
    /// again after a crash, with a new token if need be. They hold no secret, and say whom it is about.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [SAVED, &request_to_bytes(&self.request)].concat()
    }

    /// From what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// [`InputError::Saved`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InputError> {
        let request = bytes.strip_prefix(SAVED).and_then(request_from_bytes);
        Self::new(request.ok_or(InputError::Saved)?)
    }

    /// The message, to be changed.
    #[must_use]
    pub fn into_request(self) -> Request {
        self.request
    }

    /// Takes 1 to 32 references in. Each node is sent its shares, and with the first of them the key that it blinds this person's
    /// log entries with. `captured` is when the person stood there.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn enroll<'a>(
        by: impl Into<Requester<'a>>,
        committee: &Committee,
        target: &Target,
        references: &[Capture<'_>],
        captured: Minute,
        key: &SubjectKey,
    ) -> Result<Self, InputError> {
        let occasion = Occasion { method: Method::Enroll, amount_kzt: 0, captured };
        let sealer = Sealer::new(by.into(), committee, target, occasion, references.len())?;
        sealer.enrolment(target, references.iter().map(|reference| sealer.of(reference)), key)
    }

    /// Compares one probe, or two of different modalities. `amount_kzt` is whole tenge, 0 where none are at stake; `captured` is
    /// when the person stood there.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn verify<'a>(
        by: impl Into<Requester<'a>>,
        committee: &Committee,
        target: &Target,
        probes: &[Capture<'_>],
        amount_kzt: u64,
        captured: Minute,
    ) -> Result<Self, InputError> {
        let occasion = Occasion { method: Method::Verify, amount_kzt, captured };
        let sealer = Sealer::new(by.into(), committee, target, occasion, probes.len())?;
        sealer.comparison(target, probes.iter().map(|probe| sealer.of(probe)))
    }

    /// Compares one vector, or a face and a finger together, with everybody in a gallery. `captured` is when they were taken.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn search<'a>(
        by: impl Into<Requester<'a>>,
        committee: &Committee,
        search: &Search,
        probes: &[Capture<'_>],
        captured: Minute,
    ) -> Result<Self, InputError> {
        let Search { gallery, purpose, case } = search;
        let place = Place { gallery, subject: None, purpose };
        let occasion = Occasion { method: Method::Search, amount_kzt: 0, captured };
        let sealer = Sealer::new(by.into(), committee, place, occasion, probes.len())?;
        let samples = probes.iter().map(|probe| sealer.sample(&sealer.of(probe)?, None)).collect::<Result<_, _>>()?;
        Self::new(Request::Search(v1::SearchGalleryRequest {
            request_id: sealer.request_id.to_string(),
            gallery: gallery.to_string(),
            purpose: purpose.to_string(),
            case_digest: case.digest.to_vec(),
            max_candidates: case.most,
            samples,
            approvals: case.approvals.clone(),
            client: sealer.by.client.to_string(),
            capture_minute: captured.number(),
        }))
    }

    /// [`enroll`](Self::enroll) for packed nibbles of which nothing was checked but their number: what a hostile terminal could
    /// send. Nodes must refuse what no extractor makes; this is to show that they do.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn danger_enroll_packed<'a>(
        by: impl Into<Requester<'a>>,
        committee: &Committee,
        target: &Target,
        references: &[(&ModelId, &[u8])],
        captured: Minute,
        key: &SubjectKey,
    ) -> Result<Self, InputError> {
        let occasion = Occasion { method: Method::Enroll, amount_kzt: 0, captured };
        let sealer = Sealer::new(by.into(), committee, target, occasion, references.len())?;
        sealer.enrolment(target, references.iter().map(|(model, packed)| sealer.packed(model, packed)), key)
    }

    /// [`verify`](Self::verify) for packed nibbles, as in [`danger_enroll_packed`](Self::danger_enroll_packed).
    ///
    /// # Errors
    /// [`InputError`].
    pub fn danger_verify_packed<'a>(
        by: impl Into<Requester<'a>>,
        committee: &Committee,
        target: &Target,
        probes: &[(&ModelId, &[u8])],
        amount_kzt: u64,
        captured: Minute,
    ) -> Result<Self, InputError> {
        let occasion = Occasion { method: Method::Verify, amount_kzt, captured };
        let sealer = Sealer::new(by.into(), committee, target, occasion, probes.len())?;
        sealer.comparison(target, probes.iter().map(|(model, packed)| sealer.packed(model, packed)))
    }

    /// Destroys a person's references.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn erase<'a>(by: impl Into<Requester<'a>>, target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let (request_id, client) = names(by.into())?;
        Self::new(Request::Erase(v1::EraseSubjectRequest { request_id, gallery, subject, purpose, client }))
    }

    /// Stops every use.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn lock<'a>(by: impl Into<Requester<'a>>, target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let (request_id, client) = names(by.into())?;
        Self::new(Request::Lock(v1::LockSubjectRequest { request_id, gallery, subject, purpose, client }))
    }

    /// Ends a lock.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn unlock<'a>(by: impl Into<Requester<'a>>, target: &Target) -> Result<Self, InputError> {
        let (gallery, subject, purpose) = texts(target);
        let (request_id, client) = names(by.into())?;
        Self::new(Request::Unlock(v1::UnlockSubjectRequest { request_id, gallery, subject, purpose, client }))
    }
}

/// The id that was drawn for the requester, or a new one.
fn id_for(by: Requester<'_>) -> Result<RequestId, InputError> {
    match by.request_id {
        Some(id) => Ok(id),
        None => Ok(RequestId::from_random(*random()?)),
    }
}

fn names(by: Requester<'_>) -> Result<(String, String), InputError> {
    Ok((id_for(by)?.to_string(), by.client.to_string()))
}

fn texts(target: &Target) -> (String, String, String) {
    (target.gallery.to_string(), target.subject.to_string(), target.purpose.to_string())
}

/// What envelopes are bound to of a target, or of a search.
#[derive(Clone, Copy)]
struct Place<'a> {
    gallery: &'a GalleryName,
    subject: Option<&'a Subject>,
    purpose: &'a PurposeName,
}

impl<'a> From<&'a Target> for Place<'a> {
    fn from(Target { gallery, subject, purpose }: &'a Target) -> Self {
        Self { gallery, subject: Some(subject), purpose }
    }
}

/// What a request is for, apart from whom it is about.
#[derive(Clone, Copy)]
struct Occasion {
    method: Method,
    amount_kzt: u64,
    captured: Minute,
}

/// A template on its way: what made it, and a share for each of A, B and C.
type Shared<'a> = (&'a ServedModel, [InputShares; 3]);

/// What a request's envelopes are for.
struct Sealer<'a> {
    by: Requester<'a>,
    committee: &'a Committee,
    place: Place<'a>,
    occasion: Occasion,
    request_id: RequestId,
}

impl<'a> Sealer<'a> {
    /// For a new request with so many samples.
    fn new(
        by: Requester<'a>,
        committee: &'a Committee,
        place: impl Into<Place<'a>>,
        occasion: Occasion,
        samples: usize,
    ) -> Result<Self, InputError> {
        if !samples_taken(occasion.method).contains(&samples) {
            return Err(RequestError::Samples.into());
        }
        Ok(Self { by, committee, place: place.into(), occasion, request_id: id_for(by)? })
    }

    fn of(&self, capture: &Capture<'_>) -> Result<Shared<'a>, InputError> {
        let (model, shape) = (self.committee.model(capture.model)?, capture.template.shape());
        if model.shape(shape.components()) != Some(shape) {
            return Err(InputError::Template(shape));
        }
        self.packed(capture.model, &capture.template.pack())
    }

    /// Splits packed nibbles.
    fn packed(&self, model: &ModelId, packed: &[u8]) -> Result<Shared<'a>, InputError> {
        let model = self.committee.model(model)?;
        let shape = model.shape(2 * packed.len()).ok_or(InputError::Packed(packed.len()))?;
        let fresh = random::<MOST_COMPONENTS>()?;
        let masks = Zeroizing::new(fresh[..shape.components()].to_vec());
        Ok((model, split(shape, packed, Masks::from_random(masks))?))
    }

    fn enrolment(
        &self,
        target: &Target,
        shared: impl Iterator<Item = Result<Shared<'a>, InputError>>,
        key: &SubjectKey,
    ) -> Result<Prepared, InputError> {
        // The nodes look for their keys in the first sample.
        let keys = std::iter::once(Some(key)).chain(std::iter::repeat(None));
        let samples = shared.zip(keys).map(|(shared, key)| self.sample(&shared?, key)).collect::<Result<_, _>>()?;
        let (gallery, subject, purpose) = texts(target);
        Prepared::new(Request::Enroll(v1::EnrollSubjectRequest {
            request_id: self.request_id.to_string(),
            gallery,
            subject,
            purpose,
            samples,
            client: self.by.client.to_string(),
            capture_minute: self.occasion.captured.number(),
        }))
    }

    fn comparison(
        &self,
        target: &Target,
        shared: impl Iterator<Item = Result<Shared<'a>, InputError>>,
    ) -> Result<Prepared, InputError> {
        let samples = shared.map(|shared| self.sample(&shared?, None)).collect::<Result<_, _>>()?;
        let (gallery, subject, purpose) = texts(target);
        Prepared::new(Request::Verify(v1::VerifySubjectRequest {
            request_id: self.request_id.to_string(),
            gallery,
            subject,
            purpose,
            amount_kzt: self.occasion.amount_kzt,
            samples,
            client: self.by.client.to_string(),
            capture_minute: self.occasion.captured.number(),
        }))
    }

    /// Seals each party's pair of summands, where a key is given with the party's key behind it.
    fn sample(&self, (model, shares): &Shared<'_>, key: Option<&SubjectKey>) -> Result<v1::Sample, InputError> {
        let [envelope_a, envelope_b, envelope_c] =
            Party::ALL.map(|party| self.seal(model, party, &shares[party.index()], key));
        Ok(v1::Sample {
            modality: v1::Modality::from(model.modality).into(),
            model: model.id.to_string(),
            envelope_a: envelope_a?,
            envelope_b: envelope_b?,
            envelope_c: envelope_c?,
        })
    }

    fn seal(
        &self,
        model: &ServedModel,
        party: Party,
        share: &InputShares,
        key: Option<&SubjectKey>,
    ) -> Result<Vec<u8>, InputError> {
        let binding = Binding {
            party,
            deployment: self.by.deployment,
            relying_party: self.by.relying_party,
            client: self.by.client,
            method: self.occasion.method,
            purpose: self.place.purpose,
            request_id: &self.request_id,
            gallery: self.place.gallery,
            subject: self.place.subject,
            modality: model.modality,
            model: &model.id,
            amount_kzt: self.occasion.amount_kzt,
            captured: self.occasion.captured,
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
