//! Configurations in TOML: what is wrong with one, in one line with its number, and texts in them that have a form of their own.

use std::str::FromStr;
use std::{fmt, io};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};

use crate::ed25519::has_small_order;
use crate::hex::unhex;

/// Why a text is no TOML of the form that was wanted: the line, counted from 1, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FormError {
    line: Option<usize>,
    key: Option<String>,
    fault: String,
}

impl FormError {
    /// Where it is, counted from 1; none if it is nowhere in particular.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    fn of(error: &toml::de::Error, text: &str) -> Self {
        let fault = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
        let is_missing = fault.starts_with("missing field");
        // What is missing from the whole file is missing nowhere.
        let start = error.span().map(|span| span.start).filter(|&start| start > 0 || !is_missing);
        let line = start.and_then(|start| Some(text.get(..start)?.matches('\n').count()));
        // The key at the line, unless the fault is about it anyway.
        let key = line
            .and_then(|line| text.lines().nth(line)?.split_once('='))
            .map(|(key, _)| key.trim().to_owned())
            .filter(|key| !is_missing && !key.starts_with('#') && !fault.contains(&format!("`{key}`")));
        Self { line: line.map(|line| line + 1), key, fault }
    }
}

/// `line 26, batch: invalid value ..`.
impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.key) {
            (Some(line), Some(key)) => write!(f, "line {line}, {key}: {}", self.fault),
            (Some(line), None) => write!(f, "line {line}: {}", self.fault),
            (None, _) => f.write_str(&self.fault),
        }
    }
}

/// Reads a text.
///
/// # Errors
/// [`FormError`]: the first thing that is wrong.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, FormError> {
    toml::from_str(text).map_err(|error| FormError::of(&error, text))
}

/// A file's bytes as text.
///
/// # Errors
/// [`io::Error`] for what is not UTF-8, with the line.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 at line {line}: save it as UTF-8"))
    })
}

/// Whether a text is a name of a host that a certificate can have: no number, and no part that is empty.
#[must_use]
pub fn is_host_name(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    // What ends in a number is read as an address, by some in other ways than by others.
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number = is_hex
        .unwrap_or(last)
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() && (is_hex.is_some() || byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(is_part) && !is_number
}

/// For serde: the name of a server in its certificate, a [host name](is_host_name) or an IP address.
///
/// # Errors
/// The deserializer's, with what the text must be.
pub fn server_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let is_right = |text: &str| is_host_name(text) || text.parse::<std::net::IpAddr>().is_ok();
    checked(from, is_right, "a host name or an IP address, as the server's certificate has it, without a port")
}

/// Whether a text is `host:port`, with an IPv6 address in brackets.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    is_host && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Whether a text is `https://HOST[:PORT]` and no more, as proofs name a node.
#[must_use]
pub fn is_base(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|host| {
        (1..=260).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_graphic())
            && !host.contains(['/', '?', '#', '@'])
    })
}

fn checked<'de, D: Deserializer<'de>>(from: D, is_right: fn(&str) -> bool, form: &str) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if is_right(&text) { Ok(text) } else { Err(D::Error::custom(format!("\"{text}\" must be {form}"))) }
}

/// For serde: an [address](is_address).
///
/// # Errors
/// The deserializer's, with what the text must be.
pub fn address<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, is_address, "HOST:PORT and nothing before or after it")
}

/// The same, where there may be none.
///
/// # Errors
/// As [`address`].
pub fn some_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    address(from).map(Some)
}

const BASE: &str = "https://HOST[:PORT] and nothing after it";

/// For serde: a [base](is_base).
///
/// # Errors
/// The deserializer's, with what the text must be.
pub fn base<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(from, is_base, BASE)
}

/// The same, where there may be none.
///
/// # Errors
/// As [`base`].
pub fn some_base<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    base(from).map(Some)
}

