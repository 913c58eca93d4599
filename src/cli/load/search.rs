//! Searches of the mix: a gallery of their own, in which nobody is added while they run, so that who must be named is known.

use std::path::Path;

use indicatif::ProgressBar;
use ring::rand::{SecureRandom as _, SystemRandom};
use tumar::client::{ClientError, Searched, Target};
use tumar::eval::draw::Draw;
use tumar::log::receipt::Found;
use tumar::name::GalleryName;
use tumar::request::Method;
use tumar::template::model::Fmr;
use tumar::token::Officer;

use super::schedule::ATTEMPTS;
use crate::cli::bank::{Bank, Found as Came, Outage, Wanted};
use crate::cli::failure::Failure;
use crate::cli::init;
use crate::cli::people::{By, People};
use tumar::reason::Reason;

/// The default policy's, with its rate and with the most people that it lets be named.
const PURPOSE: &str = "account_opening_dedup";
const RATE: Fmr = Fmr::E5;
const MOST: u32 = 8;

/// Whose face is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looking {
    person: usize,
    image: usize,
}

impl Looking {
    /// Anybody's.
    pub(super) fn draw(draw: &mut Draw, people: usize) -> Self {
        Self { person: draw.below(people), image: draw.below(ATTEMPTS) }
    }
}

/// Where is searched, and who approves.
pub(super) struct Searches {
    gallery: GalleryName,
    officers: [Officer; 2],
    random: SystemRandom,
}

impl Searches {
    /// In the gallery that nodes list for this, by officers whose keys are in a folder.
    pub(super) fn new(bank: &Bank, officers: &Path) -> Result<Self, Failure> {
        let gallery = init::load_gallery(&bank.client.config().relying_party)?;
        Ok(Self { gallery, officers: init::read_officers(officers)?, random: SystemRandom::new() })
    }

    /// Takes everybody in by one face.
    pub(super) async fn enrol_all(&self, bank: &Bank, people: &People, bar: &ProgressBar) -> Result<(), Failure> {
        for person in 0..people.count() {
            let mut outage = Outage::default();
            loop {
                let wanted = Wanted { purpose: "enrolment", method: Method::Enroll, amr: &["registry_check"] };
                let token = bank.token_for(&wanted, self.gallery.clone(), crate::cli::clock::now())?;
                let target = Target { gallery: self.gallery.clone(), ..bank.target(person, "enrolment")? };
                let enrolled = bank.client.enroll(&token, &target, &[people.face_of(person)]).await;
                let Err(error) = enrolled else { break };
                if outage.wait(error).await? == Came::There {
                    break;
                }
            }
            bar.inc(1);
        }
        Ok(())
    }

    /// Erases everybody again: they were enrolled for searches of this run alone.
    pub(super) async fn erase_all(&self, bank: &Bank, people: &People, bar: &ProgressBar) -> Result<(), Failure> {
        for person in 0..people.count() {
            let mut outage = Outage::default();
            loop {
                let wanted = Wanted { purpose: "erasure", method: Method::Erase, amr: &[] };
                let token = bank.token_for(&wanted, self.gallery.clone(), crate::cli::clock::now())?;
                let target = Target { gallery: self.gallery.clone(), ..bank.target(person, "erasure")? };
                match bank.client.erase(&token, &target).await {
                    Err(error) if error.refused() != Some(Reason::SubjectUnknown) => _ = outage.wait(error).await?,
                    Ok(_) | Err(_) => break,
                }
            }
            bar.inc(1);
        }
        Ok(())
    }

    /// One search, in a case of its own, which both officers approve.
    pub(super) async fn search(
        &self,
        bank: &Bank,
        people: &People,
        looking: Looking,
    ) -> Result<Result<Searched, ClientError>, Failure> {
        let mut digest = [0; 32];
        self.random.fill(&mut digest).map_err(|_| Failure::Randomness)?;
        let (token, search) = bank.search(PURPOSE, &self.gallery, &self.officers, (digest, MOST))?;
        let shown = people.shown(looking.person, looking.image, By::Face);
        Ok(bank.client.search(&token, &search, &people.captures(&shown), &mut |_| {}).await)
    }

    /// Whether exactly those are named whom the plain comparison finds.
    pub(super) fn is_right(bank: &Bank, people: &People, looking: Looking, found: &Found) -> bool {
        let Some(face) = people.shown(looking.person, looking.image, By::Face).face else { return false };
        let all = people.found(face, RATE);
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        // Of more than may be named, those who were enrolled first.
        let expected = all.iter().take(most).map(|&person| bank.handle(person).ok());
        let mut expected: Vec<_> = expected.collect();
        let (mut named, others): (Vec<_>, Vec<_>) =
            found.candidates.iter().cloned().partition(|name| bank.is_own(name));
        if !others.is_empty() {
            // A run that was cut off left people there, who take up places: what is named of this one's must be right all the same.
            let all: Vec<_> = all.iter().filter_map(|&person| bank.handle(person).ok()).collect();
            return named.iter().all(|name| all.contains(name));
        }
        named.sort();
        expected.sort();
        named.into_iter().map(Some).eq(expected) && found.truncated == (all.len() > most)
    }
}
