//! What is done with hostile records, here and under libFuzzer (`fuzz/`).

use tumar::template::finger::record::{FingerPosition, Record, RecordError, View, Wanted};
use tumar::template::finger::{encode_fixed, encode_rows};

/// Reads anyone's bytes and holds the reader to what it promises; the fault's reason if they are no record.
pub fn read(bytes: &[u8]) -> Result<(), &'static str> {
    let record = Record::read(bytes).map_err(RecordError::reason)?;
    // What is kept was there: a header, and of each view its header, its minutiae and the length of its extended data.
    let kept: usize = record.views().iter().map(|view| 4 + 6 * view.count() + 2).sum();
    assert!((1..=255).contains(&record.views().len()) && 24 + kept <= bytes.len());
    assert!(!record.header().resolution.contains(&0));
    let of_all = FingerPosition::ALL
        .iter()
        .map(|&position| record.view(Wanted { position: Some(position), number: None }).map_or(0, View::count));
    assert!(of_all.sum::<usize>() <= kept);
    Ok(())
}

/// The same, and encodes every view that was read.
pub fn read_and_encode(bytes: &[u8]) {
    if read(bytes).is_err() {
        return;
    }
    for view in Record::read(bytes).expect("it was read before").views() {
        let minutiae = view.minutiae();
        assert_eq!(minutiae.count(), view.count());
        // Each by weights of its own: what repeats itself to one need not to the other.
        if let Ok(rows) = encode_rows(&minutiae) {
            assert!(rows.shape().is_set());
        }
        if let Ok(fixed) = encode_fixed(&minutiae) {
            assert_eq!(fixed.shape().components(), 1024);
        }
    }
}
