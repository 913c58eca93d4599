//! What this module promises, tried.

use std::collections::HashMap;

use proptest::prelude::*;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::*;
use crate::name::{
    ClientName, Deployment, GalleryName, Modality, ModelId, PurposeName, RelyingParty, RequestId, Subject,
};
use crate::party::Party;
use crate::request::{Method, Minute};

/// Owns what a binding borrows.
#[derive(Clone)]
struct Names {
    party: Party,
    deployment: Deployment,
    relying_party: RelyingParty,
    client: ClientName,
    method: Method,
    purpose: PurposeName,
    request_id: RequestId,
    gallery: GalleryName,
    subject: Subject,
    modality: Modality,
    model: ModelId,
    amount_kzt: u64,
    captured: Minute,
}

impl Names {
    fn new() -> Self {
        Self {
            party: Party::B,
            deployment: "kz-demo".parse().unwrap(),
            relying_party: "banks/b17".parse().unwrap(),
            client: "banks/b17/atm-backend".parse().unwrap(),
            method: Method::Verify,
            purpose: "cash_withdrawal".parse().unwrap(),
            request_id: RequestId::from_random([7; 16]),
            gallery: "banks/b17/customers".parse().unwrap(),
            subject: "c-0042".parse().unwrap(),
            modality: Modality::Face,
            model: "fr512".parse().unwrap(),
            amount_kzt: 40_000,
            captured: Minute::from_number(30_000_000),
        }
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            party: self.party,
            deployment: &self.deployment,
            relying_party: &self.relying_party,
            client: &self.client,
            method: self.method,
            purpose: &self.purpose,
            request_id: &self.request_id,
            gallery: &self.gallery,
            subject: Some(&self.subject),
            modality: self.modality,
            model: &self.model,
            amount_kzt: self.amount_kzt,
            captured: self.captured,
        }
    }
}

/// The answers in `tests/vectors/seal.txt`, which `seal.py` beside it computes apart from this code.
fn vectors() -> HashMap<&'static str, Vec<u8>> {
    include_str!("../../../../tests/vectors/seal.txt")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, hex)| {
            let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            (name, digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect())
        })
        .collect()
}

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_seed(&Zeroizing::new([byte; 32]))
}

fn keys(byte: u8) -> EnvelopeKeys {
    EnvelopeKeys::new(key(byte), None)
}

#[test]
fn the_key_of_the_draft_s_seed_is_the_draft_s() {
    let vectors = vectors();
    let seed = Zeroizing::new(<[u8; 32]>::try_from(&vectors["seed"][..]).unwrap());
    let key = PrivateKey::from_seed(&seed);
    assert_eq!(key.public().as_bytes().as_slice(), vectors["pk"]);
    assert_eq!(key.public().id().as_bytes().as_slice(), vectors["key_id"]);
    assert_eq!(key.to_seed(), seed);
}

#[test]
fn envelope_and_secret_are_what_an_independent_computation_says() {
    let (vectors, names) = (vectors(), Names::new());
    let to = PublicKey::parse(&vectors["pk"]).unwrap();
    let private = PrivateKey::from_seed(&Zeroizing::new(vectors["seed"][..].try_into().unwrap()));
    let eseed = vectors["eseed"][..].try_into().unwrap();
    assert_eq!(names.binding().info(to.id()), vectors["info"]);
    let envelope = Envelope::seal(&to, &names.binding(), &vectors["plaintext"], eseed);
    assert_eq!(envelope.as_bytes(), vectors["envelope"]);
    let made = to.encapsulate_from(b"a run", eseed);
    assert_eq!(made.bytes.as_slice(), vectors["ct"]);
    assert_eq!(made.secret.as_slice(), vectors["secret"]);
    assert_eq!(private.decapsulate(&made.bytes, b"a run"), made.secret);
    // The vector as a receiver meets it: bytes from the wire.
    let came = Envelope::parse(&vectors["envelope"], vectors["plaintext"].len()).unwrap();
    let opened = EnvelopeKeys::new(private, None).open(&came, &names.binding()).unwrap();
    assert_eq!(opened.as_ref(), vectors["plaintext"]);
}

