//! What this node shows its peers, and what it expects of them. Both can be replaced while links are up: those stay as they are.

use std::sync::PoisonError;

use super::{Peers, tls_name};
use crate::tls::{Dialler, Pinned, TlsError, TlsIdentity};

/// In the order of the remotes.
pub(super) struct Certificates {
    pub(super) pins: [Pinned; 2],
    /// For those that this node dials.
    pub(super) diallers: [Option<Dialler>; 2],
}

impl Peers {
    /// Shows this certificate, and expects these, from the next connect on.
    ///
    /// # Errors
    /// [`TlsError`] if one is none, and then nothing has changed.
    pub fn certify(&self, own: &TlsIdentity, pins: [Pinned; 2]) -> Result<(), TlsError> {
        let mut diallers = [None, None];
        for ((place, remote), pin) in self.remotes.iter().enumerate().zip(&pins) {
            if remote.party > self.own.party {
                diallers[place] = Some(Dialler::new(Some(own), pin, &tls_name(remote.party))?);
            }
        }
        *self.certificates.write().unwrap_or_else(PoisonError::into_inner) = Certificates { pins, diallers };
        Ok(())
    }

    /// Whose certificate was shown.
    pub(super) fn place_of(&self, is_shown: impl Fn(&Pinned) -> bool) -> Option<usize> {
        let certificates = self.certificates.read().unwrap_or_else(PoisonError::into_inner);
        certificates.pins.iter().position(is_shown)
    }

    /// What dials a peer now; none for one that dials this node.
    pub(super) fn dialler(&self, place: usize) -> Option<Dialler> {
        self.certificates.read().unwrap_or_else(PoisonError::into_inner).diallers[place].clone()
    }
}
