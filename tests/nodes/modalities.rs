//! Faces and fingers through three real nodes: several references of each, every way to decide, and what must not pass.

#![allow(clippy::unwrap_used)]

use crate::support::cluster;
use crate::support::fingerprints;

use std::sync::Arc;
use std::time::Instant;

use crate::support::cluster::{Trio, face_of, finger_of, minute, model, reason, target, template};
use crate::support::fingerprints::{Dice, capture, sketch};
use tokio::sync::Barrier;
use tumar::client::{Capture, ClientError, Prepared, SubjectKey};
use tumar::log::entry::{Entry, Event};
use tumar::name::ModelId;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::template::finger::encode_rows;
use tumar::template::finger::record::{Record, Standard, Wanted};
use tumar::template::model::{Fmr, Models};
use tumar::template::{ROW, Template};
use tumar::wire::MOST_SAMPLES;

/// Amounts that the policy decides by any, and by both.
const SMALL: u64 = 40_000;
const LARGE: u64 = 2_000_000;

fn face(dice: &mut Dice) -> Template {
    template(&face_vector(dice))
}

fn face_vector(dice: &mut Dice) -> Vec<f32> {
    (0..512).map(|_| (0..12).map(|_| f32::from(dice.byte()) / 256.0).sum::<f32>() - 6.0).collect()
}

/// The same face in another light.
fn face_again(vector: &[f32], dice: &mut Dice) -> Template {
    let noise = face_vector(dice);
    template(&vector.iter().zip(noise).map(|(x, noise)| x + 0.7 * noise).collect::<Vec<_>>())
}

/// A made-up finger.
struct Finger(fingerprints::Capture);

impl Finger {
    fn new(dice: &mut Dice, minutiae: usize) -> Self {
        Self(capture(dice, 1, 0, minutiae))
    }

    fn template(&self) -> Template {
        let bytes = sketch(Standard::Iso19794, vec![self.0.clone()]).bytes();
        encode_rows(&Record::read(&bytes).unwrap().view(Wanted::default()).unwrap().minutiae()).unwrap()
    }

    /// The same finger, put down again: each minutia is a pixel off, here and there.
    fn again(&self, dice: &mut Dice) -> Template {
        let mut other = self.0.clone();
        for (x, y, _, _) in &mut other.minutiae {
            *x = x.saturating_add(u16::from(dice.byte() % 2));
            *y = y.saturating_add(u16::from(dice.byte() % 2));
        }
        Self(other).template()
    }
}

