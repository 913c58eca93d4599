//! The door that all three nodes have: from what a client sent to a permit and an opened envelope.
//!
//! ```text
//! Relayed --check--> Checked                 --admit--> Admitted
//!  bytes   token, proof, purpose, envelope's   the log holds the use;   permit, and this node's two summands
//!          form: nothing is spent yet          ids are spent
//! ```

use zeroize::Zeroizing;

use super::Engine;
use super::refusal::{Cause as _, OutOfStep, Refusal, UnknownKey};
use crate::log::access::{Closing, LogError, Permit, Ticket};
use crate::log::entry::Reason;
use crate::log::ledger::Position;
use crate::name::ModelId;
use crate::request::{Ask, Method, Sample};
use crate::seal::{Binding, Envelope, OpenError};
use crate::share::Summands;
use crate::template::Shape;
use crate::token::purpose::{Enroll, Erase, For, Grant, Lock, Spends, Unlock, Use, Verify};
use crate::token::{Token, Verified};
use crate::wire::peer::v1::Relayed;
use crate::wire::{ask_of, envelope_of};

/// Bytes of the key that an enrolment brings for the subject's handles in this node's log, behind the summands.
const SUBJECT_KEY: usize = 32;

/// A request that this node would help with, were it in the log.
pub struct Checked {
    ask: Ask,
    granted: Granted,
}

enum Granted {
    Enroll(Grant<Enroll>, Sealed),
    Verify(Grant<Verify>, Sealed),
    Erase(Grant<Erase>),
    Lock(Grant<Lock>),
    Unlock(Grant<Unlock>),
}

/// This node's envelope, well formed and not yet opened.
struct Sealed {
    envelope: Envelope,
    sample: Sample,
    shape: Shape,
}

impl Checked {
    /// Which requests may run in one batch with it: those of the same call and model.
    pub(super) fn kind(&self) -> (Method, Option<&ModelId>) {
        (self.ask.method, self.ask.samples.first().map(|sample| &sample.model))
    }

    /// Whether both are of one subject: then they take their turns.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        self.ask.gallery == other.ask.gallery && self.ask.subject == other.ask.subject
    }
}

/// A request that stands in this node's log, with its envelope opened.
pub(super) struct Admitted {
    /// What was asked.
    pub(super) ask: Ask,
    /// What closes it.
    pub(super) ticket: Ticket,
    /// Place of its entry in the log.
    pub(super) index: u64,
    /// What it permits, and on what.
    pub(super) permitted: Permitted,
}

/// A reference on its way in.
pub(super) struct Reference {
    /// This node's two summands of the template.
    pub(super) summands: Summands,
    /// This node's key for the subject's handles in its log.
    pub(super) subject_key: Zeroizing<[u8; SUBJECT_KEY]>,
    /// The extractor.
    pub(super) model: ModelId,
}

/// A probe, and what it is compared with.
pub(super) struct Comparison {
    /// This node's two summands of the probe.
    pub(super) probe: Summands,
    /// This node's share of the reference, as it stood when the request was admitted.
    pub(super) reference: Zeroizing<Vec<u16>>,
    /// Least score that is a match.
    pub(super) threshold: i16,
}

/// What is permitted.
pub(super) enum Permitted {
    /// To take this reference in.
    Enroll(Permit<Enroll>, Reference),
    /// To compare this probe.
    Verify(Permit<Verify>, Comparison),
    /// To erase.
    Erase(Permit<Erase>),
    /// To lock.
    Lock(Permit<Lock>),
    /// To unlock.
    Unlock(Permit<Unlock>),
}

impl Admitted {
    /// The row of the subject's reference at this node; none for a subject that has none yet.
    pub(super) fn position(&self) -> Option<Position> {
        match &self.permitted {
            Permitted::Enroll(..) => None,
            Permitted::Verify(permit, _) => permit.position(),
            Permitted::Erase(permit) => permit.position(),
            Permitted::Lock(permit) => permit.position(),
            Permitted::Unlock(permit) => permit.position(),
        }
    }
}

