//! The door that all three nodes have: from what a client sent to a permit and opened envelopes.
//!
//! ```text
//! Relayed --check--> Checked                       --admit--> Admitted
//!  bytes   token, proof, rate, purpose, envelopes'   the log holds the use;   permit, and this node's two summands of each sample
//!          form: nothing is spent yet                ids are spent
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::compare::{Comparison, Load};
use super::envelopes::{Incoming, Sealed};
use super::refusal::{Cause as _, Refusal};
use super::search::Wanted;
use super::stopwatch::Stopwatch;
use super::turns::Whom;
use crate::log::access::{LogError, Permit, Ticket};
use crate::log::entry::Reason;
use crate::log::half::Place;
use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, RelyingParty};
use crate::request::{Ask, Method};
use crate::timings::Phase;
use crate::token::purpose::{Enroll, Erase, For, Grant, Lock, Search, Spends, Unlock, Use, Verify};
use crate::token::{Token, Verified, glance, glance_at_bearer};
use crate::wire::ask_of;
use crate::wire::peer::v1::Relayed;
use crate::wire::peer::v1::relayed::Request;

/// A request that this node would help with, were it in the log.
pub struct Checked {
    ask: Ask,
    granted: Granted,
    load: Load,
    stopwatch: Arc<Stopwatch>,
}

enum Granted {
    Enroll(Grant<Enroll>, Vec<Sealed>),
    Verify(Grant<Verify>, Vec<Sealed>),
    Erase(Grant<Erase>),
    Lock(Grant<Lock>),
    Unlock(Grant<Unlock>),
    Search(Grant<Search>, Vec<Sealed>),
}

impl Granted {
    /// What it uses up, and what the log will say.
    const fn uses(&self) -> (&Spends, &Use) {
        match self {
            Self::Enroll(grant, _) => (grant.spends(), grant.record()),
            Self::Verify(grant, _) => (grant.spends(), grant.record()),
            Self::Erase(grant) => (grant.spends(), grant.record()),
            Self::Lock(grant) => (grant.spends(), grant.record()),
            Self::Unlock(grant) => (grant.spends(), grant.record()),
            Self::Search(grant, _) => (grant.spends(), grant.record()),
        }
    }
}

impl Checked {
    /// On whose behalf.
    pub(super) const fn relying_party(&self) -> &RelyingParty {
        &self.granted.uses().1.relying_party
    }

    /// The call.
    pub(super) const fn method(&self) -> Method {
        self.ask.method
    }

    /// Which requests may run in one batch with it: those of the same call and models; searches, of the same gallery.
    pub(super) fn kind(&self) -> (Method, Vec<&ModelId>, Option<&GalleryName>) {
        let models = self.ask.samples.iter().map(|sample| &sample.model).collect();
        let gallery = (self.ask.method == Method::Search).then_some(&self.ask.gallery);
        (self.ask.method, models, gallery)
    }

    /// What it alone waited for so far, and will.
    pub(super) const fn stopwatch(&self) -> &Arc<Stopwatch> {
        &self.stopwatch
    }

    /// What it costs the links.
    pub(super) const fn load(&self) -> Load {
        self.load
    }

    /// Whom it changes, if it does: no other change of that subject is under way meanwhile.
    pub(super) fn changes(&self) -> Option<Whom> {
        match self.ask.method {
            Method::Enroll | Method::Erase | Method::Lock | Method::Unlock => {
                Some((self.ask.gallery.clone(), self.ask.subject()?.clone()))
            }
            Method::Verify | Method::Search | Method::OpenEvidence | Method::ListUses | Method::ReadLog => None,
        }
    }

    /// Whether both are of one subject: then they take their turns.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        let subject = self.ask.subject();
        subject.is_some() && self.ask.gallery == other.ask.gallery && subject == other.ask.subject()
    }
}

/// A request that stands in this node's log, with its envelopes opened.
pub(super) struct Admitted {
    /// What was asked.
    pub(super) ask: Ask,
    /// What closes it.
    pub(super) ticket: Ticket,
    /// Place of its entry in the log.
    pub(super) place: Place,
    /// What it permits, and on what.
    pub(super) permitted: Permitted,
}

/// What is permitted.
pub(super) enum Permitted {
    /// To take these references in.
    Enroll(Permit<Enroll>, Incoming),
    /// To compare these probes.
    Verify(Permit<Verify>, Comparison),
    /// To erase.
    Erase(Permit<Erase>),
    /// To lock.
    Lock(Permit<Lock>),
    /// To unlock.
    Unlock(Permit<Unlock>),
    /// To look for these probes.
    Search(Permit<Search>, Wanted),
}

impl Admitted {
    /// The position of the subject's references at this node; none for a subject that has none yet.
    pub(super) fn position(&self) -> Option<Position> {
        match &self.permitted {
            Permitted::Enroll(..) | Permitted::Search(..) => None,
            Permitted::Verify(permit, _) => permit.position(),
            Permitted::Erase(permit) => permit.position(),
            Permitted::Lock(permit) => permit.position(),
            Permitted::Unlock(permit) => permit.position(),
        }
    }
}

