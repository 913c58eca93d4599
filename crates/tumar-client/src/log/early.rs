//! What the log knows at the door, in memory, before the ledger is asked: how often a relying party has asked, what is spent, and how
//! many refusals have their entries. It holds floods off the one writer; what decides is the commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::denials::Denials;
use super::outcome::NotAdmitted;
use super::rates::Buckets;
use crate::name::RelyingParty;
use crate::token::policy::Limits;
use crate::token::purpose::ReplayKeys;

/// Ids of one kind that are remembered: those of the last minutes. What is beyond, the ledger knows.
const REMEMBERED: usize = 65_536;

/// All of it. A restart begins anew.
pub(super) struct Early {
    pub(super) requests: Buckets<RelyingParty>,
    pub(super) denials: Denials,
    pub(super) spent: Spent,
}

/// Shared by whoever asks and the writer.
pub(super) type Shared = Arc<Mutex<Early>>;

impl Early {
    pub(super) fn new(limits: &Limits) -> Shared {
        Arc::new(Mutex::new(Self {
            requests: Buckets::per_second(limits.requests_per_second, limits.burst),
            denials: Denials::default(),
            spent: Spent::default(),
        }))
    }
}

/// For a moment: nobody waits for anything while holding it.
pub(super) fn early(shared: &Mutex<Early>) -> MutexGuard<'_, Early> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ids that were spent a moment ago.
#[derive(Default)]
pub(super) struct Spent {
    proofs: Ids<()>,
    /// Uses so far.
    tokens: Ids<u32>,
}

impl Spent {
    /// Notes that a proof was used. False if that was known.
    pub(super) fn proof(&mut self, spends: &ReplayKeys, now: u64) -> bool {
        self.proofs.note(spends.proof, (), spends.proof_until, now).is_none()
    }

    /// Notes how many uses of a token there were, this one among them.
    pub(super) fn token(&mut self, spends: &ReplayKeys, uses: u32, now: u64) {
        self.tokens.note(spends.token, uses, spends.token_until, now);
    }

    /// Nothing of this was spent after all, as far as this node knows: what it uses up is for the ledger to say.
    pub(super) fn forget(&mut self, spends: &ReplayKeys) {
        self.proofs.0.remove(&spends.proof);
        self.tokens.0.remove(&spends.token);
    }

    /// What of this was used up before, as far as is known.
    pub(super) fn known(&self, spends: &ReplayKeys) -> Option<NotAdmitted> {
        if self.proofs.0.contains_key(&spends.proof) {
            return Some(NotAdmitted::ProofReplayed);
        }
        let used_up = self.tokens.0.get(&spends.token).is_some_and(|(uses, _)| *uses >= spends.max_uses);
        used_up.then_some(NotAdmitted::TokenSpent)
    }
}

/// Ids, each with what is known of it and until when.
struct Ids<T>(HashMap<[u8; 32], (T, u64)>, u64);

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self(HashMap::new(), 0)
    }
}

impl<T> Ids<T> {
    /// What was known of it before. Where there is no room, nothing is remembered.
    fn note(&mut self, id: [u8; 32], known: T, until: u64, now: u64) -> Option<T> {
        let Self(all, looked_at) = self;
        if all.len() >= REMEMBERED && *looked_at != now {
            // Once a second: a flood must not make each of its requests look through all of them.
            *looked_at = now;
            all.retain(|_, (_, until)| *until >= now);
        }
        if all.len() >= REMEMBERED && !all.contains_key(&id) {
            return None;
        }
        all.insert(id, (known, until)).map(|(before, _)| before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::RequestId;

    fn spends(token: u32, proof: u32, max_uses: u32) -> ReplayKeys {
        let id = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            id
        };
        ReplayKeys {
            token: id(token),
            max_uses,
            token_until: 400,
            proof: id(proof),
            proof_until: 160,
            client: "https://issuer.test atm-backend".to_owned(),
            request_id: RequestId::from_random([1; 16]),
            request_digest: [2; 32],
            envelopes: Vec::new(),
        }
    }

    #[test]
    fn a_used_proof_and_a_used_up_token_are_known_and_a_use_that_is_given_back_is_there_again() {
        let mut spent = Spent::default();
        assert!(spent.proof(&spends(1, 1, 2), 100) && !spent.proof(&spends(1, 1, 2), 100));
        assert_eq!(spent.known(&spends(2, 1, 2)), Some(NotAdmitted::ProofReplayed));
        spent.token(&spends(1, 1, 2), 1, 100);
        assert_eq!(spent.known(&spends(1, 2, 2)), None);
        assert_eq!(spent.known(&spends(1, 2, 1)), Some(NotAdmitted::TokenSpent), "a proof may allow itself less");
        spent.token(&spends(1, 2, 2), 2, 100);
        assert_eq!(spent.known(&spends(1, 3, 2)), Some(NotAdmitted::TokenSpent));
        spent.token(&spends(1, 2, 2), 1, 100);
        assert_eq!(spent.known(&spends(1, 3, 2)), None);
        spent.token(&spends(1, 2, 2), 2, 100);
        spent.forget(&spends(1, 1, 2));
        assert_eq!(spent.known(&spends(1, 1, 2)), None, "what came to nothing has spent nothing");
        assert!(spent.proof(&spends(1, 1, 2), 100));
    }

    #[test]
    fn so_many_are_remembered_and_what_is_over_makes_room() {
        let mut spent = Spent::default();
        let most = u32::try_from(REMEMBERED).unwrap();
        for number in 0..most + 10 {
            assert!(spent.proof(&spends(0, number, 1), 100));
        }
        assert_eq!(spent.proofs.0.len(), REMEMBERED);
        assert!(spent.proof(&spends(0, most + 5, 1), 101), "there was no room for it");
        assert!(!spent.proof(&spends(0, most - 1, 1), 101));
        assert!(spent.proof(&spends(0, most + 5, 1), 161) && !spent.proof(&spends(0, most + 5, 1), 161));
        assert_eq!(spent.proofs.0.len(), 1);
    }
}
