//! How the ports of an installation follow from its first one.

/// Between a node's public port and its peer port.
pub(super) const PEER_PORTS: u16 = 100;

/// Between a node's public port and its port for auditors.
pub(super) const AUDIT_PORTS: u16 = 200;

/// The last port that is used, above the first: an auditor's, of node C.
pub(super) const LAST_PORT: u16 = AUDIT_PORTS + 2;
