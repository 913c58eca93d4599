//! What is in the one box of a record: which extractor made each reference, and of what shape.

use std::fmt;
use std::str::FromStr;

use super::StoreError;
use super::record::Reference;
use crate::name::ModelId;
use crate::template::Shape;

/// Model and shape of each reference, in the order in which their words stand in the box.
///
/// As text, in a column of its own and bound into the box: `fr512 1x512;leader-rows-3 38x140`. One text for one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents(Vec<(ModelId, Shape)>);

impl Contents {
    pub(super) fn of(references: &[Reference]) -> Self {
        Self(references.iter().map(|Reference { model, share }| (model.clone(), share.shape())).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(ModelId, Shape)> {
        self.0.iter()
    }

    /// Bytes of the box's plaintext: two for each component.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(_, shape)| 2 * shape.components()).sum()
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (model, shape)) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { ";" };
            write!(f, "{before}{model} {shape}")?;
        }
        Ok(())
    }
}

impl FromStr for Contents {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let reference = |text: &str| {
            let (model, shape) = text.split_once(' ')?;
            let (rows, columns) = shape.split_once('x')?;
            Some((model.parse().ok()?, Shape::new(rows.parse().ok()?, columns.parse().ok()?)?))
        };
        let contents = Self(text.split(';').map(reference).collect::<Option<_>>().ok_or(StoreError::Form)?);
        // What does not print back as it came is not what was written.
        if contents.to_string() == text { Ok(contents) } else { Err(StoreError::Form) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_references_has_one_text() {
        for text in ["fr512 1x512", "fr512 1x512;leader-rows-3 38x140", "leader-rows-3 4x140;leader-rows-3 40x140"] {
            assert_eq!(text.parse::<Contents>().unwrap().to_string(), text);
        }
        assert_eq!("fr512 1x512;leader-rows-3 38x140".parse::<Contents>().unwrap().bytes(), 1024 + 38 * 280);
        for bad in
            ["", ";", "fr512", "fr512 1x512;", "fr512 1x511", "fr512 01x512", "rows 3x140", "FR 1x512", "fr512  1x512"]
        {
            assert!(matches!(bad.parse::<Contents>(), Err(StoreError::Form)), "{bad}");
        }
    }
}
