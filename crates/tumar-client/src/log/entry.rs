//! One line of the access log.
//!
//! `AccessRecord` --`Draft::new`--> [`Draft`] --`finish(handle)`--> canonical bytes --[`Entry::parse`]--> [`Entry`]
//!
//! A closed schema: an entry has these members, in this form, and no others. There is no room for a name, a card, a terminal,
//! a score, a template, or whether it matched. The bytes are canonical JSON (RFC 8785), so one entry has one hash.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use ring::digest::{Context, SHA256};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::hex::{hex, unhex};
use crate::name::{Modality, PurposeName, RelyingParty};
use crate::reason::Reason;
use crate::request::Method;
pub use crate::request::Minute;
use crate::token::purpose::AccessRecord;

/// No entry is longer, in bytes.
pub const MAX_BYTES: usize = 1024;

/// The `version` that this file writes, and the only one that it reads.
const VERSION: u32 = 2;

/// Longest reason code, in bytes.
const MAX_REASON: usize = 40;

/// The bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Longer than [`MAX_BYTES`]; nothing of it was read.
    #[error("an entry is at most {MAX_BYTES} bytes")]
    TooLong,
    /// Not JSON, or a member is unknown, missing, there twice, or of another JSON type.
    #[error("the entry is not a JSON object with exactly the required members")]
    Schema,
    /// The member named does not have its form.
    #[error("member {0} of the entry is not valid")]
    Form(&'static str),
    /// The same content, written otherwise than RFC 8785 writes it.
    #[error("the entry is not canonical JSON (RFC 8785)")]
    NotCanonical,
}

/// Why a request was denied or failed, as an entry says it: a code such as `TOKEN_SPENT`, never a sentence. A [`Reason`] where this version
/// wrote it; what another wrote may be a code that this one does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code that was read.
    ///
    /// # Errors
    /// [`EntryError::Form`] unless it is 1 to 40 of `A-Z 0-9 _` and starts with a letter.
    pub fn new(code: &str) -> Result<Self, EntryError> {
        if is_code(code.as_bytes()) { Ok(Self(Cow::Owned(code.to_owned()))) } else { Err(EntryError::Form("result")) }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reason> for Code {
    fn from(reason: Reason) -> Self {
        Self(Cow::Borrowed(reason.code()))
    }
}

fn is_code(code: &[u8]) -> bool {
    let [b'A'..=b'Z', rest @ ..] = code else { return false };
    code.len() <= MAX_REASON && rest.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// Prints the code: it is no secret.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened. Members `event` and `result` together, so that they cannot contradict each other.
///
/// None says whether a comparison with one person matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `admit`, `admitted`: written before the node helps.
    Admitted,
    /// `close`, `completed`: written after an answer, match or not.
    Completed,
    /// `close`, `error:REASON`: written after a request that was admitted and then failed.
    Failed(Code),
    /// `deny`, `denied:REASON`: a request that was refused although its token is genuine.
    Denied(Code),
    /// `deny`, `unlogged:COUNT`: so many more requests by the same token were refused in that minute, and have no entry of their own.
    Unlogged(u32),
    /// `candidate`, `returned`: a search named this person. Written before the name is given out.
    Candidate,
    /// `again`, `answered:COUNT`: the answer was given once more, for the first, second or third time; then without an entry. At the
    /// leader only, which keeps answers.
    Again(u32),
}

impl Event {
    const fn word(&self) -> &'static str {
        match self {
            Self::Admitted => "admit",
            Self::Completed | Self::Failed(_) => "close",
            Self::Denied(_) | Self::Unlogged(_) => "deny",
            Self::Candidate => "candidate",
            Self::Again(_) => "again",
        }
    }

    fn result(&self) -> String {
        match self {
            Self::Admitted => "admitted".to_owned(),
            Self::Completed => "completed".to_owned(),
            Self::Failed(reason) => format!("error:{}", reason.as_str()),
            Self::Denied(reason) => format!("denied:{}", reason.as_str()),
            Self::Unlogged(count) => format!("unlogged:{count}"),
            Self::Candidate => "returned".to_owned(),
            Self::Again(count) => format!("answered:{count}"),
        }
    }

    fn parse(word: &str, result: &str) -> Result<Self, EntryError> {
        let event = match result.split_once(':') {
            None if result == "admitted" => Self::Admitted,
            None if result == "completed" => Self::Completed,
            None if result == "returned" => Self::Candidate,
            Some(("error", code)) => Self::Failed(Code::new(code)?),
            Some(("denied", code)) => Self::Denied(Code::new(code)?),
            Some(("unlogged", count)) => Self::Unlogged(counted(count)?),
            Some(("answered", count)) => Self::Again(counted(count)?),
            _ => return Err(EntryError::Form("result")),
        };
        if event.word() == word { Ok(event) } else { Err(EntryError::Form("event")) }
    }
}

