//! What must not work, tried in earnest, with the error that the client sees.

use tumar::client::{ClientError, Prepared, Target};
use tumar::log::receipt::Outcome;
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::template::ROW;
use tumar::token::{Algorithm, ProofKey};
use tumar::wire::peer::v1::relayed::Request;

use super::rounds::{self, Rounds};
use crate::cli::bank::Wanted;
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::cli::people::{By, People};
use crate::cli::world::World;
use tumar::reason::Reason;

/// One protection, and what became of the attempt to get past it.
#[derive(Debug)]
pub(super) struct Protection {
    /// For machines.
    pub(super) name: &'static str,
    /// For people.
    pub(super) tried: &'static str,
    /// What came back; nothing if it went through.
    pub(super) reason: Option<String>,
    /// Who refused.
    pub(super) node: Option<Party>,
    /// Whether that is the reason it must be.
    pub(super) ok: bool,
}

fn seen<T>(name: &'static str, tried: &'static str, expected: Reason, outcome: Result<T, ClientError>) -> Protection {
    let error = outcome.err();
    let reason = error.as_ref().map(|error| error.reason().to_owned());
    let node = error.as_ref().and_then(ClientError::refusal).and_then(|refusal| refusal.node);
    Protection { name, tried, ok: reason.as_deref() == Some(expected.code()), reason, node }
}

/// Tenge for which the phone must confirm.
const LARGE: u64 = 900_000;

/// The usual token for cash.
const CASH: Wanted<'static> = Wanted { purpose: "cash_withdrawal", method: Method::Verify, amr: &[] };

/// All of them. Afterwards person 0 is locked and person 1 erased.
pub(super) async fn run(world: &World, people: &People, rounds: &mut Rounds) -> Result<Vec<Protection>, Failure> {
    for person in [0, 1] {
        rounds::unlock(world, person, rounds).await?;
    }
    let mut seen = tokens(world, people, rounds).await?;
    seen.extend(envelopes(world, people).await?);
    seen.extend(subjects(world, people, rounds).await?);
    Ok(seen)
}

/// A genuine verification of person 0, ready to be sent.
fn prepared(world: &World, people: &People, amount: u64) -> Result<Prepared, Failure> {
    rounds::prepare_for(world, people, 0, &people.shown(0, 0, By::Face), By::Face, amount)
}

fn cash(world: &World, person: usize) -> Result<Target, Failure> {
    world.bank.target(person, "cash_withdrawal")
}

async fn tokens(world: &World, people: &People, rounds: &mut Rounds) -> Result<Vec<Protection>, Failure> {
    let client = &world.bank.client;
    let request = prepared(world, people, 0)?;
    let other_purpose = world.bank.token(&Wanted { purpose: "card_activation", amr: &["mobile_auth"], ..CASH })?;
    let staff = format!("{}/staff", client.config().relying_party).parse()?;
    let other_gallery = world.bank.token_for(&CASH, staff, clock::now())?;
    let expired = world.bank.token_for(&CASH, world.bank.gallery.clone(), clock::now().saturating_sub(600))?;
    let mut all = vec![
        seen(
            "wrong_purpose",
            "a card activation token used for cash",
            Reason::PurposeNotGranted,
            client.send(&other_purpose, &request).await,
        ),
        seen(
            "wrong_gallery",
            "a token for another gallery",
            Reason::GalleryNotGranted,
            client.send(&other_gallery, &request).await,
        ),
        seen(
            "expired_token",
            "a token of ten minutes ago",
            Reason::TokenExpired,
            client.send(&expired, &request).await,
        ),
    ];
    let token = world.bank.token(&CASH)?;
    let (thief, _) = ProofKey::generate(Algorithm::EdDsa)?;
    let stolen = thief.prove(&token, request.ask(), &client.config().base, None, clock::now())?;
    let outcome = client.call(&token, &stolen, &request).await;
    all.push(seen("stolen_token", "a stolen token, by the thief's own key", Reason::ProofKeyOther, outcome));

    rounds.note(&client.send(&token, &request).await?.receipts);
    let again = prepared(world, people, 0)?;
    all.push(seen(
        "spent_token",
        "a single-use token used twice",
        Reason::TokenSpent,
        client.send(&token, &again).await,
    ));

    let large = prepared(world, people, LARGE)?;
    let outcome = client.send(&world.bank.token(&CASH)?, &large).await;
    all.push(seen("large_amount", "900 000 KZT without the phone", Reason::EvidenceMissing, outcome));
    Ok(all)
}

