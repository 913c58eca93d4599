//! Plots and pages without a script and without anything from elsewhere: what reports are drawn with.

pub mod page;
pub mod svg;

use svg::{Anchor, Svg};

/// Width and height of a plot, in pixels.
pub const SIZE: [u32; 2] = [720, 480];
/// Where its axes stand, in pixels.
pub const LEFT: f64 = 70.0;
/// Its right end.
pub const RIGHT: f64 = 700.0;
/// Its top.
pub const TOP: f64 = 44.0;
/// Its bottom.
pub const BOTTOM: f64 = 420.0;

/// The two ends of an axis, in pixels.
#[must_use]
pub const fn pixels(horizontal: bool) -> [f64; 2] {
    if horizontal { [LEFT, RIGHT] } else { [BOTTOM, TOP] }
}

/// A headline, two axes, and what they show.
pub fn frame(svg: &mut Svg, title: &str, across: &str, up: &str) {
    svg.text("", Anchor::Start, [LEFT, 20.0], title);
    svg.path("axis", [[LEFT, TOP], [LEFT, BOTTOM], [RIGHT, BOTTOM]]);
    svg.text("", Anchor::Middle, [f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0], across);
    svg.upright([18.0, f64::midpoint(TOP, BOTTOM)], up);
}
