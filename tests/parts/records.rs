//! Finger minutiae records: every field of both standards is read from its place, and every fault is refused with its reason.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::fingerprints;

use crate::support::fingerprints::{Capture, Dice, Sketch, area, capture, prints, sketch};
use proptest::prelude::*;
use tumar::template::finger::record::{FingerPosition, MOST_BYTES, Record, RecordError, Standard, View, Wanted};

use RecordError::{
    Angle, Length, Magic, NoViews, Position, Resolution, TooLarge, Trailing, Truncated, Version, ViewAbsent,
    ViewAmbiguous,
};

/// The three forms: standard, whether the length is the long one, bytes of the header, place of the length's last two bytes.
const FORMS: [(Standard, bool, usize, usize); 3] =
    [(Standard::Iso19794, false, 24, 10), (Standard::Ansi378, false, 26, 8), (Standard::Ansi378, true, 30, 12)];

fn record(standard: Standard, long: bool) -> Sketch {
    let mut dice = Dice(5);
    let views =
        [(2, 0, 9), (2, 1, 11), (7, 0, 13)].map(|(finger, number, count)| capture(&mut dice, finger, number, count));
    Sketch { long, ..sketch(standard, views.to_vec()) }
}

fn refusal(bytes: &[u8]) -> RecordError {
    Record::read(bytes).unwrap_err()
}

fn places(views: &[View]) -> Vec<(u8, u8, usize)> {
    views.iter().map(|view| (view.position().code(), view.number(), view.count())).collect()
}

#[test]
fn the_forms_are_told_apart_and_their_headers_read() {
    for (standard, long, length, _) in FORMS {
        let bytes = record(standard, long).bytes();
        let read = Record::read(&bytes).unwrap();
        let header = read.header();
        assert_eq!(header.standard, standard);
        assert_eq!(header.product, (standard == Standard::Ansi378).then_some([0x002b, 0x0102]));
        assert_eq!((header.certificates, header.sensor), (8, 0x123));
        assert_eq!((header.image, header.resolution), ([360, 400], [197, 197]));
        assert_eq!(bytes[length - 2..length], [3, 0]);
        assert_eq!(places(read.views()), [(2, 0, 9), (2, 1, 11), (7, 0, 13)]);
    }
}

