//! What a minutia has around it, from its own point of view: the same wherever the finger lay and however it was turned.
//!
//! Minutia Cylinder-Code (R. Cappelli, M. Ferrara, D. Maltoni, IEEE TPAMI 32(12), 2010), with another geometry: 10 x 10 cells over a
//! radius of 85 px where the paper has 8 or 16 over 70, and 6 directions. Lengths are in pixels at 500 dpi.

use std::f64::consts::{PI, SQRT_2, TAU};
use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::minutiae::{Hull, Minutia, Place};

/// Values of a cylinder: cell by cell, in each cell direction by direction.
pub(super) const VALUES: usize = CELLS * DIRECTIONS;

/// Cells whose centre lies within the radius.
const CELLS: usize = 80;
const DIRECTIONS: usize = 6;
const CELLS_ACROSS: u8 = 10;
const RADIUS: f64 = 85.0;
const CELL_SIDE: f64 = 2.0 * RADIUS / 10.0;
const DIRECTION_STEP: f64 = TAU / 6.0;
/// Spread of a minutia over places.
const SIGMA: f64 = 28.0 / 3.0;
/// How far it spreads at all.
const REACH: f64 = 3.0 * SIGMA;
/// Spread of a minutia over directions.
const SIGMA_DIRECTION: f64 = TAU / 9.0;
/// Where a value is one half, and how steep it rises there.
const MIDDLE: f64 = 0.01;
const STEEPNESS: f64 = 400.0;
/// How far outside the minutiae's hull a cell still counts as finger.
const MARGIN: f64 = 50.0;
const LEAST_VALID_CELLS: usize = 60;
const LEAST_NEIGHBOURS: usize = 2;

/// Centres of the cells for a minutia at 0 that points right.
static OFFSETS: LazyLock<[Place; CELLS]> = LazyLock::new(|| {
    let along = || (0..CELLS_ACROSS).map(|cell| (f64::from(cell) - 4.5) * CELL_SIDE);
    let all = along().flat_map(|u| along().map(move |v| [u, v]));
    let inside: Vec<Place> = all.filter(|[u, v]| u * u + v * v <= RADIUS * RADIUS).collect();
    inside.try_into().expect("80 of the 100 centres lie within the radius")
});

/// A minutia near the one in the middle.
struct Neighbour {
    place: Place,
    /// What it adds to each direction of a cell that it lies in.
    share: [f64; DIRECTIONS],
}

/// Writes the cylinder of one minutia, each value in 0..=1; `false` where too little of the finger is around it.
pub(super) fn cylinder(minutiae: &[Minutia], hull: &Hull, own: usize, values: &mut [f64; VALUES]) -> bool {
    let centre = &minutiae[own];
    let others = || minutiae.iter().enumerate().filter(|&(index, _)| index != own).map(|(_, other)| other);
    let distance = |other: &Minutia| (other.place[0] - centre.place[0]).hypot(other.place[1] - centre.place[1]);
    if others().filter(|other| distance(other) <= RADIUS + REACH).count() < LEAST_NEIGHBOURS {
        return false;
    }
    // Room for all, so that it never moves and leaves a copy behind.
    let mut near = Zeroizing::new(Vec::with_capacity(minutiae.len()));
    // A pixel more than reaches any cell: which cells are reached is decided there.
    near.extend(
        others()
            .filter(|other| distance(other) <= RADIUS + REACH + 1.0)
            .map(|other| Neighbour { place: other.place, share: share(centre.direction - other.direction) }),
    );
    let (sine, cosine) = centre.direction.sin_cos();
    let mut valid = 0;
    for (cell, &[u, v]) in values.as_chunks_mut::<DIRECTIONS>().0.iter_mut().zip(&*OFFSETS) {
        let place = [centre.place[0] + cosine * u - sine * v, centre.place[1] + sine * u + cosine * v];
        if hull.holds(place, MARGIN) {
            valid += 1;
            *cell = fill(place, &near);
        } else {
            *cell = [0.0; DIRECTIONS];
        }
    }
    valid >= LEAST_VALID_CELLS
}

/// The values of one cell.
fn fill(place: Place, near: &[Neighbour]) -> [f64; DIRECTIONS] {
    let mut sums = [0.0; DIRECTIONS];
    for neighbour in near {
        let off = [neighbour.place[0] - place[0], neighbour.place[1] - place[1]];
        let squared = off[0] * off[0] + off[1] * off[1];
        if squared <= REACH * REACH {
            let weight = (-squared / (2.0 * SIGMA * SIGMA)).exp() / (SIGMA * TAU.sqrt());
            sums.iter_mut().zip(neighbour.share).for_each(|(sum, share)| *sum += weight * share);
        }
    }
    sums.map(|sum| 1.0 / (1.0 + (-STEEPNESS * (sum - MIDDLE)).exp()))
}

/// How much of a minutia's direction, turned by this much against the middle one's, falls to each of the six.
fn share(turned: f64) -> [f64; DIRECTIONS] {
    let turned = wrap(turned);
    let below = |limit: f64| libm::erf(limit / (SIGMA_DIRECTION * SQRT_2));
    let mut middle = -PI - DIRECTION_STEP / 2.0;
    [(); DIRECTIONS].map(|()| {
        middle += DIRECTION_STEP;
        let off = wrap(middle - turned);
        0.5 * (below(off + DIRECTION_STEP / 2.0) - below(off - DIRECTION_STEP / 2.0))
    })
}

/// An angle's equal in -pi..pi.
fn wrap(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}

impl zeroize::Zeroize for Neighbour {
    fn zeroize(&mut self) {
        self.place.zeroize();
        self.share.zeroize();
    }
}
