//! Other people's tools agree: crates that are not ours accept our log, and refuse each lie about it.
//!
//! With `TUMAR_LOGS_OUT` set, the folders stay there, for tools in other languages (`.ci/strangers`).
#![allow(clippy::unwrap_used)]

use crate::third_party;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ring::signature::{ED25519, UnparsedPublicKey};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Hash, HashReader as _, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hash_index,
};

/// cosignature/v1, of which the crate knows the envelope alone: name, key id, and which signature is whose.
struct CosignatureVerifier {
    name: String,
    id: u32,
    key: Vec<u8>,
}

impl CosignatureVerifier {
    fn new(text: &str) -> Self {
        let mut parts = text.splitn(3, '+');
        let (name, id, encoded) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let key = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded).unwrap();
        assert_eq!((key[0], key.len()), (4, 33));
        let id = u32::from_str_radix(id, 16).unwrap();
        assert_eq!(signed_note::key_id(name, &key), id);
        Self { name: name.to_owned(), id, key: key[1..].to_vec() }
    }
}

impl Verifier for CosignatureVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk() else { return false };
        let mut message = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).into_bytes();
        message.extend(text);
        UnparsedPublicKey::new(&ED25519, &self.key).verify(&message, signature).is_ok()
    }
}

/// Tiles of a folder, in the layout of C2SP, which leaves the height out of the path.
struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let path = tile.path().replace("tile/8/data/", "tile/entries/").replace("tile/8/", "tile/");
            fs::read(self.0.join(path)).map_err(|error| tlog_tiles::Error::InvalidInput(error.to_string()))
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// What two keys signed, and that it is a checkpoint of the log that the first key names.
fn open(note: &[u8], keys: &str) -> Result<Checkpoint, Box<dyn Error>> {
    let (log, cosigner) = keys.trim_end().split_once('\n').unwrap();
    let verifier = StandardVerifier::new(log)?;
    let origin = verifier.name().to_owned();
    let known = VerifierList::new(vec![Box::new(verifier), Box::new(CosignatureVerifier::new(cosigner))]);
    let note = Note::from_bytes(note)?;
    let (good, unknown) = note.verify(&known)?;
    if good.len() != 2 || !unknown.is_empty() {
        return Err("not signed by both".into());
    }
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| "not a checkpoint")?;
    if checkpoint.origin() == origin { Ok(checkpoint) } else { Err("another origin".into()) }
}

/// The entries of a bundle.
fn unbundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, Box<dyn Error>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk().ok_or("no length")?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or("cut off")?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

/// Everything that an auditor would check, with the crates' functions alone. Returns the number of entries.
fn audit(folder: &Path, keys: &str) -> Result<u64, Box<dyn Error>> {
    let earlier = open(&fs::read(folder.join("earlier"))?, keys)?;
    let latest = open(&fs::read(folder.join("checkpoint"))?, keys)?;
    let (size, root) = (latest.size(), *latest.hash());
    if size < earlier.size() {
        return Err("the log has shrunk".into());
    }
    let tiles = Folder(folder.to_owned());
    let hashes = TileHashReader::new(size, root, &tiles);
    let proof = prove_tree(size, earlier.size(), &hashes)?;
    check_tree(&proof, size, root, earlier.size(), *earlier.hash())?;
    for first in (0..size).step_by(256) {
        let width = (size - first).min(256);
        let bundle = Tile::new(8, 0, first / 256, u32::try_from(width)?, true);
        let bundle = tiles.read_tiles(&[bundle])?.remove(0);
        let entries = unbundle(&bundle)?;
        let places: Vec<u64> = (first..first + width).map(|index| stored_hash_index(0, index)).collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| record_hash(entry)).collect();
        if leaves != hashes.read_hashes(&places)? {
            return Err(format!("an entry from {first} on is not its leaf").into());
        }
        // Each by a proof to the root: what the reader of tiles lets through is not yet proven to be the log's.
        for (index, leaf) in (first..).zip(leaves) {
            check_record(&prove_record(size, index, &hashes)?, size, root, index, leaf)?;
        }
    }
    Ok(size)
}

#[test]
fn crates_that_are_not_ours_accept_our_log_and_refuse_every_lie_about_it() {
    let scratch = tempfile::tempdir().unwrap();
    let out = std::env::var_os("TUMAR_LOGS_OUT").map_or(scratch.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&out).unwrap();
    third_party::write(&out);
    let keys = fs::read_to_string(out.join("keys")).unwrap();
    assert_eq!(audit(&out.join(third_party::SOUND), &keys).unwrap(), third_party::SIZE);
    let found: Vec<String> = third_party::LIES
        .iter()
        .map(|lie| match audit(&out.join(lie), &keys) {
            Ok(_) => panic!("{lie} was accepted"),
            Err(error) => format!("{lie}: {error}"),
        })
        .collect();
    // Each by its own fault: a log that can not be read at all would be refused as well.
    let expected = [
        "changed-entry: an entry from 1792 on is not its leaf",
        "changed-entry-and-tile: invalid transparency proof",
        "changed-tile: an entry from 1792 on is not its leaf",
        "changed-upper-tile: downloaded inconsistent tile",
        "dropped-entry: an entry from 1792 on is not its leaf",
        "dropped-and-signed-anew: invalid transparency proof",
        "fork: invalid transparency proof",
        "smaller-size: the log has shrunk",
        "wrong-origin: another origin",
    ];
    assert_eq!(found[..expected.len()], expected);
    assert!(found[9].starts_with("wrong-key: ") && found[10].starts_with("wrong-cosignature: "), "{found:?}");
}
