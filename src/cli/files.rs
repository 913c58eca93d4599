//! Reading and writing files, with their names in the errors, and secrets readable to their owner alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::failure::Failure;

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    |source| Failure::File { path: path.to_owned(), source }
}

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(at(path))
}

/// A file's text, or with `-` what stands on standard input, without white space around it.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(at(path))?;
    } else {
        text = fs::read_to_string(path).map_err(at(path))?;
    }
    Ok(text.trim().to_owned())
}

/// Writes a new file that everybody may read.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o644)
}

/// Writes a new file that only its owner may read.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o600)
}

/// Never over a file that is there: it might be the only copy of a key.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

/// Makes a folder, and those above it, for the owner alone.
pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

/// Whether nothing stands in a folder, or there is none.
pub(super) fn is_empty(path: &Path) -> Result<bool, Failure> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(at(path)(error)),
    }
}
