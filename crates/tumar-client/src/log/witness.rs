//! A witness of other nodes' logs: it cosigns a checkpoint only if that continues the last one it cosigned, and it never forgets
//! which that was.
//!
//! [`AddCheckpoint`] --[`Witness::add`], durable--> cosignature line, or [`WitnessError`] with an HTTP status
//!
//! ```text
//! <directory>/<log's name>/2026h2        the last note that was cosigned of the half: its text, under the log's signature
//! <directory>/<log's name>/2026h2-fork   the first note that contradicts it: both together show that the log lied
//! ```
//!
//! Source: C2SP tlog-witness (`add-checkpoint`), <https://c2sp.org/tlog-witness>.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cosign::{Cosigner, CosignerKey};
use super::merkle::{empty_root, verify_consistency};
use super::note::{self, Checkpoint, KeyName, MAX_BYTES, NoteError, VerifierKey};
use super::shard::Shard;
use super::tiles;

/// No more hashes are in a proof of consistency: one for each bit of a size.
pub const MAX_PROOF: usize = 63;

/// No longer request is read, in bytes: old size, proof, blank line and note.
pub const MAX_REQUEST: usize = 32 + MAX_PROOF * 45 + MAX_BYTES;

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Not a request, or the old size is larger than the checkpoint's.
    #[error("not a valid add-checkpoint request")]
    Malformed,
    /// No log of this origin is witnessed here.
    #[error("this witness does not cosign a log of this origin")]
    Unknown,
    /// The log's own signature is missing or false.
    #[error("the checkpoint is not signed by its log")]
    Unsigned,
    /// The log was last seen at another size than the old size of the request: ask again from there.
    #[error("the log was last cosigned at size {0}")]
    Stale(u64),
    /// The log signed two roots of this one size.
    #[error("the log signed two different roots of size {0}")]
    Forked(u64),
    /// The proof does not lead from what was cosigned last to this checkpoint.
    #[error("the consistency proof does not lead from the checkpoint that was cosigned last")]
    Unproven,
    /// What was cosigned last can not be read, or the new state not be kept. Nothing was signed.
    #[error("the witness state of the log can not be read or written")]
    State(#[from] io::Error),
}

impl WitnessError {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unsigned => 403,
            Self::Unknown => 404,
            Self::Stale(_) | Self::Forked(_) => 409,
            Self::Unproven => 422,
            Self::State(_) => 500,
        }
    }

    /// The size that the answer's body must name, as type `text/x.tlog.size`.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        match self {
            Self::Stale(size) | Self::Forked(size) => Some(*size),
            Self::Malformed | Self::Unsigned | Self::Unknown | Self::Unproven | Self::State(_) => None,
        }
    }
}

/// A request to cosign: `old N`, hashes of the proof, a blank line, the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size at which the witness last cosigned the log; 0 for never.
    pub old: u64,
    /// That the checkpoint continues the log of the old size (RFC 6962, 2.1.2).
    pub proof: Vec<[u8; 32]>,
    /// The checkpoint, signed by its log.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`] unless it has the form; the note is not looked into.
    pub fn parse(body: &str) -> Result<Self, WitnessError> {
        Self::read(body).ok_or(WitnessError::Malformed)
    }

    fn read(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n").filter(|_| body.len() <= MAX_REQUEST)?;
        let mut lines = head.split('\n');
        let digits = lines.next()?.strip_prefix("old ")?;
        let old: u64 = digits.parse().ok()?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let proof: Vec<[u8; 32]> = lines.map(hash).collect::<Option<_>>()?;
        // One number, one text: no sign, no leading zeroes.
        let sound = old.to_string() == digits && proof.len() <= MAX_PROOF && !note.is_empty();
        sound.then(|| Self { old, proof, note: note.to_owned() })
    }
}

/// The body of the request.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        f.write_char('\n')?;
        f.write_str(&self.note)
    }
}

/// The last checkpoint that was cosigned of each log. One a directory.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: Vec<VerifierKey>,
    directory: PathBuf,
    /// By origin; whatever is in here is durable. Held while a checkpoint is compared and kept: both are one step.
    seen: Mutex<HashMap<String, Checkpoint>>,
}

impl Witness {
    /// A witness of these logs, by their keys without a half-year. It remembers in `directory`, which is made when it is needed.
    #[must_use]
    pub fn new(cosigner: Cosigner, logs: Vec<VerifierKey>, directory: &Path) -> Self {
        Self { cosigner, logs, directory: directory.to_owned(), seen: Mutex::new(HashMap::new()) }
    }

    /// What others verify its cosignatures with.
    #[must_use]
    pub const fn verifier(&self) -> &CosignerKey {
        self.cosigner.verifier()
    }

