//! Real sets, where they are at hand: the evaluation finds what their description says, and three parties open its bits.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::mpc_sim::data::faces;
use tumar::eval::curve::{Curve, Resampling};
use tumar::eval::samples::{Sample, Samples};
use tumar::eval::shared;
use tumar::template::face::quantise;
use tumar::template::model::Models;

fn samples(set: &str, model: &str) -> Option<Samples> {
    let faces = faces(set, model)?;
    let model = Models::built_in().find(&model.parse().unwrap()).unwrap().clone();
    let list = faces.embeddings.rows().into_iter().zip(&faces.people).map(|(row, person)| Sample {
        set: String::new(),
        person: person.to_string(),
        group: None,
        template: quantise(row.as_slice().unwrap(), &model).unwrap(),
    });
    Some(Samples { list: list.collect(), model, failures: Vec::new() })
}

/// EER in per cent, then 100 % less FNMR at FMR 1e-3, 1e-4 and 1e-5, each as the description prints it.
fn printed(curve: &Curve) -> [String; 4] {
    let rate = |target: usize| format!("{:.3}", 100.0 * (1.0 - curve.points[target].fnmr.value));
    [format!("{:.3}", 100.0 * curve.eer.unwrap().value), rate(1), rate(2), rate(3)]
}

const QUICK: Resampling = Resampling { replicates: 20, seed: 1 };

#[test]
#[ignore = "slow: 44 million pairs"]
fn faces_score_what_the_description_of_the_set_says_to_its_last_digit() {
    let Some(sface) = samples("lfw_dev", "sface128") else { return };
    let curve = sface.measure(QUICK, |_| ());
    assert_eq!((curve.people, curve.samples), (2_835, 6_165));
    assert_eq!((curve.genuine, curve.impostor), (59_325, 18_941_205));
    assert_eq!(printed(&curve), ["0.259", "99.607", "99.061", "97.755"]);
    // The next whole scores above the description's .3646, .4206 and .4727 of 768.
    assert_eq!([1, 2, 3].map(|target| curve.points[target].level), [281, 324, 364]);
    let fr = samples("lfw_dev", "fr512").unwrap().measure(QUICK, |_| ());
    assert_eq!(printed(&fr), ["0.397", "99.225", "97.950", "95.477"]);
    let hard = samples("cfp_dev", "fr512").unwrap().measure(QUICK, |_| ());
    assert_eq!((hard.genuine, hard.impostor), (22_750, 6_100_500));
    assert_eq!(printed(&hard), ["6.805", "78.031", "67.679", "56.000"]);
    for curve in [&curve, &fr, &hard] {
        for estimate in curve.points.iter().flat_map(|point| [point.fmr, point.fnmr]).chain(curve.eer) {
            let interval = estimate.interval.unwrap();
            assert!(interval.low <= estimate.value && estimate.value <= interval.high, "{estimate:?}");
        }
    }
}

#[test]
fn three_parties_open_the_bits_of_the_plain_path_for_random_pairs_of_real_faces() {
    let Some(samples) = samples("lfw_dev", "fr512") else { return };
    let pairs = shared::choose(&samples.crowd(), 2_000, 7);
    let opened = shared::compare(&samples.comparisons(&pairs), 7, |_| ()).unwrap();
    assert_eq!((opened.pairs, opened.disagreements, opened.rounds), (2_000, 0, 11));
    // Half are genuine, and nearly all of those match.
    assert!((900..=1_010).contains(&opened.matches), "{} matches", opened.matches);
}
