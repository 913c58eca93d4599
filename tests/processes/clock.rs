//! Wrong clocks for real processes. The product has no switch for that: its processes are given another C library's clock.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The library that moves a process's clock, compiled once for all tests.
fn library() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (source, made) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
        fs::write(&source, include_str!("clock.c")).unwrap();
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&made, &source]).status();
        assert!(compiled.expect("these tests need a C compiler, cc").success());
        (folder, made)
    });
    path
}

/// The clock of one node.
pub(crate) struct Clock {
    path: PathBuf,
    file: File,
}

impl Clock {
    /// So many seconds ahead; it stands in this file.
    pub(crate) fn new(path: PathBuf, ahead: i64) -> Self {
        let file = File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let clock = Self { path, file };
        clock.set(ahead);
        clock
    }

    /// Leaps to so many seconds ahead of the right time.
    pub(crate) fn set(&self, ahead: i64) {
        self.file.write_all_at(&ahead.to_ne_bytes(), 0).unwrap();
    }

    /// Makes it the clock of a process that is to be started.
    pub(crate) fn give(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("CLOCK_AHEAD", &self.path);
    }
}
