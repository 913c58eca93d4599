//! Where the research sets are that the tests measure on, if they are at hand.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::io::Write as _;
use std::path::PathBuf;

/// A folder of `TUMAR_DATA` (`../shared/data` if unset). `None`, and a loud line, where it is not there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TUMAR_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // Not `eprintln!`: the harness keeps to itself what a test that passes prints.
    let line = format!("\n*** NOT TESTED on real {name}: no {} (set TUMAR_DATA) ***\n\n", folder.display());
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
