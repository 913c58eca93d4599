//! Minutiae on one scale, and the area of the finger that they span.

use std::f64::consts::TAU;
use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::record::{Header, Mark, Standard, View};

/// The scale that the encoders' lengths are given in.
const DOTS_PER_INCH: f64 = 500.0;
const CENTIMETRES_PER_INCH: f64 = 2.54;

/// A place in pixels at 500 dpi: x to the right, y up.
pub(super) type Place = [f64; 2];

/// A minutia of no sensor: where it is and where it points.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Minutia {
    pub(super) place: Place,
    /// In radians, counter-clockwise from the right.
    pub(super) direction: f64,
    /// The same, to the nearest 256th of a turn.
    pub(super) angle: u8,
}

/// One capture's minutiae, 0 to 255, at 500 dpi, best first.
///
/// No `Clone`, `PartialEq` or `Serialize`: wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Minutiae {
    points: Box<[Minutia]>,
}

impl View {
    /// The minutiae at 500 dpi, best first.
    #[must_use]
    pub fn minutiae(&self) -> Minutiae {
        Minutiae::normalise(&self.header, &self.marks)
    }
}

impl Minutiae {
    /// Brings a record's minutiae to 500 dpi, turns y up, and sorts by falling quality; equals stay in the record's order.
    fn normalise(header: &Header, marks: &[Mark]) -> Self {
        let scale =
            header.resolution.map(|per_centimetre| DOTS_PER_INCH / (f64::from(per_centimetre) * CENTIMETRES_PER_INCH));
        let steps = match header.standard {
            Standard::Iso19794 => 256.0,
            Standard::Ansi378 => 180.0,
        };
        let mut order: Vec<&Mark> = marks.iter().collect();
        order.sort_by_key(|mark| std::cmp::Reverse(mark.quality));
        let points = order.into_iter().map(|mark| Minutia {
            place: [f64::from(mark.x) * scale[0], -f64::from(mark.y) * scale[1]],
            direction: f64::from(mark.angle) * TAU / steps,
            angle: nearest(mark.angle, header.standard),
        });
        Self { points: points.collect() }
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.points.len()
    }

    pub(super) const fn points(&self) -> &[Minutia] {
        &self.points
    }
}

/// A record's angle in 256ths of a turn. Half-way there is none, and 179 times two degrees are 254.6 of them.
fn nearest(angle: u8, standard: Standard) -> u8 {
    match standard {
        Standard::Iso19794 => angle,
        Standard::Ansi378 => u8::try_from((u16::from(angle) * 256 + 90) / 180).unwrap_or(u8::MAX),
    }
}

/// Prints how many, never one of them.
impl fmt::Debug for Minutiae {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Minutiae([{}])", self.count())
    }
}

/// The convex hull of a capture's minutiae: corners, counter-clockwise.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Hull {
    /// Never grows beyond what it was made with, so no copy is left behind.
    corners: Vec<Place>,
}

impl Hull {
    /// By the monotone chain (A. M. Andrew, 1979).
    pub(super) fn of(minutiae: &[Minutia]) -> Self {
        let mut places = zeroize::Zeroizing::new(minutiae.iter().map(|minutia| minutia.place).collect::<Vec<_>>());
        places.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        places.dedup();
        let mut corners: Vec<Place> = Vec::with_capacity(2 * places.len() + 1);
        extend(&mut corners, places.iter(), 0);
        corners.pop();
        let lower = corners.len();
        extend(&mut corners, places.iter().rev(), lower);
        corners.pop();
        if corners.is_empty() {
            corners.extend(places.first());
        }
        Self { corners }
    }

    /// Whether a place is inside, or at most so many pixels away.
    pub(super) fn holds(&self, place: Place, margin: f64) -> bool {
        let ends = || self.corners.iter().zip(self.corners.iter().cycle().skip(1));
        // Two corners or one have no inside.
        let inside = self.corners.len() > 2 && ends().all(|(&a, &b)| cross(a, b, place) >= 0.0);
        inside || ends().any(|(&a, &b)| distance_squared(a, b, place) <= margin * margin)
    }
}

/// Appends one half of the hull to the corners from `base` on: a corner goes that does not turn left.
fn extend<'a>(corners: &mut Vec<Place>, places: impl Iterator<Item = &'a Place>, base: usize) {
    for &place in places {
        while let [.., a, b] = corners[base..]
            && cross(a, b, place) <= 0.0
        {
            corners.pop();
        }
        corners.push(place);
    }
}

