//! A socket in a node's own folder, for its operator: only who may open the folder may ask. One line of JSON answers:
//!
//! `backup /absolute/folder\n` --> `{"files": 12, ..}` or `{"error": "why not"}`
//! `who\n` --> `{"party": "A", "deployment": "dev"}`

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::backup::{self, BackupError, Source};
use super::stopped;
use crate::clocks::Clock;
use crate::name::Deployment;
use crate::party::Party;
use crate::store::Store;

/// Longest question, in bytes.
const MAX_LINE: u64 = 8192;

/// How long an asker may take for the question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a node listens.
fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Listens until the node stops. A node that can not listen runs all the same, and says so.
pub(super) async fn serve(store: Store, source: Source, clock: Clock, stopping: watch::Receiver<bool>) {
    let path = socket(&source.data);
    // What a node that was killed has left. Two nodes can not share a folder: the store says so before.
    let _ = std::fs::remove_file(&path);
    let listener = match UnixListener::bind(&path).and_then(|listener| owner_only(&path).map(|()| listener)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the control socket can not be created: no backups while this node runs");
            return;
        }
    };
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // One at a time.
                Ok((stream, _)) => drop(answer(stream, &store, &source, clock()).await),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = &mut stop => break,
        }
    }
    let _ = std::fs::remove_file(&path);
}

fn owner_only(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

async fn answer(stream: UnixStream, store: &Store, source: &Source, now: u64) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut asked = BufReader::new(read.take(MAX_LINE));
    tokio::time::timeout(PATIENCE, asked.read_line(&mut line)).await.map_err(io::Error::other)??;
    let out = line.strip_prefix("backup ").and_then(|rest| rest.strip_suffix('\n')).map(Path::new);
    let told = match out.filter(|out| out.is_absolute()) {
        Some(out) => told(&backup::write(store, source, out, now).await),
        None if line == "who\n" => json!({ "party": source.party, "deployment": source.deployment }),
        None => json!({ "error": "unknown request" }),
    };
    write.write_all(format!("{told}\n").as_bytes()).await
}

fn told(written: &Result<backup::Manifest, BackupError>) -> Value {
    match written {
        Ok(manifest) => {
            tracing::info!(files = manifest.files.len(), "a backup was written");
            summary(manifest)
        }
        Err(error) => {
            let error = super::causes::with_causes(error);
            tracing::error!(%error, "no backup was written");
            json!({ "error": error })
        }
    }
}

/// What is told of a backup.
#[must_use]
pub fn summary(manifest: &backup::Manifest) -> Value {
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    json!({ "party": manifest.party, "made": manifest.made, "files": manifest.files.len(), "bytes": bytes })
}

/// Asks the node that runs on this folder for a backup. None if no node listens there. Blocks.
///
/// # Errors
/// Whatever the socket says, but for one that nobody listens at.
pub fn ask_backup(data: &Path, out: &Path) -> io::Result<Option<Value>> {
    let Some(stream) = connect(data)? else { return Ok(None) };
    let line = ask(stream, &format!("backup {}", out.display()))?;
    serde_json::from_str(&line)
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, "the node closed the connection"))
}

/// A node that runs on a folder.
#[derive(Debug, Deserialize)]
pub(super) struct Running {
    pub(super) party: Party,
    pub(super) deployment: Deployment,
}

/// Who runs on a folder.
pub(super) enum Runs {
    /// Nobody who listens at its socket.
    Nobody,
    /// Somebody who does not say which node it is.
    Somebody,
    /// This node.
    Node(Running),
}

/// Who runs on this folder. Blocks, for a few seconds at most.
pub(super) fn who_runs(data: &Path) -> Runs {
    let stream = match connect(data) {
        Ok(Some(stream)) => stream,
        Ok(None) => return Runs::Nobody,
        // A socket that can not be asked is there all the same.
        Err(_) => return Runs::Somebody,
    };
    let told = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| ask(stream, "who"));
    told.ok().and_then(|line| serde_json::from_str(&line).ok()).map_or(Runs::Somebody, Runs::Node)
}

fn connect(data: &Path) -> io::Result<Option<std::os::unix::net::UnixStream>> {
    match std::os::unix::net::UnixStream::connect(socket(data)) {
        Err(error) if is_nobody(error.kind()) => Ok(None),
        stream => stream.map(Some),
    }
}

/// Nobody listens there, or nobody can: a path may be too long for a socket, and what should be a folder may be none.
fn is_nobody(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotADirectory, NotFound};
    [ConnectionRefused, InvalidInput, NotADirectory, NotFound].contains(&kind)
}

fn ask(mut stream: std::os::unix::net::UnixStream, question: &str) -> io::Result<String> {
    use std::io::{BufRead as _, Write as _};
    writeln!(stream, "{question}")?;
    let mut line = String::new();
    io::BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
