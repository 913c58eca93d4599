//! Private keys as other tools write and read them: PKCS#8, in DER or in PEM (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What an Ed25519 key in PKCS#8, version 1 (RFC 8410), has before its 32 bytes. Version 2, with the public half behind them, is
/// read by few.
const ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a file holds no private key that is taken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// With a password.
    #[error(
        "the key is encrypted, and a key without a password is required; convert it: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW"
    )]
    Encrypted,
    /// SEC 1, PKCS#1 or OpenSSH's own.
    #[error("the key is not PKCS#8; convert it: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW")]
    Older,
    /// A certificate, a public key, or something else in PEM.
    #[error("the PEM does not contain a private key")]
    Other,
    /// PEM without an end, or with other characters than base64.
    #[error("the PEM is not valid: its END line is missing, or it is not base64")]
    Damaged,
    /// Another algorithm, or no key at all.
    #[error("not an Ed25519 or P-256 private key in PKCS#8, DER or PEM")]
    Kind,
    /// The same, where it must be Ed25519.
    #[error("not an Ed25519 private key in PKCS#8, DER or PEM")]
    NotEd25519,
    /// Not the raw bytes of a symmetric key or seed.
    #[error("the file must hold 32 bytes, and has {0}")]
    Length(usize),
}

/// The DER of a PKCS#8 key. What is not PEM is taken for DER, and is not looked at.
///
/// # Errors
/// [`KeyFault`] for PEM of another kind.
pub fn pkcs8(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let Some(text) = std::str::from_utf8(file).ok().filter(|text| text.contains("-----BEGIN ")) else {
        return Ok(Zeroizing::new(file.to_vec()));
    };
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(KeyFault::Damaged)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyFault::Damaged)?;
    match label {
        "PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err(KeyFault::Encrypted),
        // OpenSSL writes the parameters of a curve in front of such a key.
        "EC PARAMETERS" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" | "OPENSSH PRIVATE KEY" => return Err(KeyFault::Older),
        _ => return Err(KeyFault::Other),
    }
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(KeyFault::Damaged)?;
    // As long as it becomes, so that it does not grow and leave a copy behind.
    let mut digits = Zeroizing::new(String::with_capacity(body.len()));
    digits.extend(body.split_ascii_whitespace());
    STANDARD.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|_| KeyFault::Damaged)
}

/// An Ed25519 key as PKCS#8, version 1, DER: what OpenSSL, pyca and Node.js read.
#[must_use]
pub fn ed25519(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&ED25519[..], seed].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_der_and_in_pem() {
        let der = ed25519(&[7; 32]);
        assert_eq!(pkcs8(&der).unwrap(), der);
        let digits = STANDARD.encode(&*der);
        let (one, other) = digits.split_at(20);
        for (before, newline) in [("", "\n"), ("Bag Attributes: <none>\n", "\n"), ("", "\r\n")] {
            let pem =
                [before, "-----BEGIN PRIVATE KEY-----", one, other, "-----END PRIVATE KEY-----", ""].join(newline);
            assert_eq!(pkcs8(pem.as_bytes()).unwrap(), der, "{pem}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_by_what_it_is() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMAAA\n-----END {label}-----\n");
        for (text, fault) in [
            (pem("ENCRYPTED PRIVATE KEY"), KeyFault::Encrypted),
            (pem("EC PRIVATE KEY"), KeyFault::Older),
            (pem("EC PARAMETERS") + &pem("EC PRIVATE KEY"), KeyFault::Older),
            (pem("RSA PRIVATE KEY"), KeyFault::Older),
            (pem("OPENSSH PRIVATE KEY"), KeyFault::Older),
            (pem("PUBLIC KEY"), KeyFault::Other),
            (pem("CERTIFICATE"), KeyFault::Other),
            (pem("PRIVATE KEY").replace("MAAA", "M!AA"), KeyFault::Damaged),
            ("-----BEGIN PRIVATE KEY-----\nMAAA\n".to_owned(), KeyFault::Damaged),
            ("-----BEGIN PRIVATE KEY".to_owned(), KeyFault::Damaged),
        ] {
            assert_eq!(pkcs8(text.as_bytes()).unwrap_err(), fault, "{text}");
        }
    }
}
