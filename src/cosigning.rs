//! Gets cosignatures for the own log: each new checkpoint goes to every witness, and what they sign is published with it.
//!
//! checkpoint, signed by the log --[`run`]--> `add-checkpoint` at each [`Witness`] --> verified lines --[`Log::replace`]
//!
//! One task a witness, and so at most one request under way at each; a newer checkpoint takes the place of an older one that
//! waits. A witness that is down is asked again after a pause that doubles up to a minute. Nothing here holds up the log.
//!
//! The protocol is C2SP tlog-witness: <https://c2sp.org/tlog-witness>. Outside witnesses are asked over HTTP, the other two nodes over
//! their links: whoever holds connections to a port for auditors keeps no node from another one's cosignature.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::log::cosign::{self, CosignerKey};
use crate::log::note::{Checkpoint, KeyName, NoteError};
use crate::log::witness::AddCheckpoint;
use crate::web::{Answer, HttpClient, WebError};

/// No more witnesses are asked: a note has room for 16 signatures, and one is the log's.
pub const MAX_WITNESSES: usize = 15;

/// How long after a first failure a witness is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long at most until a witness that is down is asked again.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The own log, as far as it is needed here.
pub trait Log: Send + Sync + 'static {
    /// The proof that the log of this origin continues, from its first `old` entries to its first `new`; none if it does not have as
    /// many. May block.
    fn consistency(&self, origin: &KeyName, old: u64, new: u64) -> Option<Vec<[u8; 32]>>;

    /// Puts a cosigned note in the place of the published checkpoint. If another checkpoint stands there by now, nothing is done.
    /// May block.
    ///
    /// # Errors
    /// Whatever the file system says. It is asked again with the next cosignature.
    fn replace(&self, note: &str) -> io::Result<()>;
}

/// How a witness is asked: the body of a request in, its answer out. Blocks.
pub type Ask = Box<dyn Fn(&str) -> Result<Answer, Unheard> + Send + Sync>;

/// A witness that was not heard.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// Over the web.
    #[error(transparent)]
    Web(#[from] WebError),
    /// Over the link to another node.
    #[error("the link to the node is down, or the node does not answer")]
    Link,
}

/// One that cosigns our checkpoints.
pub struct Witness {
    key: CosignerKey,
    ask: Ask,
}

impl Witness {
    /// The witness with this key, asked at `site` + `/add-checkpoint`.
    #[must_use]
    pub fn at(key: CosignerKey, site: HttpClient) -> Self {
        Self::new(key, Box::new(move |body| Ok(site.post("/add-checkpoint", body.as_bytes())?)))
    }

    /// The witness with this key, asked in some other way.
    #[must_use]
    pub fn new(key: CosignerKey, ask: Ask) -> Self {
        Self { key, ask }
    }
}