#[test]
fn an_envelope_opens_for_no_other_use() {
    let change: [fn(&mut Names); 13] = [
        |n| n.party = Party::C,
        |n| n.deployment = "kz-prod".parse().unwrap(),
        |n| n.relying_party = "banks/b18".parse().unwrap(),
        |n| n.client = "banks/b17/branch-backend".parse().unwrap(),
        |n| n.method = Method::Enroll,
        |n| n.purpose = "card_activation".parse().unwrap(),
        |n| n.request_id = RequestId::from_random([8; 16]),
        |n| n.gallery = "banks/b17/staff".parse().unwrap(),
        |n| n.subject = "c-0043".parse().unwrap(),
        |n| n.modality = Modality::Finger,
        |n| n.model = "sface128".parse().unwrap(),
        |n| n.amount_kzt += 1,
        |n| n.captured = Minute::from_number(30_000_001),
    ];
    let (names, keys) = (Names::new(), keys(1));
    let envelope = keys.current().seal(&names.binding(), b"a share").unwrap();
    assert_eq!(keys.open(&envelope, &names.binding()).unwrap().as_ref(), b"a share");
    for (place, change) in change.iter().enumerate() {
        let mut other = names.clone();
        change(&mut other);
        assert_eq!(keys.open(&envelope, &other.binding()).unwrap_err(), OpenError, "change {place}");
    }
}

#[test]
fn neighbouring_fields_do_not_run_together() {
    let mut names = Names::new();
    names.purpose = "ab".parse().unwrap();
    names.model = "c".parse().unwrap();
    let one = names.binding().info(key(1).public().id());
    assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
    assert_ne!(framed(&[b"ab"]), framed(&[b"ab", b""]));
    names.client = "x".repeat(128).parse().unwrap();
    names.gallery = format!("{}/b17/customers", "x".repeat(50)).parse().unwrap();
    let longest = names.binding().info(key(1).public().id());
    assert_ne!(one, longest);
    assert!(longest.len() < 900);
}

#[test]
fn an_envelope_with_any_byte_changed_does_not_open() {
    let (names, keys) = (Names::new(), keys(1));
    let envelope = keys.current().seal(&names.binding(), &[5; 8]).unwrap();
    for place in 0..envelope.as_bytes().len() {
        let mut bytes = envelope.to_bytes();
        bytes[place] ^= 1 << (place % 8);
        let changed = Envelope::parse(&bytes, 8).unwrap();
        assert_eq!(keys.open(&changed, &names.binding()).unwrap_err(), OpenError, "byte {place}");
        assert_eq!(keys.knows(&changed.key()), place >= KeyId::LEN);
    }
}

#[test]
fn an_envelope_relabelled_for_another_key_does_not_open_there() {
    let (names, ours, theirs) = (Names::new(), keys(1), keys(2));
    let envelope = ours.current().seal(&names.binding(), b"a share").unwrap();
    assert!(!theirs.knows(&envelope.key()));
    assert_eq!(theirs.open(&envelope, &names.binding()).unwrap_err(), OpenError);
    let mut bytes = envelope.to_bytes();
    bytes[..KeyId::LEN].copy_from_slice(theirs.current().id().as_bytes());
    let relabelled = Envelope::parse(&bytes, 7).unwrap();
    assert!(theirs.knows(&relabelled.key()));
    assert_eq!(theirs.open(&relabelled, &names.binding()).unwrap_err(), OpenError);
}

#[test]
fn a_key_is_accepted_until_the_second_rotation_or_until_it_is_forgotten() {
    let names = Names::new();
    let kept = || {
        let mut keys = keys(1);
        let envelope = keys.current().seal(&names.binding(), b"a share").unwrap();
        keys.rotate(key(2));
        assert_eq!(keys.current().id(), key(2).public().id());
        assert!(keys.open(&envelope, &names.binding()).is_ok());
        (keys, envelope)
    };
    let end: [fn(&mut EnvelopeKeys); 2] = [|keys| keys.rotate(key(3)), EnvelopeKeys::forget_previous];
    for end in end {
        let (mut keys, envelope) = kept();
        end(&mut keys);
        assert!(!keys.knows(&envelope.key()));
        assert_eq!(keys.open(&envelope, &names.binding()).unwrap_err(), OpenError);
    }
}

#[test]
fn the_same_share_never_gives_the_same_envelope() {
    let (names, keys) = (Names::new(), keys(1));
    let one = keys.current().seal(&names.binding(), b"a share").unwrap();
    let two = keys.current().seal(&names.binding(), b"a share").unwrap();
    assert_ne!(one, two);
    assert_ne!(one.digest(), two.digest());
    assert_ne!(PrivateKey::generate().unwrap().to_seed(), PrivateKey::generate().unwrap().to_seed());
}