/// For serde: a list of [bases](is_base).
///
/// # Errors
/// The deserializer's, with what each text must be.
pub fn bases<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(from)?;
    match list.iter().find(|text| !is_base(text)) {
        None => Ok(list),
        Some(text) => Err(D::Error::custom(format!("\"{text}\" must be {BASE}"))),
    }
}

/// For serde: where HTTP is spoken, `http://` or `https://`.
///
/// # Errors
/// The deserializer's, with what the text must be.
pub fn url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let is_url = |text: &str| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    };
    checked(from, is_url, "https://HOST[:PORT]")
}

/// For serde: an Ed25519 key, 64 digits of lower-case hex, as text.
///
/// # Errors
/// The deserializer's, with what the text must be.
pub fn identity<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let is_key = |text: &str| unhex(text).is_some_and(|key| !has_small_order(&key));
    checked(from, is_key, "64 digits of lower-case hex, of an Ed25519 key of full order")
}

/// For serde: a text that is read as a `T`, and stays a text.
///
/// # Errors
/// The deserializer's, with what is wrong with it.
pub fn text_of<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    text.parse::<T>().map_err(D::Error::custom)?;
    Ok(text)
}

/// For serde: a text that is read as a `T`.
///
/// # Errors
/// The deserializer's, with what is wrong with it.
pub fn read_as<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read, and that is all")]
    struct Table {
        #[serde(deserialize_with = "address")]
        at: String,
        #[serde(default, deserialize_with = "bases")]
        bases: Vec<String>,
        count: Option<std::num::NonZeroU16>,
    }

    #[test]
    fn a_fault_is_told_with_its_line_and_key() {
        let told = |text: &str| parse::<Table>(text).unwrap_err().to_string();
        for (text, says) in [
            ("at = \"a:1\"\ncolour = 3\n", "line 2: unknown field `colour`, expected one of `at`, `bases`, `count`"),
            ("at = \"a:1\"\n\ncount = 0", "line 3, count: invalid value: integer `0`, expected a nonzero u16"),
            ("at = \"https://a:1\"", "line 1, at: \"https://a:1\" must be HOST:PORT and nothing before or after it"),
            ("at = \"a:1\"\nbases = [\n\"https://a/\"]", "\"https://a/\" must be https://HOST[:PORT] and nothing"),
            ("count = 1", "missing field `at`"),
            ("at = \"a:1\"\nat = \"a:2\"", "line 2, at: duplicate key"),
            ("# \u{431}\nat = a", "line 2, at: "),
        ] {
            assert!(told(text).contains(says), "{text}: {}", told(text));
            assert_eq!(told(text).lines().count(), 1);
        }
        assert_eq!(parse::<Table>("\n\nx = 1").unwrap_err().line(), Some(3));
    }

    #[test]
    fn addresses_and_bases_are_told_from_what_is_near() {
        for (text, is_right) in [
            ("atm.example:443", true),
            ("127.0.0.1:0", true),
            ("[::1]:7400", true),
            ("::1:7400", false),
            ("[atm]:1", false),
            ("a:65536", false),
            ("a:+1", false),
            ("a", false),
            (":1", false),
            ("a:1/", false),
            ("https://a:1", false),
        ] {
            assert_eq!(is_address(text), is_right, "{text}");
        }
        for text in ["127.1", "0x7f000001", "256.1.1.1", "a..b", "-", "a-.b", "", "a.", "localhost:28800", "a b", "1"] {
            assert!(!is_host_name(text), "{text}");
        }
        assert!(
            ["localhost", "node-a.tumar.internal", "1.example", "0xfade.example", "face"].into_iter().all(is_host_name)
        );
        assert_eq!(super::text(b"a\nb\xff".to_vec()).unwrap_err().to_string(), "not UTF-8 at line 2: save it as UTF-8");
        for (text, is_right) in [
            ("https://a", true),
            ("https://[::1]:7400", true),
            ("https://a/", false),
            ("http://a", false),
            ("https://", false),
            ("https://a b", false),
            ("https://u@a", false),
        ] {
            assert_eq!(is_base(text), is_right, "{text}");
        }
    }
}
