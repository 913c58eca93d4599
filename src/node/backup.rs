//! A copy of what a node keeps, made while it runs or not: the store, the published log, and what it cosigned. Keys are not in it.
//!
//! ```text
//! DIR/store.sqlite       the store, less envelope keys and answers
//! DIR/log/..             the published files, as they were a moment before
//! DIR/witness/..         what was cosigned of the others' logs
//! DIR/backup.json        whose it is, of when, and SHA-256 of each file; written last: without it, it is no backup
//! ```

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::hex::hex;
use crate::name::Deployment;
use crate::party::Party;
use crate::store::{Store, StoreError};

/// Raised with every change of what stands in a backup.
const VERSION: u32 = 1;

/// Name of the list of what is in it.
const MANIFEST: &str = "backup.json";

/// Why there is no backup, or why it can not be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Backups go into folders of their own.
    #[error("{}: the folder is not empty; nothing was written", .0.display())]
    NotEmpty(PathBuf),
    /// The store's copy.
    #[error("{}", .0.display())]
    Copy(PathBuf, #[source] StoreError),
    /// The store.
    #[error("the store")]
    Store(#[from] StoreError),
    /// There is no list, or it has another form.
    #[error("{}: not a complete backup of this version of tumar (backup.json is missing, invalid or of another version)", .0.display())]
    NoManifest(PathBuf),
    /// A file is not what it was.
    #[error("{}: the file is missing, or is not the one in backup.json: the backup is damaged, use another one", .0.display())]
    Sum(PathBuf),
    /// It is another node's.
    #[error(
        "the backup is of node {party} of deployment {deployment}, but the configuration is of another node or deployment"
    )]
    Foreign {
        /// Whose it is.
        party: Party,
        /// In which installation.
        deployment: Deployment,
    },
}

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// Which installation.
    pub deployment: Deployment,
    /// Which node.
    pub party: Party,
    /// When it was made, in unix seconds.
    pub made: u64,
    /// Each file, by its path in the backup.
    pub files: Vec<Summed>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summed {
    /// Below the backup's folder.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// Whose backup it is, and from where.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which installation.
    pub deployment: Deployment,
    /// Which node.
    pub party: Party,
    /// Folder of store and log.
    pub data: PathBuf,
}

/// Writes a backup into a new or empty folder. The published log is copied first, so that the store has all of it.
///
/// # Errors
/// [`BackupError`]; what was written by then is removed.
pub async fn write(store: &Store, source: &Source, out: &Path, now: u64) -> Result<Manifest, BackupError> {
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::NotEmpty(out.to_owned()));
    }
    let was_there = out.exists();
    let written = write_into(store, source, out, now).await;
    if written.is_err() {
        // A half of a backup is in the way of the next one, on a disk that may be full. What can not be removed has no list.
        for name in ["log", "witness"] {
            let _ = fs::remove_dir_all(out.join(name));
        }
        for name in ["store.sqlite", "store.sqlite-journal", "store.sqlite-wal", "store.sqlite-shm", MANIFEST] {
            let _ = fs::remove_file(out.join(name));
        }
        if !was_there {
            let _ = fs::remove_dir(out);
        }
    }
    written
}

async fn write_into(store: &Store, source: &Source, out: &Path, now: u64) -> Result<Manifest, BackupError> {
    folder(out)?;
    for name in ["log", "witness"] {
        let (from, to) = (source.data.join(name), out.join(name));
        tokio::task::spawn_blocking(move || copy(&from, &to)).await.map_err(|_| StoreError::Closed)??;
    }
    let file = out.join("store.sqlite");
    store.copy_to(&file).await.map_err(|error| BackupError::Copy(file.clone(), error))?;
    let (deployment, party) = (source.deployment.clone(), source.party);
    let out = out.to_owned();
    let summed = tokio::task::spawn_blocking(move || {
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(named(&file))?;
        let mut files = Vec::new();
        sum_all(&out, Path::new(""), &mut files)?;
        let manifest = Manifest { version: VERSION, deployment, party, made: now, files };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| BackupError::File(out.join(MANIFEST), error.into()))?;
        put(&out.join(MANIFEST), text.as_bytes())?;
        Ok::<_, BackupError>(manifest)
    });
    summed.await.map_err(|_| StoreError::Closed)?
}

/// Reads a backup's list, and each file against it.
///
/// # Errors
/// [`BackupError::NoManifest`], [`BackupError::Sum`], [`BackupError::Foreign`].
pub(super) fn verify(from: &Path, deployment: &Deployment, party: Party) -> Result<Manifest, BackupError> {
    let none = || BackupError::NoManifest(from.to_owned());
    let text = fs::read(from.join(MANIFEST)).map_err(|_| none())?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| none())?;
    if manifest.version != VERSION {
        return Err(none());
    }
    if manifest.party != party || manifest.deployment != *deployment {
        return Err(BackupError::Foreign { party: manifest.party, deployment: manifest.deployment });
    }
    for Summed { path, bytes, sha256 } in &manifest.files {
        let file = from.join(path);
        let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside || sum(&file).ok() != Some((*bytes, sha256.clone())) {
            return Err(BackupError::Sum(file));
        }
    }
    Ok(manifest)
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    |error| BackupError::File(path.to_owned(), error)
}

/// Makes a folder for its owner alone.
pub(super) fn folder(path: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(named(path))
}

/// Copies a folder with all that is in it; one that is not there is empty. Files that go while it is copied are left out: a partial tile
/// goes when the full one is there. Checkpoints are read before the tiles that they are of.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(named(from))?,
    };
    folder(to)?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(named(from))?;
    entries.sort_by_key(|entry| entry.path().is_dir());
    for entry in entries {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.extension().is_some_and(|extension| extension == "new") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &place)?;
            continue;
        }
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            content => put(&place, &content.map_err(named(&path))?)?,
        }
    }
    Ok(())
}

/// A new file for its owner alone, on the disk when this returns.
fn put(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    let mut how = fs::OpenOptions::new();
    let file = how.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(named(path))
}

fn sum_all(root: &Path, below: &Path, files: &mut Vec<Summed>) -> Result<(), BackupError> {
    let at = root.join(below);
    let entries = fs::read_dir(&at).map_err(named(&at))?;
    let mut names: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>().map_err(named(&at))?;
    names.sort();
    for name in names {
        let path = below.join(name);
        let file = root.join(&path);
        if file.is_dir() {
            sum_all(root, &path, files)?;
        } else {
            let (bytes, sha256) = sum(&file).map_err(named(&file))?;
            files.push(Summed { path, bytes, sha256 });
        }
    }
    Ok(())
}

fn sum(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Context::new(&SHA256), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(hash.finish().as_ref())));
        }
        bytes += read as u64;
        hash.update(&buffer[..read]);
    }
}
