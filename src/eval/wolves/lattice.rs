//! Patterns of minutiae, taken through the encoder as the command line takes a record: no changed terminal is needed for these.

use std::f64::consts::TAU;

use super::super::draw::Draw;
use super::Crafted;
use crate::template::finger;
use crate::template::finger::record::{Record, Wanted};
use crate::template::model::Model;

/// What they are called.
pub(super) const KIND: &str = "lattices of minutiae";
/// Pixels at 500 dpi between neighbours.
const SPACINGS: [f64; 8] = [24.0, 32.0, 40.0, 50.0, 62.0, 76.0, 94.0, 112.0];
/// Angles between the two directions of a pattern, in degrees: hexagons, something between, squares.
const SKEWS: [f64; 3] = [60.0, 76.0, 90.0];
/// How far the whole is turned, in degrees.
const TURNS: [f64; 4] = [0.0, 17.0, 45.0, 73.0];
/// Pixels that each minutia is moved by at most. A pattern without any of it repeats itself, which encoders refuse.
const MOVED: [f64; 3] = [0.0, 8.0, 16.0];
/// Which way minutiae point: all one way, by turns the one and the other, or each a little further than the one before it.
const TURNING: [u8; 3] = [0, 128, 37];
/// Minutiae of a record.
const MOST: usize = 180;
/// Across the whole, in pixels.
const SIDE: f64 = 1400.0;

/// All of them, in one kind; those that the encoder refuses are empty.
pub(super) fn craft(model: &Model, seed: u64) -> Vec<Crafted> {
    let mut draw = Draw::from_seed(seed);
    let mut crafted = Vec::new();
    for spacing in SPACINGS {
        for skew in SKEWS {
            for turn in TURNS {
                for (moved, turning) in MOVED.into_iter().zip(TURNING.into_iter().cycle().skip(crafted.len() % 3)) {
                    let places = places(spacing, skew.to_radians(), turn.to_radians());
                    let record = record(&places, moved, turning, &mut draw);
                    crafted.push(Crafted { kind: KIND.to_owned(), probe: encode(&record, model) });
                }
            }
        }
    }
    crafted
}

/// Places of a pattern around the middle, those nearest to it first.
fn places(spacing: f64, skew: f64, turn: f64) -> Vec<[f64; 2]> {
    let reach = i32::from(u8::MAX / 2);
    let [one, other] = [turn, turn + skew].map(|angle| [spacing * angle.cos(), spacing * angle.sin()]);
    let place = |i: i32, j: i32| {
        let (i, j) = (f64::from(i), f64::from(j));
        [i * one[0] + j * other[0], i * one[1] + j * other[1]]
    };
    let all = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| place(i, j)));
    let inside = |place: &[f64; 2]| place.iter().all(|x| x.abs() < SIDE / 2.0);
    let mut places: Vec<[f64; 2]> = all.filter(inside).collect();
    places.sort_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
    places.truncate(MOST);
    places
}

/// An ISO/IEC 19794-2:2005 record of 500 dpi with one view.
fn record(places: &[[f64; 2]], moved: f64, turning: u8, draw: &mut Draw) -> Vec<u8> {
    let mut view = vec![0, 0, 100, u8::try_from(places.len()).expect("no more than a view has")];
    let mut angle = 0_u8;
    for place in places {
        let jitter = [draw.word(), draw.word()].map(|word| f64::from((word >> 40) as u32) / f64::from(1 << 24));
        let turned = (jitter[0] * TAU).sin_cos();
        let off = [turned.0, turned.1].map(|x| x * moved * jitter[1]);
        for (x, off) in place.iter().zip(off) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the image")]
            let x = (x + off + SIDE / 2.0 + 50.0) as u16;
            view.extend(x.to_be_bytes());
        }
        view.extend([angle, 100]);
        angle = angle.wrapping_add(turning);
    }
    view.extend([0; 2]);
    let length = u32::try_from(24 + view.len()).expect("a small record");
    let image = [0, 1500, 1500, 197, 197].map(u16::to_be_bytes).concat();
    [b"FMR\0 20\0", &length.to_be_bytes()[..], &image, &[1, 0], &view].concat()
}

fn encode(record: &[u8], model: &Model) -> Option<crate::template::Template> {
    let record = Record::read(record).expect("a record as the standard has it");
    let minutiae = record.view(Wanted::default()).expect("with one view").minutiae();
    finger::encode(&minutiae, model).ok()
}
