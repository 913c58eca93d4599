//! Real faces and fingers through three real nodes: TLS, gRPC, envelopes, proofs, logs and stores, all of it.

#![allow(clippy::unwrap_used)]

use crate::support::cluster;
use crate::support::fingerprints;
use crate::support::mpc_sim::data;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::cluster::{Trio, face_of, finger_of, minute, model, reason, target, template};
use tokio::sync::Semaphore;
use tumar::client::{Client, Prepared};
use tumar::log::receipt::Outcome;
use tumar::name::ModelId;
use tumar::party::Party;
use tumar::request::Method;
use tumar::template::finger::encode_rows;
use tumar::template::finger::record::{Record, Wanted};
use tumar::template::model::{Fmr, Models};
use tumar::template::{ROW, Shape, Template};

/// People of the set, each with a reference, a probe of their own, and two strangers' probes.
struct Person {
    subject: String,
    reference: Template,
    probes: Vec<Template>,
}

fn people(count: usize) -> Option<Vec<Person>> {
    let faces = data::faces("lfw_dev", "fr512")?;
    let mut rows: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &person) in faces.people.iter().enumerate() {
        rows.entry(person).or_default().push(row);
    }
    let embedding = |row: usize| template(faces.embeddings.row(row).as_slice().unwrap());
    let chosen: Vec<(u32, Vec<usize>)> = rows.into_iter().filter(|(_, rows)| rows.len() >= 2).take(count).collect();
    let people = chosen.iter().enumerate().map(|(place, (person, own))| {
        let stranger = |step: usize| &chosen[(place + step) % count].1;
        Person {
            subject: format!("p-{person}"),
            reference: embedding(own[0]),
            probes: vec![embedding(own[1]), embedding(stranger(1)[0]), embedding(stranger(7)[1])],
        }
    });
    Some(people.collect())
}

async fn enrol(trio: &Trio, subject: &str, reference: &Template) {
    let token = trio.files.token("enrolment", Method::Enroll);
    let enrolled = trio.client.enroll(&token, &target(subject, "enrolment"), &[face_of(reference)]).await;
    enrolled.unwrap();
}

