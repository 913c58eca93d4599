//! A model of one's own, loaded from a folder: it encodes by its weights, and people enrolled with it stand beside those of the one built in.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use crate::support::cluster::{Files, Trio, finger_of, reason, target};
use crate::support::datasets;
use crate::support::fingerprints::{self, Dice, capture, sketch};
use crate::support::own_model::{ENTRY, change, folder, publish};
use tumar::client::Capture;
use tumar::eval::shared::{Comparison, Match, compare};
use tumar::hex::hex;
use tumar::protocol::FusionRule;
use tumar::request::Method;
use tumar::template::finger::folder::{FolderError, read};
use tumar::template::finger::record::{Record, Standard, Wanted};
use tumar::template::finger::{Minutiae, encode, encode_fixed, encode_rows};
use tumar::template::model::{Fmr, Model, Models};
use tumar::template::{Levels, ROW, SURROUNDINGS, Template};

/// What changes a folder.
type Spoil = fn(&Path);

fn model_of(dir: &Path) -> Result<Model, FolderError> {
    read(|name| fs::read(dir.join(name)))
}

fn minutiae(finger: &fingerprints::Capture) -> Minutiae {
    let record = sketch(Standard::Iso19794, vec![finger.clone()]).bytes();
    Record::read(&record).unwrap().view(Wanted::default()).unwrap().minutiae()
}

/// The same finger, put down again: each minutia is a pixel off, here and there.
fn again(finger: &fingerprints::Capture, dice: &mut Dice) -> fingerprints::Capture {
    moved(finger, 1, dice)
}

/// The same with minutiae that are so many pixels off at most.
fn moved(finger: &fingerprints::Capture, most: u8, dice: &mut Dice) -> fingerprints::Capture {
    let mut other = finger.clone();
    for (x, y, _, _) in &mut other.minutiae {
        *x = x.saturating_add(u16::from(dice.byte() % (most + 1)));
        *y = y.saturating_add(u16::from(dice.byte() % (most + 1)));
    }
    other
}

/// A template's components.
fn components(template: &Template) -> Vec<i8> {
    let component = |nibble: u8| (nibble << 4).cast_signed() >> 4;
    template.pack().iter().flat_map(|&two| [component(two), component(two >> 4)]).collect()
}

#[test]
fn a_finger_is_encoded_by_the_weights_of_the_folder() {
    let (dir, mut dice) = (folder(), Dice(51));
    let own = model_of(dir.path()).unwrap();
    assert_eq!((own.id().as_str(), own.levels().all()), ("bank-rows-1", [600, 680, 760]));
    for _ in 0..4 {
        let minutiae = minutiae(&capture(&mut dice, 1, 0, 40));
        let mut expected = components(&encode_rows(&minutiae).unwrap());
        for row in expected.chunks_mut(ROW) {
            row[..SURROUNDINGS].rotate_right(1);
        }
        assert_eq!(components(&encode(&minutiae, &own).unwrap()), expected);
        // The one built in, and the vector of a search, are as they were.
        let models = Models::built_in().with(own.clone()).unwrap();
        let built_in = |id: &str| encode(&minutiae, models.find(&id.parse().unwrap()).unwrap()).unwrap();
        assert_eq!(components(&built_in("leader-rows-3")), components(&encode_rows(&minutiae).unwrap()));
        assert_eq!(components(&built_in("leader-fixed-1")), components(&encode_fixed(&minutiae).unwrap()));
    }
}

/// `.ci/own_rows.py` trains nothing itself: `TUMAR_OWN_MODEL` is the folder of a model that was trained a moment ago, with its `rows.txt`.
#[test]
fn every_real_print_has_the_rows_that_other_encoders_make_by_a_fresh_model() {
    let (Some(dir), Some(records)) = (std::env::var_os("TUMAR_OWN_MODEL"), datasets::folder("fingers")) else {
        eprintln!(
            "*** NOT TESTED: TUMAR_OWN_MODEL names no model that was trained a moment ago, or there are no prints ***"
        );
        return;
    };
    let dir = Path::new(&dir);
    let own = model_of(dir).unwrap();
    let lines = fs::read_to_string(dir.join("rows.txt")).unwrap();
    assert!(lines.lines().count() > 100, "{}", lines.len());
    for (file, rows) in lines.lines().map(|line| line.split_once(' ').unwrap()) {
        let record = fs::read(records.join(file)).unwrap();
        let minutiae = Record::read(&record).unwrap().view(Wanted::default()).unwrap().minutiae();
        let made = encode(&minutiae, &own).map_or_else(|_| "-".to_owned(), |template| hex(&template.pack()));
        assert!(made == rows, "{file}");
    }
}

