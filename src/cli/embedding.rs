//! `--template F.npy`: an embedding as an extractor wrote it, made into a template.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use ndarray::{Array1, Array2};
use ndarray_npy::ReadNpyExt as _;
use tumar::client::Capture;
use tumar::name::ModelId;
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::model::Models;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::files;

/// Where a template comes from.
#[derive(Debug, Args)]
pub(super) struct Embedding {
    /// NPY file of float32: one embedding [d], or many [n, d]
    #[arg(long)]
    template: PathBuf,
    /// Which of many
    #[arg(long)]
    row: Option<usize>,
    /// The extractor that made it
    #[arg(long, default_value = "fr512")]
    model: ModelId,
    /// A table of models, instead of the one that `tumar init` writes
    #[arg(long)]
    models: Option<PathBuf>,
}

impl Embedding {
    /// Reads and quantises.
    pub(super) fn read(&self) -> Result<Template, Failure> {
        let models = match &self.models {
            None => Models::built_in(),
            Some(path) => Models::parse(&String::from_utf8_lossy(&files::read(path)?))
                .map_err(|source| Failure::Models { path: path.clone(), source })?,
        };
        let model = models.find(&self.model).ok_or(Failure::Model)?;
        Ok(quantise(&self.embedding()?, model)?)
    }

    /// The template that was read, with the extractor's name.
    pub(super) const fn capture<'a>(&'a self, template: &'a Template) -> Capture<'a> {
        Capture { model: &self.model, template }
    }

    fn open(&self) -> Result<File, Failure> {
        File::open(&self.template).map_err(|source| Failure::File { path: self.template.clone(), source })
    }

    fn embedding(&self) -> Result<Zeroizing<Vec<f32>>, Failure> {
        if let Ok(one) = Array1::<f32>::read_npy(self.open()?) {
            return match self.row {
                None | Some(0) => Ok(Zeroizing::new(one.to_vec())),
                Some(_) => Err(Failure::Row { path: self.template.clone(), rows: 1 }),
            };
        }
        let many = Array2::<f32>::read_npy(self.open()?).map_err(|_| Failure::Array(self.template.clone()))?;
        let rows = many.nrows();
        match self.row.or((rows == 1).then_some(0)) {
            Some(row) if row < rows => Ok(Zeroizing::new(many.row(row).to_vec())),
            Some(_) | None => Err(Failure::Row { path: self.template.clone(), rows }),
        }
    }
}