async fn enrol(trio: &Trio, subject: &str, references: &[Capture<'_>]) -> Result<(), ClientError> {
    let token = trio.files.token("enrolment", Method::Enroll);
    trio.client.enroll(&token, &target(subject, "enrolment"), references).await.map(|_| ())
}

async fn verify(trio: &Trio, subject: &str, probes: &[Capture<'_>], amount: u64) -> Result<bool, ClientError> {
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let verified = trio.client.verify(&token, &target(subject, "cash_withdrawal"), probes, amount).await?;
    Ok(verified.matched)
}

async fn fused(trio: &Trio, subject: &str, probes: &[Capture<'_>]) -> bool {
    let token = trio.files.token("card_activation", Method::Verify);
    trio.client.verify(&token, &target(subject, "card_activation"), probes, 0).await.unwrap().matched
}

/// What plain integers say of a finger at a rate.
fn is_same(probe: &Template, reference: &Template, rate: Fmr) -> bool {
    let models = Models::built_in();
    let rows = models.find(finger_of(probe).model).unwrap();
    probe.matches_vartime(reference, rows.threshold(rate, probe.shape(), reference.shape()))
}

/// What plain integers say of a face and a finger in one score, at the rate of the policy's rule for cards.
fn is_same_fused(face: [&Template; 2], finger: [&Template; 2]) -> bool {
    let models = Models::built_in();
    let fusion = models.fusion(face_of(face[0]).model, finger_of(finger[0]).model).unwrap();
    let weights = [fusion.face_weight(), fusion.finger_weight(finger[0].shape(), finger[1].shape())].map(i32::from);
    let score = weights[0] * face[0].score_vartime(face[1]) + weights[1] * finger[0].score_vartime(finger[1]);
    score >= i32::from(fusion.threshold(Fmr::E5))
}

/// One person: a face, one finger in two captures, and another finger.
struct Person {
    face: Template,
    fingers: [Template; 3],
    /// New captures of the face and of both fingers.
    probes: [Template; 3],
}

impl Person {
    fn new(dice: &mut Dice) -> Self {
        let vector = face_vector(dice);
        let (thumb, index) = (Finger::new(dice, 45), Finger::new(dice, 20));
        let fingers = [thumb.template(), thumb.again(dice), index.template()];
        let probes = [face_again(&vector, dice), thumb.again(dice), index.again(dice)];
        Self { face: template(&vector), fingers, probes }
    }

    fn references(&self) -> Vec<Capture<'_>> {
        let [thumb, again, index] = self.fingers.each_ref().map(finger_of);
        vec![thumb, face_of(&self.face), again, index]
    }

    /// Whether a face or finger of these probes is this person's, without any node.
    fn is_any(&self, finger: &Template) -> bool {
        self.fingers.iter().any(|reference| is_same(finger, reference, Fmr::E4))
    }
}

/// All ways to decide, against one enrolled person: each bit is that of plain integers.
async fn every_decision(trio: &Trio, ada: &Person, eve: &Person) {
    let [face, thumb, index] = &ada.probes;
    let [other_face, other_thumb, _] = &eve.probes;
    let cases: [(&[Capture<'_>], u64, bool, &str); 14] = [
        (&[face_of(face)], SMALL, true, "face"),
        (&[finger_of(thumb)], SMALL, true, "thumb"),
        (&[face_of(other_face)], SMALL, false, "another's face"),
        (&[finger_of(index)], SMALL, true, "index"),
        (&[finger_of(other_thumb)], SMALL, false, "another's thumb"),
        (&[face_of(face), finger_of(index)], SMALL, true, "face and index"),
        (&[face_of(other_face), finger_of(other_thumb)], SMALL, false, "both another's"),
        (&[finger_of(other_thumb), face_of(face)], SMALL, true, "another's thumb or the own face"),
        (&[face_of(other_face), finger_of(thumb)], SMALL, true, "another's face or the own thumb"),
        (&[face_of(face), finger_of(thumb)], LARGE, true, "face and thumb, both"),
        (&[finger_of(other_thumb), face_of(face)], LARGE, false, "another's thumb and the own face, both"),
        (&[finger_of(index), face_of(face)], LARGE, true, "index and face, both"),
        (&[face_of(other_face), finger_of(thumb)], LARGE, false, "another's face and the own thumb, both"),
        (&[face_of(face)], SMALL, true, "face once more"),
    ];
    for (probes, amount, expected, about) in cases {
        assert_eq!(verify(trio, "ada", probes, amount).await.unwrap(), expected, "{about}");
    }
    let mut bits = Vec::new();
    for (face, finger) in [(face, thumb), (other_face, other_thumb), (face, index), (other_face, index)] {
        let plain = ada.fingers.iter().any(|reference| is_same_fused([face, &ada.face], [finger, reference]));
        for probes in [[face_of(face), finger_of(finger)], [finger_of(finger), face_of(face)]] {
            assert_eq!(fused(trio, "ada", &probes).await, plain, "in one score");
            // No misses add up.
            assert!(verify(trio, "ada", &[face_of(&ada.face)], SMALL).await.unwrap());
        }
        bits.push(plain);
    }
    assert!(bits[0] && !bits[1], "the test sees both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_known_by_each_by_any_by_both_and_by_the_sum_before_and_after_a_restart() {
    let mut dice = Dice(11);
    let [ada, eve] = [Person::new(&mut dice), Person::new(&mut dice)];
    let [_, thumb, index] = &ada.probes;
    assert!(ada.is_any(thumb) && ada.is_any(index) && !ada.is_any(&eve.probes[1]), "by plain integers");
    assert!(!is_same(index, &ada.fingers[0], Fmr::E4), "two fingers of one person are two fingers");

    let trio = Trio::start().await;
    enrol(&trio, "ada", &ada.references()).await.unwrap();
    every_decision(&trio, &ada, &eve).await;
    let trio = Trio::of(trio.stop().await).await;
    every_decision(&trio, &ada, &eve).await;

    let again = enrol(&trio, "ada", &[face_of(&eve.face)]).await;
    assert_eq!(reason(again), "SUBJECT_EXISTS", "references come together or not at all");
    let token = trio.files.token("erasure", Method::Erase);
    trio.client.erase(&token, &target("ada", "erasure")).await.unwrap();
    for probe in [face_of(&ada.probes[0]), finger_of(thumb), finger_of(index)] {
        assert_eq!(reason(verify(&trio, "ada", &[probe], SMALL).await), "SUBJECT_UNKNOWN");
    }
    let trio = Trio::of(trio.stop().await).await;
    assert_eq!(reason(verify(&trio, "ada", &[finger_of(thumb)], SMALL).await), "SUBJECT_UNKNOWN");
    enrol(&trio, "ada", &ada.references()[1..2]).await.unwrap();
    assert!(verify(&trio, "ada", &[face_of(&ada.probes[0])], SMALL).await.unwrap());
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_only_a_face_is_asked_for_a_finger_in_vain_and_loses_no_attempt() {
    let mut dice = Dice(12);
    let person = Person::new(&mut dice);
    let (face, thumb) = (face_of(&person.probes[0]), finger_of(&person.probes[1]));
    let trio = Trio::start().await;
    enrol(&trio, "ada", &[face_of(&person.face)]).await.unwrap();
    enrol(&trio, "bob", &[finger_of(&person.fingers[0])]).await.unwrap();
    for probes in [&[thumb][..], &[face, thumb], &[thumb, face], &[thumb]] {
        assert_eq!(reason(verify(&trio, "ada", probes, SMALL).await), "REFERENCE_MISSING");
    }
    assert_eq!(reason(verify(&trio, "ada", &[face, thumb], LARGE).await), "REFERENCE_MISSING");
    assert_eq!(reason(verify(&trio, "bob", &[face], SMALL).await), "REFERENCE_MISSING");
    assert!(verify(&trio, "ada", &[face], SMALL).await.unwrap(), "not locked");
    assert!(verify(&trio, "bob", &[thumb], SMALL).await.unwrap());
    // What the policy decides by is asked before anyone looks who is enrolled.
    for (probes, amount) in [(&[face, face][..], SMALL), (&[thumb, thumb], SMALL), (&[face], LARGE), (&[thumb], LARGE)]
    {
        assert_eq!(reason(verify(&trio, "ada", probes, amount).await), "DECISION_SAMPLES");
    }
    trio.stop().await;
}

/// A set with one row overwritten, two components a byte.
fn with_row(template: &Template, row: usize, nibbles: u8) -> Vec<u8> {
    let mut packed = template.pack().to_vec();
    packed[row * ROW / 2..(row + 1) * ROW / 2].fill(nibbles);
    packed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_one_row_of_a_wrong_length_is_refused_whole_and_its_enrolment_leaves_nothing() {
    let person = Person::new(&mut Dice(13));
    let (face, good) = (person.face.pack(), &person.fingers[0]);
    let (fingers, faces): (ModelId, ModelId) = ("leader-rows-3".parse().unwrap(), "fr512".parse().unwrap());
    let trio = Trio::start().await;
    let (config, committee) = (trio.client.config(), trio.client.committee());
    let last = good.shape().rows() - 1;
    let mut refused = Vec::new();
    let malformed =
        [with_row(good, 0, 0x77), with_row(good, last, 0x00), with_row(good, 3, 0x11), vec![0x77; ROW * 40 / 2]];
    for (place, packed) in malformed.into_iter().enumerate() {
        // What is malformed is an attempt, since a bit of the probe was opened: each at somebody of their own.
        let subject = format!("ada-{place}");
        enrol(&trio, &subject, &[finger_of(good)]).await.unwrap();
        let whom = target(&subject, "cash_withdrawal");
        let probe =
            Prepared::danger_verify_packed(config, &committee, &whom, &[(&fingers, &packed)], SMALL, minute()).unwrap();
        let token = trio.files.token("cash_withdrawal", Method::Verify);
        assert_eq!(reason(trio.client.send(&token, &probe).await), "TEMPLATE_LENGTH");

        let (whom, key) = (target("eve", "enrolment"), SubjectKey::generate().unwrap());
        let all: [(&ModelId, &[u8]); 3] = [(&fingers, &good.pack()), (&fingers, &packed), (&faces, &face)];
        let reference = Prepared::danger_enroll_packed(config, &committee, &whom, &all, minute(), &key).unwrap();
        let token = trio.files.token("enrolment", Method::Enroll);
        assert_eq!(reason(trio.client.send(&token, &reference).await), "TEMPLATE_LENGTH");
        refused.extend([probe.ask().request_digest(), reference.ask().request_digest()]);
        assert!(verify(&trio, &subject, &[finger_of(good)], SMALL).await.unwrap(), "one fault locks nobody");
        for probe in [finger_of(good), face_of(&person.face)] {
            assert_eq!(reason(verify(&trio, "eve", &[probe], SMALL).await), "SUBJECT_UNKNOWN");
        }
    }
    enrol(&trio, "eve", &[finger_of(good), face_of(&person.face)]).await.unwrap();
    let files = trio.stop().await;
    let failed = Event::Failed(Reason::TemplateLength.into());
    for party in Party::ALL {
        let entries: Vec<Entry> =
            cluster::entries(&files.node(party)).iter().map(|e| Entry::parse(e).unwrap()).collect();
        for rq in &refused {
            let events: Vec<&Event> = entries.iter().filter(|e| e.request_digest == *rq).map(|e| &e.event).collect();
            assert_eq!(events, [&Event::Admitted, &failed], "{party}");
        }
    }
}

/// Ten fingers in three captures, and two faces, all as large as they come: as much as a request takes.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_requests_at_once_are_split_into_batches_that_the_links_take() {
    const PEOPLE: usize = 13;
    let mut dice = Dice(14);
    let finger = Finger::new(&mut dice, 60);
    let templates: Vec<Template> = (0..30).map(|_| finger.again(&mut dice)).collect();
    assert!(templates.iter().all(|template| template.shape().rows() == 40));
    let (faces, stranger) = ([face(&mut dice), face(&mut dice)], Finger::new(&mut dice, 60).template());
    let shared = Arc::new((Trio::start().await, templates, faces, stranger, finger.again(&mut dice)));
    let (mut tasks, all_sealed) = (Vec::new(), Arc::new(Barrier::new(PEOPLE)));
    for number in 0..PEOPLE {
        let (shared, all_sealed) = (Arc::clone(&shared), Arc::clone(&all_sealed));
        tasks.push(tokio::spawn(async move {
            let (trio, fingers, faces, stranger, probe) = &*shared;
            let subject = format!("p-{number}");
            let all: Vec<_> = fingers.iter().map(finger_of).chain(faces.iter().map(face_of)).collect();
            assert_eq!(all.len(), MOST_SAMPLES);
            let (config, committee, key) =
                (trio.client.config(), trio.client.committee(), SubjectKey::generate().unwrap());
            let prepared =
                Prepared::enroll(config, &committee, &target(&subject, "enrolment"), &all, minute(), &key).unwrap();
            // All are sealed before any is sent, so that the nodes have the processor to themselves.
            all_sealed.wait().await;
            trio.client.send(&trio.files.token("enrolment", Method::Enroll), &prepared).await.unwrap();
            let own = verify(trio, &subject, &[finger_of(probe)], SMALL).await.unwrap();
            let other = verify(trio, &subject, &[finger_of(stranger), face_of(&faces[1])], LARGE).await.unwrap();
            (own, other)
        }));
    }
    let begun = Instant::now();
    for task in tasks {
        assert_eq!(task.await.unwrap(), (true, false));
    }
    let runs: Vec<u64> = shared.0.nodes.iter().map(|node| node.counters().protocol_runs()).collect();
    // Of 647 kB each, at most 12 enrolments go together; of 48 000 lanes each, at most 4 comparisons.
    assert!(runs.iter().all(|&of_node| of_node == runs[0] && of_node >= 2 + 2 * 4), "{runs:?}");
    println!("{PEOPLE} people with {MOST_SAMPLES} references each: {:?}, {runs:?} runs", begun.elapsed());
    let Ok((trio, ..)) = Arc::try_unwrap(shared) else { panic!("all tasks ended") };
    trio.stop().await;
}

#[test]
fn a_face_seen_again_is_the_same_face() {
    let person = Person::new(&mut Dice(15));
    let shape = person.face.shape();
    assert!(person.probes[0].matches_vartime(&person.face, model().threshold(Fmr::E5, shape, shape)));
}
