//! Arrays of numbers in NPY files, versions 1 to 3, as `NumPy` saves embeddings: `float16`, `float32` and `float64`, in either order of
//! bytes and of rows.

use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;
use super::files;
use super::npy_error::NpyError;

#[derive(Clone, Copy)]
enum Number {
    Half,
    Single,
    Double,
}

/// An array of one embedding or many. Its bytes are a person's, and wiped when it is dropped.
pub(super) struct Array {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the numbers begin.
    start: usize,
    number: Number,
    big_endian: bool,
    columns_first: bool,
    rows: usize,
    width: usize,
    is_one: bool,
}

impl Array {
    /// Reads a file whole.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(Zeroizing::new(files::read(path)?))
            .map_err(|source| Failure::Array { path: path.to_owned(), source })
    }

    fn parse(bytes: Zeroizing<Vec<u8>>) -> Result<Self, NpyError> {
        let (header, start) = header_of(&bytes)?;
        let Header { descr, columns_first, shape } = Header::parse(header).ok_or(NpyError::Header)?;
        let (number, big_endian) = number_of(&descr)?;
        let (rows, width) = match shape[..] {
            [width] => (1, width),
            [rows, width] => (rows, width),
            _ => return Err(NpyError::Dimensions(format!("{shape:?}"))),
        };
        let array = Self {
            start,
            number,
            big_endian,
            columns_first: columns_first && shape.len() == 2,
            rows,
            width,
            is_one: shape.len() == 1,
            bytes,
        };
        let wanted = rows.checked_mul(width).and_then(|count| count.checked_mul(array.size())).unwrap_or(usize::MAX);
        let found = array.bytes.len() - start;
        match found.checked_sub(wanted) {
            Some(0) => Ok(array),
            Some(left) => Err(NpyError::Long(left)),
            None => Err(NpyError::Short { wanted, found }),
        }
    }

    /// How many embeddings.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Components of each.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Whether it was saved as one embedding, and not as a list of them.
    pub(super) const fn is_one(&self) -> bool {
        self.is_one
    }

    /// One embedding; `row` is below [`rows`](Self::rows).
    pub(super) fn row(&self, row: usize) -> Zeroizing<Vec<f32>> {
        Zeroizing::new((0..self.width).map(|column| self.at(row, column)).collect())
    }

    const fn size(&self) -> usize {
        match self.number {
            Number::Half => 2,
            Number::Single => 4,
            Number::Double => 8,
        }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        let place = if self.columns_first { column * self.rows + row } else { row * self.width + column };
        let begin = self.start + place * self.size();
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..self.size()];
        bytes.copy_from_slice(&self.bytes[begin..begin + self.size()]);
        if self.big_endian {
            bytes.reverse();
        }
        if let Ok(half) = <[u8; 2]>::try_from(&*bytes) {
            of_half(u16::from_le_bytes(half))
        } else if let Ok(single) = <[u8; 4]>::try_from(&*bytes) {
            f32::from_le_bytes(single)
        } else {
            narrowed(f64::from_le_bytes(<[u8; 8]>::try_from(&*bytes).expect("a number has 2, 4 or 8 bytes")))
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a template keeps four bits of it")]
const fn narrowed(number: f64) -> f32 {
    number as f32
}

/// IEEE 754 binary16.
fn of_half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The text of the header, and where the numbers begin.
fn header_of(bytes: &[u8]) -> Result<(&str, usize), NpyError> {
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err(NpyError::Other(match bytes {
            [] => "an empty file",
            [b'P', b'K', 3 | 5, 4 | 6, ..] => "a ZIP file, such as .npz: save one array with numpy.save",
            [0x80, 2..=5, ..] => "a Python pickle: save an array with numpy.save",
            _ if std::str::from_utf8(bytes).is_ok() => "a text: save an array with numpy.save",
            _ => "something else",
        }));
    };
    let (length, start) = match *rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [2 | 3, _, a, b, c, d, ..] => {
            (usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| NpyError::Header)?, 12)
        }
        _ => return Err(NpyError::Header),
    };
    let end = usize::checked_add(start, length).ok_or(NpyError::Header)?;
    let text = bytes.get(start..end).ok_or(NpyError::Header)?;
    Ok((std::str::from_utf8(text).map_err(|_| NpyError::Header)?, end))
}

fn number_of(descr: &str) -> Result<(Number, bool), NpyError> {
    let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
    let big_endian = order == ">" || order == "=" && cfg!(target_endian = "big");
    match kind {
        "f2" => return Ok((Number::Half, big_endian)),
        "f4" => return Ok((Number::Single, big_endian)),
        "f8" => return Ok((Number::Double, big_endian)),
        _ => {}
    }
    let name = match kind.chars().next() {
        Some('f') => "floating-point numbers of another length",
        Some('i' | 'u') => "whole numbers",
        Some('c') => "complex numbers",
        Some('b') => "truth values",
        Some('O') => "Python objects",
        Some('U' | 'S') => "texts",
        _ => "something else than numbers",
    };
    Err(NpyError::Type { name, descr: descr.to_owned() })
}

