//! Requests that change who is enrolled, kept in a file until their answer is: whatever happens meanwhile, the very same can be asked
//! for again, and is answered as it was or would have been.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tonic::Code;
use tumar::client::{ClientError, Prepared};
use tumar::name::Subject;
use tumar::reason::Reason;
use tumar::request::Method;

use super::failure::Failure;
use super::files;

/// A file that holds a request, beside the one that is to hold what comes of it. It has no secret, but says whom it is about.
pub(super) struct Pending {
    path: PathBuf,
    /// From the moment on that something is kept.
    interrupt: Option<Signal>,
    /// The request that is kept, locked: no other command sends it, or puts its own there.
    held: Option<File>,
}

impl Pending {
    /// `FILE.request`.
    pub(super) fn beside(file: &Path) -> Self {
        let mut name: OsString = file.as_os_str().to_owned();
        name.push(".request");
        Self { path: name.into(), interrupt: None, held: None }
    }

    /// Nothing was begun, or it came to an end.
    pub(super) fn is_none(&self) -> Result<(), Failure> {
        if self.path.exists() { Err(self.begun()) } else { Ok(()) }
    }

    /// Why nothing is begun here: another command is at it, or one was and its result is not known.
    fn begun(&self) -> Failure {
        match files::hold(&self.path) {
            Err(busy @ Failure::Busy(_)) => busy,
            Ok(_) | Err(_) => Failure::Begun(self.path.clone()),
        }
    }

    /// From now on SIGINT ends nothing before it is known what is left behind.
    pub(super) fn arm(&mut self) -> Result<(), Failure> {
        if self.interrupt.is_none() {
            self.interrupt = Some(signal(SignalKind::interrupt()).map_err(Failure::Runtime)?);
        }
        Ok(())
    }

    /// Keeps a request, on the disk, before it is sent; in place of the one before, if that was this command's.
    pub(super) fn keep(&mut self, prepared: &Prepared) -> Result<(), Failure> {
        self.arm()?;
        let held = files::hold_secret(&self.path, &prepared.to_bytes(), self.held.as_ref());
        self.held =
            Some(held.map_err(|failure| if let Failure::Exists(_) = failure { self.begun() } else { failure })?);
        Ok(())
    }

    /// What was begun, of this call about this person. `key` is the person's, if the call has one.
    pub(super) fn read(&mut self, method: Method, subject: &Subject, key: Option<&Path>) -> Result<Prepared, Failure> {
        let other = || Failure::NotBegun(self.path.clone());
        if !self.path.exists() {
            let key = key.filter(|key| key.exists()).map(Path::to_owned);
            return Err(Failure::NothingBegun { path: self.path.clone(), key });
        }
        let held = files::hold(&self.path)?;
        let prepared = Prepared::from_bytes(&files::read(&self.path)?).map_err(|_| other())?;
        let ask = prepared.ask();
        if ask.method != method || ask.subject() != Some(subject) {
            return Err(other());
        }
        self.held = Some(held);
        Ok(prepared)
    }

    /// It came to an end.
    pub(super) fn end(&self) {
        // What another command keeps there is its own.
        if self.held.is_some() {
            // A file that stays says that something was begun, and asking again tells what came of it.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Waits for an answer, or for SIGINT. Whatever is not surely undone is told to be unsure.
    pub(super) async fn answer<T>(
        &mut self,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Result<T, ClientError>, Failure> {
        let mut interrupt = match self.interrupt.take() {
            Some(interrupt) => interrupt,
            None => signal(SignalKind::interrupt()).map_err(Failure::Runtime)?,
        };
        let unsure = |cause| Failure::Unsure { request: self.path.clone(), cause };
        tokio::select! {
            answered = answer => match answered {
                Err(error) if !is_undone(&error) => Err(unsure(Some(error))),
                answered => Ok(answered),
            },
            _ = interrupt.recv() => Err(unsure(None)),
        }
    }
}

/// Whether nothing came of a request, and nothing will.
fn is_undone(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => {
            let is_final = matches!(
                refusal.code,
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::NotFound
                    | Code::AlreadyExists
                    | Code::FailedPrecondition
                    | Code::ResourceExhausted
            );
            is_final || error.refused() == Some(Reason::ChangeRefused)
        }
        ClientError::Untrusted { .. } | ClientError::Input(_) | ClientError::Tls(_) => true,
        ClientError::Unreachable { .. }
        | ClientError::Unanswered(_)
        | ClientError::Committee(_)
        | ClientError::Receipt(_) => false,
    }
}