/// Positive where `place` lies to the left of the way from `a` to `b`.
fn cross(a: Place, b: Place, place: Place) -> f64 {
    (b[0] - a[0]) * (place[1] - a[1]) - (b[1] - a[1]) * (place[0] - a[0])
}

/// Squared distance of a place from the line between two ends, which may be one and the same.
fn distance_squared(a: Place, b: Place, place: Place) -> f64 {
    let (along, from) = ([b[0] - a[0], b[1] - a[1]], [place[0] - a[0], place[1] - a[1]]);
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-12);
    let part = ((from[0] * along[0] + from[1] * along[1]) / length).clamp(0.0, 1.0);
    let off = [from[0] - part * along[0], from[1] - part * along[1]];
    off[0] * off[0] + off[1] * off[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(standard: Standard, resolution: [u16; 2]) -> Header {
        Header { standard, product: None, certificates: 0, sensor: 0, image: [500, 500], resolution }
    }

    fn mark(x: u16, y: u16, angle: u8, quality: u8) -> Mark {
        Mark { x, y, angle, quality }
    }

    fn at(place: Place) -> Minutia {
        Minutia { place, direction: 0.0, angle: 0 }
    }

    #[test]
    fn minutiae_are_scaled_to_500_dpi_with_y_up_and_the_best_come_first() {
        // 394 pixels per centimetre are 1000 dpi but for rounding, 100 are 254.
        let marks = [mark(100, 50, 64, 40), mark(7, 9, 1, 90), mark(8, 9, 2, 40), mark(9, 9, 3, 91)];
        let iso = Minutiae::normalise(&header(Standard::Iso19794, [394, 100]), &marks);
        let scale = [500.0 / (394.0 * 2.54), 500.0 / 254.0];
        let x: Vec<f64> = iso.points().iter().map(|point| (point.place[0] / scale[0]).round()).collect();
        assert_eq!(x, [9.0, 7.0, 100.0, 8.0]);
        let third = &iso.points()[2];
        assert!((third.place[1] + 50.0 * scale[1]).abs() < 1e-12);
        assert!((third.direction - TAU / 4.0).abs() < 1e-12);
        let ansi = Minutiae::normalise(&header(Standard::Ansi378, [394, 100]), &marks);
        assert!((ansi.points()[2].direction - TAU * 128.0 / 360.0).abs() < 1e-12);
        // 64 and 1 of 180 are 91.02 and 1.42 of 256.
        let angles = |made: &Minutiae| made.points().iter().map(|point| point.angle).collect::<Vec<_>>();
        assert_eq!((angles(&iso), angles(&ansi)), (vec![3, 1, 64, 2], vec![4, 1, 91, 3]));
        assert_eq!(nearest(179, Standard::Ansi378), 255);
    }

    #[test]
    fn a_hull_holds_its_inside_and_its_margin_and_nothing_else() {
        // A square with points on its sides, in it, and twice at a corner, in no order.
        let places =
            [[5.0, 5.0], [0.0, 10.0], [10.0, 0.0], [0.0, 0.0], [10.0, 10.0], [5.0, 0.0], [0.0, 0.0], [10.0, 3.0]];
        let hull = Hull::of(&places.map(at));
        assert_eq!(hull.corners, [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]);
        assert!(hull.holds([5.0, 5.0], 0.0) && hull.holds([0.0, 0.0], 0.0) && hull.holds([10.0, 4.0], 0.0));
        assert!(hull.holds([12.0, 5.0], 2.0) && !hull.holds([12.1, 5.0], 2.0));
        // At a corner the margin is round.
        assert!(hull.holds([13.0, 14.0], 5.0) && !hull.holds([14.0, 14.0], 5.0));
    }

    #[test]
    fn minutiae_on_a_line_or_at_one_place_have_only_a_margin() {
        let line = Hull::of(&[[0.0, 0.0], [20.0, 0.0], [10.0, 0.0]].map(at));
        assert!(line.holds([10.0, 3.0], 3.0) && !line.holds([10.0, 3.1], 3.0) && !line.holds([30.0, 0.0], 3.0));
        let place = Hull::of(&[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]].map(at));
        assert!(place.holds([1.0, 4.0], 3.0) && !place.holds([1.0, 4.1], 3.0));
        assert!(!Hull::of(&[]).holds([0.0, 0.0], 1e9));
    }
}
