//! A dozen people, and the few faces that come before the machine: made up, the same in every run.

use std::sync::LazyLock;

use tumar::template::face::quantise;
use tumar::template::model::{Fmr, Model, Models};
use tumar::template::{Shape, Template};

use crate::support::rng::Dice;

/// The extractor: the smaller one, since nothing here depends on which.
pub(crate) const MODEL: &str = "sface128";

/// Handles that each of the two banks has people under. They are the same, so that one bank's person can be taken for the other's.
pub(crate) const NAMES: [&str; 6] = ["aigul", "berik", "dana", "erlan", "gaukhar", "kairat"];

/// Faces. Fewer than people: one face stands under several names, and one name under several faces in turn.
pub(crate) const FACES: usize = 4;

/// Captures of each.
const CAPTURES: usize = 8;

/// Somebody with a handle at a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) bank: usize,
    pub(crate) name: usize,
}

impl Who {
    pub(crate) const fn index(self) -> usize {
        self.bank * NAMES.len() + self.name
    }

    pub(crate) const fn name(self) -> &'static str {
        NAMES[self.name]
    }
}

pub(crate) fn model() -> Model {
    Models::built_in().find(&MODEL.parse().unwrap()).unwrap().clone()
}

static TEMPLATES: LazyLock<Vec<Vec<Template>>> = LazyLock::new(|| {
    let (model, mut dice) = (model(), Dice(10));
    let mut normal = || (0..12).map(|_| f32::from(u16::from(dice.byte()))).sum::<f32>() / 256.0 - 6.0;
    let mut embedding = || (0..model.dimension()).map(|_| normal()).collect::<Vec<f32>>();
    let mut face = || {
        let own = embedding();
        let mut capture = || own.iter().zip(embedding()).map(|(own, noise)| own + 0.3 * noise).collect::<Vec<_>>();
        (0..CAPTURES).map(|_| quantise(&capture(), &model).unwrap()).collect::<Vec<_>>()
    };
    (0..FACES).map(|_| face()).collect()
});

/// A capture of a face: the first is for enrolment.
pub(crate) fn capture(face: usize, number: usize) -> &'static Template {
    &TEMPLATES[face][number % CAPTURES]
}

#[test]
fn each_face_matches_itself_and_no_other_at_every_rate_that_is_asked_for() {
    let shape = Shape::vector(model().dimension()).unwrap();
    for fmr in [Fmr::E3, Fmr::E4, Fmr::E5] {
        let threshold = model().threshold(fmr, shape, shape);
        for (reference, probe) in (0..FACES).flat_map(|face| (0..FACES).map(move |other| (face, other))) {
            for number in 0..CAPTURES {
                let matches = capture(reference, 0).matches_vartime(capture(probe, number), threshold);
                assert_eq!(matches, reference == probe, "faces {reference} and {probe}, capture {number}, {fmr:?}");
            }
        }
    }
}
