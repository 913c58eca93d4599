//! Reading and writing files, with their names in the errors, and secrets readable to their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tumar::client::ClientConfig;
use tumar::token::jws::JwsError;
use zeroize::Zeroizing;

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

/// A private key, PKCS#8 in DER or PEM. That others may read it is told.
pub(super) fn read_key<K>(path: &Path, of: fn(&[u8]) -> Result<K, JwsError>) -> Result<K, Failure> {
    let pkcs8 = Zeroizing::new(read(path)?);
    tell_if_open(path)?;
    of(&pkcs8).map_err(|source| Failure::KeyFile { path: path.to_owned(), source })
}

/// A client's configuration, with the same warning of its proof key.
pub(super) fn client_config(path: &Path) -> Result<ClientConfig, Failure> {
    let config = ClientConfig::read(path)?;
    tell_if_open(&config.proof_key_file)?;
    Ok(config)
}

pub(super) fn tell_if_open(key: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(key).map_err(at(key))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        eprintln!(
            "tumar: warning: {}: others than its owner can read this key (mode {mode:o}): chmod 600",
            key.display()
        );
    }
    Ok(())
}

/// Writes a new file that everybody may read.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o644)
}

/// Writes a new file that only its owner may read.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_new(path, bytes, 0o600)
}

/// Writes a file that only its owner may read, in place of an earlier one, whole or not at all.
pub(super) fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at(path))?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    Ok(())
}

/// A new file that takes what is still to come: made, and given room on the disk, before something is done that can not be undone.
/// Dropped before it is kept, it is removed.
pub(super) struct Reserved {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Reserved {
    /// Room for so many bytes.
    pub(super) fn new(path: &Path, mode: u32, room: usize) -> Result<Self, Failure> {
        // Room that a command which was ended had made is empty still.
        // Of nothing but a file of that size is anything read: a device has no end, and a pipe may have no writer.
        let fits = fs::metadata(path).is_ok_and(|left| left.is_file() && left.len() <= room as u64);
        let is_room =
            fits && fs::read(path).is_ok_and(|left| !left.is_empty() && left.iter().all(|&byte| byte == b' '));
        let mut how = OpenOptions::new();
        how.write(true).create_new(!is_room).mode(mode);
        let file = how.open(path).map_err(at(path))?;
        let mut reserved = Self { path: path.to_owned(), file, is_kept: false };
        reserved.file.write_all(&vec![b' '; room]).and_then(|()| reserved.file.sync_all()).map_err(at(path))?;
        Ok(reserved)
    }

    /// Writes what it was made for. If that fails after all, the file is removed as well.
    pub(super) fn keep(mut self, bytes: &[u8]) -> Result<(), Failure> {
        let length = bytes.len() as u64;
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(bytes))
            .and_then(|()| self.file.set_len(length))
            .and_then(|()| self.file.sync_all())
            .map_err(at(&self.path))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_kept {
            // It is empty of everything but room.
            let _ = fs::remove_file(&self.path);
        }
    }
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
