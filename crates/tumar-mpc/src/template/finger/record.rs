//! Reads finger minutiae records, from anyone's bytes to views whose every length was checked.
//!
//! ```text
//! bytes --Record::read--> Record --view(position, number)--> View --minutiae--> Minutiae
//! anyone's                header, 1..=255 views              0..=255 minutiae   500 dpi, best first
//! ```
//!
//! Two formats begin with the same eight bytes and differ in their header and in the unit of angles:
//!
//! | | header | record length | angle |
//! |---|---|---|---|
//! | ISO/IEC 19794-2:2005 | 24 bytes | 4 bytes at 8 | 360/256 degrees |
//! | ANSI/INCITS 378-2004 | 26 bytes | 2 bytes at 8, not 0 | 2 degrees |
//! | the same, long form | 30 bytes | 0 in 2 bytes at 8, then 4 bytes at 10 | 2 degrees |
//!
//! No record here is longer than 65 535 bytes, so the two bytes at 8 and the two at 10 tell the three apart, and then the length must
//! be that of the bytes. Memory is taken only for minutiae that are there, never for a number that the record claims.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Most bytes of a record: what the short length of ANSI 378 can say, and room for 42 full views.
pub const MOST_BYTES: usize = 65_535;

const MAGIC: &[u8] = b"FMR\0";
const VERSION: &[u8] = b" 20\0";

/// Why bytes are no record, or a record has no such view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than [`MOST_BYTES`].
    #[error("the record is longer than 65535 bytes")]
    TooLarge,
    /// The first four bytes are not `FMR` and a zero.
    #[error("not a finger minutiae record (ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004)")]
    Magic,
    /// Another edition: the version is not ` 20` and a zero.
    #[error("the record's version is not 20")]
    Version,
    /// The bytes end within a field.
    #[error("the record ends within a field, at byte {at}")]
    Truncated {
        /// Where the field begins.
        at: usize,
    },
    /// The header's length is not that of the bytes.
    #[error("the record's length field is {declared}, but it has {found} bytes")]
    Length {
        /// The header's.
        declared: u32,
        /// The bytes'.
        found: usize,
    },
    /// A resolution of 0 pixels per centimetre: nothing can be brought to scale.
    #[error("the record gives a resolution of zero")]
    Resolution,
    /// A record of no views.
    #[error("the record has no view")]
    NoViews,
    /// A finger position above 10.
    #[error("{0} is not the position of a finger")]
    Position(u8),
    /// An angle of 360 degrees or more; only the two-degree unit can express it.
    #[error("{0} times two degrees is not an angle below 360 degrees")]
    Angle(u8),
    /// Bytes after the last view.
    #[error("the record's views end at byte {at}, before its end")]
    Trailing {
        /// Where the last view ends.
        at: usize,
    },
    /// No view is of the position and number that were asked for.
    #[error("the record has no such view")]
    ViewAbsent,
    /// Several views are: their minutiae are never mixed, and none is picked by chance.
    #[error("the record has {views} such views: name the position and the number")]
    ViewAmbiguous {
        /// How many.
        views: usize,
    },
}

impl RecordError {
    /// A stable name of the fault, for programs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "RECORD_TOO_LARGE",
            Self::Magic => "RECORD_MAGIC",
            Self::Version => "RECORD_VERSION",
            Self::Truncated { .. } => "RECORD_TRUNCATED",
            Self::Length { .. } => "RECORD_LENGTH",
            Self::Resolution => "RECORD_RESOLUTION",
            Self::NoViews => "RECORD_NO_VIEWS",
            Self::Position(_) => "RECORD_POSITION",
            Self::Angle(_) => "RECORD_ANGLE",
            Self::Trailing { .. } => "RECORD_TRAILING",
            Self::ViewAbsent => "RECORD_VIEW_ABSENT",
            Self::ViewAmbiguous { .. } => "RECORD_VIEW_AMBIGUOUS",
        }
    }
}

/// Which standard a record follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// ISO/IEC 19794-2:2005, the record format.
    Iso19794,
    /// ANSI/INCITS 378-2004.
    Ansi378,
}

