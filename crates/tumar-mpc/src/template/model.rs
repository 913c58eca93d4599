//! The table of extractors: what their templates look like, and how high a score must be.

use std::num::NonZeroU16;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::finger::weights::RowsMap;
use super::rates::{Rates, least_above};
use super::{Levels, ROW, Shape, band};
use crate::form::{self, FormError};
use crate::name::{Modality, ModelId};

pub use super::rates::{Fmr, chance};

/// What an extractor's templates consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// One vector; compared by its dot.
    #[default]
    Vector,
    /// A set of rows; compared by how many of the probe's rows find a like one.
    Rows,
}

impl Encoding {
    /// The shape of a template of so many components in all, by a model of this dimension; `None` if it makes none.
    #[must_use]
    pub const fn shape(self, dimension: usize, components: usize) -> Option<Shape> {
        match self {
            Self::Vector if components == dimension => Shape::vector(components),
            Self::Rows if dimension > 0 && components.is_multiple_of(dimension) => Shape::set(components / dimension),
            Self::Vector | Self::Rows => None,
        }
    }
}

/// An extractor. Templates of different models never meet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    id: ModelId,
    modality: Modality,
    #[serde(default)]
    encoding: Encoding,
    dimension: usize,
    /// Of rows, if they are not the usual ones.
    levels: Option<Levels>,
    thresholds: Rates,
    /// What a terminal makes its rows by, if it was read from a folder. Nodes have none.
    #[serde(skip)]
    weights: Option<Arc<RowsMap>>,
}

impl Model {
    /// Its name, as requests give it.
    #[must_use]
    pub const fn id(&self) -> &ModelId {
        &self.id
    }

    /// What it takes.
    #[must_use]
    pub const fn modality(&self) -> Modality {
        self.modality
    }

    /// What its templates consist of.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Components of a vector, or of each row of a set.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Which dots of two rows count, and how much.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.levels.unwrap_or_default()
    }

    /// The weights that it came with; `None` if they are built in, or an extractor's own.
    #[must_use]
    pub(super) fn weights(&self) -> Option<&RowsMap> {
        self.weights.as_deref()
    }

    /// The same with these weights.
    #[must_use]
    pub(super) fn with_weights(mut self, weights: RowsMap) -> Self {
        self.weights = Some(Arc::new(weights));
        self
    }

    /// Whether nodes compare by both in the same way.
    fn is_as(&self, other: &Self) -> bool {
        let kind = |model: &Self| (model.modality, model.encoding, model.dimension, model.levels());
        self.id == other.id && kind(self) == kind(other) && self.thresholds == other.thresholds
    }

    /// The shape of a template of so many components in all; `None` if the model makes none.
    #[must_use]
    pub const fn shape(&self, components: usize) -> Option<Shape> {
        self.encoding.shape(self.dimension, components)
    }

    /// What a score must be above at this rate, as the table has it: a cosine, or a count over `sqrt(n'_P n'_R)`.
    #[must_use]
    pub const fn bound(&self, rate: Fmr) -> f64 {
        self.thresholds.at(rate)
    }

    /// The least score of a probe against a reference that is a match at this rate, in units of
    /// [`Template::score_vartime`](super::Template::score_vartime).
    ///
    /// * Of vectors: the least whole number above cosine times 6 d, since scores above the cosine are accepted.
    /// * Of sets: the least count above `T sqrt(n'_P n'_R)`, where `n'` is the number of rows and at least 20: large sets find more by
    ///   chance, and small ones must find enough.
    #[must_use]
    pub fn threshold(&self, rate: Fmr, probe: Shape, reference: Shape) -> i16 {
        #[expect(clippy::cast_precision_loss, reason = "at most 6 * 2048")]
        let scale = match self.encoding {
            Encoding::Vector => (6 * self.dimension) as f64,
            Encoding::Rows => chance(probe, reference),
        };
        least_above(self.thresholds.at(rate) * scale)
    }
}

