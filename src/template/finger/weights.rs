//! Learned weights, built in. Where they are from: `weights/README.md`.

use std::sync::LazyLock;

use super::cylinder::VALUES;
use super::fixed::PAIRS;
use crate::template::ROW;

/// The extractor and version that the built-in weights fit. Templates made with others never meet these.
pub const WEIGHTS: &str = "leader-1";

/// What turns cylinders into rows, and rows into one vector.
pub(super) struct Weights {
    /// [`ROW`] lines of [`VALUES`].
    projection: Box<[f32]>,
    /// [`VALUES`].
    pub(super) mean: Box<[f32]>,
    /// [`PAIRS`].
    pub(super) second_order_mean: Box<[f32]>,
}

impl Weights {
    /// The lines of the projection, one a column of a row.
    pub(super) fn lines(&self) -> &[[f32; VALUES]] {
        self.projection.as_chunks().0
    }
}

const PROJECTION: &[u8] = include_bytes!("weights/leader-1/projection.f32");
const MEAN: &[u8] = include_bytes!("weights/leader-1/mean.f32");
const SECOND_ORDER_MEAN: &[u8] = include_bytes!("weights/leader-1/second-order-mean.f32");

const _: () = assert!(PROJECTION.len() == 4 * ROW * VALUES);
const _: () = assert!(MEAN.len() == 4 * VALUES);
const _: () = assert!(SECOND_ORDER_MEAN.len() == 4 * PAIRS);

/// Read once, on first use.
pub(super) static LEADER: LazyLock<Weights> = LazyLock::new(|| Weights {
    projection: floats(PROJECTION),
    mean: floats(MEAN),
    second_order_mean: floats(SECOND_ORDER_MEAN),
});

fn floats(bytes: &[u8]) -> Box<[f32]> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;

    #[test]
    fn the_weights_are_those_that_their_readme_names() {
        let readme = include_str!("weights/README.md");
        for (name, bytes) in [("projection", PROJECTION), ("mean", MEAN), ("second-order-mean", SECOND_ORDER_MEAN)] {
            let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
            let line = readme.lines().find(|line| line.starts_with(&format!("| `{name}.f32`"))).unwrap();
            assert!(line.contains(&hex(digest.as_ref())), "{name} is not as published");
            assert!(floats(bytes).iter().all(|value| value.is_finite()));
        }
        assert!(readme.contains(&format!("## {WEIGHTS}\n")));
    }
}
