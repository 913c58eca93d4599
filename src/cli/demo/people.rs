//! Whose faces the demo compares: made up, or from a data set.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ndarray::Array2;
use ndarray_npy::ReadNpyExt as _;
use tumar::name::ModelId;
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::model::{Fmr, Model, Models};

use crate::cli::failure::Failure;
use crate::cli::files;

/// The model of all templates of the demo.
const MODEL: &str = "fr512";

/// Images of one made-up person.
const IMAGES: usize = 8;

/// People, each with at least two images as templates; the first is the reference.
pub(super) struct People {
    /// `synthetic` or the set's name.
    pub(super) source: &'static str,
    /// The extractor.
    pub(super) model: Model,
    images: Vec<Vec<Template>>,
}

impl People {
    /// Random directions, and around each of them some with noise: from nearly the same to hardly alike.
    pub(super) fn synthetic(count: usize) -> Result<Self, Failure> {
        let model = model()?;
        let mut draw = Draw(0x7475_6d61_7221);
        let mut images = Vec::with_capacity(count);
        for _ in 0..count {
            let face = draw.direction(model.dimension());
            let mut of_one = Vec::with_capacity(IMAGES);
            for image in 0_u8..8 {
                // Length of the noise relative to the face: 0.3 to 1.15. Cosines then run from above 0.9 to below 0.6.
                let strength = if image == 0 { 0.3 } else { 0.3 + 0.17 * f32::from(image - 1) };
                let noise = draw.direction(model.dimension());
                let embedding: Vec<f32> =
                    face.iter().zip(&noise).map(|(face, noise)| face + strength * noise).collect();
                of_one.push(quantise(&embedding, &model)?);
            }
            images.push(of_one);
        }
        Ok(Self { source: "synthetic", model, images })
    }

    /// People of `faces/lfw_dev_fr512.npy` with two images or more, evenly from the whole set.
    pub(super) fn of_set(folder: &Path, count: usize) -> Result<Self, Failure> {
        let model = model()?;
        let array = folder.join("faces").join("lfw_dev_fr512.npy");
        let labels = folder.join("faces").join("lfw_dev_labels.csv");
        let file = File::open(&array).map_err(|source| Failure::File { path: array.clone(), source })?;
        let embeddings = Array2::<f32>::read_npy(file).map_err(|_| Failure::Array(array.clone()))?;
        let text = String::from_utf8_lossy(&files::read(&labels)?).into_owned();
        let people = identities(&text, embeddings.nrows()).ok_or(Failure::Labels(labels))?;
        let people: Vec<Vec<usize>> = people.into_values().filter(|rows| rows.len() > 1).collect();
        if people.len() < count {
            return Err(Failure::People { found: people.len(), wanted: count });
        }
        let chosen = (0..count).map(|place| &people[place * people.len() / count]);
        let image = |row: &usize| quantise(&embeddings.row(*row).to_vec(), &model);
        let images = chosen.map(|rows| rows.iter().map(image).collect()).collect::<Result<_, _>>()?;
        Ok(Self { source: "lfw_dev", model, images })
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.images.len()
    }

    /// The least score that is a match at this rate.
    pub(super) fn threshold(&self, rate: Fmr) -> i16 {
        let shape = self.images[0][0].shape();
        self.model.threshold(rate, shape, shape)
    }

    /// The name of the extractor.
    pub(super) fn model_id(&self) -> &ModelId {
        self.model.id()
    }

    /// What a person is enrolled by.
    pub(super) fn reference(&self, person: usize) -> &Template {
        &self.images[person][0]
    }

    /// Another image of the same person; counts round.
    pub(super) fn probe(&self, person: usize, image: usize) -> &Template {
        let images = &self.images[person];
        &images[1 + image % (images.len() - 1)]
    }
}

fn model() -> Result<Model, Failure> {
    Models::built_in().find(&MODEL.parse()?).cloned().ok_or(Failure::Model)
}

/// Rows by identity, from a table with the columns row, identity and more.
fn identities(text: &str, rows: usize) -> Option<BTreeMap<u64, Vec<usize>>> {
    let mut people: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut columns = line.split(',');
        let row: usize = columns.next()?.trim().parse().ok().filter(|row| *row < rows)?;
        people.entry(columns.next()?.trim().parse().ok()?).or_default().push(row);
    }
    Some(people)
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the same faces at every run. For made-up data alone, never for a secret.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// From 0 to 1, in steps of 2^-16.
    fn fraction(&mut self) -> f32 {
        let [high, low, ..] = self.next().to_be_bytes();
        f32::from(u16::from_be_bytes([high, low])) / 65536.0
    }

    /// A vector of length about 1: twelve fractions less six are nearly normal.
    fn direction(&mut self, dimension: usize) -> Vec<f32> {
        let mut vector: Vec<f32> =
            (0..dimension).map(|_| (0..12).map(|_| self.fraction()).sum::<f32>() - 6.0).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        for x in &mut vector {
            *x /= length;
        }
        vector
    }
}