#[test]
fn an_envelope_has_exactly_the_length_that_is_due() {
    let envelope = keys(1).current().seal(&Names::new().binding(), &[0; 512]).unwrap();
    let bytes = envelope.to_bytes();
    assert_eq!(bytes.len(), 512 + Envelope::OVERHEAD);
    assert_eq!(Envelope::parse(&bytes, 512), Ok(envelope));
    let wrong = |bytes: &[u8], plaintext| Envelope::parse(bytes, plaintext).unwrap_err();
    let expected = 512 + Envelope::OVERHEAD;
    assert_eq!(wrong(&bytes[1..], 512), EnvelopeError::Length { expected, got: expected - 1 });
    assert_eq!(wrong(&[&bytes[..], &[0]].concat(), 512), EnvelopeError::Length { expected, got: expected + 1 });
    assert_eq!(wrong(&bytes, 511), EnvelopeError::Length { expected: expected - 1, got: expected });
    assert_eq!(wrong(&[], usize::MAX), EnvelopeError::Length { expected: usize::MAX, got: 0 });
}

#[test]
fn what_is_no_public_key_is_refused() {
    let good = *key(1).public().as_bytes();
    assert_eq!(PublicKey::parse(&good).unwrap(), *key(1).public());
    assert_eq!(PublicKey::parse(&good[1..]).unwrap_err(), PublicKeyError::Length { got: PUBLIC_KEY - 1 });
    let mut unreduced = good;
    unreduced[..3].fill(0xff);
    assert_eq!(PublicKey::parse(&unreduced).unwrap_err(), PublicKeyError::Invalid);
}

#[test]
fn a_key_id_has_one_text() {
    let id = *key(1).public().id();
    assert_eq!(id.to_string().len(), 16);
    assert_eq!(id.to_string().parse(), Ok(id));
    let upper = KeyId::from_bytes([0xab; 8]).to_string().to_uppercase();
    for bad in ["", "0123", "0123456789abcdeg", "+123456789abcdef", "0123456789abcdef0", &upper] {
        assert_eq!(bad.parse::<KeyId>(), Err(KeyIdError), "{bad}");
    }
}

fn place<'a>(kind: &'a str, gallery: &'a GalleryName, position: u64) -> Context<'a> {
    Context { kind, gallery, position }
}

#[test]
fn a_box_opens_in_its_own_place_only() {
    let (ours, theirs) = ("banks/b17/customers".parse().unwrap(), "banks/b18/customers".parse().unwrap());
    let (store, record) = (StoreKey::generate().unwrap(), RecordKey::generate().unwrap());
    let here = place("points/face/fr512", &ours, 3);
    let wrapped = record.wrap(&store, &here).unwrap();
    let sealed = record.seal(&here, b"points").unwrap();
    assert_eq!(sealed.len(), 6 + BOX_OVERHEAD);
    let again = RecordKey::unwrap(&wrapped, &store, &here).unwrap();
    assert_eq!(again.open(&here, &sealed).unwrap().as_ref(), b"points");
    for there in [place("points/face/sface128", &ours, 3), place(here.kind, &theirs, 3), place(here.kind, &ours, 4)] {
        assert_eq!(RecordKey::unwrap(&wrapped, &store, &there).unwrap_err(), OpenError, "{there:?}");
        assert_eq!(record.open(&there, &sealed).unwrap_err(), OpenError, "{there:?}");
    }
}

#[test]
fn a_record_whose_key_is_destroyed_stays_shut_for_the_holder_of_the_store_key() {
    let gallery = "banks/b17/customers".parse().unwrap();
    let here = place("points/face/fr512", &gallery, 3);
    let (store, record) = (StoreKey::generate().unwrap(), RecordKey::generate().unwrap());
    let sealed = record.seal(&here, b"points").unwrap();
    let mut wrapped = record.wrap(&store, &here).unwrap();
    drop(record);
    assert!(RecordKey::unwrap(&wrapped, &store, &here).unwrap().open(&here, &sealed).is_ok());
    wrapped.fill(0);
    assert_eq!(RecordKey::unwrap(&wrapped, &store, &here).unwrap_err(), OpenError);
    // Nor do the store key itself, or another record's key, open the box.
    let as_record = RecordKey::from_bytes_for_test(&store.to_bytes());
    let other = RecordKey::generate().unwrap();
    for wrong in [as_record, other] {
        assert_eq!(wrong.open(&here, &sealed).unwrap_err(), OpenError);
    }
}

