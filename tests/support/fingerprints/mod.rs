//! Made-up minutiae records, and the research prints that the tests measure on, where they are at hand.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

pub mod target;

use crate::support::datasets;
pub use crate::support::rng::Dice;
use tumar::template::finger::record::Standard;

/// A record to be written: each field as it is to stand there, right or wrong.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub standard: Standard,
    /// ANSI 378: the length in six bytes.
    pub long: bool,
    pub product: [u16; 2],
    pub equipment: u16,
    pub image: [u16; 2],
    pub resolution: [u16; 2],
    pub views: Vec<Capture>,
}

/// A view to be written.
#[derive(Clone, Debug)]
pub struct Capture {
    pub position: u8,
    pub number: u8,
    pub impression: u8,
    pub quality: u8,
    /// x and y with their upper bits, angle, quality.
    pub minutiae: Vec<(u16, u16, u8, u8)>,
    /// Type and content of the extended areas.
    pub areas: Vec<(u16, Vec<u8>)>,
}

impl Sketch {
    pub fn bytes(&self) -> Vec<u8> {
        let mut tail = Vec::new();
        if self.standard == Standard::Ansi378 {
            tail.extend(self.product.iter().flat_map(|word| word.to_be_bytes()));
        }
        let words = [self.equipment, self.image[0], self.image[1], self.resolution[0], self.resolution[1]];
        tail.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        tail.extend([u8::try_from(self.views.len()).unwrap(), 0]);
        self.views.iter().for_each(|view| tail.extend(view.bytes()));
        let length = |own: usize| u32::try_from(8 + own + tail.len()).unwrap().to_be_bytes();
        let length = match (self.standard, self.long) {
            (Standard::Iso19794, _) => length(4).to_vec(),
            (Standard::Ansi378, false) => length(2)[2..].to_vec(),
            (Standard::Ansi378, true) => [&[0, 0], &length(6)[..]].concat(),
        };
        [b"FMR\0 20\0", &length[..], &tail].concat()
    }
}

impl Capture {
    pub fn bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.minutiae.len()).unwrap();
        let mut bytes = vec![self.position, self.number << 4 | self.impression, self.quality, count];
        for (x, y, angle, quality) in &self.minutiae {
            bytes.extend([x.to_be_bytes(), y.to_be_bytes(), [*angle, *quality]].concat());
        }
        let areas: Vec<u8> = self.areas.iter().flat_map(|(kind, content)| area(*kind, content)).collect();
        bytes.extend(u16::try_from(areas.len()).unwrap().to_be_bytes());
        bytes.extend(areas);
        bytes
    }
}

/// An extended area: its length counts its own type and length.
pub fn area(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 4).unwrap();
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
}

/// A made-up capture of so many minutiae, with ridge counts, a core and a delta, and a vendor's own data.
pub fn capture(dice: &mut Dice, position: u8, number: u8, count: usize) -> Capture {
    let mut coordinate = |from: usize, span: usize| u16::try_from(from + dice.below(span)).unwrap();
    let places: Vec<(u16, u16)> = (0..count).map(|_| (coordinate(80, 200), coordinate(60, 280))).collect();
    let minutiae = places.into_iter().map(|(x, y)| (x | 1 << 14, y, dice.byte() % 180, dice.byte() % 101)).collect();
    let areas =
        vec![(1, vec![1, 0, 1, 4, 0, 2, 9]), (2, vec![1, 0, 90, 0, 140, 1, 0, 200, 1, 44]), (0x0101, vec![7; 21])];
    Capture { position, number, impression: 0, quality: 80, minutiae, areas }
}

/// A made-up record of these captures, 500 dpi.
pub fn sketch(standard: Standard, views: Vec<Capture>) -> Sketch {
    Sketch {
        standard,
        long: false,
        product: [0x002b, 0x0102],
        equipment: 0x8123,
        image: [360, 400],
        resolution: [197, 197],
        views,
    }
}

/// One print of the research sets.
pub struct Print {
    pub set: String,
    pub finger: String,
    pub impression: u32,
    pub minutiae: usize,
    pub bytes: Vec<u8>,
}

/// Reads all of `fingers/` from `TUMAR_DATA` (`../shared/data` if unset).
///
/// `None`, and a loud line, where the folder is not there; a file that is there and does not read is a failure.
pub fn prints() -> Option<Vec<Print>> {
    let folder = datasets::folder("fingers")?;
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    let print = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [file, set, finger, impression, _, _, _, minutiae] = fields[..] else { panic!("{line}") };
        Print {
            set: set.to_owned(),
            finger: finger.to_owned(),
            impression: impression.parse().unwrap(),
            minutiae: minutiae.parse().unwrap(),
            bytes: std::fs::read(folder.join(file)).unwrap(),
        }
    };
    Some(index.lines().skip(1).map(print).collect())
}