/// A byte of the header or of the first view, and what is read of it.
type Field = (&'static str, usize, u8, fn(&Record) -> u32, u32);

#[test]
fn every_field_is_read_from_its_own_bytes() {
    let first = |record: &Record| -> (u32, u32, u32, u32) {
        let view = &record.views()[0];
        (view.position().code().into(), view.number().into(), view.impression().into(), view.quality().into())
    };
    for (standard, long, length, _) in FORMS {
        let bytes = record(standard, long).bytes();
        let fields: [Field; 12] = [
            ("certificates", length - 12, 0x41, |record| record.header().certificates.into(), 4),
            ("sensor, high", length - 12, 0x8a, |record| record.header().sensor.into(), 0xa23),
            ("sensor, low", length - 11, 0xfe, |record| record.header().sensor.into(), 0x1fe),
            ("width", length - 9, 9, |record| record.header().image[0].into(), 0x109),
            ("height", length - 8, 9, |record| record.header().image[1].into(), 0x990),
            ("resolution along x", length - 6, 1, |record| record.header().resolution[0].into(), 0x1c5),
            ("resolution along y", length - 3, 99, |record| record.header().resolution[1].into(), 99),
            ("reserved, ignored", length - 1, 77, |record| u32::from(record.header().resolution[1]), 197),
            ("position", length, 10, |record| record.views()[0].position().code().into(), 10),
            ("view number", length + 1, 0xf0, |record| record.views()[0].number().into(), 15),
            ("impression", length + 1, 0x08, |record| record.views()[0].impression().into(), 8),
            ("finger quality", length + 2, 255, |record| record.views()[0].quality().into(), 255),
        ];
        assert_eq!(first(&Record::read(&bytes).unwrap()), (2, 0, 0, 80));
        for (name, at, value, read, expected) in fields {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert_eq!(read(&Record::read(&changed).unwrap()), expected, "{name} of {standard:?}");
        }
        if standard == Standard::Ansi378 {
            let mut changed = bytes;
            changed[length - 16] = 0x51;
            changed[length - 13] = 0x77;
            assert_eq!(Record::read(&changed).unwrap().header().product, Some([0x512b, 0x0177]));
        }
    }
}

#[test]
fn bytes_that_are_no_record_are_refused_each_for_its_reason() {
    for (standard, long, length, place) in FORMS {
        let good = record(standard, long).bytes();
        let full = good.len();
        // The first view's count, and its extended data: a length, then an area's type and length.
        let (count, block) = (length + 3, length + 4 + 6 * 9);
        let with = |at: usize, value: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + value.len()].copy_from_slice(value);
            refusal(&changed)
        };
        let declared = |by: i32| u32::try_from(i32::try_from(full).unwrap() + by).unwrap();
        let low = |by: i32| u16::try_from(declared(by)).unwrap().to_be_bytes();
        let cases = [
            (with(0, b"f"), Magic, "RECORD_MAGIC"),
            (with(3, b" "), Magic, "RECORD_MAGIC"),
            (with(5, b"3"), Version, "RECORD_VERSION"),
            (with(7, b"1"), Version, "RECORD_VERSION"),
            (with(place, &low(1)), Length { declared: declared(1), found: full }, "RECORD_LENGTH"),
            (with(place, &low(-1)), Length { declared: declared(-1), found: full }, "RECORD_LENGTH"),
            (with(length - 6, &[0, 0]), Resolution, "RECORD_RESOLUTION"),
            (with(length - 4, &[0, 0]), Resolution, "RECORD_RESOLUTION"),
            (with(length - 2, &[0]), NoViews, "RECORD_NO_VIEWS"),
            (with(length - 2, &[4]), Truncated { at: full }, "RECORD_TRUNCATED"),
            (with(length, &[11]), Position(11), "RECORD_POSITION"),
            (with(length, &[255]), Position(255), "RECORD_POSITION"),
            (with(count, &[255]), Truncated { at: length + 4 }, "RECORD_TRUNCATED"),
            (with(block, &[255, 255]), Truncated { at: block + 2 }, "RECORD_TRUNCATED"),
        ];
        for (case, (got, expected, reason)) in cases.into_iter().enumerate() {
            assert_eq!((got, got.reason()), (expected, reason), "case {case} of {standard:?}");
        }
        for end in 0..full {
            // Up to the end of the length's own bytes, which differ by form, there is no length to be wrong.
            let expected = if end < place + 2 { "RECORD_TRUNCATED" } else { "RECORD_LENGTH" };
            assert_eq!(refusal(&good[..end]).reason(), expected, "{end} bytes of {standard:?}");
        }
        let mut two_views = good.clone();
        two_views[length - 2] = 2;
        let third = full - record(standard, long).views[2].bytes().len();
        assert_eq!(refusal(&two_views), Trailing { at: third });
        assert_eq!(refusal(&two_views).reason(), "RECORD_TRAILING");
    }
    assert_eq!(refusal(&[]), Truncated { at: 0 });
    assert_eq!((refusal(&vec![0; MOST_BYTES + 1]), TooLarge.reason()), (TooLarge, "RECORD_TOO_LARGE"));
    assert_eq!(refusal(&vec![0; MOST_BYTES]), Magic);
}

