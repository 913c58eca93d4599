//! Why the committee is not taken for what is pinned.

use crate::party::Party;

/// The nodes are not those that are pinned, or do not agree. Nothing is sealed to them then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeFault {
    /// Another installation.
    #[error("the committee is of another deployment")]
    Deployment,
    /// Not one entry for each of A, B, C.
    #[error("the committee does not consist of A, B and C")]
    Nodes,
    /// A node's keys are not signed by the pinned identity.
    #[error("the keys of node {0} are not signed by its pinned identity")]
    Signature(Party),
    /// A node names another log key than the pinned one.
    #[error("node {0} has another log key than the pinned one")]
    LogKey(Party),
    /// A node uses a suite that this client does not.
    #[error("node {0} uses another suite")]
    Suite(Party),
    /// Policy or models differ from the leader's.
    #[error("node {0} has another policy or other models than the leader")]
    Context(Party),
    /// A node has no envelope key, or one that is none, or one under another's id.
    #[error("an envelope key of node {0} is not a valid X-Wing key")]
    EnvelopeKey(Party),
    /// An entry in the list of models that is none.
    #[error("a model in its list is not valid")]
    Model,
}
