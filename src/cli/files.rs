//! Reading and writing files, with their names in the errors, and secrets readable to their owner alone.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tumar::client::ClientConfig;
use tumar::form;
use tumar::token::jws::JwsError;
use zeroize::Zeroizing;

use super::failure::Failure;

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    |source| Failure::File { path: path.to_owned(), source }
}

/// The same for a file that was to be new.
fn unless_there(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    |source| if source.kind() == ErrorKind::AlreadyExists { Failure::Exists(path.to_owned()) } else { at(path)(source) }
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
        text = fs::read(path).and_then(form::text).map_err(at(path))?;
    }
    // Some editors put a byte order mark in front.
    Ok(text.trim_start_matches('\u{feff}').trim().to_owned())
}

/// An access token, as it is sent: what is none by its looks alone is told with its file, and not sent.
pub(super) fn read_token(path: &Path) -> Result<String, Failure> {
    let token = read_text(path)?;
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_token { Ok(token) } else { Err(Failure::NotAToken(path.to_owned())) }
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

/// Writes a file that only its owner may read, whole or not at all, and locks it for as long as what is given back is held; in place
/// of the one that is held already, if there is one, and of no other.
pub(super) fn hold_secret(path: &Path, bytes: &[u8], before: Option<&File>) -> Result<File, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at(path))?;
    held(file.as_file()).map_err(at(path))?;
    let kept = if before.is_some() { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map_err(|error| unless_there(path)(error.error))
}

/// Opens a file and locks it.
pub(super) fn hold(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(at(path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Failure::Busy(path.to_owned())),
        // Without locks there is nobody to be seen.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// A new file that takes what is still to come: made, and given room on the disk, before something is done that can not be undone.
/// Locked for as long as it is held, so that no other command takes the room for its own. Dropped before it is kept, it is removed.
pub(super) struct Reserved {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Reserved {
    /// Room for so many bytes.
    pub(super) fn new(path: &Path, mode: u32, room: usize) -> Result<Self, Failure> {
        let mut how = OpenOptions::new();
        how.write(true).create_new(true).mode(mode);
        let file = match how.open(path) {
            Ok(file) => {
                // Who looks meanwhile whether it is left room finds it empty, and lets it go.
                held(&file).map_err(at(path))?;
                file
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => left_room(path, room)?,
            Err(error) => return Err(at(path)(error)),
        };
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

/// Waits for the lock of a file of one's own. Where a file system has no locks, there is nobody to wait for.
fn held(file: &File) -> std::io::Result<()> {
    match file.lock() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
}

/// Room that a command which was ended had made, and no other command holds.
fn left_room(path: &Path, room: usize) -> Result<File, Failure> {
    let exists = || Failure::Exists(path.to_owned());
    // Of nothing but a file of that size is anything read: a device has no end, and a pipe may have no writer.
    let fits = |left: &Metadata| left.is_file() && left.len() > 0 && left.len() <= room as u64;
    if !fs::metadata(path).is_ok_and(|left| fits(&left)) {
        return Err(exists());
    }
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Failure::Busy(path.to_owned())),
        Err(TryLockError::Error(_)) => return Err(exists()),
    }
    // Whoever held it may have written into it since, or removed it.
    let (mut left, here) = (Vec::new(), file.metadata().map_err(at(path))?);
    let is_there = fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino()));
    if !fits(&here) || !is_there {
        return Err(exists());
    }
    file.read_to_end(&mut left).map_err(at(path))?;
    if left.is_empty() || left.iter().any(|&byte| byte != b' ') {
        return Err(exists());
    }
    file.rewind().map_err(at(path))?;
    Ok(file)
}

/// Never over a file that is there: it might be the only copy of a key.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(unless_there(path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_token_and_what_is_no_text_is_told_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "\u{feff}token\r\n").unwrap();
        assert_eq!(read_text(file.path()).unwrap(), "token");
        fs::write(file.path(), b"\xfft\0o\0").unwrap();
        let told = read_text(file.path()).unwrap_err().to_string();
        assert!(told.ends_with(": not UTF-8 at line 1: save it as UTF-8"), "{told}");
    }

    #[test]
    fn room_is_taken_over_from_who_has_ended_and_from_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let first = Reserved::new(&path, 0o600, 64).unwrap();
        let refused = |why: &str| {
            let failure = Reserved::new(&path, 0o600, 64).err().expect("it was taken twice");
            assert!(failure.to_string().contains(why), "{failure}");
        };
        refused("another command is writing it");
        first.keep(b"the first one").unwrap();
        refused("it exists already");
        assert_eq!(fs::read(&path).unwrap(), b"the first one");
        fs::write(&path, " ".repeat(64)).unwrap();
        let second = Reserved::new(&path, 0o600, 64).unwrap();
        refused("another command is writing it");
        drop(second);
        assert!(!path.exists());
    }
}
