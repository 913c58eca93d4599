//! Who may do what: from what a client sent to a permit and opened envelopes. The same checks at all three nodes.
//!
//! ```text
//! Relayed --check--> Checked                       --admit--> Open<Permitted>
//!  bytes   token, proof, rate, purpose, envelopes'   the log holds the use;   permit, and this node's two summands of each sample,
//!          form: nothing is spent yet                ids are spent            with the references that they are compared with
//! ```

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::compare::{Comparison, Load, search_bounds};
use super::counters::Counters;
use super::item::{Item, Open};
use super::journal::Journal;
use super::links::NodeLinks;
use super::references::References;
use super::refusal::{Cause as _, Malformed, Mixed, OutOfStep, Refusal, UnknownKey};
use super::request::{Checked, Granted, Incoming, Permitted, SUBJECT_KEY, Sealed, SearchQuery};
use super::rotation::KeyRing;
use super::stopwatch::Stopwatch;
use crate::clocks::Clocks;
use crate::log::access::{LogError, Permit};
use crate::name::RelyingParty;
use crate::party::Party;
use crate::peer::PeerUnavailable;
use crate::request::{Method, RequestInfo, RequestTarget, Sample};
use crate::seal::{Binding, Envelope, KeyId, OpenError};
use crate::share::InputShares;
use crate::store::Store;
use crate::template::model::Models;
use crate::timings::Phase;
use crate::token::purpose::{Enroll, For, Grant, Search, Verify};
use crate::token::{Policy, Token, Verified, Verifier, glance, glance_at_bearer, reader};
use crate::wire::peer::v1::Relayed;
use crate::wire::peer::v1::relayed::Request;
use crate::wire::{RequestError, ask_of, envelopes_of, samples_of};

/// Checks requests, writes their use into the log, and opens their envelopes.
pub struct Authorizer {
    pub(super) journal: Arc<Journal>,
    pub(super) believed: RwLock<Arc<Verifier>>,
    pub(super) policy: Policy,
    pub(super) models: Models,
    pub(super) keys: Arc<KeyRing>,
    pub(super) references: References,
    /// What was answered before.
    pub(super) store: Store,
    pub(super) links: NodeLinks,
    pub(super) clocks: Arc<Clocks>,
    pub(super) counters: Arc<Counters>,
}

impl Authorizer {
    /// Which party this is.
    #[must_use]
    pub fn party(&self) -> Party {
        self.journal.party
    }

    /// The models that are compared here.
    #[must_use]
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whose tokens and approvals are believed now.
    fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.believed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Believes these from now on; what was checked before is done as it was.
    pub fn believe(&self, verifier: Verifier) {
        *self.believed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }

    /// On whose behalf a call comes: what is looked at before anything of a request is read. Without a proof it is a bearer's.
    ///
    /// # Errors
    /// [`Refusal`] for a token that is not genuine, ours and of now, and for a proof that has not its form. It is counted.
    pub fn glance(&self, access: &str, proof: Option<&str>) -> Result<RelyingParty, Refusal> {
        let now = self.clocks.plausible().map_err(|doubt| doubt.at(self.party()))?;
        let glanced = match proof {
            Some(proof) => glance(access, proof, &self.verifier(), now),
            None => glance_at_bearer(access, &self.verifier(), now),
        };
        glanced.map_err(|fault| {
            self.counters.forged();
            fault.at(self.party())
        })
    }