#[test]
fn each_fault_of_a_folder_has_its_reason() {
    let faults: [(&str, Spoil); 15] = [
        ("FOLDER_FILE", |dir| fs::remove_file(dir.join("output.f32")).unwrap()),
        ("FOLDER_FILE", |dir| fs::remove_file(dir.join("card.json")).unwrap()),
        ("FOLDER_FORM", |dir| fs::write(dir.join("digests.json"), "[]").unwrap()),
        ("FOLDER_DIGEST", |dir| {
            let mut bytes = fs::read(dir.join("hidden.f32")).unwrap();
            bytes[100] ^= 1;
            fs::write(dir.join("hidden.f32"), bytes).unwrap();
        }),
        ("FOLDER_ROW_LENGTH", |dir| {
            fs::write(dir.join("linear.f32"), vec![0; 4 * 127 * 480]).unwrap();
            publish(dir);
        }),
        ("FOLDER_ROW_LENGTH", |dir| change(&dir.join("models.toml"), "dimension = 140", "dimension = 128")),
        ("FOLDER_NOT_FINITE", |dir| {
            let nan: Vec<u8> = f32::NAN.to_le_bytes().repeat(384);
            fs::write(dir.join("hidden-bias.f32"), nan).unwrap();
            publish(dir);
        }),
        ("FOLDER_DIRECTIONS", |dir| {
            fs::write(dir.join("direction.i8"), vec![1; 256 * 12]).unwrap();
            publish(dir);
        }),
        ("FOLDER_LEVELS", |dir| change(&dir.join("models.toml"), "[600, 680, 760]", "[600, 680, 957]")),
        ("FOLDER_LEVELS", |dir| change(&dir.join("models.toml"), "[600, 680, 760]", "[600, 600, 760]")),
        ("FOLDER_TABLE", |dir| change(&dir.join("models.toml"), "\"1e-5\" = 0.36", "\"1e-5\" = 0.16")),
        ("FOLDER_TABLE", |dir| fs::write(dir.join("models.toml"), [ENTRY, ENTRY].concat()).unwrap()),
        ("FOLDER_NO_THRESHOLD", |dir| change(&dir.join("card.json"), "\"1e-4\"", "\"2e-4\"")),
        ("FOLDER_OTHER_CARD", |dir| change(&dir.join("card.json"), "0.26", "0.2")),
        ("FOLDER_OTHER_CARD", |dir| change(&dir.join("card.json"), "bank-rows-1", "bank-rows-2")),
    ];
    for (place, (reason, spoil)) in faults.into_iter().enumerate() {
        let dir = folder();
        spoil(dir.path());
        let fault = model_of(dir.path()).unwrap_err();
        assert_eq!(fault.reason(), reason, "{place}: {fault}");
    }
}

#[test]
fn a_table_that_has_other_numbers_for_the_model_is_refused() {
    let own = model_of(folder().path()).unwrap();
    let table = |entry: &str| Models::parse(entry).unwrap();
    let both = table(ENTRY).with(own.clone()).unwrap();
    assert_eq!(both.iter().count(), 1);
    for (from, to) in [("0.16", "0.17"), ("[600, 680, 760]", "[600, 680, 761]"), ("levels = [600, 680, 760]\n", "")] {
        assert!(table(&ENTRY.replacen(from, to, 1)).with(own.clone()).is_err(), "{to}");
    }
}

#[test]
fn pairs_of_models_with_different_levels_are_compared_in_one_run() {
    let (dir, mut dice) = (folder(), Dice(52));
    let own = model_of(dir.path()).unwrap();
    let fingers: Vec<_> = (0..6).map(|_| capture(&mut dice, 1, 0, 30)).collect();
    // Far enough off that some dots lie between the levels of the two models.
    let templates: Vec<[Template; 2]> = fingers
        .iter()
        .map(|one| [one.clone(), moved(one, 12, &mut dice)].map(|one| encode(&minutiae(&one), &own).unwrap()))
        .collect();
    let mut comparisons = Vec::new();
    let mut differ = 0;
    for (place, [reference, probe]) in templates.iter().enumerate() {
        // A threshold at the score itself: one level higher or lower changes the bit.
        for levels in [own.levels(), Levels::default()] {
            let score = |levels| i16::try_from(probe.score_at_vartime(reference, levels)).unwrap();
            differ += usize::from(score(own.levels()) != score(Levels::default()));
            for threshold in [score(levels), score(levels) + 1] {
                let one = Match { probe, reference, threshold, weight: 1, levels };
                comparisons.push(Comparison { sides: vec![one], joint: FusionRule::Any });
            }
            let stranger = &templates[(place + 1) % templates.len()][1];
            let one = Match { probe: stranger, reference, threshold: 5, weight: 1, levels };
            comparisons.push(Comparison { sides: vec![one], joint: FusionRule::Any });
        }
    }
    assert!(differ > 0);
    let compared = compare(&comparisons, 9, |_| ()).unwrap();
    assert_eq!((compared.pairs, compared.disagreements), (comparisons.len(), 0));
    assert!(compared.matches >= 2 * templates.len());
}

