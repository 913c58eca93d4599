//! Lower-case hex, as names, logs and keys have it. Without branches on what it holds, since a person's key is written in it as well.

/// Of these bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// The bytes of exactly twice as many digits.
#[must_use]
pub fn unhex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = base16ct::lower::decode(digits, &mut bytes).ok()?;
    (decoded.len() == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_nothing_else_is_taken() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex::<256>(&hex(&bytes)).map(Vec::from), Some(bytes));
        assert_eq!((hex(&[0xff, 0x01]), unhex("ff01")), ("ff01".to_owned(), Some([0xff, 0x01])));
        for wrong in ["", "f", "ff0", "ff", "ff0102", "FF01", "+f01", "0x01", "ff 1", "é1"] {
            assert_eq!(unhex::<2>(wrong), None, "{wrong}");
        }
    }
}
