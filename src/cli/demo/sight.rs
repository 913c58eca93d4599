//! What each node could see: whether it looks like anything.

use std::path::Path;

use tumar::party::Party;

use super::world::World;
use crate::cli::init;

/// The statistic of 256 equally likely bytes has 255 degrees of freedom: mean 255, deviation 22.6. Five deviations either way.
const NOISE: std::ops::RangeInclusive<f64> = 142.0..=368.0;

/// What one node could see.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) party: Party,
    /// Bytes of shares: opened from envelopes, and received from peers.
    pub(super) received: u64,
    /// Of those bytes, against the uniform distribution.
    pub(super) chi_squared: f64,
    /// Bits that were opened to it: one for each comparison, and the two of each length check.
    pub(super) opened: u64,
    /// Bytes of the record store, sealed.
    pub(super) stored: u64,
}

impl Sight {
    /// Whether what it received looks like noise.
    pub(super) fn is_noise(&self) -> bool {
        NOISE.contains(&self.chi_squared)
    }
}

/// Pearson's statistic of a histogram of bytes.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn chi_squared(histogram: &[u64; 256]) -> f64 {
    let expected = histogram.iter().sum::<u64>() as f64 / 256.0;
    histogram.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
}

/// What each node could see so far.
pub(super) fn of(world: &World) -> Vec<Sight> {
    let sight = |(party, node): (Party, &tumar::node::Node)| {
        let saw = node.what_it_saw();
        Sight {
            party,
            received: saw.histogram.iter().sum(),
            chi_squared: chi_squared(&saw.histogram),
            opened: saw.opened,
            stored: size_of(&init::node_config(world.folder(), party).with_file_name("data")),
        }
    };
    Party::ALL.into_iter().zip(world.nodes()).map(sight).collect()
}

/// Bytes of all files in a folder, without those in folders inside it. What can not be read counts nothing.
fn size_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}
