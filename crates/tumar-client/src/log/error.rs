//! Why the access log did not do what it was asked.

use super::ledger::LedgerFault;
use super::tiles::TilesError;
use super::trouble::Trouble;

/// Why the log could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The ledger failed when the log was opened.
    #[error("the access log's tables in the store can not be read")]
    Ledger(#[from] LedgerFault),
    /// What was published cannot be read or is not this log's.
    #[error("the published log files can not be read or are not valid")]
    Published(#[from] TilesError),
    /// More was published than the ledger holds: it lost entries, or an old copy was put in its place.
    #[error(
        "{published} entries were published, and the store holds {durable}: it is an older copy, or it lost some. Put the newest store \
         back, or restore the older one with `tumar restore`"
    )]
    Lost {
        /// Entries under the published checkpoint.
        published: u64,
        /// Entries in the ledger.
        durable: u64,
    },
    /// What was published is not what the ledger holds: somebody changed one of them.
    #[error("the first {published} entries in the store differ from the published log")]
    Forked {
        /// Entries under the published checkpoint.
        published: u64,
    },
    /// A commit failed earlier, so what the ledger holds is not known. The node must be started again.
    #[error("the access log is halted")]
    Halted,
    /// Too many entries could not be published yet. Nothing is admitted until they are.
    #[error("too many entries of the access log wait to be published")]
    Behind,
    /// Nothing can be written just now, and nothing was.
    #[error("the access log can not be written")]
    Unwritable(#[source] Trouble),
    /// The request was closed before, or was never admitted in this run of the node.
    #[error("the request is not open")]
    NotOpen,
    /// The proof of a denied request was used before: it has its entry.
    #[error("the proof was used before")]
    Replayed,
    /// So many requests by this token, or of its relying party, were denied in this minute that this one has no entry of its own: one
    /// tells how many.
    #[error("the refusal was counted without an entry of its own")]
    Counted,
    /// No durable entry stands there.
    #[error("there is no such entry")]
    Beyond,
}
