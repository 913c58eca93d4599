//! From a direction to components that nodes take: as a client would that sends what no terminal makes.

use super::super::draw::Draw;

/// Halvings of the scale's interval.
const HALVINGS: usize = 50;

/// Rounds a direction to whole components with a squared length in this band; `None` if no scale gives one.
///
/// Unlike a terminal it goes down to -8, which four bits hold and nodes take.
pub(super) fn round(direction: &[f64], (lower, upper): (u16, u16)) -> Option<Vec<i8>> {
    let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (mut low, mut high) = (0.0, 64.0 * f64::from(upper).sqrt());
    for _ in 0..HALVINGS {
        let scale = f64::midpoint(low, high) / length;
        #[expect(clippy::cast_possible_truncation, reason = "clamped to -8..=7")]
        let rounded: Vec<i8> = direction.iter().map(|x| (scale * x).round().clamp(-8.0, 7.0) as i8).collect();
        match squared_length(&rounded) {
            short if short < u32::from(lower) => low = f64::midpoint(low, high),
            long if long > u32::from(upper) => high = f64::midpoint(low, high),
            _ => return Some(rounded),
        }
    }
    None
}

pub(super) fn squared_length(components: &[i8]) -> u32 {
    components.iter().map(|&x| u32::from(x.unsigned_abs()).pow(2)).sum()
}

/// So many different ones of a list, or all, in the order drawn.
pub(super) fn some_of<T>(mut list: Vec<T>, count: usize, draw: &mut Draw) -> Vec<T> {
    let count = count.min(list.len());
    for place in 0..count {
        let other = place + draw.below(list.len() - place);
        list.swap(place, other);
    }
    list.truncate(count);
    list
}