impl Engine {
    /// All that can be checked without spending anything: token, proof, purpose, and the form of this node's envelope.
    ///
    /// # Errors
    /// [`Refusal`]; where the token is genuine, it stands in the log by the time this returns.
    pub async fn check(&self, relayed: &Relayed, now: u64) -> Result<Checked, Refusal> {
        let own = self.party;
        let request = relayed.request.as_ref().ok_or_else(|| crate::wire::RequestError::Absent.at(own))?;
        let ask = ask_of(request).map_err(|error| error.at(own))?;
        let certificate = <[u8; 32]>::try_from(relayed.client_certificate.as_slice()).ok();
        let token = Token::new(relayed.token.clone(), relayed.proof.clone(), certificate);
        let verified = token.verify(&self.verifier, &ask, now).map_err(|error| {
            // Anyone can send a forged token: it is counted, and never logged.
            self.counters.forged();
            error.at(own)
        })?;
        let envelope = envelope_of(request, own);
        let granted = match ask.method {
            Method::Enroll => {
                let (grant, sealed) = self.sealed(verified, &ask, envelope, now).await?;
                Granted::Enroll(grant, sealed)
            }
            Method::Verify => {
                let (grant, sealed) = self.sealed(verified, &ask, envelope, now).await?;
                Granted::Verify(grant, sealed)
            }
            Method::Erase => Granted::Erase(self.grant(verified, now).await?),
            Method::Lock => Granted::Lock(self.grant(verified, now).await?),
            Method::Unlock => Granted::Unlock(self.grant(verified, now).await?),
        };
        Ok(Checked { ask, granted })
    }

    async fn grant<P: For>(&self, verified: Verified<'_>, now: u64) -> Result<Grant<P>, Refusal> {
        match verified.grant::<P>(&self.policy, &self.models) {
            Ok(grant) => Ok(grant),
            Err(denied) => {
                let refusal = (&denied).at(self.party);
                self.log_denial(*denied.record, *denied.spends, refusal.reason.clone(), now).await;
                Err(refusal)
            }
        }
    }

    /// A grant together with an envelope of the right size, to a key that this node has.
    async fn sealed<P: For>(
        &self,
        verified: Verified<'_>,
        ask: &Ask,
        envelope: Option<&[u8]>,
        now: u64,
    ) -> Result<(Grant<P>, Sealed), Refusal> {
        let grant = self.grant::<P>(verified, now).await?;
        let sealed = self.well_formed(ask, envelope);
        if let Err(refusal) = &sealed {
            self.log_denial(grant.record().clone(), grant.spends().clone(), refusal.reason.clone(), now).await;
        }
        Ok((grant, sealed?))
    }

    fn well_formed(&self, ask: &Ask, envelope: Option<&[u8]>) -> Result<Sealed, Refusal> {
        let absent = || crate::wire::RequestError::Samples.at(self.party);
        let sample = ask.samples.first().cloned().ok_or_else(absent)?;
        let bytes = envelope.ok_or_else(absent)?;
        let model = self.models.find(&sample.model).ok_or_else(absent)?;
        let shape = model.shape(model.dimension()).ok_or_else(absent)?;
        let plaintext = shape.components() + if ask.method == Method::Enroll { SUBJECT_KEY } else { 0 };
        let envelope = Envelope::parse(bytes, plaintext).map_err(|error| error.at(self.party))?;
        if self.envelope_keys.knows(&envelope.key()) {
            Ok(Sealed { envelope, sample, shape })
        } else {
            Err(UnknownKey.at(self.party))
        }
    }

    /// A log that is halted refuses the next admission anyway: nothing is lost by not hearing of it here.
    async fn log_denial(&self, record: Use, spends: Spends, reason: Reason, now: u64) {
        match self.log.deny(record, spends, reason, now).await {
            Ok(_) | Err(LogError::Replayed) => {}
            Err(error) => tracing::error!(%error, "a denial could not be logged"),
        }
    }