/// Which finger, by the codes of ISO/IEC 19794-2:2005, table 2; ANSI 378 has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each name says which")]
pub enum FingerPosition {
    Unknown = 0,
    RightThumb = 1,
    RightIndex = 2,
    RightMiddle = 3,
    RightRing = 4,
    RightLittle = 5,
    LeftThumb = 6,
    LeftIndex = 7,
    LeftMiddle = 8,
    LeftRing = 9,
    LeftLittle = 10,
}

impl FingerPosition {
    /// All, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Unknown,
        Self::RightThumb,
        Self::RightIndex,
        Self::RightMiddle,
        Self::RightRing,
        Self::RightLittle,
        Self::LeftThumb,
        Self::LeftIndex,
        Self::LeftMiddle,
        Self::LeftRing,
        Self::LeftLittle,
    ];

    /// The finger of a code, 0 to 10.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The standards' code, 0 to 10.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// What a record says of itself, before its views. Nothing here is of a finger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which standard, told by the place of the length.
    pub standard: Standard,
    /// ANSI 378: owner and type of the product that wrote the record, as CBEFF numbers them.
    pub product: Option<[u16; 2]>,
    /// Certificates of the sensor: four bits, the highest for the FBI's appendix F.
    pub certificates: u8,
    /// The vendor's number of the sensor, 12 bits; 0 where not reported.
    pub sensor: u16,
    /// Width and height of the image, in pixels. Minutiae may lie outside: extractors round, and nothing here needs the image.
    pub image: [u16; 2],
    /// Pixels per centimetre along x and y; neither is 0.
    pub resolution: [u16; 2],
}

/// A minutia as it stands in the record. Its type is not kept: no encoder uses it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Mark {
    pub(super) x: u16,
    pub(super) y: u16,
    /// In the standard's unit, counter-clockwise from the right.
    pub(super) angle: u8,
    /// 1 to 100, or 0 where not reported; more is better.
    pub(super) quality: u8,
}

/// One capture of one finger.
///
/// No `Clone`, `PartialEq` or `Serialize`: minutiae are a person's, wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct View {
    #[zeroize(skip)]
    pub(super) header: Header,
    #[zeroize(skip)]
    position: FingerPosition,
    #[zeroize(skip)]
    number: u8,
    #[zeroize(skip)]
    impression: u8,
    #[zeroize(skip)]
    quality: u8,
    pub(super) marks: Box<[Mark]>,
}

impl View {
    /// Which finger.
    #[must_use]
    pub const fn position(&self) -> FingerPosition {
        self.position
    }

    /// Which capture of this finger, 0 to 15.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// How it was captured, by the standard's code, 0 to 15: 0 is a live scan of a plain finger, 8 a swipe.
    #[must_use]
    pub const fn impression(&self) -> u8 {
        self.impression
    }

    /// Overall quality of the capture as the extractor gave it, 0 to 100; not every extractor keeps to that.
    #[must_use]
    pub const fn quality(&self) -> u8 {
        self.quality
    }

    /// How many minutiae, 0 to 255.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.marks.len()
    }
}

/// Prints where the view is from and how many minutiae it has, never one of them.
impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({:?} #{}, [{}])", self.position, self.number, self.count())
    }
}

/// Which view is asked for. What is `None` does not matter, but then only one view may be left.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Of this finger.
    pub position: Option<FingerPosition>,
    /// Of this number.
    pub number: Option<u8>,
}

/// A record: its header and all of its views.
///
/// No `Clone`, `PartialEq` or `Serialize`: its views hold minutiae.
#[derive(Debug)]
pub struct Record {
    header: Header,
    views: Box<[View]>,
}

