//! Whose faces and fingers the demo compares and the load is made of: made up, or from data sets.

use std::collections::BTreeMap;
use std::path::Path;

use tumar::client::Capture;
use tumar::eval::table::{TableError, face_labels, finger_labels};
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::finger::record::Wanted;
use tumar::template::model::{Fmr, Fusion, Model, Models};
use zeroize::Zeroizing;

use super::captures::of_record;
use super::failure::Failure;
use super::files;
use super::npy::Array;
use super::synthetic::Draw;

/// Images and impressions of one made-up person.
const IMAGES: usize = 8;
/// Impressions that a person is enrolled by; of the face it is one image.
const REFERENCES: usize = 2;

/// By what a person is compared: a purpose, an amount, and so a rule of the default policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A face: cash, a little.
    Face,
    /// A finger: cash, a little.
    Finger,
    /// Both, each of which must match: much cash, and the phone.
    Both,
    /// Both in one score: a new card, and the phone.
    Fused,
}

impl By {
    pub(super) const ALL: [Self; 4] = [Self::Face, Self::Finger, Self::Both, Self::Fused];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Finger => "finger",
            Self::Both => "both",
            Self::Fused => "fused",
        }
    }

    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Self::Face | Self::Finger | Self::Both => "cash_withdrawal",
            Self::Fused => "card_activation",
        }
    }

    /// Whole tenge.
    pub(super) const fn amount(self) -> u64 {
        match self {
            Self::Face | Self::Finger => 40_000,
            Self::Both => 1_200_000,
            Self::Fused => 0,
        }
    }

    /// What the default policy compares at, for that purpose and amount.
    const fn rate(self) -> Fmr {
        match self {
            Self::Face | Self::Finger => Fmr::E4,
            Self::Both | Self::Fused => Fmr::E5,
        }
    }
}

/// What somebody shows at the machine.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) face: Option<&'a Template>,
    pub(super) finger: Option<&'a Template>,
}

struct Person {
    faces: Vec<Template>,
    fingers: Vec<Template>,
}

/// People, each with images of a face and impressions of a finger; the first are the references.
pub(super) struct People {
    /// `synthetic` or the sets' names.
    pub(super) source: &'static str,
    /// The extractors.
    pub(super) face: Model,
    pub(super) finger: Model,
    fusion: Fusion,
    list: Vec<Person>,
}

impl People {
    fn new(source: &'static str) -> Result<Self, Failure> {
        let models = Models::built_in();
        let model = |id: &str| models.find(&id.parse()?).cloned().ok_or(Failure::Model);
        let (face, finger) = (model("fr512")?, model("leader-rows-3")?);
        let fusion = models.fusion(face.id(), finger.id()).cloned().ok_or(Failure::Model)?;
        Ok(Self { source, face, finger, fusion, list: Vec::new() })
    }

    /// Random directions, and around each of them some with noise: from nearly the same to hardly alike; and random minutiae, each
    /// time a little moved.
    pub(super) fn synthetic(count: usize) -> Result<Self, Failure> {
        let mut made = Self::new("synthetic")?;
        let mut draw = Draw::from_seed(0x7475_6d61_7221);
        for _ in 0..count {
            let face = draw.direction(made.face.dimension());
            let finger = draw.finger();
            let mut person = Person { faces: Vec::with_capacity(IMAGES), fingers: Vec::with_capacity(IMAGES) };
            for image in 0_u8..8 {
                // Length of the noise relative to the face: 0.3 to 1.15. Cosines then run from above 0.9 to below 0.6.
                let strength = if image == 0 { 0.3 } else { 0.3 + 0.17 * f32::from(image - 1) };
                let noise = draw.direction(made.face.dimension());
                let embedding: Vec<f32> =
                    face.iter().zip(&noise).map(|(face, noise)| face + strength * noise).collect();
                person.faces.push(quantise(&embedding, &made.face)?);
                let record = finger.impression(&mut draw);
                person.fingers.push(of_record(Path::new("made up"), &record, Wanted::default(), &made.finger)?);
            }
            made.list.push(person);
        }
        Ok(made)
    }