impl Engine {
    /// On whose behalf a call comes: what is looked at before anything of a request is read. Without a proof it is a bearer's.
    ///
    /// # Errors
    /// [`Refusal`] for a token that is not genuine, ours and of now, and for a proof that has not its form. It is counted.
    pub fn glance(&self, access: &str, proof: Option<&str>) -> Result<RelyingParty, Refusal> {
        let now = self.clocks.plausible().map_err(|doubt| doubt.at(self.party))?;
        let glanced = match proof {
            Some(proof) => glance(access, proof, &self.verifier(), now),
            None => glance_at_bearer(access, &self.verifier(), now),
        };
        glanced.map_err(|fault| {
            self.counters.forged();
            fault.at(self.party)
        })
    }

    /// All that can be checked without spending anything: token, proof, rate, purpose, and the form of the envelopes.
    ///
    /// # Errors
    /// [`Refusal`]; where the token is genuine, it stands in the log by the time this returns.
    pub async fn check(&self, relayed: &Relayed, now: u64) -> Result<Checked, Refusal> {
        let (own, begin) = (self.party, Instant::now());
        self.counters.checked();
        let request = relayed.request.as_ref().ok_or_else(|| crate::wire::RequestError::Absent.at(own))?;
        let ask = ask_of(request).map_err(|error| error.at(own))?;
        let certificate = <[u8; 32]>::try_from(relayed.client_certificate.as_slice()).ok();
        let token = Token::new(relayed.token.clone(), relayed.proof.clone(), certificate);
        let believed = self.verifier();
        let verified = token.verify(&believed, &ask, now).map_err(|error| {
            // Anyone can send a forged token: it is counted, and never logged.
            self.counters.forged();
            error.at(own)
        })?;
        if self.log.is_behind() {
            return Err(LogError::Behind.at(own));
        }
        let verified = self.paced(verified, now).await?;
        let mut load = Load::default();
        let granted = match ask.method {
            Method::Enroll => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                load = self.load(&ask, request, &sealed);
                Granted::Enroll(grant, sealed)
            }
            Method::Verify => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                load = self.load(&ask, request, &sealed);
                Granted::Verify(grant, sealed)
            }
            Method::Erase => Granted::Erase(self.grant(verified, now).await?),
            Method::Lock => Granted::Lock(self.grant(verified, now).await?),
            Method::Unlock => Granted::Unlock(self.grant(verified, now).await?),
            Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
                unreachable!("no relayed request is of these calls")
            }
            Method::Search => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                load = Load::of_search(request);
                Granted::Search(grant, sealed)
            }
        };
        let stopwatch = Stopwatch::new();
        stopwatch.since(Phase::Token, begin);
        Ok(Checked { ask, granted, load, stopwatch: Arc::new(stopwatch) })
    }

    /// A genuine token's request, if its relying party does not ask too often. The first thing that is asked of whoever has shown who
    /// it is: so one that does ask too often costs the others a signature's check, and next to none of the log.
    pub(super) async fn paced<'v>(&self, verified: Verified<'v>, now: u64) -> Result<Verified<'v>, Refusal> {
        let Err(limited) = self.log.pace(verified.relying_party(), now) else { return Ok(verified) };
        let refusal = limited.at(self.party);
        let (record, spends) = verified.refused(&self.policy);
        self.log_denial(record, spends, refusal.reason.clone(), now).await;
        Err(refusal)
    }

    /// That nothing of what a request uses up is known to be used up: asked before it takes a place that another one could have. The
    /// admission alone knows for certain. Where something came under the request's id, it may be owed an answer, and goes on.
    ///
    /// # Errors
    /// [`Refusal`], which stands in the log as any other.
    pub(super) async fn unspent(&self, checked: &Checked, now: u64) -> Result<(), Refusal> {
        let (spends, record) = checked.granted.uses();
        let Some(spent) = self.log.known_spent(spends) else { return Ok(()) };
        if self.store.knows_request(&record.relying_party, spends.request_id).await.unwrap_or(true) {
            return Ok(());
        }
        let refusal = spent.at(self.party);
        self.log_denial(record.clone(), spends.clone(), refusal.reason.clone(), now).await;
        Err(refusal)
    }

    pub(super) async fn grant<P: For>(&self, verified: Verified<'_>, now: u64) -> Result<Grant<P>, Refusal> {
        match verified.grant::<P>(&self.policy, &self.models) {
            Ok(grant) => Ok(grant),
            Err(denied) => {
                let refusal = (&denied).at(self.party);
                self.log_denial(*denied.record, *denied.spends, refusal.reason.clone(), now).await;
                Err(refusal)
            }
        }
    }

    /// A grant together with envelopes of the right sizes, to keys that this node has.
    async fn sealed<P: For>(
        &self,
        verified: Verified<'_>,
        ask: &Ask,
        request: &Request,
        now: u64,
    ) -> Result<(Grant<P>, Vec<Sealed>), Refusal> {
        let verified = self.owed(verified, request, now).await;
        let grant = self.grant::<P>(verified, now).await?;
        let sealed = self.well_formed(ask, request, grant.terms().answered);
        if let Err(refusal) = &sealed {
            self.log_denial(grant.record().clone(), grant.spends().clone(), refusal.reason.clone(), now).await;
        }
        let sealed = sealed?;
        Ok((grant.with_envelopes(sealed.iter().map(Sealed::spent).collect()), sealed))
    }

    /// Where samples are too old, or sealed to a key that has gone, and the very same request was answered before: it gets that answer.
    /// Nothing is opened for it. Any other is refused as the checks that follow find it.
    async fn owed<'v>(&self, verified: Verified<'v>, request: &Request, now: u64) -> Verified<'v> {
        if !verified.is_stale(&self.policy) && !self.has_gone(request) {
            return verified;
        }
        match self.store.has_answer(verified.relying_party(), verified.spends(), now).await {
            Ok(true) => verified.answered(),
            Ok(false) => verified,
            Err(error) => {
                tracing::error!(%error, "an earlier answer could not be looked for");
                verified
            }
        }
    }

    /// A log that is halted refuses the next admission anyway: nothing is lost by not hearing of it here.
    async fn log_denial(&self, record: Use, spends: Spends, reason: Reason, now: u64) {
        match self.log.deny(record, spends, reason, now).await {
            Ok(_) | Err(LogError::Replayed | LogError::Counted) => {}
            Err(error) => tracing::error!(%error, "a denial could not be logged"),
        }
    }

    /// Spends what the request uses up, waits until its entry is durable, and only then opens the envelopes.
    ///
    /// # Errors
    /// [`Refusal`]; what is found after the admission is closed in the log as an error, and costs no attempt.
    pub(super) async fn admit(&self, checked: Checked, now: u64) -> Result<Admitted, Refusal> {
        let Checked { ask, granted, stopwatch, .. } = checked;
        match granted {
            Granted::Enroll(grant, sealed) => {
                let (permit, ticket, begin) = self.permit(grant, now, &stopwatch).await?;
                let incoming = self.open_references(&permit, &ask, &sealed).map_err(|error| error.at(self.party));
                stopwatch.since(Phase::Envelope, begin);
                match incoming {
                    Ok(incoming) => {
                        let place = permit.place();
                        Ok(Admitted { ask, ticket, place, permitted: Permitted::Enroll(permit, incoming) })
                    }
                    Err(refusal) => Err(self.fail(ticket, refusal, now).await),
                }
            }
            Granted::Verify(grant, sealed) => {
                let (permit, ticket, begin) = self.permit(grant, now, &stopwatch).await?;
                let probes = self.open_probes(&permit, &ask, &sealed).map_err(|error| error.at(self.party));
                let comparison = probes.and_then(|probes| self.comparison(&permit, &ask, probes));
                stopwatch.since(Phase::Envelope, begin);
                match comparison {
                    Ok(comparison) => {
                        let place = permit.place();
                        Ok(Admitted { ask, ticket, place, permitted: Permitted::Verify(permit, comparison) })
                    }
                    Err(refusal) => Err(self.fail(ticket, refusal, now).await),
                }
            }
            Granted::Erase(grant) => self.bare(ask, grant, Permitted::Erase, now, &stopwatch).await,
            Granted::Lock(grant) => self.bare(ask, grant, Permitted::Lock, now, &stopwatch).await,
            Granted::Unlock(grant) => self.bare(ask, grant, Permitted::Unlock, now, &stopwatch).await,
            Granted::Search(grant, sealed) => {
                let (permit, ticket, begin) = self.permit(grant, now, &stopwatch).await?;
                let probes = self.open_probes(&permit, &ask, &sealed).map_err(|error| error.at(self.party));
                let wanted = probes.and_then(|probes| self.wanted(&permit, &ask, probes));
                stopwatch.since(Phase::Envelope, begin);
                match wanted {
                    Ok(wanted) => {
                        let place = permit.place();
                        Ok(Admitted { ask, ticket, place, permitted: Permitted::Search(permit, wanted) })
                    }
                    Err(refusal) => Err(self.fail(ticket, refusal, now).await),
                }
            }
        }
    }

    /// A permit, what closes it, and when its entry was durable.
    async fn permit<P: For>(
        &self,
        grant: Grant<P>,
        now: u64,
        stopwatch: &Stopwatch,
    ) -> Result<(Permit<P>, Ticket, Instant), Refusal> {
        let begin = Instant::now();
        let permit = self.log.admit(grant, now).await.map_err(|error| error.at(self.party))?;
        let ticket = permit.ticket();
        Ok((permit, ticket, stopwatch.since(Phase::Log, begin)))
    }

    async fn bare<P: For>(
        &self,
        ask: Ask,
        grant: Grant<P>,
        permitted: fn(Permit<P>) -> Permitted,
        now: u64,
        stopwatch: &Stopwatch,
    ) -> Result<Admitted, Refusal> {
        let (permit, ticket, _) = self.permit(grant, now, stopwatch).await?;
        Ok(Admitted { ask, ticket, place: permit.place(), permitted: permitted(permit) })
    }
}