#[test]
fn a_wrapped_key_opens_under_its_store_key_alone_and_survives_a_change_of_it() {
    let gallery = "banks/b17/customers".parse().unwrap();
    let here = place("key", &gallery, 0);
    let (old, new) = (StoreKey::generate().unwrap(), StoreKey::generate().unwrap());
    let record = RecordKey::generate().unwrap();
    let sealed = record.seal(&here, b"points").unwrap();
    let wrapped = record.wrap(&old, &here).unwrap();
    assert_eq!(RecordKey::unwrap(&wrapped, &new, &here).unwrap_err(), OpenError);
    let again = RecordKey::unwrap(&wrapped, &old, &here).unwrap().wrap(&new, &here).unwrap();
    let kept = StoreKey::from_bytes(&new.to_bytes());
    assert_eq!(RecordKey::unwrap(&again, &kept, &here).unwrap().open(&here, &sealed).unwrap().as_ref(), b"points");
}

#[test]
fn a_wrapped_key_is_no_box_and_a_box_no_wrapped_key() {
    let gallery = "banks/b17/customers".parse().unwrap();
    let here = place("key", &gallery, 0);
    let bytes = Zeroizing::new([9; 32]);
    let (store, twin) = (StoreKey::from_bytes(&bytes), RecordKey::from_bytes_for_test(&bytes));
    let wrapped = RecordKey::generate().unwrap().wrap(&store, &here).unwrap();
    assert_eq!(twin.open(&here, &wrapped).unwrap_err(), OpenError);
    let sealed = twin.seal(&here, &[1; 32]).unwrap();
    assert_eq!(RecordKey::unwrap(&sealed, &store, &here).unwrap_err(), OpenError);
}

#[test]
fn a_box_with_any_byte_changed_or_missing_does_not_open() {
    let gallery = "banks/b17/customers".parse().unwrap();
    let here = place("key", &gallery, 0);
    let record = RecordKey::generate().unwrap();
    let sealed = record.seal(&here, b"points").unwrap();
    for at in 0..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[at] ^= 1;
        assert_eq!(record.open(&here, &bytes).unwrap_err(), OpenError, "byte {at}");
        assert_eq!(record.open(&here, &sealed[..at]).unwrap_err(), OpenError, "cut to {at}");
    }
    assert_ne!(sealed, record.seal(&here, b"points").unwrap());
}

/// Whether a text shows three of the bytes in a row, in decimal or in hex.
fn shows(text: &str, secret: &[u8]) -> bool {
    let text: String = text.to_lowercase().split_whitespace().collect();
    secret.windows(3).any(|run| {
        let hex = format!("{:02x}{:02x}{:02x}", run[0], run[1], run[2]);
        text.contains(&hex) || text.contains(&format!("{},{},{}", run[0], run[1], run[2]))
    })
}

#[test]
fn no_secret_prints_itself() {
    let seed: [u8; 32] = std::array::from_fn(|at| 160 + u8::try_from(at).unwrap());
    let secret = Zeroizing::new(seed);
    assert!(shows(&format!("{seed:?}"), &seed), "the test must see a secret that is printed");
    assert!(shows(&format!("{seed:#?}"), &seed), "the test must see a secret that is printed");
    let private = PrivateKey::from_seed(&secret);
    let (store, record) = (StoreKey::from_bytes(&secret), RecordKey::from_bytes_for_test(&secret));
    let mut prints = vec![format!("{private:?} {private:#?}"), format!("{store:?} {store:#?} {record:?} {record:#?}")];
    let keys = EnvelopeKeys::new(private, Some(PrivateKey::from_seed(&secret)));
    prints.push(format!("{keys:?} {keys:#?}"));
    let envelope = keys.current().seal(&Names::new().binding(), &seed).unwrap();
    prints.push(format!("{envelope:?} {envelope:#?}"));
    for text in prints {
        assert!(!shows(&text, &seed), "{text}");
    }
}

#[test]
fn keys_are_wiped() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<StoreKey>();
    wiped::<RecordKey>();
    wiped::<PrivateKey>();
    wiped::<EnvelopeKeys>();
    let mut store = StoreKey::generate().unwrap();
    store.zeroize();
    assert_eq!(*store.to_bytes(), [0; 32]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_sealed_opens_as_it_was(plaintext in proptest::collection::vec(any::<u8>(), 0..600)) {
        let (names, keys) = (Names::new(), keys(1));
        let sent = keys.current().seal(&names.binding(), &plaintext).unwrap();
        let came = Envelope::parse(sent.as_bytes(), plaintext.len()).unwrap();
        prop_assert_eq!(came.digest(), sent.digest());
        let opened = keys.open(&came, &names.binding()).unwrap();
        prop_assert_eq!(opened.as_ref(), &plaintext[..]);
    }
}
