//! Why a party's word does not come.

use crate::log::trouble::Trouble;
use crate::party::Party;

/// A note that will not come. Retry in a new batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerUnavailable {
    /// The link to the party is down.
    #[error("the link to node {0} is down")]
    Gone(Party),
    /// The party is being stopped, and begins nothing more.
    #[error("node {0} is stopping")]
    Leaving(Party),
    /// The party broke too many runs: nothing is done with it until this node is started again.
    #[error("node {0} broke too many runs")]
    Distrusted(Party),
    /// The party, which may be this node, can not write its log: nothing is begun with it until it can.
    #[error("node {0} can not write its log: {1}")]
    Unfit(Party, Trouble),
    /// The party said nothing in time.
    #[error("node {0} did not answer in time")]
    Silent(Party),
    /// The party ended the batch for itself.
    #[error("node {0} has left the batch")]
    Left(Party),
}