    /// Chimeric people: a face of `faces/lfw_dev_fr512.npy` and a finger of `fingers/index.csv`, paired by their order. Those with
    /// two images or more, evenly from the whole set, and three impressions or more.
    pub(super) fn of_sets(folder: &Path, count: usize) -> Result<Self, Failure> {
        let mut real = Self::new("lfw_dev with FVC and FCJ2020")?;
        let array = folder.join("faces").join("lfw_dev_fr512.npy");
        let labels = folder.join("faces").join("lfw_dev_labels.csv");
        let embeddings = Array::read(&array)?;
        let faces = identities(&files::read(&labels)?, embeddings.rows())
            .map_err(|source| Failure::Table { path: labels, source })?;
        let faces: Vec<Vec<usize>> = faces.into_iter().filter(|rows| rows.len() > 1).collect();
        let index = folder.join("fingers").join("index.csv");
        let fingers =
            impressions(&files::read(&index)?).map_err(|source| Failure::Table { path: index.clone(), source })?;
        let fingers: Vec<Vec<String>> = fingers.into_iter().filter(|files| files.len() > REFERENCES).collect();
        let found = faces.len().min(fingers.len());
        if found < count {
            return Err(Failure::People { found, wanted: count });
        }
        let finger = |file: &String| {
            let path = folder.join("fingers").join(file);
            of_record(&path, &Zeroizing::new(files::read(&path)?), Wanted::default(), &real.finger)
        };
        let mut people = Vec::with_capacity(count);
        for place in 0..count {
            let rows = &faces[place * faces.len() / count];
            let records = &fingers[place * fingers.len() / count];
            let face = |row: &usize| {
                let at = |source| Failure::Face { path: array.clone(), row: Some(*row), source };
                quantise(&embeddings.row(*row), &real.face).map_err(at)
            };
            people.push(Person {
                faces: rows.iter().map(face).collect::<Result<_, _>>()?,
                fingers: records.iter().map(finger).collect::<Result<_, _>>()?,
            });
        }
        real.list = people;
        Ok(real)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// What a person is enrolled by: one face, two impressions of a finger.
    pub(super) fn references(&self, person: usize) -> Vec<Capture<'_>> {
        let Person { faces, fingers } = &self.list[person];
        let face = Capture { model: self.face.id(), template: &faces[0] };
        let fingers = fingers[..REFERENCES].iter().map(|template| Capture { model: self.finger.id(), template });
        std::iter::once(face).chain(fingers).collect()
    }

    /// Another image and impression of the same person; counts round.
    pub(super) fn shown(&self, person: usize, image: usize, by: By) -> Shown<'_> {
        let Person { faces, fingers } = &self.list[person];
        let face = &faces[1 + image % (faces.len() - 1)];
        let finger = &fingers[REFERENCES + image % (fingers.len() - REFERENCES)];
        match by {
            By::Face => Shown { face: Some(face), finger: None },
            By::Finger => Shown { face: None, finger: Some(finger) },
            By::Both | By::Fused => Shown { face: Some(face), finger: Some(finger) },
        }
    }

    /// For a request.
    pub(super) fn captures<'a>(&'a self, shown: &Shown<'a>) -> Vec<Capture<'a>> {
        let face = shown.face.map(|template| Capture { model: self.face.id(), template });
        let finger = shown.finger.map(|template| Capture { model: self.finger.id(), template });
        face.into_iter().chain(finger).collect()
    }

    /// What a person is found by: one face.
    pub(super) fn face_of(&self, person: usize) -> Capture<'_> {
        Capture { model: self.face.id(), template: &self.list[person].faces[0] }
    }

    /// Who a face finds among all of these, by plain integers.
    pub(super) fn found(&self, face: &Template, rate: Fmr) -> Vec<usize> {
        let matches = |person: &usize| {
            let reference = &self.list[*person].faces[0];
            face.matches_vartime(reference, self.face.threshold(rate, face.shape(), reference.shape()))
        };
        (0..self.count()).filter(matches).collect()
    }

    /// What plain integers say of somebody in a person's name: the bit that the nodes must open.
    pub(super) fn matches(&self, claimed: usize, shown: &Shown<'_>, by: By) -> bool {
        let Person { faces, fingers } = &self.list[claimed];
        let (face, fingers) = (&faces[0], &fingers[..REFERENCES]);
        let by_face =
            |probe: &Template| probe.matches_vartime(face, self.face.threshold(by.rate(), probe.shape(), face.shape()));
        let by_finger = |probe: &Template| {
            let threshold = |other: &Template| self.finger.threshold(by.rate(), probe.shape(), other.shape());
            fingers.iter().any(|other| probe.matches_vartime(other, threshold(other)))
        };
        let fused = |face_probe: &Template, probe: &Template| {
            let face = i32::from(self.fusion.face_weight()) * face_probe.score_vartime(face);
            let weight = |other: &Template| i32::from(self.fusion.finger_weight(probe.shape(), other.shape()));
            let score = |other: &Template| face + weight(other) * probe.score_vartime(other);
            fingers.iter().any(|other| score(other) >= i32::from(self.fusion.threshold(by.rate())))
        };
        match (shown.face, shown.finger) {
            (Some(face), Some(finger)) if by == By::Fused => fused(face, finger),
            (face, finger) => face.is_none_or(by_face) && finger.is_none_or(by_finger),
        }
    }
}

/// Rows by identity; identities that are numbers come in their order.
fn identities(csv: &[u8], rows: usize) -> Result<Vec<Vec<usize>>, TableError> {
    let labels = face_labels(csv, rows)?.into_iter();
    Ok(gather(labels.map(|label| ((label.identity.len(), label.identity), label.row))))
}

/// Files by set and finger.
fn impressions(csv: &[u8]) -> Result<Vec<Vec<String>>, TableError> {
    let labels = finger_labels(csv)?.into_iter();
    Ok(gather(labels.map(|label| ((label.db, label.finger), label.file))))
}

fn gather<K: Ord, T>(labels: impl Iterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut people: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, one) in labels {
        people.entry(key).or_default().push(one);
    }
    people.into_values().collect()
}