impl Record {
    /// Reads a record of either standard, whole.
    ///
    /// Takes time and memory linear in the bytes. Ridge counts, cores, deltas and vendors' data are skipped by the length of their
    /// block, and nothing inside is looked at: the standard's readers do not agree whether an area's own length counts its header.
    ///
    /// # Errors
    /// [`RecordError`] for the first fault from the start of the record.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MOST_BYTES {
            return Err(RecordError::TooLarge);
        }
        let mut cursor = Cursor { bytes, at: 0 };
        let (header, views) = read_header(&mut cursor)?;
        let views = (0..views).map(|_| read_view(&mut cursor, header)).collect::<Result<_, _>>()?;
        if cursor.at < bytes.len() {
            return Err(RecordError::Trailing { at: cursor.at });
        }
        Ok(Self { header, views })
    }

    /// What the record says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The views in the record's order, at least one.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The one view of this position and number.
    ///
    /// # Errors
    /// [`RecordError::ViewAbsent`] if there is none, [`RecordError::ViewAmbiguous`] if there are several.
    pub fn view(&self, wanted: Wanted) -> Result<&View, RecordError> {
        let fits = |view: &&View| {
            wanted.position.is_none_or(|position| position == view.position)
                && wanted.number.is_none_or(|number| number == view.number)
        };
        let mut found = self.views.iter().filter(fits);
        let view = found.next().ok_or(RecordError::ViewAbsent)?;
        match found.count() {
            0 => Ok(view),
            others => Err(RecordError::ViewAmbiguous { views: others + 1 }),
        }
    }
}

/// Where the next field begins. Numbers are big-endian.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(count).ok_or(RecordError::Truncated { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        self.array().map(u8::from_be_bytes)
    }

    fn word(&mut self) -> Result<u16, RecordError> {
        self.array().map(u16::from_be_bytes)
    }
}

/// The header, and how many views are to follow.
fn read_header(cursor: &mut Cursor<'_>) -> Result<(Header, u8), RecordError> {
    if cursor.take(MAGIC.len())? != MAGIC {
        return Err(RecordError::Magic);
    }
    if cursor.take(VERSION.len())? != VERSION {
        return Err(RecordError::Version);
    }
    let (standard, declared) = read_length(cursor)?;
    if usize::try_from(declared) != Ok(cursor.bytes.len()) {
        return Err(RecordError::Length { declared, found: cursor.bytes.len() });
    }
    let product = match standard {
        Standard::Iso19794 => None,
        Standard::Ansi378 => Some([cursor.word()?, cursor.word()?]),
    };
    let equipment = cursor.word()?;
    let image = [cursor.word()?, cursor.word()?];
    let resolution = [cursor.word()?, cursor.word()?];
    if resolution.contains(&0) {
        return Err(RecordError::Resolution);
    }
    let views = cursor.byte()?;
    if views == 0 {
        return Err(RecordError::NoViews);
    }
    cursor.byte()?; // reserved
    let [certificates, _] = (equipment >> 12).to_le_bytes();
    Ok((Header { standard, product, certificates, sensor: equipment & 0x0fff, image, resolution }, views))
}

/// The length, whose place tells the standard.
fn read_length(cursor: &mut Cursor<'_>) -> Result<(Standard, u32), RecordError> {
    let first = cursor.word()?;
    if first != 0 {
        return Ok((Standard::Ansi378, u32::from(first)));
    }
    let second = cursor.word()?;
    if second != 0 {
        return Ok((Standard::Iso19794, u32::from(second)));
    }
    // The long form's upper half was zero: the lower half is left.
    Ok((Standard::Ansi378, u32::from(cursor.word()?)))
}

fn read_view(cursor: &mut Cursor<'_>, header: Header) -> Result<View, RecordError> {
    let [position, kind, quality, count] = cursor.array()?;
    let position = FingerPosition::from_code(position).ok_or(RecordError::Position(position))?;
    let marks: Box<[Mark]> =
        cursor.take(6 * usize::from(count))?.as_chunks::<6>().0.iter().copied().map(read_mark).collect();
    let wide = |mark: &&Mark| header.standard == Standard::Ansi378 && mark.angle >= 180;
    if let Some(mark) = marks.iter().find(wide) {
        return Err(RecordError::Angle(mark.angle));
    }
    let extended = usize::from(cursor.word()?);
    cursor.take(extended)?;
    Ok(View { header, position, number: kind >> 4, impression: kind & 15, quality, marks })
}

/// The upper two bits of x are the minutia's type, those of y are reserved.
fn read_mark([x, x_low, y, y_low, angle, quality]: [u8; 6]) -> Mark {
    let coordinate = |high, low| u16::from_be_bytes([high, low]) & 0x3fff;
    Mark { x: coordinate(x, x_low), y: coordinate(y, y_low), angle, quality }
}