    /// Spends what the request uses up, waits until its entry is durable, and only then opens the envelope.
    ///
    /// # Errors
    /// [`Refusal`]; an envelope that does not open is closed in the log as an error.
    pub(super) async fn admit(&self, checked: Checked, now: u64) -> Result<Admitted, Refusal> {
        let Checked { ask, granted } = checked;
        match granted {
            Granted::Enroll(grant, sealed) => {
                let (permit, ticket) = self.permit(grant, now).await?;
                let index = permit.index();
                let opened =
                    self.open_envelope(&permit, &ask, &sealed).and_then(|opened| reference(&opened, sealed.shape));
                let (summands, subject_key) = match opened {
                    Ok(opened) => opened,
                    Err(error) => return Err(self.give_up(ticket, error, now).await),
                };
                let reference = Reference { summands, subject_key, model: sealed.sample.model };
                Ok(Admitted { ask, ticket, index, permitted: Permitted::Enroll(permit, reference) })
            }
            Granted::Verify(grant, sealed) => {
                let (permit, ticket) = self.permit(grant, now).await?;
                let index = permit.index();
                let opened = self.open_envelope(&permit, &ask, &sealed);
                let probe = match opened.and_then(|opened| probe(&opened, sealed.shape)) {
                    Ok(probe) => probe,
                    Err(error) => return Err(self.give_up(ticket, error, now).await),
                };
                // One modality, one bar: the policy's rule was applied when the permit was granted.
                let model = self.models.find(&sealed.sample.model);
                let bar = model.zip(permit.terms().decides);
                let bar = bar.map(|(model, decides)| model.threshold(decides.fmr, sealed.shape, sealed.shape));
                let (Some(reference), Some(threshold)) = (self.reference(&permit, &sealed.sample.model), bar) else {
                    return Err(self.fail(ticket, OutOfStep.at(self.party), now).await);
                };
                let comparison = Comparison { probe, reference, threshold };
                Ok(Admitted { ask, ticket, index, permitted: Permitted::Verify(permit, comparison) })
            }
            Granted::Erase(grant) => self.bare(ask, grant, Permitted::Erase, now).await,
            Granted::Lock(grant) => self.bare(ask, grant, Permitted::Lock, now).await,
            Granted::Unlock(grant) => self.bare(ask, grant, Permitted::Unlock, now).await,
        }
    }

    async fn permit<P: For>(&self, grant: Grant<P>, now: u64) -> Result<(Permit<P>, Ticket), Refusal> {
        let permit = self.log.admit(grant, now).await.map_err(|error| error.at(self.party))?;
        let ticket = permit.ticket();
        Ok((permit, ticket))
    }

    async fn bare<P: For>(
        &self,
        ask: Ask,
        grant: Grant<P>,
        permitted: fn(Permit<P>) -> Permitted,
        now: u64,
    ) -> Result<Admitted, Refusal> {
        let (permit, ticket) = self.permit(grant, now).await?;
        Ok(Admitted { ask, ticket, index: permit.index(), permitted: permitted(permit) })
    }

    fn open_envelope<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &Ask,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
        let binding = Binding {
            party: self.party,
            deployment: &self.deployment,
            relying_party: &permit.record().relying_party,
            purpose: &ask.purpose,
            request_id: &ask.request_id,
            gallery: &ask.gallery,
            subject: &ask.subject,
            modality: sealed.sample.modality,
            model: &sealed.sample.model,
        };
        self.envelope_keys.open(&sealed.envelope, &binding)
    }

    async fn give_up(&self, ticket: Ticket, error: OpenError, now: u64) -> Refusal {
        let refusal = error.at(self.party);
        self.close(ticket, Closing::Failed(refusal.reason.clone()), None, now).await;
        refusal
    }
}

/// Two summands of `dimension / 2` bytes each.
fn probe(opened: &[u8], shape: Shape) -> Result<Summands, OpenError> {
    Summands::from_envelope(shape, Zeroizing::new(opened.to_vec())).map_err(|_| OpenError)
}

/// Two summands, and behind them this node's subject key.
fn reference(opened: &[u8], shape: Shape) -> Result<(Summands, Zeroizing<[u8; SUBJECT_KEY]>), OpenError> {
    let (summands, key) = opened.split_at_checked(shape.components()).ok_or(OpenError)?;
    let key = Zeroizing::new(key.try_into().map_err(|_| OpenError)?);
    let summands = Summands::from_envelope(shape, Zeroizing::new(summands.to_vec())).map_err(|_| OpenError)?;
    Ok((summands, key))
}
