//! From files to samples: embeddings with labels, records with an index.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use tumar::eval::curve::NoTemplate;
use tumar::eval::samples::{Sample, Samples};
use tumar::eval::table::{face_labels, finger_labels};
use tumar::name::{Modality, ModelId};
use tumar::template::Template;
use tumar::template::face::{TemplateError, quantise};
use tumar::template::finger;
use tumar::template::finger::record::{Record, Wanted};
use tumar::template::model::{Model, Models};

use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::npy::Array;

/// Where faces come from.
#[derive(Debug, Args)]
pub(super) struct FaceFiles {
    /// NPY file of float32, float64 or float16 [n, d]: one embedding a row
    #[arg(long)]
    embeddings: PathBuf,
    /// CSV file with the columns row and identity, and group for rates by demographic group
    #[arg(long)]
    labels: PathBuf,
}

/// Where fingers come from.
#[derive(Debug, Args)]
pub(super) struct FingerFiles {
    /// Folder with ISO/IEC 19794-2 or ANSI/INCITS 378 records; one that cannot be read is counted as a failure to enrol, and named
    #[arg(long)]
    records: PathBuf,
    /// CSV file with the columns file, db and finger, and group for rates by demographic group; index.csv in the folder if not given
    #[arg(long)]
    index: Option<PathBuf>,
}

fn find(models: &Models, id: &ModelId, modality: Modality) -> Result<Model, Failure> {
    models.find(id).filter(|model| model.modality() == modality).cloned().ok_or(Failure::Model)
}

/// How many samples without a template are named on standard error; the report names all.
const NAMED: usize = 20;

/// Every rate of a set without genuine or without impostor pairs would be one of nothing.
fn with_pairs(samples: Samples, table: PathBuf) -> Result<Samples, Failure> {
    name_failures(&samples);
    let crowd = samples.crowd();
    let impostor = crowd.impostor_pairs(&vec![1; crowd.people()]);
    match (crowd.pairs() - impostor, impostor) {
        (0, _) => Err(Failure::NoPairs { path: table, kind: "genuine", need: "a person with two samples" }),
        (_, 0) => Err(Failure::NoPairs { path: table, kind: "impostor", need: "two people of one database" }),
        _ => Ok(samples),
    }
}

fn name_failures(samples: &Samples) {
    for NoTemplate { sample, why } in samples.failures.iter().take(NAMED) {
        eprintln!("tumar: {sample}: {why}; counted as a failure to enrol");
    }
    if samples.failures.len() > NAMED {
        eprintln!("tumar: and {} more samples without a template", samples.failures.len() - NAMED);
    }
}

fn no_template(sample: impl Display, why: impl Display) -> NoTemplate {
    NoTemplate { sample: sample.to_string(), why: why.to_string() }
}

impl FaceFiles {
    /// Reads and quantises.
    pub(super) fn load(self, models: &Models, model: &ModelId) -> Result<Samples, Failure> {
        let model = find(models, model, Modality::Face)?;
        let embeddings = Array::read(&self.embeddings)?;
        if embeddings.is_one() {
            return Err(Failure::OneRow { path: self.embeddings, width: embeddings.width() });
        }
        let labels = face_labels(&files::read(&self.labels)?, embeddings.rows())
            .map_err(|source| Failure::Table { path: self.labels.clone(), source })?;
        let (mut list, mut failures) = (Vec::with_capacity(labels.len()), Vec::new());
        for label in labels {
            match quantise(&embeddings.row(label.row), &model) {
                Ok(template) => {
                    list.push(Sample { set: String::new(), person: label.identity, group: label.group, template });
                }
                Err(why @ (TemplateError::NotFinite | TemplateError::Zero | TemplateError::Sparse)) => {
                    failures.push(no_template(format_args!("{}, row {}", self.embeddings.display(), label.row), why));
                }
                Err(source @ (TemplateError::Dimension { .. } | TemplateError::Modality)) => {
                    return Err(Failure::Face { path: self.embeddings, row: Some(label.row), source });
                }
            }
        }
        with_pairs(Samples { model, list, failures }, self.labels)
    }
}

impl FingerFiles {
    /// Reads and encodes.
    pub(super) fn load(self, models: &Models, model: &ModelId) -> Result<Samples, Failure> {
        let (samples, index) = self.read(models, model)?;
        with_pairs(samples, index)
    }

    /// The same where only strangers of one sensor are asked for, so that one print of each finger will do.
    pub(super) fn load_strangers(self, models: &Models, model: &ModelId) -> Result<Samples, Failure> {
        let (samples, index) = self.read(models, model)?;
        name_failures(&samples);
        let crowd = samples.crowd();
        match crowd.sets() {
            0 | 1 if crowd.people() < 2 => {
                Err(Failure::NoPairs { path: index, kind: "impostor", need: "two people of one database" })
            }
            0 | 1 => Ok(samples),
            sets => Err(Failure::Sensors(sets, index)),
        }
    }

    /// The samples, and the table that names them.
    fn read(self, models: &Models, model: &ModelId) -> Result<(Samples, PathBuf), Failure> {
        let model = find(models, model, Modality::Finger)?;
        let index = self.index.unwrap_or_else(|| self.records.join("index.csv"));
        let labels =
            finger_labels(&files::read(&index)?).map_err(|source| Failure::Table { path: index.clone(), source })?;
        let (mut list, mut failures) = (Vec::with_capacity(labels.len()), Vec::new());
        for label in labels {
            let path = self.records.join(&label.file);
            match encode(&path, &model)? {
                Ok(template) => list.push(Sample { set: label.db, person: label.finger, group: label.group, template }),
                Err(why) => failures.push(no_template(path.display(), why)),
            }
        }
        Ok((Samples { model, list, failures }, index))
    }
}

/// The template of a record's first view, or why there is none.
fn encode(path: &Path, model: &Model) -> Result<Result<Template, String>, Failure> {
    let bytes = files::read(path)?;
    let minutiae = match Record::read(&bytes).and_then(|record| Ok(record.view(Wanted::default())?.minutiae())) {
        Ok(minutiae) => minutiae,
        Err(refused) => return Ok(Err(format!("{}: {refused}", refused.reason()))),
    };
    Ok(finger::encode(&minutiae, model).map_err(|refused| refused.to_string()))
}