    /// Cosigns the checkpoint, if it continues the last one that was cosigned: the signature line. It is kept on disk before it
    /// is signed. Blocks. `now` is in unix seconds; logs of half-years after the next are not known yet.
    ///
    /// # Errors
    /// [`WitnessError`], and then nothing was signed. After [`State`](WitnessError::State) the checkpoint may have been kept all
    /// the same; that is safe, and asking again works.
    pub fn add(&self, request: &AddCheckpoint, now: u64) -> Result<String, WitnessError> {
        let (key, file, next) = self.open(&request.note, now)?;
        if request.old > next.size {
            return Err(WitnessError::Malformed);
        }
        // A panic while it was held left at worst no memory of a log: it is read again.
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let origin = key.name().as_str();
        let last = match seen.get(origin) {
            Some(last) => Some(last.clone()),
            None => recall(&file, &key)?,
        };
        let (size, root) = last.as_ref().map_or((0, empty_root()), |last| (last.size, last.root));
        if request.old != size {
            return Err(WitnessError::Stale(size));
        }
        if next.size == size && next.root != root && last.is_some() {
            report_fork(&file, &request.note, &next);
            return Err(WitnessError::Forked(size));
        }
        verify_consistency(size, next.size, &request.proof, &root, &next.root).map_err(|_| WitnessError::Unproven)?;
        if last.as_ref() != Some(&next) {
            // Unless it is all done, what is on disk is not known: read it again then.
            seen.remove(origin);
            tiles::put(&file, only(&request.note, &key)?.as_bytes())?;
        }
        let line = self.cosigner.sign(&next, now);
        seen.insert(origin.to_owned(), next);
        Ok(line)
    }

    /// What was cosigned last of each half-year of a log, by its name without one: the notes, under the log's signature. Blocks.
    ///
    /// # Errors
    /// Whatever the file system says; a note that is not the log's is no error, and is left out.
    pub fn cosigned(&self, log: &KeyName) -> io::Result<Vec<String>> {
        let Some(key) = self.logs.iter().find(|key| key.name() == log) else { return Ok(Vec::new()) };
        let folder = self.folder(log.as_str());
        let mut notes = Vec::new();
        for half in tiles::halves(&folder)? {
            let note = fs::read_to_string(folder.join(half.to_string()))?;
            notes.extend(Checkpoint::open(&note, &key.of_half(half)).is_ok().then_some(note));
        }
        Ok(notes)
    }

    /// Where the state of a log is kept.
    fn folder(&self, log: &str) -> PathBuf {
        let kept = |char: char| if char.is_ascii_alphanumeric() || "-.".contains(char) { char } else { '_' };
        // Were two logs' folders one, neither would believe the other's note there.
        self.directory.join(format!("log-{}", log.chars().map(kept).collect::<String>()))
    }

    /// The log's key for its half, where its state is kept, and the checkpoint that it signed.
    fn open(&self, note: &str, now: u64) -> Result<(VerifierKey, PathBuf, Checkpoint), WitnessError> {
        let (text, _) = note::read(note).map_err(|_| WitnessError::Malformed)?;
        let claimed = Checkpoint::parse(text).map_err(|_| WitnessError::Malformed)?;
        let (base, half) = claimed.origin.as_str().rsplit_once('/').ok_or(WitnessError::Unknown)?;
        let half: Shard = half.parse().map_err(|_| WitnessError::Unknown)?;
        let log = self.logs.iter().find(|log| log.name().as_str() == base).ok_or(WitnessError::Unknown)?;
        if half > Shard::of(now).next() {
            return Err(WitnessError::Unknown);
        }
        let key = log.of_half(half);
        let checkpoint = Checkpoint::open(note, &key).map_err(|error| {
            let unsigned = matches!(error, NoteError::Unsigned | NoteError::Signature);
            if unsigned { WitnessError::Unsigned } else { WitnessError::Malformed }
        })?;
        Ok((key, self.folder(base).join(half.to_string()), checkpoint))
    }
}

/// What was cosigned last, from its file, which is made durable anew: a write that failed before, in another run even, may
/// have left what a power cut takes away.
fn recall(file: &Path, key: &VerifierKey) -> Result<Option<Checkpoint>, io::Error> {
    let note = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let unknown = |error: NoteError| {
        let to_do = "what was cosigned last is not by the pinned key; if the log was begun anew under a new key, move this folder aside";
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}: {to_do}", file.display()))
    };
    let checkpoint = Checkpoint::open(&note, key).map_err(unknown)?;
    tiles::put(file, note.as_bytes())?;
    Ok(Some(checkpoint))
}

/// The note with the signatures of its log alone.
fn only(note: &str, key: &VerifierKey) -> Result<String, WitnessError> {
    key.only(note).map_err(|_| WitnessError::Malformed)
}

/// Keeps the first note that contradicts what was cosigned.
fn report_fork(file: &Path, note: &str, next: &Checkpoint) {
    tracing::error!(origin = %next.origin, size = next.size, "a log signed two different roots of one size");
    let evidence = PathBuf::from(format!("{}-fork", file.display()));
    if !evidence.exists()
        && let Err(error) = tiles::put(&evidence, note.as_bytes())
    {
        tracing::error!(%error, "the second checkpoint could not be stored");
    }
}