    /// Whether a bearer may read entries of the log.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn may_read(&self, access: &str) -> Result<(), Refusal> {
        let now = self.clocks.plausible().map_err(|doubt| doubt.at(self.party()))?;
        let read = reader(access, &self.verifier(), &self.policy, now);
        read.map(drop).map_err(|error| error.at(self.party()))
    }

    /// All that can be checked without spending anything: token, proof, rate, purpose, and the form of the envelopes.
    ///
    /// # Errors
    /// [`Refusal`]; where the token is genuine, it stands in the log by the time this returns.
    pub(super) async fn check(&self, relayed: &Relayed, now: u64) -> Result<Checked, Refusal> {
        let (own, begin) = (self.party(), Instant::now());
        self.counters.checked();
        let request = relayed.request.as_ref().ok_or_else(|| RequestError::Absent.at(own))?;
        let ask = ask_of(request).map_err(|error| error.at(own))?;
        let certificate = <[u8; 32]>::try_from(relayed.client_certificate.as_slice()).ok();
        let token = Token::new(relayed.token.clone(), relayed.proof.clone(), certificate);
        let believed = self.verifier();
        let verified = self.verified(token, &believed, &ask, now)?;
        if self.journal.log.is_behind() {
            return Err(LogError::Behind.at(own));
        }
        let verified = self.paced(verified, now).await?;
        let lanes = |sealed: &[Sealed]| self.references.lanes(&ask, sealed.iter().map(|sealed| sealed.shape));
        let (granted, load) = match ask.method {
            Method::Enroll => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                let load = Load::of_lanes(request, lanes(&sealed));
                (Granted::Enroll(grant, sealed), load)
            }
            Method::Verify => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                let load = Load::of_lanes(request, lanes(&sealed));
                (Granted::Verify(grant, sealed), load)
            }
            Method::Search => {
                let (grant, sealed) = self.sealed(verified, &ask, request, now).await?;
                (Granted::Search(grant, sealed), Load::of_search(request))
            }
            Method::Erase => (Granted::Erase(self.grant(verified, now).await?), Load::default()),
            Method::Lock => (Granted::Lock(self.grant(verified, now).await?), Load::default()),
            Method::Unlock => (Granted::Unlock(self.grant(verified, now).await?), Load::default()),
            Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
                unreachable!("no relayed request is of these calls")
            }
        };
        let stopwatch = Stopwatch::new();
        stopwatch.since(Phase::Token, begin);
        Ok(Checked { ask, granted, load, stopwatch: Arc::new(stopwatch) })
    }

    /// A token that is genuine, for this request. Anyone can send a forged one: it is counted, and never logged.
    fn verified<'v>(
        &self,
        token: Token,
        believed: &'v Verifier,
        ask: &'v RequestInfo,
        now: u64,
    ) -> Result<Verified<'v>, Refusal> {
        token.verify(believed, ask, now).map_err(|error| {
            self.counters.forged();
            error.at(self.party())
        })
    }

    /// A genuine token's request, if its relying party does not ask too often. The first thing that is asked of whoever has shown who
    /// it is: so one that does ask too often costs the others a signature's check, and next to none of the log.
    async fn paced<'v>(&self, verified: Verified<'v>, now: u64) -> Result<Verified<'v>, Refusal> {
        let Err(limited) = self.journal.log.pace(verified.relying_party(), now) else { return Ok(verified) };
        let refusal = limited.at(self.party());
        self.journal.deny(verified.refused(&self.policy), &refusal, now).await;
        Err(refusal)
    }

    /// That nothing of what a request uses up is known to be used up: asked before it takes a place that another one could have. The
    /// admission alone knows for certain. Where something came under the request's id, it may be owed an answer, and goes on.
    ///
    /// # Errors
    /// [`Refusal`], which stands in the log as any other.
    pub(super) async fn unspent(&self, checked: &Checked, now: u64) -> Result<(), Refusal> {
        let (spends, record) = checked.granted.uses();
        let Some(spent) = self.journal.log.known_spent(spends) else { return Ok(()) };
        if self.store.knows_request(&record.relying_party, spends.request_id).await.unwrap_or(true) {
            return Ok(());
        }
        let refusal = spent.at(self.party());
        self.journal.deny((record.clone(), spends.clone()), &refusal, now).await;
        Err(refusal)
    }

    async fn grant<P: For>(&self, verified: Verified<'_>, now: u64) -> Result<Grant<P>, Refusal> {
        match verified.grant::<P>(&self.policy, &self.models) {
            Ok(grant) => Ok(grant),
            Err(denied) => {
                let refusal = (&denied).at(self.party());
                self.journal.deny((*denied.record, *denied.spends), &refusal, now).await;
                Err(refusal)
            }
        }
    }

    /// A grant together with envelopes of the right sizes, to keys that this node has.
    async fn sealed<P: For>(
        &self,
        verified: Verified<'_>,
        ask: &RequestInfo,
        request: &Request,
        now: u64,
    ) -> Result<(Grant<P>, Vec<Sealed>), Refusal> {
        let verified = self.owed(verified, request).await;
        let grant = self.grant::<P>(verified, now).await?;
        let sealed = self.well_formed(ask, request, grant.terms().answered);
        if let Err(refusal) = &sealed {
            self.journal.deny((grant.record().clone(), grant.spends().clone()), refusal, now).await;
        }
        let sealed = sealed?;
        Ok((grant.with_envelopes(sealed.iter().map(Sealed::spent).collect()), sealed))
    }

    /// Where samples or approvals are too old, or samples sealed to a key that has gone, and the very same request was answered before:
    /// it gets that answer, or is told that the answer is no longer kept. Nothing is opened for it. Any other is refused as the checks
    /// that follow find it.
    async fn owed<'v>(&self, verified: Verified<'v>, request: &Request) -> Verified<'v> {
        let has_gone = || samples_of(request).iter().any(|sent| self.gone_at(&envelopes_of(sent)).is_some());
        if !verified.is_stale(&self.policy) && !has_gone() {
            return verified;
        }
        match self.store.was_answered(verified.relying_party(), verified.spends()).await {
            Ok(true) => verified.answered(),
            Ok(false) => verified,
            Err(error) => {
                tracing::error!(%error, "an earlier answer could not be looked for");
                verified
            }
        }
    }

    /// This node's envelopes, one for each sample: of a length that the sample's model has templates for, as long as the
    /// others' two, and, unless it was `answered` and is not opened again, to a key that this node has.
    fn well_formed(&self, ask: &RequestInfo, request: &Request, answered: bool) -> Result<Vec<Sealed>, Refusal> {
        let own = self.party();
        let mut sealed = Vec::with_capacity(ask.samples.len());
        for (place, (sample, sent)) in ask.samples.iter().zip(samples_of(request)).enumerate() {
            let model = self.models.find(&sample.model).ok_or_else(|| RequestError::Samples.at(own))?;
            let key = if ask.method == Method::Enroll && place == 0 { SUBJECT_KEY } else { 0 };
            let all = envelopes_of(sent);
            let mine = all[own.index()];
            let components = mine.len().checked_sub(Envelope::OVERHEAD + key);
            let shape = components.and_then(|components| model.shape(components));
            let alike = all.iter().all(|other| other.len() == mine.len());
            let shape = shape.filter(|_| alike).ok_or_else(|| Malformed.at(own))?;
            let envelope = Envelope::parse(mine, shape.components() + key).map_err(|_| Malformed.at(own))?;
            if let Some(party) = self.gone_at(&all).filter(|_| !answered) {
                return Err(UnknownKey.at(party));
            }
            sealed.push(Sealed { envelope, shape, digest: sample.envelopes[own.index()] });
        }
        Ok(sealed)
    }

    /// The node whose envelope of a sample is sealed to a key that is not known.
    fn gone_at(&self, envelopes: &[&[u8]; 3]) -> Option<Party> {
        let own = envelopes[self.party().index()].first_chunk().map(|id| KeyId::from_bytes(*id));
        let knows = own.is_some_and(|id| self.keys.ring().keys().knows(&id));
        if knows { self.unknown_elsewhere(envelopes) } else { Some(self.party()) }
    }

    /// The other node whose envelope of a sample is sealed to a key that it does not tell of. The leader alone looks: what a helper
    /// would refuse uses nothing up then, and the client may seal it anew.
    fn unknown_elsewhere(&self, envelopes: &[&[u8]; 3]) -> Option<Party> {
        let peers = self.links.linked().filter(|_| self.party() == Party::LEADER)?;
        let is_unknown = |party: &Party| {
            let id = envelopes[party.index()].get(..KeyId::LEN).unwrap_or_default();
            // Of a node that is not linked nothing is known, and nothing will run.
            peers.node(*party).is_some_and(|node| node.envelope_keys.iter().all(|told| told.id != id))
        };
        Party::ALL.into_iter().filter(|party| *party != self.party()).find(is_unknown)
    }

    /// Admits all at once: they share the log's next write, and their envelopes are opened on all cores.
    pub(super) async fn admit_all(self: &Arc<Self>, items: Vec<Item<Checked>>, now: u64) -> Vec<Item<Open<Permitted>>> {
        let start = |checked| {
            let authorizer = Arc::clone(self);
            Ok(tokio::spawn(async move { authorizer.admit(checked, now).await }))
        };
        let started: Vec<_> = items.into_iter().map(|item| item.and_then(start)).collect();
        let mut admitted = Vec::with_capacity(started.len());
        for item in started {
            let ended = |task: JoinHandle<_>| async move { task.await.unwrap_or_else(|_| Err(self.gone())) };
            admitted.push(item.then(ended).await);
        }
        admitted
    }

    /// What is left to be said where this node itself fails.
    fn gone(&self) -> Refusal {
        PeerUnavailable::Gone(self.party()).at(self.party())
    }

    /// Spends what the request uses up, waits until its entry is durable, and only then opens the envelopes.
    ///
    /// # Errors
    /// [`Refusal`]; what is found after the admission is closed in the log as an error, and costs no attempt.
    async fn admit(&self, checked: Checked, now: u64) -> Result<Open<Permitted>, Refusal> {
        let Checked { ask, granted, stopwatch, .. } = checked;
        let timed = (&*stopwatch, now);
        match granted {
            Granted::Enroll(grant, sealed) => {
                let open = |permit, ask: &RequestInfo| self.references(permit, ask, &sealed);
                self.enter(ask, grant, timed, open).await
            }
            Granted::Verify(grant, sealed) => {
                let open = |permit, ask: &RequestInfo| self.comparison(permit, ask, &sealed);
                self.enter(ask, grant, timed, open).await
            }
            Granted::Search(grant, sealed) => {
                let open = |permit, ask: &RequestInfo| self.query(permit, ask, &sealed);
                self.enter(ask, grant, timed, open).await
            }
            Granted::Erase(grant) => self.enter(ask, grant, timed, |permit, _| Ok(Permitted::Erase(permit))).await,
            Granted::Lock(grant) => self.enter(ask, grant, timed, |permit, _| Ok(Permitted::Lock(permit))).await,
            Granted::Unlock(grant) => self.enter(ask, grant, timed, |permit, _| Ok(Permitted::Unlock(permit))).await,
        }
    }

    /// Writes a use into the log, and then opens what came along.
    async fn enter<P: For>(
        &self,
        ask: RequestInfo,
        grant: Grant<P>,
        (stopwatch, now): (&Stopwatch, u64),
        open: impl FnOnce(Permit<P>, &RequestInfo) -> Result<Permitted, Refusal>,
    ) -> Result<Open<Permitted>, Refusal> {
        let begin = Instant::now();
        let permit = self.journal.log.admit(grant, now).await.map_err(|error| error.at(self.party()))?;
        let (ticket, place) = (permit.ticket(), permit.place());
        let begin = stopwatch.since(Phase::Log, begin);
        let opened = open(permit, &ask);
        if !ask.samples.is_empty() {
            stopwatch.since(Phase::Envelope, begin);
        }
        match opened {
            Ok(work) => Ok(Open { ask, ticket, place, work }),
            Err(refusal) => Err(self.journal.fail(ticket, refusal, now).await),
        }
    }

    /// A permit for what a node does alone, about its own log: token, proof, purpose, and an entry of the log.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) async fn admit_alone<P: For>(&self, token: Token, ask: &RequestInfo) -> Result<Permit<P>, Refusal> {
        let now = self.clocks.now().map_err(|doubt| doubt.at(self.party()))?;
        self.counters.checked();
        let believed = self.verifier();
        let verified = self.verified(token, &believed, ask, now)?;
        let grant = self.grant::<P>(self.paced(verified, now).await?, now).await?;
        self.journal.log.admit(grant, now).await.map_err(|error| {
            // The answer of an earlier request of this kind is not kept: it is asked for anew, under an id of its own.
            Refusal { answer: None, ..error.at(self.party()) }
        })
    }

    /// The references of an enrolment, and behind the first of them this node's subject key.
    fn references(&self, permit: Permit<Enroll>, ask: &RequestInfo, sealed: &[Sealed]) -> Result<Permitted, Refusal> {
        let incoming = self.open_each(&permit, ask, sealed).and_then(|opened| {
            let (first, shape) = opened.first().zip(sealed.first()).ok_or(OpenError)?;
            let (_, key) = first.split_at_checked(shape.shape.components()).ok_or(OpenError)?;
            let key: &[u8; SUBJECT_KEY] = key.as_array().ok_or(OpenError)?;
            let mut subject_key = Box::new(Zeroizing::new([0; SUBJECT_KEY]));
            subject_key.copy_from_slice(key);
            Ok(Incoming { summands: summands(&opened, sealed)?, subject_key })
        });
        Ok(Permitted::Enroll(permit, incoming.map_err(|error| error.at(self.party()))?))
    }

    /// The probes of a verification, and what they are compared with.
    fn comparison(&self, permit: Permit<Verify>, ask: &RequestInfo, sealed: &[Sealed]) -> Result<Permitted, Refusal> {
        let probes = self.probes(&permit, ask, sealed)?;
        let held = self.references.held(self.party(), &permit, &ask.samples)?;
        let comparison = Comparison::new(&self.models, permit.terms().decides, &ask.samples, (probes, held));
        // The policy granted what it has a rule and models for.
        Ok(Permitted::Verify(permit, comparison.ok_or_else(|| OutOfStep.at(self.party()))?))
    }

    /// The probes of a search, and what they must reach.
    fn query(&self, permit: Permit<Search>, ask: &RequestInfo, sealed: &[Sealed]) -> Result<Permitted, Refusal> {
        let own = self.party();
        let probes = self.probes(&permit, ask, sealed)?;
        let RequestTarget::Case(case) = &ask.about else { return Err(Mixed.at(own)) };
        let rate = permit.terms().decides.map(|decides| decides.fmr).ok_or_else(|| OutOfStep.at(own))?;
        // The policy granted what the table of models has.
        let bounds = search_bounds(&self.models, rate, &ask.samples, &probes);
        let (weights, threshold) = bounds.ok_or_else(|| OutOfStep.at(own))?;
        let most = usize::try_from(case.most).unwrap_or(usize::MAX);
        Ok(Permitted::Search(permit, SearchQuery { probes, weights, threshold, most }))
    }

    fn probes<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &RequestInfo,
        sealed: &[Sealed],
    ) -> Result<Vec<InputShares>, Refusal> {
        let opened = self.open_each(permit, ask, sealed);
        opened.and_then(|opened| summands(&opened, sealed)).map_err(|error| error.at(self.party()))
    }

    fn open_each<P: For>(
        &self,
        permit: &Permit<P>,
        ask: &RequestInfo,
        sealed: &[Sealed],
    ) -> Result<Vec<Zeroizing<Box<[u8]>>>, OpenError> {
        let open = |(sample, sealed): (&Sample, &Sealed)| {
            let binding = Binding {
                party: self.party(),
                deployment: &self.journal.deployment,
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
            self.keys.ring().keys().open(&sealed.envelope, &binding)
        };
        ask.samples.iter().zip(sealed).map(open).collect()
    }
}

/// Two summands of half a byte for each component, at the beginning of each plaintext.
fn summands(opened: &[Zeroizing<Box<[u8]>>], sealed: &[Sealed]) -> Result<Vec<InputShares>, OpenError> {
    let one = |(plaintext, sealed): (&Zeroizing<Box<[u8]>>, &Sealed)| {
        let (both, _) = plaintext.split_at_checked(sealed.shape.components()).ok_or(OpenError)?;
        InputShares::from_envelope(sealed.shape, Zeroizing::new(both.to_vec())).map_err(|_| OpenError)
    };
    opened.iter().zip(sealed).map(one).collect()
}