#[test]
fn what_is_inside_a_block_of_known_length_is_not_looked_at() {
    let marks = |view: &View| format!("{view:?} {:?}", view.minutiae().count());
    for (standard, long, length, _) in FORMS {
        let whole = record(standard, long).bytes();
        let expected: Vec<String> = Record::read(&whole).unwrap().views().iter().map(marks).collect();
        // The first area's length: with its header, of the data alone, of nothing, and of more than the block has.
        let first = length + 4 + 6 * 9 + 2 + 2;
        assert_eq!(whole[first..first + 2], [0, 11]);
        for value in [7_u16, 11, 0, 3, 10, 51, u16::MAX] {
            let mut changed = whole.clone();
            changed[first..first + 2].copy_from_slice(&value.to_be_bytes());
            let read = Record::read(&changed).unwrap();
            assert_eq!(read.views().iter().map(marks).collect::<Vec<_>>(), expected, "{value} in {standard:?}");
        }
        // A block of bytes too few for an area.
        let mut sketch = record(standard, long);
        sketch.views.iter_mut().for_each(|view| view.areas.clear());
        let mut short = sketch.bytes();
        let last = short.len();
        short[last - 1] = 3;
        short.extend([1, 2, 3]);
        let place = FORMS.iter().find(|form| (form.0, form.1) == (standard, long)).unwrap().3;
        short[place..place + 2].copy_from_slice(&u16::try_from(last + 3).unwrap().to_be_bytes());
        assert_eq!(Record::read(&short).unwrap().views().len(), 3);
    }
}

#[test]
fn a_length_that_needs_more_than_two_bytes_is_not_taken_for_a_short_one() {
    let mut bytes = record(Standard::Iso19794, false).bytes();
    bytes[9] = 1;
    assert_eq!(refusal(&bytes).reason(), "RECORD_LENGTH");
    let mut bytes = record(Standard::Ansi378, true).bytes();
    bytes[11] = 1;
    assert_eq!(refusal(&bytes).reason(), "RECORD_LENGTH");
}

#[test]
fn angles_of_two_degrees_end_before_360_and_those_of_iso_do_not() {
    for (standard, long, length, _) in FORMS {
        for (angle, ansi) in [(0, None), (179, None), (180, Some(Angle(180))), (255, Some(Angle(255)))] {
            let mut bytes = record(standard, long).bytes();
            bytes[length + 4 + 6 + 4] = angle;
            let expected = if standard == Standard::Ansi378 { ansi } else { None };
            assert_eq!(Record::read(&bytes).err(), expected, "{angle} in {standard:?}");
        }
    }
    assert_eq!(Angle(180).reason(), "RECORD_ANGLE");
}

#[test]
fn extended_areas_of_any_kind_are_skipped_by_their_lengths() {
    let ridge_counts = area(1, &[0, 1, 2, 7, 1, 3, 4]);
    let cores_and_deltas = area(2, &[0x41, 0, 90, 0, 140, 33, 0x41, 0, 200, 1, 44, 1, 2, 3]);
    let zones = area(3, &[9; 30]);
    let vendor = area(0x2b01, &[0xaa; 300]);
    let of_nothing = area(0x2b02, &[]);
    let reserved = area(0, &[5]);
    let empty = Vec::new();
    for areas in [
        vec![&empty],
        vec![&ridge_counts],
        vec![&cores_and_deltas],
        vec![&zones, &vendor],
        vec![&of_nothing],
        vec![&reserved, &ridge_counts, &cores_and_deltas, &of_nothing, &vendor],
    ] {
        for (standard, long, ..) in FORMS {
            let mut made = record(standard, long);
            let areas = areas.iter().filter(|area| !area.is_empty());
            made.views[0].areas =
                areas.map(|area| (u16::from_be_bytes([area[0], area[1]]), area[4..].to_vec())).collect();
            let read = Record::read(&made.bytes()).unwrap();
            assert_eq!(places(read.views()), [(2, 0, 9), (2, 1, 11), (7, 0, 13)]);
        }
    }
}

