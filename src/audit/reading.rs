//! The hashes of one log: from its tiles, and computed anew from its entries where tiles are missing or damaged in the mirror.
//!
//! tiles, from the top down --do not lead to the signed root--> entries, from the bottom up --do--> the tiles that differ are damaged

use std::collections::HashMap;
use std::io;

use super::finding::{Finding, Rule};
use super::hashes::{HEIGHT, Hashes};
use super::mirror::Place;
use crate::log::merkle::{leaf_hash, node_hash};
use crate::log::note::Checkpoint;
use crate::log::tiles::{Span, WIDTH, levels, unbundle};

/// A tile: its level, and which of it.
type Tile = (u32, Span);

/// What was read.
pub(super) struct Read {
    pub(super) hashes: Hashes,
    /// Leaf hashes that lead to the signed root are there from the first entry that is served to before this one.
    pub(super) known: u64,
    /// Whether the hashes lead to the signed root.
    pub(super) sound: bool,
}

/// What there is, and the tiles that are not, or are not as they must be.
struct Tiles {
    hashes: Hashes,
    known: u64,
    missing: Vec<Tile>,
    wrong: Vec<Tile>,
}

/// Reads the hashes of a log whose checkpoint `witnesses` others cosigned, if those are enough, or else 0.
pub(super) fn read(
    place: &Place,
    checkpoint: &Checkpoint,
    first: u64,
    witnesses: usize,
    findings: &mut Vec<Finding>,
) -> io::Result<Read> {
    let leads = |hashes: &Hashes| hashes.root(checkpoint.size) == Some(checkpoint.root);
    let mut tiles = from_tiles(place, checkpoint.size, first)?;
    let mut sound = leads(&tiles.hashes);
    if !sound || !tiles.missing.is_empty() || !tiles.wrong.is_empty() {
        // Both an entry and a tile may be damaged: what of the two is believed is tried out.
        for tiles_first in [false, true] {
            let anew = from_entries(place, checkpoint.size, first, tiles_first)?.filter(|anew| leads(&anew.hashes));
            if let Some(anew) = anew {
                (tiles, sound) = (anew, true);
                break;
            }
        }
    }
    tell(place, checkpoint, &tiles, sound, witnesses, findings);
    // What does not lead to the signed root proves no entry.
    let known = if sound { tiles.known } else { first };
    Ok(Read { hashes: tiles.hashes, known, sound })
}

fn tell(
    place: &Place,
    checkpoint: &Checkpoint,
    tiles: &Tiles,
    sound: bool,
    witnesses: usize,
    findings: &mut Vec<Finding>,
) {
    let mut found = |index, rule, text| {
        findings.push(Finding::new(place.party, Some(place.half), index, rule, text));
    };
    let name = |(level, span): &Tile| span.path(&level.to_string());
    let begin = |(level, span): &Tile| Some(span.range().start << (HEIGHT * level));
    if sound {
        for tile in &tiles.wrong {
            let text = format!("{} is damaged in this mirror: delete it, and fetch again", name(tile));
            found(begin(tile), Rule::Damaged, text);
        }
    } else if (!tiles.wrong.is_empty() || tiles.missing.is_empty()) && witnesses > 0 {
        let text = format!(
            "the hashes do not lead to the signed root, which {witnesses} others cosigned: this mirror is damaged; delete the folder \
             tile of this log in it, and fetch again"
        );
        found(None, Rule::Damaged, text);
    } else {
        for tile in &tiles.wrong {
            found(begin(tile), Rule::Root, format!("{} does not lead to the tile above it", name(tile)));
        }
        match tiles.hashes.root(checkpoint.size) {
            Some(_) => found(None, Rule::Root, "the hashes do not lead to the signed root".to_owned()),
            None if tiles.wrong.is_empty() && tiles.missing.is_empty() => {
                found(None, Rule::Gap, "too much was pruned: the root can not be computed".to_owned());
            }
            None => {}
        }
    }
    // One finding for what is missing, not one for each tile.
    if let Some(tile) = tiles.missing.first() {
        let text = format!("{} is not in this mirror: fetch again", name(tile));
        findings.push(Finding::new(place.party, Some(place.half), begin(tile), Rule::Gap, text).as_incomplete());
    }
}

