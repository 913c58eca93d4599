//! People that are nobody: directions for faces, and patterns of minutiae for fingers, the same at every run.

use std::f32::consts::TAU;

/// Minutiae of a made-up finger.
const MINUTIAE: usize = 42;

/// For made-up data alone, never for a secret.
pub(super) struct Draw(tumar::eval::draw::Draw);

impl Draw {
    /// The same at every run.
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self(tumar::eval::draw::Draw::from_seed(seed))
    }

    /// From 0 to 1, in steps of 2^-16.
    fn fraction(&mut self) -> f32 {
        let [high, low, ..] = self.0.word().to_be_bytes();
        f32::from(u16::from_be_bytes([high, low])) / 65536.0
    }

    /// Nearly normal: twelve fractions less six.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.fraction()).sum::<f32>() - 6.0
    }

    /// A vector of length about 1.
    pub(super) fn direction(&mut self, dimension: usize) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dimension).map(|_| self.normal()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        for x in &mut vector {
            *x /= length;
        }
        vector
    }

    /// A finger: minutiae over an oval of 15 x 20 mm.
    pub(super) fn finger(&mut self) -> Finger {
        let mut minutiae = Vec::with_capacity(MINUTIAE);
        while minutiae.len() < MINUTIAE {
            let (x, y) = (2.0 * self.fraction() - 1.0, 2.0 * self.fraction() - 1.0);
            if x * x + y * y <= 1.0 {
                minutiae.push(Minutia { x: 150.0 * x, y: 200.0 * y, angle: TAU * self.fraction() });
            }
        }
        Finger(minutiae)
    }
}

#[derive(Clone, Copy)]
struct Minutia {
    /// Pixels at 500 dpi, from the middle of the finger, y up.
    x: f32,
    y: f32,
    /// Radians, counter-clockwise.
    angle: f32,
}

/// A made-up finger.
pub(super) struct Finger(Vec<Minutia>);

impl Finger {
    /// What a sensor and an extractor make of it: turned and moved a little, each minutia not quite in its place, one in ten
    /// missed and a few that are not there. An ISO/IEC 19794-2:2005 record.
    pub(super) fn impression(&self, draw: &mut Draw) -> Vec<u8> {
        let (turn, right, up) = (0.1 * draw.normal(), 12.0 * draw.normal(), 12.0 * draw.normal());
        let mut found: Vec<Minutia> = self.0.iter().copied().filter(|_| draw.fraction() > 0.1).collect();
        found.extend(draw.finger().0.into_iter().take(3));
        let mut record = Vec::with_capacity(30 + 6 * found.len());
        record.extend_from_slice(b"FMR\0 20\0");
        record.extend_from_slice(&u32::try_from(30 + 6 * found.len()).unwrap_or_default().to_be_bytes());
        // No equipment; 500 x 600 pixels of 500 dpi; one view, of an unknown finger, by a live scan.
        for word in [0_u16, 500, 600, 197, 197, 0x0100] {
            record.extend_from_slice(&word.to_be_bytes());
        }
        record.extend_from_slice(&[0, 0, 80, u8::try_from(found.len()).unwrap_or_default()]);
        for Minutia { x, y, angle } in found {
            let (sin, cos) = turn.sin_cos();
            let (x, y) = (x * cos - y * sin + right, x * sin + y * cos + up);
            let (x, y) = (250.0 + x + 1.5 * draw.normal(), 300.0 - y + 1.5 * draw.normal());
            let angle = (angle + turn + 0.06 * draw.normal()).rem_euclid(TAU) / TAU;
            let place = |at: f32| unsigned(at.clamp(0.0, 16383.0));
            record.extend_from_slice(&(place(x) | 1 << 14).to_be_bytes());
            record.extend_from_slice(&place(y).to_be_bytes());
            record.push(unsigned(256.0 * angle).to_be_bytes()[1]);
            record.push(unsigned(50.0 + 49.0 * draw.fraction()).to_be_bytes()[1]);
        }
        // No extended data.
        record.extend_from_slice(&[0, 0]);
        record
    }
}

fn unsigned(number: f32) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a field takes")]
    let whole = number.round() as u16;
    whole
}
