//! Why a log takes nothing in just now. It is taken up again by itself when what is wrong has passed, but for one case.

use std::io;

use tokio::sync::watch;

use crate::reason::Reason;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no room on the disk of the store or of the published files.
    #[error("the disk is full")]
    Full,
    /// The store or the published files can not be written, for another reason than room.
    #[error("files can not be written")]
    Unwritable,
    /// Whether what was written last is durable is not known: the node must be started again.
    #[error("a write failed, and it is not known whether it is durable")]
    Unknown,
}

impl Trouble {
    /// The reason for callers.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Full => Reason::LogDiskFull,
            Self::Unwritable => Reason::LogUnwritable,
            Self::Unknown => Reason::LogHalted,
        }
    }

    /// What has such a reason's code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        [Self::Full, Self::Unwritable, Self::Unknown].into_iter().find(|trouble| trouble.reason().code() == code)
    }

    /// By what a file system says.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        if full.contains(&error.kind()) { Self::Full } else { Self::Unwritable }
    }
}

/// What is wrong with the store, and with the published files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Entries can not be made durable: nothing is admitted.
    pub ledger: Option<Trouble>,
    /// Durable entries can not be published.
    pub files: Option<Trouble>,
}

impl Troubles {
    /// The worse of the two.
    #[must_use]
    pub fn worst(self) -> Option<Trouble> {
        self.ledger.or(self.files)
    }
}

/// Where that stands.
#[derive(Debug, Default)]
pub(super) struct Told(watch::Sender<Troubles>);

impl Told {
    pub(super) fn subscribe(&self) -> watch::Receiver<Troubles> {
        self.0.subscribe()
    }

    /// Whether that was not so before.
    pub(super) fn ledger(&self, trouble: Option<Trouble>) -> bool {
        self.0.send_if_modified(|now| std::mem::replace(&mut now.ledger, trouble) != trouble)
    }

    /// Whether that was not so before.
    pub(super) fn files(&self, trouble: Option<Trouble>) -> bool {
        self.0.send_if_modified(|now| std::mem::replace(&mut now.files, trouble) != trouble)
    }
}
