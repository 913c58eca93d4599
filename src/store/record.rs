//! What is kept of a subject, as it comes in and as it goes out.

use std::fmt;

use zeroize::Zeroizing;

use crate::log::ledger::Position;
use crate::name::{GalleryName, ModelId, Subject};
use crate::share::PointShare;

/// A subject's reference, as one node has it.
pub struct Reference {
    /// The extractor of the template.
    pub model: ModelId,
    /// This node's share of the template.
    pub share: PointShare,
}

/// Prints the model and the shape of the share: `fr512: PointShare(A, 1x512)`.
impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.model, self.share)
    }
}

/// A subject's references on their way into the galleries.
pub struct Record {
    /// Where.
    pub gallery: GalleryName,
    /// Whose.
    pub subject: Subject,
    /// Place in the gallery.
    pub position: Position,
    /// Unix seconds from which the record is no more.
    pub expires: u64,
    /// In the order of the enrolment.
    pub references: Vec<Reference>,
}

/// Prints where it stands and the shapes of the shares.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gallery, position, references, .. } = self;
        write!(f, "Record({gallery}, {position:?}, {references:?})")
    }
}

/// A node's key for a subject's handles in its log. Boxed, so that it is moved without a copy of it staying behind.
pub type HandleKey = Box<Zeroizing<[u8; 32]>>;

/// A subject's references to be kept, all of them in one record.
pub struct Enrolment {
    /// Where.
    pub gallery: GalleryName,
    /// Whose.
    pub subject: Subject,
    /// Place in the gallery, from the leader's [`Store::next_position`](super::Store::next_position).
    pub position: Position,
    /// Unix seconds from which the record is no more.
    pub expires: u64,
    /// This node's share of each; at least one.
    pub references: Vec<Reference>,
    /// This node's key for the subject's handles in the log.
    pub subject_key: HandleKey,
}

/// Prints what it is and the shapes of the shares, never a share or the key.
impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gallery, position, references, .. } = self;
        write!(f, "Enrolment({gallery}, {position:?}, {references:?})")
    }
}
