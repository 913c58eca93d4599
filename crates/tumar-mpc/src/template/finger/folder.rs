//! A model's folder, as `tumar-train fit` writes it: read at a terminal and checked before use. Nodes never see one.
//!
//! ```text
//! six files --their digests, lengths, numbers--> RowsMap --.
//! models.toml --one model of fingers' rows-----> Model ----+--> Model with its weights
//! card.json --the same name, digests, thresholds-----------'
//! ```
//!
//! Digests say that files are whole and belong together, not who made them: a folder is as trusted as where it came from.

use std::collections::BTreeMap;
use std::io;

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::weights::{RowsMap, Unfit};
use crate::hex::hex;
use crate::name::Modality;
use crate::template::model::{Encoding, Fmr, Model, Models, ModelsError};

const DIGESTS: &str = "digests.json";
const TABLE: &str = "models.toml";
const CARD: &str = "card.json";

/// Why a folder is no model that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file can not be read.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file is not of its form.
    #[error("{file}: {source}")]
    Form {
        /// Which.
        file: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file has changed since it was written, or has no digest.
    #[error("{0} is not what digests.json says: copy the folder again")]
    Digest(&'static str),
    /// Weights for rows of another length, or of another number of hidden units.
    #[error("{file} has {found} bytes, not {expected}: these weights are for rows of another length")]
    Length {
        /// Which.
        file: &'static str,
        /// Bytes that it has.
        found: usize,
        /// Bytes that it should have.
        expected: usize,
    },
    /// Weights that compute nothing.
    #[error("{0} has a number that is not finite")]
    NotFinite(&'static str),
    /// What a row says of a minutia's direction is the same in all models.
    #[error("{0} is not the table of directions that the levels of comparisons are made for")]
    Directions(&'static str),
    /// The entry for the nodes' table.
    #[error("models.toml: {0}")]
    Table(#[from] ModelsError),
    /// It has several models, or one of something else.
    #[error("models.toml must have one model, of modality finger and encoding rows")]
    NotRows,
    /// The card says nothing of a rate that the nodes serve.
    #[error("card.json has no threshold for {0}: the model was not measured")]
    NoThreshold(&'static str),
    /// The card is of another model.
    #[error("card.json is of another model: its {0} is not that of models.toml or digests.json")]
    OtherCard(&'static str),
}

impl FolderError {
    /// A stable name of the fault, for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::File { .. } => "FOLDER_FILE",
            Self::Form { .. } => "FOLDER_FORM",
            Self::Digest(_) => "FOLDER_DIGEST",
            Self::Length { .. } | Self::Table(ModelsError::Dimension(_)) => "FOLDER_ROW_LENGTH",
            Self::NotFinite(_) => "FOLDER_NOT_FINITE",
            Self::Directions(_) => "FOLDER_DIRECTIONS",
            Self::Table(ModelsError::Levels(_)) => "FOLDER_LEVELS",
            Self::Table(_) | Self::NotRows => "FOLDER_TABLE",
            Self::NoThreshold(_) => "FOLDER_NO_THRESHOLD",
            Self::OtherCard(_) => "FOLDER_OTHER_CARD",
        }
    }
}

/// Of each file its SHA-256 in hex.
type Digests = BTreeMap<String, String>;

/// What is read of a model card.
#[derive(Deserialize)]
struct Card {
    name: String,
    #[serde(default)]
    digests: Option<Digests>,
    #[serde(default)]
    figures: Figures,
}

#[derive(Default, Deserialize)]
struct Figures {
    #[serde(default)]
    thresholds: BTreeMap<String, Limit>,
}

#[derive(Deserialize)]
struct Limit {
    value: f64,
}

/// The model of a folder, with its weights; `file` gives a file's bytes by its name.
///
/// # Errors
/// [`FolderError`] for the first fault: of the weights, then of `models.toml`, then of the card.
pub fn read(file: impl Fn(&str) -> io::Result<Vec<u8>>) -> Result<Model, FolderError> {
    let bytes = |name: &'static str| file(name).map_err(|source| FolderError::File { file: name, source });
    let digests: Digests = json(DIGESTS, &bytes(DIGESTS)?)?;
    let weights = weights(&digests, bytes)?;
    let models = Models::parse(&String::from_utf8_lossy(&bytes(TABLE)?))?;
    let mut list = models.iter();
    let (Some(model), None) = (list.next(), list.next()) else { return Err(FolderError::NotRows) };
    if (model.modality(), model.encoding()) != (Modality::Finger, Encoding::Rows) {
        return Err(FolderError::NotRows);
    }
    json::<Card>(CARD, &bytes(CARD)?)?.check(model, &digests)?;
    Ok(model.clone().with_weights(weights))
}

fn json<T: DeserializeOwned>(file: &'static str, bytes: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(bytes).map_err(|source| FolderError::Form { file, source })
}

fn weights(
    digests: &Digests,
    bytes: impl Fn(&'static str) -> Result<Vec<u8>, FolderError>,
) -> Result<RowsMap, FolderError> {
    let mut files: [Vec<u8>; 6] = Default::default();
    for (into, (name, _)) in files.iter_mut().zip(RowsMap::FILES) {
        *into = bytes(name)?;
        if digests.get(name) != Some(&hex(digest(&SHA256, into).as_ref())) {
            return Err(FolderError::Digest(name));
        }
    }
    RowsMap::of_files(&files).map_err(|(place, unfit)| {
        let (file, expected) = RowsMap::FILES[place];
        match unfit {
            Unfit::Length(found) => FolderError::Length { file, found, expected },
            Unfit::NotFinite => FolderError::NotFinite(file),
            Unfit::Directions => FolderError::Directions(file),
        }
    })
}

impl Card {
    /// Whether it is of this very model: what a card says of other weights or thresholds says nothing of these.
    fn check(&self, model: &Model, digests: &Digests) -> Result<(), FolderError> {
        for (rate, name) in Fmr::ALL.into_iter().zip(["1e-3", "1e-4", "1e-5"]) {
            let limit = self.figures.thresholds.get(name).ok_or(FolderError::NoThreshold(name))?;
            // Both were written from one number.
            if limit.value.to_bits() != model.bound(rate).to_bits() {
                return Err(FolderError::OtherCard("threshold"));
            }
        }
        if self.name != model.id().as_str() {
            return Err(FolderError::OtherCard("name"));
        }
        if self.digests.as_ref() != Some(digests) {
            return Err(FolderError::OtherCard("digest"));
        }
        Ok(())
    }
}
