//! `--face F.npy` and `--finger F.fmr`: what extractors wrote, made into templates.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use tumar::client::Capture;
use tumar::name::{Modality, ModelId};
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::finger::record::{FingerPosition, Record, Wanted};
use tumar::template::finger::{self as fingers, folder};
use tumar::template::model::{Model, Models};
use tumar::wire::MOST_SAMPLES;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::files;
use super::npy::Array;

/// The encoding of a finger that is compared with one person's.
pub(super) const ROWS: &str = "leader-rows-3";

/// The encoding of a finger that is looked for among many.
pub(super) const VECTOR: &str = "leader-fixed-1";

/// Where templates come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Captures, at least one")]
pub(super) struct Captures {
    /// A face: NPY file of float32, float64 or float16, one embedding [d], or many [n, d] of which ROW is used
    #[arg(long, value_name = "F.npy[:ROW]")]
    face: Vec<Place>,
    /// A finger: minutiae record, ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004; of several, POSITION (0 to 10) and view
    #[arg(long, value_name = "F.fmr[:POSITION[.VIEW]]")]
    finger: Vec<Place>,
    /// The extractor that made the embeddings
    #[arg(long, default_value = "sface128")]
    face_model: ModelId,
    /// The encoding of minutiae; leader-rows-3 if not given, in searches leader-fixed-1, and at an enrolment both. At an enrolment
    /// it may be given several times
    #[arg(long)]
    finger_model: Vec<ModelId>,
    #[command(flatten)]
    table: Table,
}

/// Which models there are.
#[derive(Debug, Args)]
pub(super) struct Table {
    /// A table of models, instead of the one that `tumar init` writes
    #[arg(long)]
    models: Option<PathBuf>,
    /// A folder that `tumar-train fit` wrote: its model is one more, and takes the place of leader-rows-3 where none is named
    #[arg(long, value_name = "DIR")]
    model_folder: Option<PathBuf>,
}

impl Table {
    /// The table with the folder's model, and which that is.
    pub(super) fn read(&self) -> Result<(Models, Option<ModelId>), Failure> {
        let models = match &self.models {
            None => Models::built_in(),
            Some(path) => Models::parse(&String::from_utf8_lossy(&files::read(path)?))
                .map_err(|source| Failure::Models { path: path.clone(), source })?,
        };
        let Some(path) = &self.model_folder else { return Ok((models, None)) };
        let model = folder::read(|name| std::fs::read(path.join(name)))
            .map_err(|source| Failure::Folder { path: path.clone(), source })?;
        let id = model.id().clone();
        let models = models.with(model).map_err(|source| Failure::Models { path: path.clone(), source })?;
        Ok((models, Some(id)))
    }
}

/// A file, and which part of it.
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    part: Option<(usize, Option<u8>)>,
}

impl FromStr for Place {
    type Err = Infallible;

    /// What follows the last colon is a part if it has digits alone; otherwise it belongs to the file's name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let part = text.rsplit_once(':').and_then(|(path, part)| {
            let (first, second) = part.split_once('.').map_or((part, None), |(first, second)| (first, Some(second)));
            Some((path, (first.parse().ok()?, second.map(str::parse).transpose().ok()?)))
        });
        Ok(match part {
            Some((path, part)) => Self { path: path.into(), part: Some(part) },
            None => Self { path: text.into(), part: None },
        })
    }
}

/// Templates that were read, each with its extractor's name.
pub(super) struct Read(Vec<(ModelId, Template)>);

impl Read {
    /// For a request.
    pub(super) fn captures(&self) -> Vec<Capture<'_>> {
        self.0.iter().map(|(model, template)| Capture { model, template }).collect()
    }
}

impl Captures {
    /// Reads and quantises, faces first. Unless the arguments name another, a finger is encoded in each of these ways: in the
    /// first, and in the others where the table of models has them.
    pub(super) fn read(&self, fingers: &[&str]) -> Result<Read, Failure> {
        if self.face.is_empty() && self.finger.is_empty() {
            return Err(Failure::NoCapture);
        }
        let (models, own) = self.table.read()?;
        if own.is_some() && !fingers.contains(&ROWS) {
            return Err(Failure::FolderInSearch);
        }
        let model = |id: &ModelId| models.find(id).cloned().ok_or(Failure::Model);
        let fingers = if self.finger_model.is_empty() {
            let usual = |id: &&str| match &own {
                Some(own) if *id == ROWS => Ok(own.clone()),
                _ => id.parse(),
            };
            let mut usual = fingers.iter().map(usual).collect::<Result<Vec<ModelId>, _>>()?;
            let mut is_first = true;
            usual.retain(|id| std::mem::take(&mut is_first) || models.find(id).is_some());
            usual
        } else {
            self.finger_model.clone()
        };
        let mut read = Vec::with_capacity(self.face.len() + self.finger.len() * fingers.len());
        for place in &self.face {
            let model = model(&self.face_model)?;
            read.push((self.face_model.clone(), face(place, &model)?));
        }
        for place in &self.finger {
            for id in &fingers {
                read.push((id.clone(), finger(place, &model(id)?)?));
            }
        }
        if read.len() > MOST_SAMPLES {
            return Err(Failure::Samples { samples: read.len(), most: MOST_SAMPLES, encodings: fingers.len() });
        }
        Ok(Read(read))
    }
}

/// One embedding, as a model of faces quantises it.
fn face(Place { path, part }: &Place, model: &Model) -> Result<Template, Failure> {
    let array = Array::read(path)?;
    let (rows, width) = (array.rows(), array.width());
    let row = match part {
        Some((row, None)) if *row < rows => *row,
        None if rows == 1 => 0,
        Some(_) | None => return Err(Failure::Row { path: path.clone(), rows, width }),
    };
    let number = (!array.is_one()).then_some(row);
    quantise(&array.row(row), model).map_err(|source| Failure::Face { path: path.clone(), row: number, source })
}

fn finger(Place { path, part }: &Place, model: &Model) -> Result<Template, Failure> {
    let wanted = match part {
        None => Wanted::default(),
        Some((position, number)) => {
            let code = u8::try_from(*position).ok();
            let position = code.and_then(FingerPosition::from_code).ok_or_else(|| Failure::Position(path.clone()))?;
            Wanted { position: Some(position), number: *number }
        }
    };
    of_record(path, &Zeroizing::new(files::read(path)?), wanted, model)
}

/// One view of a record, as a model of fingers encodes it; `path` is where it came from, for errors.
pub(super) fn of_record(path: &Path, record: &[u8], wanted: Wanted, model: &Model) -> Result<Template, Failure> {
    if model.modality() != Modality::Finger {
        return Err(Failure::NotAFingers);
    }
    let of_record = |source| Failure::Record { path: path.to_owned(), source };
    let minutiae = Record::read(record).and_then(|record| Ok(record.view(wanted)?.minutiae())).map_err(of_record)?;
    fingers::encode(&minutiae, model).map_err(|source| Failure::Finger { path: path.to_owned(), source })
}
