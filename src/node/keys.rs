//! A node's key files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::NodeError;
use crate::log::note::SigningKey;
use crate::party::Party;
use crate::pem::{self, KeyFault};
use crate::seal::StoreKey;
use crate::tls::{TlsError, TlsIdentity};

/// What a node signs and seals with. What it opens envelopes with, it draws itself and keeps in its store.
pub struct Keys {
    /// Signs receipts, key agreements and the node's keys for clients (`identity.pk8`, Ed25519).
    pub identity: SigningKey,
    /// Signs checkpoints of the access log (`log.pk8`, Ed25519).
    pub log: SigningKey,
    /// Wraps the keys of records, and seals the seeds of envelope keys (`store.key`, 32 bytes).
    pub store: StoreKey,
}

impl Keys {
    /// Reads the key files of a folder.
    ///
    /// # Errors
    /// [`NodeError::File`] for one that can not be read, [`NodeError::Key`] for one that does not hold its key.
    pub fn read(folder: &Path) -> Result<Self, NodeError> {
        Ok(Self {
            identity: signing(&folder.join("identity.pk8"))?,
            log: signing(&folder.join("log.pk8"))?,
            store: StoreKey::from_bytes(&bytes_32(&folder.join("store.key"))?),
        })
    }
}

/// A certificate and its key, `NAME.crt` and `NAME.key`.
pub(super) fn tls(folder: &Path, name: &str) -> Result<TlsIdentity, NodeError> {
    let certificate = bytes(&folder.join(format!("{name}.crt")))?;
    let key = bytes(&folder.join(format!("{name}.key")))?;
    // The key's file is named for the key alone: what the two do not have in common is told of the certificate's.
    let at = |error: TlsError| {
        let extension = if matches!(error, TlsError::NoKey) { "key" } else { "crt" };
        NodeError::Certificate(folder.join(format!("{name}.{extension}")), error)
    };
    TlsIdentity::from_pem(&certificate, &key).map_err(at)
}

/// What is shown to peers: `peer.crt` and `peer.key`. They refuse the certificate of an authority.
pub(super) fn peer(folder: &Path, own: Party) -> Result<TlsIdentity, NodeError> {
    let identity = tls(folder, "peer")?;
    if identity.refused_as(&crate::peer::tls_name(own))?.is_some_and(|fault| fault.is_authority()) {
        return Err(NodeError::Certificate(folder.join("peer.crt"), TlsError::Authority));
    }
    Ok(identity)
}

/// The private keys of a folder that others than their owner can read.
pub(super) fn open_to_others(folder: &Path) -> Vec<&'static str> {
    let names = ["identity.pk8", "log.pk8", "store.key", "witness.pk8", "peer.key", "tls.key"];
    let is_open =
        |name: &&str| std::fs::metadata(folder.join(name)).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    names.into_iter().filter(is_open).collect()
}

/// An Ed25519 key.
pub(super) fn signing(path: &Path) -> Result<SigningKey, NodeError> {
    let der = pem::pkcs8(&bytes(path)?).map_err(|fault| NodeError::Key(path.to_owned(), fault))?;
    SigningKey::from_pkcs8(&der).map_err(|_| NodeError::Key(path.to_owned(), KeyFault::NotEd25519))
}

fn bytes_32(path: &Path) -> Result<Zeroizing<[u8; 32]>, NodeError> {
    let bytes = bytes(path)?;
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(NodeError::Key(path.to_owned(), KeyFault::Length(bytes.len())));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// A key's file. That others may read it is told, and is the operator's to mend.
fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    let wrong = |error| NodeError::File(path.to_owned(), error);
    let mode = std::fs::metadata(path).map_err(wrong)?.permissions().mode() & 0o777;
    // Certificates are for everybody.
    if mode & 0o077 != 0 && path.extension().is_none_or(|extension| extension != "crt") {
        let (path, mode) = (path.display(), format!("{mode:o}"));
        tracing::warn!(%path, mode, "a private key can be read by others than its owner: chmod 600");
    }
    std::fs::read(path).map(Zeroizing::new).map_err(wrong)
}
