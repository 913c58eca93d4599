//! What is to be said of a public key of Ed25519 before anything that it verifies is believed.

/// The encodings of the points whose order divides 8, the sign's bit aside: y is 0, 1, -1, p, p + 1 or one of two of order 8. Verification
/// as RFC 8032 has it takes signatures by them that anybody can make.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        near_p(0xec),
        near_p(0xed),
        near_p(0xee),
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    ]
};

/// As many below or above p = 2^255 - 19 as its last byte is.
const fn near_p(least: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = least;
    bytes[31] = 0x7f;
    bytes
}

/// Whether it is one of the keys by which anybody can make signatures that verify (RFC 8032, cofactored or not).
#[must_use]
pub fn has_small_order(key: &[u8; 32]) -> bool {
    let mut unsigned = *key;
    unsigned[31] &= 0x7f;
    SMALL_ORDER.contains(&unsigned)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_by_which_anybody_signs_is_told() {
        for key in &SMALL_ORDER {
            let mut signed = *key;
            signed[31] |= 0x80;
            assert!(has_small_order(key) && has_small_order(&signed));
        }
        // With the identity as the key, the identity and 0 are a signature over everything: ring takes it.
        let (identity, anything) = (SMALL_ORDER[1], [SMALL_ORDER[1], [0; 32]].concat());
        assert!(UnparsedPublicKey::new(&ED25519, identity).verify(b"whatever", &anything).is_ok());
        assert!(!has_small_order(&[7; 32]));
    }
}