/// The tiles of one level: from the first entry that is kept to the right, and then to the left of it.
fn spans(level: u32, count: u64, first: u64) -> impl Iterator<Item = Span> {
    let begin = (first >> (HEIGHT * level)) / WIDTH * WIDTH;
    Span::changed(begin, count).chain(Span::changed(0, begin).rev())
}

/// From the top down: each tile is checked by the one above it. Of each level until one is missing: so it takes as long as there are
/// files, however large the log says that it is.
fn from_tiles(place: &Place, size: u64, first: u64) -> io::Result<Tiles> {
    let mut tiles = Tiles { hashes: Hashes::new(size), known: size, missing: Vec::new(), wrong: Vec::new() };
    let all: Vec<_> = levels(size).collect();
    for (level, count) in all.into_iter().rev() {
        for span in spans(level, count, first) {
            let range = span.range();
            match place.tile(level, span)? {
                Some(tile) if tiles.hashes.insert(level, span, &tile).is_ok() => {}
                None if !place.has(span, &level.to_string()) => {
                    if range.end << (HEIGHT * level) > first {
                        tiles.missing.push((level, span));
                        tiles.known = tiles.known.min((range.start << (HEIGHT * level)).max(first));
                    }
                    break;
                }
                _ => tiles.wrong.push((level, span)),
            }
        }
    }
    Ok(tiles)
}

/// From the bottom up: leaves from entries where those are there, all others from the hashes below. None if they contradict each other.
fn from_entries(place: &Place, size: u64, first: u64, tiles_first: bool) -> io::Result<Option<Tiles>> {
    let mut tiles = Tiles { hashes: Hashes::new(size), known: size, missing: Vec::new(), wrong: Vec::new() };
    let mut made: Vec<(Tile, Vec<[u8; 32]>)> = Vec::new();
    let mut below = HashMap::new();
    for (level, count) in levels(size) {
        let mut roots = HashMap::new();
        for span in spans(level, count, first) {
            let there = place.tile(level, span)?;
            let computed = match level {
                0 => leaves(place, span)?,
                _ => computed(span, &below, there.as_deref()),
            };
            let chosen =
                if tiles_first && level == 0 { there.clone().or(computed) } else { computed.or(there.clone()) };
            let range = span.range();
            let kept = range.end << (HEIGHT * level) > first;
            let Some(hashes) = chosen else {
                if kept {
                    tiles.missing.push((level, span));
                    tiles.known = tiles.known.min((range.start << (HEIGHT * level)).max(first));
                }
                break;
            };
            if place.has(span, &level.to_string()) {
                if there.as_ref() != Some(&hashes) {
                    tiles.wrong.push((level, span));
                }
            } else if kept {
                tiles.missing.push((level, span));
            }
            if span.width == WIDTH {
                roots.insert(span.index, subtree(hashes.clone()));
            }
            made.push(((level, span), hashes));
        }
        below = roots;
    }
    for ((level, span), hashes) in made.into_iter().rev() {
        if tiles.hashes.insert(level, span, &hashes).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(tiles))
}

/// The hashes of the entries in a bundle.
fn leaves(place: &Place, span: Span) -> io::Result<Option<Vec<[u8; 32]>>> {
    let entries = place.bundle(span)?.and_then(|(bytes, width)| unbundle(&bytes, width));
    let leaves: Option<Vec<_>> =
        entries.map(|entries| entries.iter().zip(span.range()).map(|(entry, _)| leaf_hash(entry)).collect());
    Ok(leaves.filter(|leaves| leaves.len() as u64 == span.width))
}

/// Of each full tile below, its root; where that one was pruned, what the tile says.
fn computed(span: Span, below: &HashMap<u64, [u8; 32]>, there: Option<&[[u8; 32]]>) -> Option<Vec<[u8; 32]>> {
    let hash = |(place, index)| below.get(&index).or_else(|| there?.get::<usize>(place)).copied();
    span.range().enumerate().map(hash).collect()
}

/// The root over the hashes of a full tile.
fn subtree(mut hashes: Vec<[u8; 32]>) -> [u8; 32] {
    while hashes.len() > 1 {
        hashes = hashes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes[0]
}