#[test]
fn a_view_is_chosen_by_finger_and_number_and_never_by_chance() {
    let read = Record::read(&record(Standard::Iso19794, false).bytes()).unwrap();
    let choose = |position: Option<u8>, number| {
        let position = position.map(|code| FingerPosition::from_code(code).unwrap());
        read.view(Wanted { position, number }).map(View::count)
    };
    assert_eq!(choose(Some(7), None), Ok(13));
    assert_eq!(choose(Some(7), Some(0)), Ok(13));
    assert_eq!(choose(Some(2), Some(0)), Ok(9));
    assert_eq!(choose(None, Some(1)), Ok(11));
    assert_eq!(choose(Some(2), None), Err(ViewAmbiguous { views: 2 }));
    assert_eq!(choose(None, Some(0)), Err(ViewAmbiguous { views: 2 }));
    assert_eq!(choose(None, None), Err(ViewAmbiguous { views: 3 }));
    assert_eq!(choose(Some(7), Some(1)), Err(ViewAbsent));
    assert_eq!(choose(Some(1), None), Err(ViewAbsent));
    assert_eq!(choose(None, Some(2)), Err(ViewAbsent));
    assert_eq!(ViewAbsent.reason(), "RECORD_VIEW_ABSENT");
    assert_eq!(ViewAmbiguous { views: 2 }.reason(), "RECORD_VIEW_AMBIGUOUS");
    let only =
        Sketch { views: record(Standard::Iso19794, false).views[1..2].to_vec(), ..record(Standard::Iso19794, false) };
    assert_eq!(Record::read(&only.bytes()).unwrap().view(Wanted::default()).unwrap().count(), 11);
}

#[test]
fn positions_have_the_codes_of_the_standard() {
    for (code, position) in (0..).zip(FingerPosition::ALL) {
        assert_eq!((position.code(), FingerPosition::from_code(code)), (code, Some(position)));
    }
    assert_eq!(FingerPosition::from_code(11), None);
    assert_eq!((FingerPosition::RightIndex.code(), FingerPosition::LeftThumb.code()), (2, 6));
}

#[test]
fn nothing_printed_tells_a_minutia() {
    let read = Record::read(&record(Standard::Iso19794, false).bytes()).unwrap();
    assert_eq!(format!("{:?}", read.views()[0]), "View(RightIndex #0, [9])");
    assert_eq!(format!("{:?}", read.views()[0].minutiae()), "Minutiae([9])");
    assert!(
        format!("{read:?}")
            .ends_with("views: [View(RightIndex #0, [9]), View(RightIndex #1, [11]), View(LeftIndex #0, [13])] }")
    );
}

#[test]
fn all_records_of_the_research_sets_are_read_with_the_minutiae_that_their_index_says() {
    let Some(prints) = prints() else { return };
    assert_eq!(prints.len(), 912);
    for print in prints {
        let read = Record::read(&print.bytes).unwrap();
        assert_eq!(read.view(Wanted::default()).unwrap().count(), print.minutiae);
        assert_eq!(read.header().standard, Standard::Iso19794);
    }
}

fn any_capture() -> impl Strategy<Value = Capture> {
    let minutia = (any::<u16>(), any::<u16>(), 0..180_u8, any::<u8>());
    let areas = prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)), 0..4);
    (0..=10_u8, 0..16_u8, 0..16_u8, any::<u8>(), prop::collection::vec(minutia, 0..40), areas).prop_map(
        |(position, number, impression, quality, minutiae, areas)| Capture {
            position,
            number,
            impression,
            quality,
            minutiae,
            areas,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(views in prop::collection::vec(any_capture(), 1..6), form in 0..3_usize) {
        let (standard, long, ..) = FORMS[form];
        let made = Sketch { long, ..sketch(standard, views) };
        let read = Record::read(&made.bytes()).unwrap();
        let expected: Vec<_> = made.views.iter().map(|view| (view.position, view.number, view.minutiae.len())).collect();
        prop_assert_eq!(places(read.views()), expected);
    }

    #[test]
    fn any_bytes_after_the_magic_are_read_or_refused(tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = fingerprints::target::read(&[b"FMR\0 20\0", &tail[..]].concat());
    }
}