/// A count of at least one. Another spelling of it is found where the entry is written again.
fn counted(text: &str) -> Result<u32, EntryError> {
    text.parse().ok().filter(|&count| count > 0).ok_or(EntryError::Form("result"))
}

/// An entry that lacks its blinded handle, which is only known inside the store's transaction that counts the subject's uses.
#[derive(Clone, Debug)]
#[must_use = "a draft is no entry: nothing is logged"]
pub struct Draft(Entry);

impl Draft {
    /// From what a token allows (`record`), the request's digest (`rq` in the entry), 16 random bytes that no other entry has
    /// (`salt`), and what happened when.
    pub fn new(record: &AccessRecord, request_digest: [u8; 32], salt: [u8; 16], minute: Minute, event: Event) -> Self {
        Self(Entry {
            salt,
            minute,
            event,
            relying_party: record.relying_party.clone(),
            purpose: record.purpose.clone(),
            action: record.method,
            modalities: record.modalities.iter().copied().collect(),
            request_digest,
            commitment: commit(&salt, &record.evidence.digest()),
            approvals: record.approvals,
            policy: record.policy,
            handle: [0; 32],
        })
    }

    /// The canonical bytes, with the handle in place: [`blinded_handle`], or 32 random bytes where there is no subject key,
    /// so that an entry does not tell whether its subject is known.
    #[must_use]
    pub fn finish(mut self, handle: [u8; 32]) -> Vec<u8> {
        self.0.handle = handle;
        self.0.to_bytes()
    }
}

/// `HMAC-SHA256(key, counter)`, the counter as 8 bytes, most significant first.
///
/// Whoever holds the subject's key finds that subject's entries by counting; to others each handle is noise. No counter may
/// be used twice under one key: two entries would be linked.
#[must_use]
pub fn blinded_handle(key: &[u8; 32], counter: u64) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &counter.to_be_bytes());
    tag.as_ref().try_into().expect("HMAC-SHA256 makes 32 bytes")
}

/// SHA-256 over the salt and the evidence's digest: who holds the evidence can show that an entry is about it.
fn commit(salt: &[u8; 16], evidence: &[u8; 32]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(salt);
    hash.update(evidence);
    hash.finish().as_ref().try_into().expect("SHA-256 makes 32 bytes")
}

/// An entry, as an auditor reads it. Every value of this type has canonical bytes, and only those parse back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Random; in front of the evidence under [`commitment`](Self::commitment), and what makes equal uses unequal.
    pub salt: [u8; 16],
    /// When.
    pub minute: Minute,
    /// What happened.
    pub event: Event,
    /// Who asked.
    pub relying_party: RelyingParty,
    /// What for.
    pub purpose: PurposeName,
    /// Which call.
    pub action: Method,
    /// What was compared; empty where nothing is.
    pub modalities: BTreeSet<Modality>,
    /// Transcript of the request, the same in the logs of all three nodes and in all entries of one request.
    pub request_digest: [u8; 32],
    /// SHA-256 over salt and evidence digest.
    pub commitment: [u8; 32],
    /// How many officers approved.
    pub approvals: u32,
    /// SHA-256 of the policy file that was in force.
    pub policy: [u8; 32],
    /// [`blinded_handle`] of the subject, or noise.
    pub handle: [u8; 32],
}

