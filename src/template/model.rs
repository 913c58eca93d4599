//! The table of extractors: what their templates look like, and how high a score must be.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::is_dimension;
use crate::name::{Modality, ModelId};

/// A target false match rate: how often two different people may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fmr {
    /// One in a thousand.
    #[serde(rename = "1e-3")]
    E3,
    /// One in ten thousand.
    #[serde(rename = "1e-4")]
    E4,
    /// One in a hundred thousand.
    #[serde(rename = "1e-5")]
    E5,
}

impl Fmr {
    /// All of them, the most lenient first.
    pub const ALL: [Self; 3] = [Self::E3, Self::E4, Self::E5];
}

/// Cosines above which two templates match, one for each rate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cosines {
    #[serde(rename = "1e-3")]
    e3: f64,
    #[serde(rename = "1e-4")]
    e4: f64,
    #[serde(rename = "1e-5")]
    e5: f64,
}

/// An extractor. Templates of different models never meet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    id: ModelId,
    modality: Modality,
    dimension: usize,
    thresholds: Cosines,
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

    /// Components of a template: even, 64..=512.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// The least score that is a match at this rate, in units of a dot of two templates (6 d is a perfect one).
    ///
    /// The least whole number above cosine times 6 d, since scores above the cosine are accepted.
    #[must_use]
    pub fn threshold(&self, rate: Fmr) -> i16 {
        let cosine = match rate {
            Fmr::E3 => self.thresholds.e3,
            Fmr::E4 => self.thresholds.e4,
            Fmr::E5 => self.thresholds.e5,
        };
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "at most 6 * 512 + 1")]
        let least = (cosine * (6 * self.dimension) as f64).floor() as i16 + 1;
        least
    }
}

/// Why a table of models was refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// Not TOML of the required form; an unknown key is one reason.
    #[error("the table of models does not parse")]
    Parse(#[from] toml::de::Error),
    /// There is no model in it.
    #[error("the table of models is empty")]
    Empty,
    /// Two models have one name.
    #[error("model {0} stands in the table twice")]
    Twice(ModelId),
    /// Odd, or outside 64..=512.
    #[error("model {0} has a dimension that is not even and in 64..=512")]
    Dimension(ModelId),
    /// Not between 0 and 1, or lower for a stricter rate.
    #[error("model {0} has thresholds that are not rising between 0 and 1")]
    Thresholds(ModelId),
}

/// All models that a deployment serves.
#[derive(Clone, Debug)]
pub struct Models {
    list: Vec<Model>,
    digest: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Model>,
}

/// The table that comes with the crate.
pub const BUILT_IN: &str = include_str!("models.toml");

impl Models {
    /// Reads and checks a table in TOML; see `src/template/models.toml` for its form.
    ///
    /// # Errors
    /// [`ModelsError`] for the first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ModelsError> {
        let list = toml::from_str::<File>(text)?.model;
        if list.is_empty() {
            return Err(ModelsError::Empty);
        }
        for (place, model) in list.iter().enumerate() {
            let Cosines { e3, e4, e5 } = model.thresholds;
            if list[..place].iter().any(|other| other.id == model.id) {
                return Err(ModelsError::Twice(model.id.clone()));
            }
            if !is_dimension(model.dimension) {
                return Err(ModelsError::Dimension(model.id.clone()));
            }
            // Written so that a NaN is refused too.
            if !(0.0 < e3 && e3 <= e4 && e4 <= e5 && e5 < 1.0) {
                return Err(ModelsError::Thresholds(model.id.clone()));
            }
        }
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Self { list, digest: sum })
    }

    /// The table that comes with the crate: `fr512` and `sface128`.
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

    /// SHA-256 of the file's bytes. Nodes whose tables differ do not connect.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_parses_and_its_thresholds_are_the_next_whole_score() {
        let models = Models::built_in();
        let of = |id: &str| models.find(&id.parse().unwrap()).unwrap();
        // .3311 * 3072 = 1017.1, .4069 * 3072 = 1250.0 (1249.997), .4727 * 3072 = 1452.1
        assert_eq!(Fmr::ALL.map(|rate| of("fr512").threshold(rate)), [1018, 1250, 1453]);
        // .3646 * 768 = 280.01, .4206 * 768 = 323.02, .4727 * 768 = 363.03
        assert_eq!(Fmr::ALL.map(|rate| of("sface128").threshold(rate)), [281, 324, 364]);
        assert!(models.find(&"nobody".parse().unwrap()).is_none());
        assert_eq!(models.iter().count(), 2);
    }

    #[test]
    fn a_table_with_a_fault_is_refused_for_that_fault() {
        let changed = |from: &str, to: &str| Models::parse(&BUILT_IN.replace(from, to)).unwrap_err();
        assert!(matches!(Models::parse("model = []").unwrap_err(), ModelsError::Empty));
        assert!(matches!(changed("sface128", "fr512"), ModelsError::Twice(_)));
        for dimension in ["511", "62", "514"] {
            let to = format!("dimension = {dimension}");
            assert!(matches!(changed("dimension = 512", &to), ModelsError::Dimension(_)));
        }
        for wrong in ["0.48", "nan", "-0.1", "1.0"] {
            assert!(matches!(changed("0.4206", wrong), ModelsError::Thresholds(_)), "{wrong}");
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
