//! What no caller can bring about: a bug inside.

use super::*;

#[test]
fn a_panic_is_an_error_with_a_sentence() {
    let mut error = Error::of(&Ok(()));
    assert_eq!(answer(&raw mut error, |_| panic!("a bug")), Status::Internal);
    assert_eq!((error.status, error.sentence.starts_with(&[0])), (Status::Internal, false));
    assert_eq!(answer(ptr::null_mut(), |_| panic!("a bug")), Status::Internal);
}