/// How a face and a finger are joined into one score: a weighted sum, still within 16 bits.
///
/// * With a finger's rows: `face_weight x dot + w x count`, with `w = finger_weight / sqrt(n'_P n'_R)` rounded down: the finger's part
///   does not depend on the number of rows but by chance.
/// * With a finger's vector: `face_weight x dot + finger_weight x dot`. Galleries are searched by such a sum too.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    face: ModelId,
    finger: ModelId,
    face_weight: u16,
    finger_weight: u16,
    thresholds: Rates,
}

impl Fusion {
    /// Most that the face's part may be, beside a finger's rows.
    const MOST_OF_FACE: u16 = 4000;
    /// Most that the part of a finger's rows may be: with the face's, and less any threshold, it stays below 2^15.
    const MOST_OF_FINGER: u16 = 28_000;
    /// Most that two vectors' parts may be together. Either may be as far below 0, and less any threshold that is no less than -2^15.
    const MOST_OF_VECTORS: u16 = 24_000;
    /// What a threshold must stay below.
    const MOST_OF_THRESHOLD: f64 = 8000.0;

    /// The models it joins: face, finger.
    #[must_use]
    pub const fn models(&self) -> (&ModelId, &ModelId) {
        (&self.face, &self.finger)
    }

    /// What the dot of the faces is multiplied with.
    #[must_use]
    pub const fn face_weight(&self) -> u16 {
        self.face_weight
    }

    /// The same with other weights: to find out which are best.
    #[must_use]
    pub fn with_weights(mut self, face: NonZeroU16, finger: NonZeroU16) -> Self {
        (self.face_weight, self.finger_weight) = (face.get(), finger.get());
        self
    }

    /// Whether weights are small enough for vectors of these many components.
    #[must_use]
    pub fn vectors_fit([face, finger]: [(usize, u16); 2]) -> bool {
        let most = |(dimension, weight): (usize, u16)| u32::from(band(dimension).1) * u32::from(weight);
        most(face) + most(finger) <= u32::from(Self::MOST_OF_VECTORS)
    }

    /// What the dot of the fingers' vectors is multiplied with, or their count over `sqrt(n'_P n'_R)`.
    #[must_use]
    pub const fn finger_weight_of_one(&self) -> u16 {
        self.finger_weight
    }