async fn matches(trio: &Trio, client: &Client, subject: &str, probe: &Template) -> bool {
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let verified = client.verify(&token, &target(subject, "cash_withdrawal"), &[face_of(probe)], 40_000).await;
    verified.unwrap().matched
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_open_the_bit_that_plain_integers_give_for_real_faces() {
    let Some(people) = people(120) else { return };
    let trio = Arc::new(Trio::start().await);
    let shape = Shape::vector(512).unwrap();
    let threshold = model().threshold(Fmr::E4, shape, shape);
    let at_once = Arc::new(Semaphore::new(24));
    let mut tasks = Vec::new();
    for person in people {
        let (trio, at_once) = (Arc::clone(&trio), Arc::clone(&at_once));
        tasks.push(tokio::spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            enrol(&trio, &person.subject, &person.reference).await;
            let mut seen = Vec::new();
            for probe in &person.probes {
                let opened = matches(&trio, &trio.client, &person.subject, probe).await;
                seen.push((opened, person.reference.matches_vartime(probe, threshold)));
            }
            seen
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.len(), 360);
    assert_eq!(all.iter().filter(|(opened, plain)| opened != plain).count(), 0, "a wrong bit");
    assert!(all.iter().filter(|(opened, _)| *opened).count() > 100, "genuine probes match");
    let trio = Arc::into_inner(trio).unwrap();
    let files = trio.stop().await;
    let logs = tumar::party::Party::ALL.map(|party| cluster::entries(&files.node(party)).len());
    // One entry when a request comes in and one when it ends; enrolments and comparisons.
    assert_eq!(logs, [2 * 480; 3]);
}

/// So many fingers of FCJ2020: the first two impressions of each.
fn fingers(count: usize) -> Option<Vec<(String, [Template; 2])>> {
    let mut impressions: BTreeMap<String, Vec<Template>> = BTreeMap::new();
    for print in fingerprints::prints()?.into_iter().filter(|print| print.set == "fcj2020") {
        let record = Record::read(&print.bytes).unwrap();
        let template = encode_rows(&record.view(Wanted::default()).unwrap().minutiae()).unwrap();
        impressions.entry(print.finger).or_default().push(template);
    }
    let two = |(finger, templates): (String, Vec<Template>)| {
        let mut templates = templates.into_iter();
        Some((finger, [templates.next()?, templates.next()?]))
    };
    Some(impressions.into_iter().filter_map(two).take(count).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_open_the_bit_that_plain_integers_give_for_real_fingers() {
    let Some(people) = fingers(60) else { return };
    let models = Models::built_in();
    let model = models.find(&"leader-rows-3".parse().unwrap()).unwrap();
    let trio = Trio::start().await;
    let (mut wrong, mut matched) = (0, 0);
    for (finger, [reference, _]) in &people {
        let token = trio.files.token("enrolment", Method::Enroll);
        trio.client.enroll(&token, &target(finger, "enrolment"), &[finger_of(reference)]).await.unwrap();
    }
    for (place, (finger, [reference, own])) in people.iter().enumerate() {
        let (_, [stranger, _]) = &people[(place + 1) % people.len()];
        for probe in [own, stranger] {
            let token = trio.files.token("cash_withdrawal", Method::Verify);
            let asked = target(finger, "cash_withdrawal");
            let opened = trio.client.verify(&token, &asked, &[finger_of(probe)], 40_000).await.unwrap().matched;
            let threshold = model.threshold(Fmr::E4, probe.shape(), reference.shape());
            wrong += usize::from(opened != probe.matches_vartime(reference, threshold));
            matched += usize::from(opened);
        }
    }
    assert_eq!((people.len(), wrong), (60, 0));
    assert!((55..=61).contains(&matched), "{matched} matched of 60 genuine and 60 impostors");
    trio.stop().await;
}

/// Rows of a pattern that the encoder refuses, as who crafts it sends them past it.
fn crafted_pattern() -> Vec<u8> {
    let vectors = include_str!("../vectors/fingers.txt");
    let patterns = vectors.lines().filter_map(|line| line.strip_prefix("sent_nevertheless = "));
    let hex = patterns.max_by_key(|hex| hex.len()).unwrap();
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

/// Counted one way alone, each of these would match everybody who has one row like the pattern's, or that very row.
#[tokio::test(flavor = "multi_thread")]
async fn a_crafted_pattern_and_copies_of_a_person_s_own_row_match_nobody_at_three_nodes() {
    let Some(people) = fingers(12) else { return };
    let (pattern, rows): (Vec<u8>, ModelId) = (crafted_pattern(), "leader-rows-3".parse().unwrap());
    assert_eq!(pattern.len(), 40 * ROW / 2);
    let trio = Trio::start().await;
    let mut matched = 0;
    for (finger, [reference, own]) in &people {
        let token = trio.files.token("enrolment", Method::Enroll);
        trio.client.enroll(&token, &target(finger, "enrolment"), &[finger_of(reference)]).await.unwrap();
        let copies = reference.pack()[..ROW / 2].repeat(40);
        for packed in [&pattern, &copies] {
            let asked = target(finger, "cash_withdrawal");
            let (config, committee) = (trio.client.config(), trio.client.committee());
            let crafted =
                Prepared::danger_verify_packed(config, &committee, &asked, &[(&rows, packed)], 40_000, minute());
            let token = trio.files.token("cash_withdrawal", Method::Verify);
            let outcome = trio.client.send(&token, &crafted.unwrap()).await.unwrap().outcome;
            assert_eq!(outcome, Outcome::NoMatch, "{finger}");
        }
        let token = trio.files.token("cash_withdrawal", Method::Verify);
        let asked = target(finger, "cash_withdrawal");
        matched += usize::from(trio.client.verify(&token, &asked, &[finger_of(own)], 40_000).await.unwrap().matched);
    }
    assert!(matched >= 11, "{matched} of 12 people are still known");
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_enrolled_before_a_restart_is_compared_after_it() {
    let mut dice = Dice(7);
    let (reference, stranger) = (template(&dice.embedding()), template(&dice.embedding()));
    let trio = Trio::start().await;
    enrol(&trio, "ada", &reference).await;
    assert!(matches(&trio, &trio.client, "ada", &reference).await);
    let trio = Trio::of(trio.stop().await).await;
    assert!(matches(&trio, &trio.client, "ada", &reference).await);
    assert!(!matches(&trio, &trio.client, "ada", &stranger).await);
    let token = trio.files.token("erasure", Method::Erase);
    let certificate = trio.client.erase(&token, &target("ada", "erasure")).await.unwrap();
    certificate.verify(&trio.client.config().nodes, trio.client.deployment()).unwrap();
    let trio = Trio::of(trio.stop().await).await;
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let asked = target("ada", "cash_withdrawal");
    let gone = trio.client.verify(&token, &asked, &[face_of(&reference)], 1).await;
    assert_eq!(reason(gone), "SUBJECT_UNKNOWN");
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_probes_make_the_next_one_wait_and_an_unlock_opens_again() {
    let mut dice = Dice(8);
    let (reference, stranger) = (template(&dice.embedding()), template(&dice.embedding()));
    let trio = Trio::start().await;
    enrol(&trio, "ada", &reference).await;
    for _ in 0..3 {
        assert!(!matches(&trio, &trio.client, "ada", &stranger).await);
    }
    let asked = target("ada", "cash_withdrawal");
    let prepared =
        Prepared::verify(trio.client.config(), &trio.client.committee(), &asked, &[face_of(&reference)], 1, minute());
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let delayed = trio.client.send(&token, &prepared.unwrap()).await.unwrap_err();
    let delayed = delayed.refusal().unwrap();
    assert_eq!(delayed.reason, "ATTEMPTS_DELAYED");
    assert!(delayed.retry_after.unwrap() <= std::time::Duration::from_secs(30));
    let token = trio.files.token("subject_unlock", Method::Unlock);
    trio.client.unlock(&token, &target("ada", "subject_unlock")).await.unwrap();
    assert!(matches(&trio, &trio.client, "ada", &reference).await);
    let token = trio.files.token("subject_lock", Method::Lock);
    trio.client.lock(&token, &target("ada", "subject_lock")).await.unwrap();
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let locked = trio.client.verify(&token, &asked, &[face_of(&reference)], 1).await;
    assert_eq!(reason(locked), "SUBJECT_LOCKED");
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_away_stops_everything_and_its_return_starts_it_again() {
    let reference = template(&Dice(9).embedding());
    let mut trio = Trio::start().await;
    enrol(&trio, "ada", &reference).await;
    let helper = trio.nodes.remove(1);
    helper.stop().await.unwrap();
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let asked = target("ada", "cash_withdrawal");
    let alone = trio.client.verify(&token, &asked, &[face_of(&reference)], 1).await;
    assert_eq!(reason(alone), "PEER_LOST");
    trio.nodes.push(trio.files.start(Party::B).await);
    for node in &trio.nodes {
        node.ready().await;
    }
    assert!(matches(&trio, &trio.client, "ada", &reference).await);
    trio.stop().await;
}

/// Repeatable embeddings: `SplitMix64`, twelve uniform words summed to something near a normal one.
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f32::from(u16::try_from((z ^ (z >> 31)) >> 48).unwrap()) / 65_536.0
    }

    fn embedding(&mut self) -> Vec<f32> {
        (0..512).map(|_| (0..12).map(|_| self.word()).sum::<f32>() - 6.0).collect()
    }
}
