//! Faces: quantises the embedding of an ArcFace-like extractor.

use zeroize::Zeroizing;

use super::model::Model;
use super::quantise::{Sparse, round_to_band};
use super::{Shape, Template};
use crate::name::Modality;

/// Why an embedding makes no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The model is not one of faces.
    #[error("the model is not for faces")]
    Modality,
    /// Another number of components than the model's.
    #[error("the model needs embeddings of {expected} components, found {found}")]
    Dimension {
        /// The model's.
        expected: usize,
        /// The embedding's.
        found: usize,
    },
    /// A component is infinite or not a number.
    #[error("a component of the embedding is not finite")]
    NotFinite,
    /// All components are zero: there is no direction.
    #[error("the embedding is zero")]
    Zero,
    /// Too few components carry the length, so no scale gives the template the length that the nodes require.
    #[error("the embedding is too sparse to be quantised")]
    Sparse,
}

/// Rounds the direction of an embedding to components in -7..=7 whose squared length is 6 d within 2 %.
///
/// The embedding need not have length 1.
///
/// # Errors
/// [`TemplateError`] if the embedding is not one of this model, or no scale gives it the required length.
pub fn quantise(embedding: &[f32], model: &Model) -> Result<Template, TemplateError> {
    if model.modality() != Modality::Face {
        return Err(TemplateError::Modality);
    }
    quantise_to(embedding, model.dimension())
}

/// [`quantise`], for a model of faces of which no more is known than its number of components.
///
/// # Errors
/// As [`quantise`]; [`TemplateError::Modality`] if no vector has so many components.
pub fn quantise_to(embedding: &[f32], dimension: usize) -> Result<Template, TemplateError> {
    let shape = Shape::vector(dimension).ok_or(TemplateError::Modality)?;
    if embedding.len() != dimension {
        return Err(TemplateError::Dimension { expected: dimension, found: embedding.len() });
    }
    if embedding.iter().any(|x| !x.is_finite()) {
        return Err(TemplateError::NotFinite);
    }
    let length = embedding.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length == 0.0 {
        return Err(TemplateError::Zero);
    }
    let unit: Zeroizing<Vec<f64>> = Zeroizing::new(embedding.iter().map(|&x| f64::from(x) / length).collect());
    let mut template = Template { shape, components: vec![0; dimension].into_boxed_slice() };
    round_to_band(&unit, &mut template.components).map_err(|Sparse| TemplateError::Sparse)?;
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::model::Models;

    #[test]
    fn an_embedding_that_is_not_one_is_refused_with_its_reason() {
        let models = Models::built_in();
        let model = models.find(&"sface128".parse().unwrap()).unwrap();
        let good: Vec<f32> = (0..128_u8).map(|i| f32::from(i) - 60.5).collect();
        let with = |value| {
            let mut bad = good.clone();
            bad[77] = value;
            quantise(&bad, model).unwrap_err()
        };
        let mut axis = vec![0.0; 128];
        axis[5] = 1.0;
        assert!(quantise(&good, model).is_ok());
        assert_eq!(with(f32::NAN), TemplateError::NotFinite);
        assert_eq!(with(f32::NEG_INFINITY), TemplateError::NotFinite);
        assert_eq!(quantise(&[0.0; 128], model).unwrap_err(), TemplateError::Zero);
        assert_eq!(quantise(&axis, model).unwrap_err(), TemplateError::Sparse);
        for found in [0, 127, 129, 512] {
            let wrong = vec![1.0; found];
            assert_eq!(quantise(&wrong, model).unwrap_err(), TemplateError::Dimension { expected: 128, found });
        }
    }

    #[test]
    fn the_length_of_the_embedding_does_not_matter() {
        let models = Models::built_in();
        let model = models.find(&"sface128".parse().unwrap()).unwrap();
        let one: Vec<f32> = (0..128_u8).map(|i| f32::from(i) - 60.5).collect();
        let two: Vec<f32> = one.iter().map(|x| x * 1024.0).collect();
        assert_eq!(*quantise(&one, model).unwrap().pack(), *quantise(&two, model).unwrap().pack());
    }
}