    /// What the score of the fingers is multiplied with, for a probe and a reference of these shapes.
    #[must_use]
    pub fn finger_weight(&self, probe: Shape, reference: Shape) -> u16 {
        if !probe.is_set() {
            return self.finger_weight;
        }
        let most_count = u16::try_from(3 * probe.rows().max(reference.rows())).unwrap_or(u16::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a u16 over at least 20")]
        let weight = (f64::from(self.finger_weight) / chance(probe, reference)).floor() as u16;
        weight.min(Self::MOST_OF_FINGER / most_count)
    }

    /// The least weighted sum that is a match at this rate.
    #[must_use]
    pub fn threshold(&self, rate: Fmr) -> i16 {
        least_above(self.thresholds.at(rate))
    }

    fn fits(&self, list: &[Model]) -> bool {
        let find = |id: &ModelId| list.iter().find(|model| model.id == *id);
        let (Some(face), Some(finger)) = (find(&self.face), find(&self.finger)) else { return false };
        let within = match finger.encoding {
            Encoding::Vector => {
                Self::vectors_fit([(face.dimension, self.face_weight), (finger.dimension, self.finger_weight)])
            }
            Encoding::Rows => {
                u32::from(band(face.dimension).1) * u32::from(self.face_weight) <= Self::MOST_OF_FACE.into()
            }
        };
        face.modality == Modality::Face
            && face.encoding == Encoding::Vector
            && finger.modality == Modality::Finger
            && self.face_weight > 0
            && self.finger_weight > 0
            && within
            && self.thresholds.rise_below(Self::MOST_OF_THRESHOLD)
    }
}

/// Why a table of models was refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// Not TOML of the required form; an unknown key is one reason.
    #[error(transparent)]
    Parse(#[from] FormError),
    /// There is no model in it.
    #[error("the table of models is empty")]
    Empty,
    /// Two models have one name.
    #[error("model {0} is in the table twice")]
    Twice(ModelId),
    /// That of no vector, or a row's that is not [`ROW`].
    #[error("model {0}: dimension must be even from 64 to 512, or 1024, 1536 or 2048; with the encoding rows, {ROW}")]
    Dimension(ModelId),
    /// Levels of a vector, or such as do not rise or do not fit.
    #[error("model {0}: levels must be three rising numbers from {low} to {high}, and are for the encoding rows only", low = Levels::BOUNDS.0, high = Levels::BOUNDS.1)]
    Levels(ModelId),
    /// Not between 0 and 1, or lower for a stricter rate.
    #[error("model {0}: thresholds must be between 0 and 1, and rise with a stricter rate")]
    Thresholds(ModelId),
    /// A model of a folder that the table has with other numbers.
    #[error("model {0}: the table of models has other numbers for it than the folder")]
    Differs(ModelId),
    /// Its models are not a face's and a finger's, or its numbers do not fit 16 bits.
    #[error("the fusion of {0} and {1} is not one of a face and a finger, or not within 16 bits")]
    Fusion(ModelId, ModelId),
}

/// All models that a deployment serves.
#[derive(Clone, Debug)]
pub struct Models {
    list: Vec<Model>,
    fusions: Vec<Fusion>,
    digest: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Model>,
    #[serde(default)]
    fusion: Vec<Fusion>,
}

/// The table that comes with the crate.
pub const BUILT_IN: &str = include_str!("models.toml");

impl Models {
    /// Reads and checks a table in TOML; see `src/template/models.toml` for its form.
    ///
    /// # Errors
    /// [`ModelsError`] for the first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ModelsError> {
        let File { model: list, fusion: fusions } = form::parse(text)?;
        if list.is_empty() {
            return Err(ModelsError::Empty);
        }
        for (place, model) in list.iter().enumerate() {
            if list[..place].iter().any(|other| other.id == model.id) {
                return Err(ModelsError::Twice(model.id.clone()));
            }
            let fits = match model.encoding {
                Encoding::Vector => Shape::vector(model.dimension).is_some(),
                Encoding::Rows => model.dimension == ROW,
            };
            if !fits {
                return Err(ModelsError::Dimension(model.id.clone()));
            }
            if model.levels.is_some_and(|levels| model.encoding != Encoding::Rows || !levels.fit()) {
                return Err(ModelsError::Levels(model.id.clone()));
            }
            if !model.thresholds.rise_below(1.0) {
                return Err(ModelsError::Thresholds(model.id.clone()));
            }
        }
        for (place, fusion) in fusions.iter().enumerate() {
            if !fusion.fits(&list) || fusions[..place].iter().any(|other| other.models() == fusion.models()) {
                return Err(ModelsError::Fusion(fusion.face.clone(), fusion.finger.clone()));
            }
        }
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Self { list, fusions, digest: sum })
    }

    /// The table with one model more, for a terminal. The digest stays that of the file.
    ///
    /// # Errors
    /// [`ModelsError::Differs`] if the table has a model of this name that templates would be compared by in another way.
    pub fn with(mut self, model: Model) -> Result<Self, ModelsError> {
        match self.list.iter_mut().find(|known| known.id == model.id) {
            Some(known) if known.is_as(&model) => *known = model,
            Some(_) => return Err(ModelsError::Differs(model.id)),
            None => self.list.push(model),
        }
        Ok(self)
    }

    /// The table that comes with the crate: faces by `fr512` and `sface128`, fingers by `leader-rows-3` and `leader-fixed-1`.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in table is checked by a test")
    }

    /// The model of this name, if it is served.
    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&Model> {
        self.list.iter().find(|model| model.id == *id)
    }

    /// All of them, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.list.iter()
    }

    /// How a face and a finger of these models are joined, if they are.
    #[must_use]
    pub fn fusion(&self, face: &ModelId, finger: &ModelId) -> Option<&Fusion> {
        self.fusions.iter().find(|fusion| fusion.models() == (face, finger))
    }

    /// All fusions, in the table's order.
    pub fn fusions(&self) -> impl Iterator<Item = &Fusion> {
        self.fusions.iter()
    }

    /// SHA-256 of the file's bytes. Nodes whose tables differ do not connect.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> Model {
        Models::built_in().find(&id.parse().unwrap()).unwrap().clone()
    }

    #[test]
    fn the_built_in_table_parses_and_its_thresholds_are_the_next_whole_score() {
        let of = |id: &str, dimension| {
            let shape = Shape::vector(dimension).unwrap();
            Fmr::ALL.map(|rate| model(id).threshold(rate, shape, shape))
        };
        // .3311 * 3072 = 1017.1, .4069 * 3072 = 1250.0 (1249.997), .4727 * 3072 = 1452.1
        assert_eq!(of("fr512", 512), [1018, 1250, 1453]);
        // .3646 * 768 = 280.01, .4206 * 768 = 323.02, .4727 * 768 = 363.03
        assert_eq!(of("sface128", 128), [281, 324, 364]);
        let (models, nobody) = (Models::built_in(), "nobody".parse().unwrap());
        assert!(models.find(&nobody).is_none() && models.fusion(&nobody, &nobody).is_none());
        assert_eq!((models.iter().count(), models.fusions().count()), (4, 4));
    }

    #[test]
    fn a_count_is_measured_by_the_sizes_of_both_sets() {
        let rows = model("leader-rows-3");
        let of = |probe, reference| rows.threshold(Fmr::E4, Shape::set(probe).unwrap(), Shape::set(reference).unwrap());
        // .25 * 40 = 10 and .25 * 20 = 5, above which the next are 11 and 6; .25 * sqrt(800) = 7.07
        assert_eq!((of(40, 40), of(4, 4), of(20, 20), of(40, 4), of(4, 40)), (11, 6, 6, 8, 8));
        assert_eq!(rows.shape(38 * ROW), Shape::set(38));
        for components in [0, 3 * ROW, 41 * ROW, ROW, 500] {
            assert_eq!(rows.shape(components), None);
        }
    }

    #[test]
    fn the_least_count_is_the_first_above_the_bound_by_whole_numbers_too() {
        let rows = model("leader-rows-3");
        // The table's thresholds in thousandths: count > T sqrt(n) exactly when (1000 count)^2 > (1000 T)^2 n.
        for (rate, thousandths) in Fmr::ALL.into_iter().zip([150_i64, 250, 350]) {
            for (probe, reference) in (4..=40).flat_map(|probe| (4..=40).map(move |reference| (probe, reference))) {
                let pairs = i64::try_from(probe.max(20) * reference.max(20)).unwrap();
                let above = |count: i64| (1000 * count).pow(2) > thousandths.pow(2) * pairs;
                let shape = |rows| Shape::set(rows).unwrap();
                let least = i64::from(rows.threshold(rate, shape(probe), shape(reference)));
                assert!(above(least) && !above(least - 1), "{least} of {probe} and {reference}");
            }
        }
    }

    #[test]
    fn the_weight_of_a_finger_s_vector_is_the_table_s_and_that_of_its_rows_falls_with_their_number() {
        let models = Models::built_in();
        let fusion = |finger: &str| models.fusion(&"fr512".parse().unwrap(), &finger.parse().unwrap()).unwrap();
        let (vector, set) = (Shape::vector(1024).unwrap(), |rows| Shape::set(rows).unwrap());
        assert_eq!(fusion("leader-fixed-1").finger_weight(vector, vector), 2);
        let rows = fusion("leader-rows-3");
        // 3444 / 20 = 172.2, 3444 / 40 = 86.1
        assert_eq!([4, 20, 40].map(|count| rows.finger_weight(set(count), set(count))), [172, 172, 86]);
    }

    #[test]
    fn a_weighted_sum_fits_sixteen_bits_for_all_shapes() {
        let models = Models::built_in();
        for fusion in models.fusions() {
            let most = |id: &ModelId| i32::from(band(model(id.as_str()).dimension()).1);
            let face = i32::from(fusion.face_weight()) * most(&fusion.face);
            if model(fusion.finger.as_str()).encoding() == Encoding::Vector {
                let vector = Shape::vector(1024).unwrap();
                let finger = i32::from(fusion.finger_weight(vector, vector)) * most(&fusion.finger);
                for threshold in Fmr::ALL.map(|rate| i32::from(fusion.threshold(rate))) {
                    assert!(i16::try_from(face + finger - threshold).is_ok());
                    assert!(i16::try_from(-face - finger - threshold).is_ok());
                }
                continue;
            }
            for probe in 4..=40 {
                for reference in 4..=40 {
                    let weight = fusion.finger_weight(Shape::set(probe).unwrap(), Shape::set(reference).unwrap());
                    let finger = i32::from(weight) * 3 * i32::try_from(probe.max(reference)).unwrap();
                    for threshold in Fmr::ALL.map(|rate| i32::from(fusion.threshold(rate))) {
                        assert!(weight > 0 && face + finger - threshold <= i32::from(i16::MAX));
                        assert!(-face - threshold >= i32::from(i16::MIN));
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_with_a_fault_is_refused_for_that_fault() {
        let changed = |from: &str, to: &str| Models::parse(&BUILT_IN.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(Models::parse("model = []").unwrap_err(), ModelsError::Empty));
        assert!(matches!(changed("id = \"sface128\"", "id = \"fr512\""), ModelsError::Twice(_)));
        for dimension in ["511", "62", "514", "2560"] {
            let to = format!("dimension = {dimension}");
            assert!(matches!(changed("dimension = 512", &to), ModelsError::Dimension(_)));
        }
        assert!(matches!(changed("\"rows\"\ndimension = 140", "\"rows\"\ndimension = 128"), ModelsError::Dimension(_)));
        for wrong in ["0.48", "nan", "-0.1", "1.0"] {
            assert!(matches!(changed("0.4206", wrong), ModelsError::Thresholds(_)), "{wrong}");
        }
        for (from, to) in [
            ("face = \"fr512\"", "face = \"leader-fixed-1\""),
            ("face = \"fr512\"", "face = \"nobody\""),
            ("face = \"fr512\"", "face = \"sface128\""),
            ("face_weight = 1", "face_weight = 0"),
            ("face_weight = 1", "face_weight = 2"),
        ] {
            assert!(matches!(changed(from, to), ModelsError::Fusion(..)), "{to}");
        }
        // 8 x 3133 is above what two vectors may have together; so are 3 x 3133 and 3 x 6266.
        for (from, to) in [("face_weight = 3", "face_weight = 8"), ("finger_weight = 2\n", "finger_weight = 3\n")] {
            assert!(matches!(changed(from, to), ModelsError::Fusion(..)), "{to}");
        }
        assert!(matches!(changed("modality", "modalty"), ModelsError::Parse(_)));
        assert!(matches!(changed("\"1e-3\"", "\"1e-2\""), ModelsError::Parse(_)));
    }

    #[test]
    fn any_change_of_the_file_changes_its_digest() {
        let spaced = format!("{BUILT_IN} ");
        assert_ne!(Models::built_in().digest(), Models::parse(&spaced).unwrap().digest());
    }
}
