//! How many refusals of one token, and of one relying party, are written down: beyond it they are counted, and the log is told how many.

use std::collections::HashMap;

use crate::name::RelyingParty;
use crate::token::purpose::{AccessRecord, ReplayKeys};

/// Refusals of one token in one minute that have an entry of their own.
const OWN_ENTRIES: u32 = 10;

/// The same of one relying party, by whatever tokens: what others have to wait for.
const OF_RELYING_PARTY: u32 = 1000;

/// Refusals in the minute that is under way, in memory. What a crash loses is a count of refusals, and of nothing that was done.
#[derive(Default)]
pub(super) struct Denials {
    minute: u64,
    of: HashMap<[u8; 32], Denied>,
    of_parties: HashMap<RelyingParty, Denied>,
    over: Vec<Owed>,
}

/// Those of one token, or of one relying party.
#[derive(Default)]
struct Denied {
    written: u32,
    more: Option<Owed>,
}

impl Denied {
    /// One more that has no entry.
    fn count(&mut self, record: &AccessRecord, spends: &ReplayKeys) {
        let owed = || Owed { record: record.clone(), request_digest: spends.request_digest, count: 0 };
        let more = self.more.get_or_insert_with(owed);
        more.count = more.count.saturating_add(1);
    }
}

/// What the log is to be told.
pub(super) struct Owed {
    /// The first that has no entry: the count's entry is about it, so that its token can be found.
    pub(super) record: AccessRecord,
    pub(super) request_digest: [u8; 32],
    /// How many have none.
    pub(super) count: u32,
}

impl Denials {
    /// Whether one more has an entry of its own; if not, it is counted.
    pub(super) fn has_entry(&mut self, record: &AccessRecord, spends: &ReplayKeys, now: u64) -> bool {
        self.turn(now);
        let of_party = self.of_parties.entry(record.relying_party.clone()).or_default();
        if of_party.written >= OF_RELYING_PARTY {
            // First: so nobody's tokens without number are remembered each for itself.
            of_party.count(record, spends);
            return false;
        }
        let denied = self.of.entry(spends.token).or_default();
        if denied.written >= OWN_ENTRIES {
            denied.count(record, spends);
            return false;
        }
        denied.written += 1;
        of_party.written += 1;
        true
    }

    /// All that has no entry so far.
    fn drain(&mut self) {
        let tokens = self.of.drain().filter_map(|(_, denied)| denied.more);
        self.over.extend(tokens.chain(self.of_parties.drain().filter_map(|(_, denied)| denied.more)));
    }

    /// A minute that is over is owed for.
    fn turn(&mut self, now: u64) {
        let minute = now / 60;
        // Requests of two minutes come in one commit, in any order; a clock that is set back begins anew.
        if minute > self.minute || minute.saturating_add(1) < self.minute {
            self.minute = minute;
            self.drain();
        }
    }

    /// Whether there is anything to tell at this moment.
    pub(super) fn owes(&mut self, now: u64) -> bool {
        self.turn(now);
        !self.over.is_empty()
    }

    /// All that is to be told, now that nothing more comes.
    pub(super) fn owes_at_the_end(&mut self) -> bool {
        self.drain();
        !self.over.is_empty()
    }

    /// What is to be told, once.
    pub(super) fn take(&mut self) -> Vec<Owed> {
        std::mem::take(&mut self.over)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::name::RequestId;
    use crate::request::Method;
    use crate::token::Evidence;

    fn denied(bank: &str, token: u32) -> (AccessRecord, ReplayKeys) {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&token.to_be_bytes());
        let record = AccessRecord {
            relying_party: bank.parse().unwrap(),
            gallery: format!("{bank}/customers").parse().unwrap(),
            subject: None,
            purpose: "subject_lock".parse().unwrap(),
            method: Method::Lock,
            modalities: Vec::new(),
            evidence: Arc::new(Evidence::new("token".to_owned(), "proof".to_owned(), Vec::new())),
            approvals: 0,
            policy: [0; 32],
        };
        let spends = ReplayKeys {
            token: id,
            max_uses: 1,
            token_until: 400,
            proof: id,
            proof_until: 160,
            client: "https://issuer.test atm-backend".to_owned(),
            request_id: RequestId::from_random([1; 16]),
            request_digest: id,
            envelopes: Vec::new(),
        };
        (record, spends)
    }

    #[test]
    fn a_relying_party_that_is_refused_by_ever_new_tokens_fills_no_log_and_no_memory_and_is_told_as_a_number() {
        let mut denials = Denials::default();
        let mut has_entry = |bank, token| {
            let (record, spends) = denied(bank, token);
            denials.has_entry(&record, &spends, 120)
        };
        let written = (0..3 * OF_RELYING_PARTY).filter(|&token| has_entry("banks/b17", token)).count();
        assert_eq!(written, OF_RELYING_PARTY as usize);
        assert!(has_entry("banks/b19", u32::MAX), "another one's are its own");
        assert_eq!(denials.of.len(), OF_RELYING_PARTY as usize + 1);
        assert!(!denials.owes(120) && denials.owes(180));
        let owed: Vec<_> = denials.take().into_iter().map(|owed| (owed.record.relying_party, owed.count)).collect();
        assert_eq!(owed, [("banks/b17".parse().unwrap(), 2 * OF_RELYING_PARTY)]);
    }
}