async fn envelopes(world: &World, people: &People) -> Result<Vec<Protection>, Failure> {
    let client = &world.bank.client;
    let honest = prepared(world, people, 0)?;
    let changed = with_changed_envelope(honest.clone()).map_err(ClientError::from)?;
    let token = world.bank.token(&CASH)?;
    let proof = client.prove(&token, honest.ask(), None)?;
    let on_the_way = client.call(&token, &proof, &changed).await;
    let proof = client.prove(&token, changed.ask(), None)?;
    let at_the_source = client.call(&token, &proof, &changed).await;
    let replayed = client.call(&token, &proof, &changed).await;

    let packed = vec![0x77; people.face.dimension() / 2];
    let equal_rows = vec![0x77; ROW / 2 * 40];
    let (config, committee) = (client.config(), client.committee());
    let target = cash(world, 0)?;
    let mut malformed = Vec::with_capacity(2);
    for (model, packed) in [(people.face.id(), &packed), (people.finger.id(), &equal_rows)] {
        let crafted = Prepared::danger_verify_packed(
            config,
            &committee,
            &target,
            &[(model, packed)],
            0,
            Minute::of(clock::now()),
        );
        malformed.push(client.send(&world.bank.token(&CASH)?, &crafted.map_err(ClientError::from)?).await);
    }
    let [face, finger] = <[_; 2]>::try_from(malformed).expect("two were sent");
    Ok(vec![
        seen("changed_request", "an envelope changed in transit", Reason::ProofRqh, on_the_way),
        seen("changed_envelope", "the same, with a new proof", Reason::EnvelopeInvalid, at_the_source),
        seen("replayed_proof", "the same proof again", Reason::ProofReplayed, replayed),
        seen("malformed_face", "a face with the largest components, to match anyone", Reason::TemplateLength, face),
        seen("malformed_finger", "a finger of forty such rows", Reason::TemplateLength, finger),
    ])
}

/// One bit of B's envelope is turned.
fn with_changed_envelope(prepared: Prepared) -> Result<Prepared, tumar::client::InputError> {
    let mut request = prepared.into_request();
    if let Request::Verify(verify) = &mut request
        && let Some(last) = verify.samples.first_mut().and_then(|sample| sample.envelope_b.last_mut())
    {
        *last ^= 1;
    }
    Prepared::new(request)
}

async fn subjects(world: &World, people: &People, rounds: &mut Rounds) -> Result<Vec<Protection>, Failure> {
    // Three who are not person 0 by the plain comparison either.
    let strangers = (1..people.count())
        .flat_map(|person| (0..3).map(move |image| people.shown(person, image, By::Face)))
        .filter(|shown| !people.matches(0, shown, By::Face))
        .take(3);
    rounds::unlock(world, 0, rounds).await?;
    for shown in strangers {
        let answer = rounds::send(world, &rounds::prepare(world, people, 0, &shown, By::Face)?).await??;
        rounds.wrong_bits += usize::from(answer.outcome != Outcome::NoMatch);
        rounds.note(&answer.receipts);
    }
    let delayed = rounds::send(world, &prepared(world, people, 0)?).await?;

    let erase = Wanted { purpose: "erasure", method: Method::Erase, amr: &[] };
    let certificate = world.bank.client.erase(&world.bank.token(&erase)?, &world.bank.target(1, "erasure")?).await?;
    let config = world.bank.client.config();
    let wrong = |source| Failure::Erasure { path: "the certificate of the demo".into(), source };
    certificate.verify(&config.nodes, &config.deployment).map_err(wrong)?;
    let right = rounds::prepare(world, people, 1, &people.shown(1, 0, By::Face), By::Face)?;
    let erased = rounds::send(world, &right).await?;
    Ok(vec![
        seen("delayed_after_three", "the right person, after three wrong ones", Reason::AttemptsDelayed, delayed),
        seen("erased", "the right person, after erasure", Reason::SubjectUnknown, erased),
    ])
}
