//! The research sets that the tests measure on, where they are at hand.

#![allow(unreachable_pub)]

use crate::support::datasets::folder;
use ndarray::Array2;

/// Embeddings and identities of one set: row by row.
pub struct Faces {
    pub embeddings: Array2<f32>,
    pub people: Vec<u32>,
}

/// Reads `SET_MODEL.npy` and the set's labels from `TUMAR_DATA` (`../shared/data` if unset).
///
/// `None`, and a loud line, where the folder is not there; a file that is there and does not read is a failure.
pub fn faces(set: &str, model: &str) -> Option<Faces> {
    let folder = folder("faces")?;
    let embeddings: Array2<f32> = ndarray_npy::read_npy(folder.join(format!("{set}_{model}.npy"))).unwrap();
    let labels = std::fs::read_to_string(folder.join(format!("{set}_labels.csv"))).unwrap();
    let people: Vec<u32> =
        labels.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(people.len(), embeddings.nrows());
    Some(Faces { embeddings, people })
}