/// What a person has of a finger: by their own model, by the one built in, and for searches.
struct Finger {
    own: Template,
    built_in: Template,
    vector: Template,
}

impl Finger {
    fn of(finger: &fingerprints::Capture, own: &Model) -> Self {
        let minutiae = minutiae(finger);
        Self {
            own: encode(&minutiae, own).unwrap(),
            built_in: encode_rows(&minutiae).unwrap(),
            vector: encode_fixed(&minutiae).unwrap(),
        }
    }
}

async fn verify(trio: &Trio, subject: &str, probe: Capture<'_>) -> Result<bool, String> {
    let token = trio.files.token("cash_withdrawal", Method::Verify);
    let answer = trio.client.verify(&token, &target(subject, "cash_withdrawal"), &[probe], 40_000).await;
    match answer {
        Ok(verified) => Ok(verified.matched),
        refused @ Err(_) => Err(reason(refused)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_new_model_are_enrolled_verified_and_found_beside_those_of_the_old_one() {
    let (dir, mut dice) = (folder(), Dice(53));
    let own = model_of(dir.path()).unwrap();
    let files = Files::new();
    // All that nodes need: the entry, in the table of all three.
    let table = fs::read_to_string(files.path("models.toml")).unwrap() + ENTRY;
    fs::write(files.path("models.toml"), table).unwrap();
    let trio = Trio::of(files).await;
    let (new, old) = (capture(&mut dice, 1, 0, 45), capture(&mut dice, 1, 0, 45));
    let vector_model = "leader-fixed-1".parse().unwrap();
    let of_own = |template| Capture { model: own.id(), template };
    let by_vector = |template| Capture { model: &vector_model, template };
    let (ada, eve) = (Finger::of(&new, &own), Finger::of(&old, &own));
    for (subject, references) in [
        ("ada", vec![of_own(&ada.own), by_vector(&ada.vector)]),
        ("eve", vec![finger_of(&eve.built_in), by_vector(&eve.vector)]),
    ] {
        let token = trio.files.token("enrolment", Method::Enroll);
        trio.client.enroll(&token, &target(subject, "enrolment"), &references).await.unwrap();
    }
    let (ada_again, eve_again) = (Finger::of(&again(&new, &mut dice), &own), Finger::of(&again(&old, &mut dice), &own));
    let plain = |probe: &Template, reference: &Template| {
        probe.score_at_vartime(reference, own.levels())
            >= i32::from(own.threshold(Fmr::E4, probe.shape(), reference.shape()))
    };
    assert!(plain(&ada_again.own, &ada.own) && !plain(&eve_again.own, &ada.own));
    assert_eq!(verify(&trio, "ada", of_own(&ada_again.own)).await, Ok(true));
    assert_eq!(verify(&trio, "ada", of_own(&eve_again.own)).await, Ok(false));
    assert_eq!(verify(&trio, "eve", finger_of(&eve_again.built_in)).await, Ok(true));
    // Templates of two models never meet.
    assert_eq!(verify(&trio, "ada", finger_of(&ada_again.built_in)).await, Err("REFERENCE_MISSING".to_owned()));
    assert_eq!(verify(&trio, "eve", of_own(&eve_again.own)).await, Err("REFERENCE_MISSING".to_owned()));
    for (subject, probe) in [("ada", &ada_again.vector), ("eve", &eve_again.vector)] {
        let token = trio.files.token("case_search", Method::Search);
        let found =
            trio.client.search(&token, &trio.files.search(8), &[by_vector(probe)], &mut |_| {}).await.unwrap().found;
        assert_eq!(found.candidates.into_iter().map(String::from).collect::<Vec<_>>(), [subject]);
    }
    trio.stop().await;
}