/// The JSON object: members in the order of RFC 8785, which for these names is that of the alphabet.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    action: Cow<'a, str>,
    approvals: u32,
    commitment: Cow<'a, str>,
    event: Cow<'a, str>,
    handle: Cow<'a, str>,
    minute: u32,
    modalities: Vec<Modality>,
    policy: Cow<'a, str>,
    purpose: Cow<'a, str>,
    relying_party: Cow<'a, str>,
    result: Cow<'a, str>,
    rq: Cow<'a, str>,
    salt: Cow<'a, str>,
    version: u32,
}

impl Entry {
    /// Reads the bytes of one entry.
    ///
    /// # Errors
    /// [`EntryError`] for anything but the canonical bytes of an entry of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_BYTES {
            return Err(EntryError::TooLong);
        }
        let members: Members = serde_json::from_slice(bytes).map_err(|_| EntryError::Schema)?;
        if members.version != VERSION {
            return Err(EntryError::Form("version"));
        }
        let entry = Self {
            salt: unhex(&members.salt).ok_or(EntryError::Form("salt"))?,
            minute: Minute::from_number(members.minute),
            event: Event::parse(&members.event, &members.result)?,
            relying_party: members.relying_party.parse().map_err(|_| EntryError::Form("relying_party"))?,
            purpose: members.purpose.parse().map_err(|_| EntryError::Form("purpose"))?,
            action: Method::ALL
                .into_iter()
                .find(|method| method.action() == members.action)
                .ok_or(EntryError::Form("action"))?,
            modalities: members.modalities.iter().copied().collect(),
            request_digest: unhex(&members.rq).ok_or(EntryError::Form("rq"))?,
            commitment: unhex(&members.commitment).ok_or(EntryError::Form("commitment"))?,
            approvals: members.approvals,
            policy: unhex(&members.policy).ok_or(EntryError::Form("policy"))?,
            handle: unhex(&members.handle).ok_or(EntryError::Form("handle"))?,
        };
        if !entry.modalities.iter().eq(&members.modalities) {
            return Err(EntryError::Form("modalities"));
        }
        // Space, escapes, order of members, other spellings of a number: all are caught by writing it again.
        if entry.to_bytes() == bytes { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }

    /// The canonical bytes, at most [`MAX_BYTES`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // All text in it is printable ASCII without quotes and backslashes, and all numbers are whole and small, so that
        // compact JSON in this order is RFC 8785's form.
        let members = Members {
            action: self.action.action().into(),
            approvals: self.approvals,
            commitment: hex(&self.commitment).into(),
            event: self.event.word().into(),
            handle: hex(&self.handle).into(),
            minute: self.minute.number(),
            modalities: self.modalities.iter().copied().collect(),
            policy: hex(&self.policy).into(),
            purpose: self.purpose.as_str().into(),
            relying_party: self.relying_party.as_str().into(),
            result: self.event.result().into(),
            rq: hex(&self.request_digest).into(),
            salt: hex(&self.salt).into(),
            version: VERSION,
        };
        serde_json::to_vec(&members).expect("text, numbers and a list of text are always JSON")
    }

    /// Whether the entry is about the evidence with this digest ([`Evidence::digest`](crate::token::Evidence::digest)).
    #[must_use]
    pub fn commits_to(&self, evidence: &[u8; 32]) -> bool {
        self.commitment == commit(&self.salt, evidence)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::token::Evidence;

    fn record() -> AccessRecord {
        AccessRecord {
            relying_party: "banks/b17".parse().unwrap(),
            gallery: "banks/b17/customers".parse().unwrap(),
            subject: Some("c-0042".parse().unwrap()),
            purpose: "cash_withdrawal".parse().unwrap(),
            method: Method::Verify,
            modalities: vec![Modality::Face],
            evidence: Arc::new(Evidence::new("token".to_owned(), "proof".to_owned(), Vec::new())),
            approvals: 0,
            policy: [0xb0; 32],
        }
    }

    fn written(event: Event) -> Vec<u8> {
        Draft::new(&record(), [7; 32], [0x5a; 16], Minute::of(1_782_000_059), event).finish([0xc4; 32])
    }

    /// The entry below, written by hand; the commitment is as Python's hashlib computes it.
    fn by_hand() -> String {
        let [rq, policy, handle] = ["07", "b0", "c4"].map(|byte| byte.repeat(32));
        format!(
            "{{\"action\":\"verify\",\"approvals\":0,\
             \"commitment\":\"dfc540a3cde721bb74d4c2df5a42a1ccfaa01e6be559bcf28f90b0e65f9dec14\",\
             \"event\":\"admit\",\"handle\":\"{handle}\",\"minute\":29700000,\"modalities\":[\"face\"],\"policy\":\"{policy}\",\
             \"purpose\":\"cash_withdrawal\",\"relying_party\":\"banks/b17\",\"result\":\"admitted\",\"rq\":\"{rq}\",\
             \"salt\":\"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\",\"version\":2}}"
        )
    }

    #[test]
    fn an_entry_is_written_as_rfc_8785_would() {
        assert_eq!(String::from_utf8(written(Event::Admitted)).unwrap(), by_hand());
    }

    #[test]
    fn every_event_comes_back_as_it_went() {
        let spent = || Reason::TokenSpent.into();
        for event in [
            Event::Admitted,
            Event::Completed,
            Event::Failed(spent()),
            Event::Denied(spent()),
            Event::Unlogged(u32::MAX),
            Event::Candidate,
            Event::Again(1),
        ] {
            let entry = Entry::parse(&written(event.clone())).unwrap();
            assert_eq!(entry.event, event);
            assert_eq!(
                (entry.minute.begins(), entry.handle, entry.request_digest),
                (1_782_000_000, [0xc4; 32], [7; 32])
            );
            let evidence = record().evidence.digest();
            assert!(entry.commits_to(&evidence) && !entry.commits_to(&[0xe2; 32]));
        }
    }

    #[test]
    fn an_entry_does_not_hold_what_it_must_not() {
        let text = String::from_utf8(written(Event::Completed)).unwrap();
        for banned in ["c-0042", "customers", "match", &hex(&record().evidence.digest())] {
            assert!(!text.contains(banned), "{banned}");
        }
    }

    #[test]
    fn the_longest_entry_fits() {
        let longest = AccessRecord {
            relying_party: format!("{}/{}", "r".repeat(31), "p".repeat(32)).parse().unwrap(),
            purpose: "p".repeat(48).parse().unwrap(),
            method: Method::Unlock,
            modalities: vec![Modality::Finger, Modality::Face, Modality::Face],
            ..record()
        };
        let reason = Code::new(&"R".repeat(MAX_REASON)).unwrap();
        let draft = Draft::new(&longest, [0xff; 32], [0xff; 16], Minute::of(u64::MAX), Event::Denied(reason));
        let mut entry = Entry::parse(&draft.finish([0xff; 32])).unwrap();
        entry.approvals = u32::MAX;
        assert!(entry.to_bytes().len() <= MAX_BYTES);
        assert_eq!(Entry::parse(&entry.to_bytes()), Ok(entry));
    }

    #[test]
    fn a_handle_is_the_hmac_of_the_counter_and_no_two_are_alike() {
        // RFC 4231 case 2 fixes HMAC-SHA256 itself; this pins the counter's form: openssl dgst -mac HMAC over 8 bytes.
        assert_eq!(
            hex(&blinded_handle(&[0x0b; 32], 1)),
            "dbe6dbf41e172fa549f8a1b7022740bbdc263f0334135e672b64ea4dc908355e"
        );
        let handles: BTreeSet<_> = (0..100).map(|counter| blinded_handle(&[1; 32], counter)).collect();
        assert_eq!(handles.len(), 100);
        assert_ne!(blinded_handle(&[1; 32], 0), blinded_handle(&[2; 32], 0));
    }

    #[test]
    fn what_is_not_exactly_an_entry_is_refused_by_name() {
        use EntryError::{Form, NotCanonical, Schema, TooLong};
        let good = by_hand();
        let change = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            good.replacen(from, to, 1)
        };
        let seven = "07".repeat(32);
        let cases = [
            (change("{", "{\"aa\":1,"), Schema, "unknown member"),
            (change("\"approvals\":0,", ""), Schema, "missing member"),
            (change("\"approvals\":0,", "\"approvals\":0,\"approvals\":0,"), Schema, "a member twice"),
            (change("\"approvals\":0", "\"approvals\":\"0\""), Schema, "text for a number"),
            (change("\"approvals\":0", "\"approvals\":-1"), Schema, "a negative number"),
            (change("29700000", "4294967296"), Schema, "a minute out of range"),
            (change("\"face\"", "\"iris\""), Schema, "an unknown modality"),
            (good.clone() + "{}", Schema, "something after it"),
            (good[..good.len() - 1].to_owned(), Schema, "cut short"),
            (change("\"version\":2", "\"version\":1"), Form("version"), "an older version"),
            (change("admitted", "unlogged:7"), Form("event"), "a count of refusals that is admitted"),
            (change("\"admit\"", "\"deny\"").replace("admitted", "unlogged:0"), Form("result"), "a count of none"),
            (change("\"admit\"", "\"deny\"").replace("admitted", "unlogged:4294967296"), Form("result"), "too many"),
            (change("\"admit\"", "\"deny\"").replace("admitted", "unlogged:07"), NotCanonical, "a zero in front"),
            (change("\"admit\"", "\"again\"").replace("admitted", "answered:+7"), NotCanonical, "a sign in front"),
            (change("\"admit\"", "\"again\"").replace("admitted", "answered"), Form("result"), "no count"),
            (change("verify", "identify"), Form("action"), "an unknown action"),
            (change("\"admit\"", "\"close\""), Form("event"), "event against result"),
            (change("admitted", "matched"), Form("result"), "an unknown result"),
            (change("admitted", "denied:too late"), Form("result"), "a sentence as reason"),
            (change("admitted", "denied:"), Form("result"), "no reason"),
            (change("admitted", &format!("denied:{}", "R".repeat(41))), Form("result"), "a long reason"),
            (change("banks/b17", "banks"), Form("relying_party"), "no relying party"),
            (change("cash_withdrawal", "Cash"), Form("purpose"), "no purpose"),
            (change("5a5a", "5A5a"), Form("salt"), "capital digits"),
            (change("5a5a", "5a"), Form("salt"), "a short salt"),
            (change(&seven, &seven[1..]), Form("rq"), "half a byte"),
            (change(&"b0".repeat(32), ""), Form("policy"), "no policy"),
            (change("c4", "c4c4"), Form("handle"), "a long handle"),
            (change("\"commitment\":\"", "\"commitment\":\"g"), Form("commitment"), "no digit"),
            (change("[\"face\"]", "[\"face\",\"face\"]"), Form("modalities"), "a modality twice"),
            (change("[\"face\"]", "[\"finger\",\"face\"]"), Form("modalities"), "modalities out of order"),
            (change(":0", ": 0"), NotCanonical, "a space"),
            (good.clone() + "\n", NotCanonical, "a line end"),
            (change("verify", "\\u0076erify"), NotCanonical, "an escape"),
            (change("\"approvals\":0,", "").replace("\"event\"", "\"approvals\":0,\"event\""), NotCanonical, "order"),
            (good.clone() + &" ".repeat(MAX_BYTES), TooLong, "long"),
        ];
        for (text, error, case) in cases {
            assert_eq!(Entry::parse(text.as_bytes()), Err(error), "{case}");
        }
    }
}
