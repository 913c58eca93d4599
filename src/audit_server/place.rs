//! Paths of logs, taken apart: `/b/2026h2/tile/0/x001/067.p/112`.
//!
//! What is not exactly such a path is no place: no dots, no escapes, one text for one file. So a place can be looked up in a folder
//! as it is.

use std::fmt;

use crate::log::shard::Shard;
use crate::party::Party;

/// Levels of tiles are below this: eight levels of eight bits are all sizes.
const LEVELS: u8 = 8;

/// A file of a log, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The signed note: it changes.
    Checkpoint,
    /// Hashes: they never change.
    Tile,
    /// Entries, for readers with a token: they never change.
    Bundle,
}

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Whose log.
    pub(super) party: Party,
    /// Of which half-year.
    pub(super) half: Shard,
    /// What the file is.
    pub(super) kind: Kind,
    /// Its path in the folder of the half: `checkpoint`, `tile/0/000`.
    pub(super) file: String,
}

impl Place {
    /// Takes the path of an address apart, as it was sent.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut pieces = path.strip_prefix('/')?.splitn(3, '/');
        let (party, half, file) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let party = Party::ALL.into_iter().find(|any| any.letter() == party)?;
        Some(Self { party, half: half.parse().ok()?, kind: kind(file)?, file: file.to_owned() })
    }
}

/// The path on a node's port.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}/{}", self.party.letter(), self.half, self.file)
    }
}

/// What a file is, if its path is one of C2SP tlog-tiles.
fn kind(file: &str) -> Option<Kind> {
    if file == "checkpoint" {
        return Some(Kind::Checkpoint);
    }
    let (level, number) = file.strip_prefix("tile/")?.split_once('/')?;
    let number = match number.split_once(".p/") {
        Some((number, width)) if is_number(width, 1, 255) => number,
        Some(_) => return None,
        None => number,
    };
    let mut groups = number.split('/').rev();
    let three = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let last = groups.next().is_some_and(three);
    // No more than 2^64 / 256 tiles: seven groups of three digits.
    let sound = last && groups.clone().count() <= 6 && groups.all(|group| group.strip_prefix('x').is_some_and(three));
    match level {
        _ if !sound => None,
        "entries" => Some(Kind::Bundle),
        level => is_number(level, 0, LEVELS - 1).then_some(Kind::Tile),
    }
}

/// Whether the text is a number within these bounds, in the one way to write it.
fn is_number(text: &str, least: u8, most: u8) -> bool {
    text.parse::<u8>().is_ok_and(|number| (least..=most).contains(&number) && number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_specification_are_places_and_print_as_they_came() {
        for (path, kind) in [
            ("/a/2026h2/checkpoint", Kind::Checkpoint),
            ("/b/2026h1/tile/0/000", Kind::Tile),
            ("/c/2026h2/tile/7/x018/x446/x744/x073/x709/x551/615", Kind::Tile),
            ("/a/2026h2/tile/0/x001/x234/067.p/255", Kind::Tile),
            ("/a/2026h2/tile/entries/x001/067", Kind::Bundle),
            ("/a/2026h2/tile/entries/000.p/1", Kind::Bundle),
        ] {
            let place = Place::parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((place.kind, place.to_string()), (kind, path.to_owned()));
        }
    }

    #[test]
    fn nothing_else_is_a_place() {
        for path in [
            "",
            "/",
            "/a",
            "/a/2026h2",
            "/a/2026h2/",
            "/A/2026h2/checkpoint",
            "/d/2026h2/checkpoint",
            "//2026h2/checkpoint",
            "/a/2026h3/checkpoint",
            "/a/2026h2/checkpoint/",
            "/a/2026h2//checkpoint",
            "/a/2026h2/checkpoint.new",
            "/a/2026h2/../2026h2/checkpoint",
            "/a/2026h2/tile/../checkpoint",
            "/a/2026h2/tile/0/../000",
            "/a/2026h2/tile/0/%2e%2e/000",
            "/a/2026h2/tile/0/..%2f000",
            "/a/2026h2/tile/0/x001/../000",
            "/a/2026h2/tile/00/000",
            "/a/2026h2/tile/8/000",
            "/a/2026h2/tile/+1/000",
            "/a/2026h2/tile/entries",
            "/a/2026h2/tile/entries/",
            "/a/2026h2/tile/0/00",
            "/a/2026h2/tile/0/0000",
            "/a/2026h2/tile/0/001/000",
            "/a/2026h2/tile/0/x001",
            "/a/2026h2/tile/0/000.p",
            "/a/2026h2/tile/0/000.p/",
            "/a/2026h2/tile/0/000.p/0",
            "/a/2026h2/tile/0/000.p/256",
            "/a/2026h2/tile/0/000.p/01",
            "/a/2026h2/tile/0/000.p/1.p/1",
            "/a/2026h2/tile/0/000.new",
            "/a/2026h2/tile/0/x000/x000/x000/x000/x000/x000/x000/000",
            "/a/2026h2/tile/0/\u{664}\u{664}\u{664}",
            "/a/2026h2/tile/0/000\0",
            "/a/2026h2/store.sqlite",
        ] {
            assert_eq!(Place::parse(path), None, "{path:?}");
        }
    }
}
