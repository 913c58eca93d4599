//! What commands print. A reader that goes away, or a disk that is full, ends no command in a panic.
//!
//! The two macros stand in for those of the standard library, which panic, in everything below `cli`. What could not be written to
//! standard output is remembered, and [`end`] says so; about standard error there is nobody left to tell.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use super::failure::Failure;

/// A line on standard output.
macro_rules! println {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}

/// A line on standard error.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::output::aside(format_args!($($text)*)) };
}

/// Why standard output first took something no more.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// The exit code of a program that SIGPIPE ended, as shells give it.
const SIGPIPE: u8 = 128 + 13;

/// Writes a line, unless one was lost before.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.is_none() {
        *lost = writeln!(io::stdout().lock(), "{text}").err();
    }
}

/// Writes a line to standard error, if anybody takes it.
pub(super) fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether standard output is the null device: given so, or put there at the start because the command had none.
pub(super) fn is_nowhere() -> bool {
    let (Ok(null), Ok(out)) = (std::fs::metadata("/dev/null"), rustix::fs::fstat(io::stdout())) else { return false };
    rustix::fs::FileType::from_raw_mode(out.st_mode) == rustix::fs::FileType::CharacterDevice
        && out.st_rdev == null.rdev()
}

/// Writes all of a text, and tells whether that could be done: for what must not be lost.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Remembers that something was not written.
pub(super) fn lose(error: io::Error) {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}

/// Whether nobody reads any more, so that whatever goes on without an end may end.
pub(super) fn is_lost() -> bool {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// The exit code of a command that came to this one. What was done but not told is no success.
pub(super) fn end(code: ExitCode) -> ExitCode {
    if let Err(error) = io::stdout().lock().flush() {
        lose(error);
    }
    let Some(error) = LOST.lock().unwrap_or_else(PoisonError::into_inner).take() else { return code };
    let is_gone = error.kind() == io::ErrorKind::BrokenPipe;
    let failure = Failure::File { path: "standard output".into(), source: error };
    if !is_gone {
        eprintln!("tumar: {failure}");
    }
    match (code == ExitCode::SUCCESS, is_gone) {
        (false, _) => code,
        // The reader has what it wanted, as with `head`.
        (true, true) => SIGPIPE.into(),
        (true, false) => failure.exit_code(),
    }
}