/// Prints the name.
impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({})", self.key.name())
    }
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It did not answer.
    #[error(transparent)]
    Unheard(#[from] Unheard),
    /// It refused, and not because it knows another size.
    #[error("it answered with status {0}")]
    Status(u16),
    /// What it said is not its cosignature of what it was asked for.
    #[error("its answer is not a cosignature of this checkpoint")]
    Answer(#[from] NoteError),
    /// It says that the log has, at this size, another root than ours; or it saw a larger log than there is.
    #[error("it cosigned another log, at size {0}")]
    Contradiction(u64),
    /// The task that asked ended without an answer.
    #[error("the request to it was aborted")]
    Lost,
}

/// Gets cosignatures until the sender of `published` is gone. That gives the newest checkpoint, signed by the log alone. Witnesses
/// after the first [`MAX_WITNESSES`] are not asked.
pub async fn run(published: watch::Receiver<Option<String>>, witnesses: Vec<Witness>, log: Arc<dyn Log>) {
    // As many lines may wait as there are witnesses: who is ahead of the file system waits.
    let (send, cosigned) = mpsc::channel(MAX_WITNESSES);
    let mut tasks = JoinSet::new();
    for witness in witnesses.into_iter().take(MAX_WITNESSES) {
        let asker = Asker { witness: Arc::new(witness), log: Arc::clone(&log), known: None, pause: None };
        tasks.spawn(asker.run(published.clone(), send.clone()));
    }
    drop(send);
    collect(published, cosigned, log).await;
}

/// The newest checkpoint that was published, if there is one; `None` when there will be none any more.
async fn next(published: &mut watch::Receiver<Option<String>>) -> Option<String> {
    loop {
        if let Some(note) = published.borrow_and_update().clone() {
            return Some(note);
        }
        published.changed().await.ok()?;
    }
}

/// Publishes what comes in for the newest checkpoint. What comes for an older one is too late.
async fn collect(
    published: watch::Receiver<Option<String>>,
    mut cosigned: mpsc::Receiver<(String, String)>,
    log: Arc<dyn Log>,
) {
    let mut last: Option<(String, String)> = None;
    while let Some((note, line)) = cosigned.recv().await {
        if published.borrow().as_ref() != Some(&note) {
            continue;
        }
        let so_far = match last.take() {
            Some((of, so_far)) if of == note => so_far,
            _ => note.clone(),
        };
        let Ok(more) = cosign::add(&so_far, &line) else { continue };
        last = Some((note, more.clone()));
        let log = Arc::clone(&log);
        match tokio::task::spawn_blocking(move || log.replace(&more)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a cosigned checkpoint could not be published"),
            Err(error) => tracing::error!(%error, "a cosigned checkpoint could not be published"),
        }
    }
}

/// What asks one witness.
struct Asker {
    witness: Arc<Witness>,
    log: Arc<dyn Log>,
    /// The log and the size of it that the witness knows, as far as we know.
    known: Option<(KeyName, u64)>,
    /// How long was waited after the last failure; none after a success.
    pause: Option<Duration>,
}

impl Asker {
    async fn run(mut self, mut published: watch::Receiver<Option<String>>, send: mpsc::Sender<(String, String)>) {
        while let Some(note) = next(&mut published).await {
            match self.cosign(&note).await {
                Ok(line) => {
                    if self.pause.take().is_some() {
                        tracing::info!(witness = %self.witness.key.name(), "the witness cosigns again");
                    }
                    if send.send((note, line)).await.is_err() || published.changed().await.is_err() {
                        return;
                    }
                }
                Err(failure) => {
                    self.report(&failure);
                    let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
                    self.pause = Some(pause);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = gone(published.clone()) => return,
                    }
                }
            }
        }
    }

    /// A log that is contradicted is an alarm each time; a witness that is down is told once.
    fn report(&self, failure: &Failure) {
        let witness = self.witness.key.name();
        match failure {
            Failure::Contradiction(_) => {
                tracing::error!(%witness, %failure, "a witness cosigned a checkpoint that contradicts this log");
            }
            Failure::Unheard(_) | Failure::Status(_) | Failure::Answer(_) | Failure::Lost => {
                if self.pause.is_none() {
                    tracing::warn!(%witness, error = failure as &dyn std::error::Error, "a witness does not cosign");
                }
            }
        }
    }

    /// The witness's line for a checkpoint. If it knows another size than we thought, it is asked once more, from there.
    async fn cosign(&mut self, note: &str) -> Result<String, Failure> {
        let checkpoint = checkpoint_of(note)?;
        let mut old = match &self.known {
            Some((origin, size)) if *origin == checkpoint.origin && *size <= checkpoint.size => *size,
            _ => 0,
        };
        for _ in 0..2 {
            let answer = self.ask(note, &checkpoint, old).await?;
            match answer.status {
                200 => {
                    let line = self.line(note, &answer.body)?;
                    self.known = Some((checkpoint.origin, checkpoint.size));
                    return Ok(line);
                }
                409 => {
                    let told = size_in(&answer.body).ok_or(Failure::Status(409))?;
                    if told == old || told > checkpoint.size {
                        return Err(Failure::Contradiction(told));
                    }
                    old = told;
                    self.known = Some((checkpoint.origin.clone(), told));
                }
                status => return Err(Failure::Status(status)),
            }
        }
        Err(Failure::Status(409))
    }

    async fn ask(&self, note: &str, checkpoint: &Checkpoint, old: u64) -> Result<Answer, Failure> {
        let (witness, log) = (Arc::clone(&self.witness), Arc::clone(&self.log));
        let (note, origin, size) = (note.to_owned(), checkpoint.origin.clone(), checkpoint.size);
        let asked = tokio::task::spawn_blocking(move || {
            let proof = log.consistency(&origin, old, size).ok_or(Failure::Contradiction(old))?;
            Ok((witness.ask)(&AddCheckpoint { old, proof, note }.to_string())?)
        });
        asked.await.map_err(|_| Failure::Lost)?
    }

    /// The line by the witness's own key. Others that came with it are left out.
    fn line(&self, note: &str, body: &[u8]) -> Result<String, Failure> {
        let lines = std::str::from_utf8(body).map_err(|_| NoteError::Malformed)?;
        Ok(self.witness.key.find(&format!("{note}{lines}"))?.line)
    }
}

/// Returns when nothing more will be published.
async fn gone(mut published: watch::Receiver<Option<String>>) {
    while published.changed().await.is_ok() {}
}

/// What our own note says: it is not verified, for it comes from ourselves.
fn checkpoint_of(note: &str) -> Result<Checkpoint, NoteError> {
    let (text, _) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
    Checkpoint::parse(&format!("{text}\n"))
}

fn size_in(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.strip_suffix('\n')?.parse().ok()
}
