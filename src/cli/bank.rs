//! A relying party with a token issuer of its own: all that the demo and the load need to call.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use tumar::client::{Client, ClientConfig, ClientError, Search, Target};
use tumar::name::{GalleryName, RelyingParty, Subject};
use tumar::reason::Reason;
use tumar::request::{Case, Method};
use tumar::token::{Issuer, Officer};

use super::failure::Failure;
use super::{clock, token};

/// One relying party's client, and the key that its tokens are signed with.
pub(super) struct Bank {
    issuer: Issuer,
    /// What its handles for people begin with.
    people: String,
    /// Connected to the leader.
    pub(super) client: Client,
    /// Where its people are.
    pub(super) gallery: GalleryName,
}

/// What a token is to allow.
pub(super) struct Wanted<'a> {
    /// A purpose of the policy.
    pub(super) purpose: &'a str,
    /// One call.
    pub(super) method: Method,
    /// Evidence of other factors.
    pub(super) amr: &'a [&'a str],
}

impl Bank {
    /// Reads the issuer's key, and connects. `issuer` is the folder that `tumar init` wrote; handles are `people` and a number.
    pub(super) async fn connect(config: ClientConfig, issuer: &Path, people: &str) -> Result<Self, Failure> {
        let issuer = token::read_issuer(issuer, &config.deployment, &config.relying_party)?;
        let gallery = token::customers(&config.relying_party)?;
        let client = Client::connect(config, clock::now).await?;
        Ok(Self { issuer, people: people.to_owned(), client, gallery })
    }

    /// The bank's handle for person number so and so.
    pub(super) fn handle(&self, person: usize) -> Result<Subject, Failure> {
        Ok(format!("{}-{person:04}", self.people).parse()?)
    }

    /// Whether a handle is one of this bank's people here.
    pub(super) fn is_own(&self, handle: &Subject) -> bool {
        handle.as_str().strip_prefix(self.people.as_str()).is_some_and(|rest| rest.starts_with('-'))
    }

    /// Whom a call is about.
    pub(super) fn target(&self, person: usize, purpose: &str) -> Result<Target, Failure> {
        Ok(Target { gallery: self.gallery.clone(), subject: self.handle(person)?, purpose: purpose.parse()? })
    }

    /// A token for one search of a gallery, and what officers sign for it in the case with this digest, now.
    pub(super) fn search(
        &self,
        purpose: &str,
        gallery: &GalleryName,
        officers: &[Officer; 2],
        (digest, most): ([u8; 32], u32),
    ) -> Result<(String, Search), Failure> {
        let (config, now) = (self.client.config(), clock::now());
        let wanted = Wanted { purpose, method: Method::Search, amr: &["registry_check"] };
        let token = self.token_for(&wanted, gallery.clone(), now)?;
        let details =
            token::details(&config.relying_party, purpose.parse()?, &[Method::Search], vec![gallery.clone()], 1);
        let [one, other] =
            officers.each_ref().map(|officer| officer.approve(&config.deployment, &details, &digest, now));
        let case = Case { digest, most, approvals: vec![one?, other?] };
        Ok((token, Search { gallery: gallery.clone(), purpose: purpose.parse()?, case }))
    }

    /// A token for one request, as every call has its own.
    pub(super) fn token(&self, wanted: &Wanted<'_>) -> Result<String, Failure> {
        self.token_for(wanted, self.gallery.clone(), clock::now())
    }

    /// The same for any gallery, given out at any time.
    pub(super) fn token_for(&self, wanted: &Wanted<'_>, gallery: GalleryName, now: u64) -> Result<String, Failure> {
        let owner: &RelyingParty = &self.client.config().relying_party;
        let details = token::details(owner, wanted.purpose.parse()?, &[wanted.method], vec![gallery], 1);
        let amr = wanted.amr.iter().map(|&evidence| evidence.to_owned()).collect();
        Ok(self.issuer.issue(&token::request(self.client.config(), details, amr, 120), now)?)
    }
}

/// How long nodes may not answer while people are enrolled.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it takes until they are asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// What passes by itself while people are enrolled: nodes that find each other again, a queue that is full, a call that was lost.
#[derive(Default)]
pub(super) struct Outage(Option<Instant>);

impl Outage {
    /// Waits, and says why the first time; any other error is one, and so is one that lasts. Of somebody who `exists` already the
    /// answer was lost, and nothing else: nobody else has such handles.
    pub(super) async fn wait(&mut self, error: ClientError) -> Result<Found, Failure> {
        let passes = match &error {
            ClientError::Refused(refusal) => match error.refused() {
                Some(Reason::SubjectExists) if self.0.is_some() => return Ok(Found::There),
                Some(Reason::RateLimited) => return wait_or_give_up(error).await.map(|()| Found::Again),
                _ => matches!(
                    refusal.code,
                    Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted
                ),
            },
            ClientError::Unreachable { .. } | ClientError::Unanswered(_) => true,
            ClientError::Untrusted { .. }
            | ClientError::Committee(_)
            | ClientError::Receipt(_)
            | ClientError::Input(_)
            | ClientError::Tls(_) => false,
        };
        let since = *self.0.get_or_insert_with(Instant::now);
        if !passes || since.elapsed() > PATIENCE {
            return Err(error.into());
        }
        if since.elapsed() < PAUSE {
            eprintln!("tumar: enrolling waits for the nodes: {}", Failure::from(error));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(Found::Again)
    }
}

/// What an enrolment that brought no answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is to be tried again.
    Again,
    /// It was made, and its answer was lost.
    There,
}

/// Waits where a node says for how long, since people are enrolled faster than a policy may let one bank; any other error is one.
pub(super) async fn wait_or_give_up(error: ClientError) -> Result<(), Failure> {
    let limited = error.refused() == Some(Reason::RateLimited);
    match error.refusal().filter(|_| limited).and_then(|refusal| refusal.retry_after) {
        Some(pause) => {
            tokio::time::sleep(pause).await;
            Ok(())
        }
        None => Err(error.into()),
    }
}