/// The three members of the dictionary in front of the numbers.
struct Header {
    descr: String,
    columns_first: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let quoted = |mark: char| text.split_once(&format!("{mark}{key}{mark}"));
            let (_, rest) = quoted('\'').or_else(|| quoted('"'))?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = value("descr")?;
        let descr = match descr.chars().next()? {
            mark @ ('\'' | '"') => descr[1..].split_once(mark)?.0,
            // Records of several numbers.
            '[' => descr.split_once(']')?.0,
            _ => return None,
        };
        let order = value("fortran_order")?;
        let columns_first = order.starts_with("True");
        if !columns_first && !order.starts_with("False") {
            return None;
        }
        let (shape, _) = value("shape")?.strip_prefix('(')?.split_once(')')?;
        let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape = lengths.map(|length| length.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
        Some(Self { descr: descr.to_owned(), columns_first, shape })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers].concat()
    }

    fn read(bytes: Vec<u8>) -> Result<Array, NpyError> {
        Array::parse(Zeroizing::new(bytes))
    }

    #[test]
    fn numbers_of_each_length_and_order_are_read_alike() {
        let numbers = [1.5_f32, -0.25, 3.0, 0.0, 65504.0, -2_f32.powi(-24)];
        let halves = [0x3e00_u16, 0xb400, 0x4200, 0x0000, 0x7bff, 0x8001];
        let single = |order: fn(f32) -> [u8; 4]| numbers.map(order).concat();
        let double = |order: fn(f64) -> [u8; 8]| numbers.map(|number| order(f64::from(number))).concat();
        for (descr, bytes) in [
            ("<f4", single(f32::to_le_bytes)),
            (">f4", single(f32::to_be_bytes)),
            ("<f8", double(f64::to_le_bytes)),
            (">f8", double(f64::to_be_bytes)),
            ("<f2", halves.map(u16::to_le_bytes).concat()),
            (">f2", halves.map(u16::to_be_bytes).concat()),
        ] {
            let rows = read(npy(descr, "False", "(2, 3)", &bytes)).unwrap();
            assert_eq!((rows.rows(), rows.width(), rows.is_one()), (2, 3, false));
            assert_eq!([&rows.row(0)[..], &rows.row(1)].concat(), numbers, "{descr}");
            let columns = read(npy(descr, "True", "(3, 2)", &bytes)).unwrap();
            assert_eq!(*columns.row(1), [numbers[1], numbers[4]], "{descr}");
            assert_eq!(*columns.row(2), [numbers[2], numbers[5]]);
            let one = read(npy(descr, "True", "(6,)", &bytes)).unwrap();
            assert!(one.is_one() && one.row(0)[..] == numbers, "{descr}");
        }
        assert!(of_half(0x7c00) == f32::INFINITY && of_half(0xfc00) == f32::NEG_INFINITY && of_half(0x7e00).is_nan());
    }

    #[test]
    fn later_versions_have_a_longer_header() {
        let header = "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (1,)}";
        for version in [2, 3] {
            let length = u32::try_from(header.len()).unwrap().to_le_bytes();
            let file = [b"\x93NUMPY", &[version, 0][..], &length, header.as_bytes(), &1_f32.to_le_bytes()].concat();
            assert_eq!(*read(file).unwrap().row(0), [1.0]);
        }
    }

    #[test]
    fn what_is_no_array_of_embeddings_is_told_by_what_it_is() {
        let told = |bytes: Vec<u8>| read(bytes).err().unwrap().to_string();
        let good = npy("<f4", "False", "(2,)", &[0; 8]);
        for (file, says) in [
            (Vec::new(), "an empty file"),
            (b"PK\x03\x04..".to_vec(), ".npz"),
            (b"\x80\x04\x95..".to_vec(), "pickle"),
            (b"0.5 0.25\n".to_vec(), "a text"),
            (vec![0xff, 0xd8], "something else"),
            (npy("<i8", "False", "(1,)", &[0; 8]), "whole numbers (`<i8`): save it as float32"),
            (npy("<f16", "False", "(1,)", &[0; 16]), "another length (`<f16`)"),
            (npy("|O", "False", "(1,)", b"..."), "Python objects"),
            (npy("<f4", "False", "()", &[0; 4]), "the shape []"),
            (npy("<f4", "False", "(1, 1, 2)", &[0; 8]), "the shape [1, 1, 2]"),
            (npy("<f4", "False", "(3,)", &[0; 8]), "needs 12 bytes, found 8"),
            (npy("<f4", "False", "(1,)", &[0; 9]), "5 bytes follow"),
            (npy("<f4", "False", "(4611686018427387904, 4)", &[0; 8]), "ends early"),
            (npy("<f4", "maybe", "(1,)", &[0; 4]), "header"),
            (npy("<f4", "False", "(-1,)", &[0; 4]), "header"),
            (good[..9].to_vec(), "header"),
            (good[..30].to_vec(), "header"),
        ] {
            assert!(told(file.clone()).contains(says), "{says}: {}", told(file));
        }
    }
}
