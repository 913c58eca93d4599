//! Two nodes in one process, and whoever stands between them.

use std::array;
use std::collections::HashMap;

use super::*;

const CONTEXT: Context = Context { policy: [0xc0; 32], models: [0xc1; 32] };

/// One node's side of a run.
struct Node {
    own: Party,
    peer: Party,
    deployment: Deployment,
    context: Context,
}

impl Node {
    fn new(own: Party, peer: Party) -> Self {
        Self { own, peer, deployment: "kz-demo".parse().unwrap(), context: CONTEXT }
    }

    fn start(&self) -> (Start, Box<[u8]>) {
        let ends = Ends { own: self.own, peer: self.peer, deployment: &self.deployment, context: &self.context };
        Start::new(&ends).unwrap()
    }
}

fn identity(party: Party) -> SigningKey {
    SigningKey::from_seed(&[party.as_str().as_bytes()[0]; 32])
}

fn public(party: Party) -> [u8; 32] {
    identity(party).public()
}

/// What goes over the wire from A to B and back.
#[derive(Clone)]
struct Recording {
    hello: [Box<[u8]>; 2],
    finish: [Box<[u8]>; 2],
}

/// A and B after each other's hellos, with all that they sent.
fn halfway() -> ([Waiting; 2], Recording) {
    let (a, hello_a) = Node::new(Party::A, Party::B).start();
    let (b, hello_b) = Node::new(Party::B, Party::A).start();
    let (a, finish_a) = a.hello(&hello_b, &identity(Party::A)).unwrap();
    let (b, finish_b) = b.hello(&hello_a, &identity(Party::B)).unwrap();
    ([a, b], Recording { hello: [hello_a, hello_b], finish: [finish_a, finish_b] })
}

fn whole() -> ([Established; 2], Recording) {
    let ([a, b], sent) = halfway();
    let a = a.finish(&sent.finish[1], &public(Party::B)).unwrap();
    let b = b.finish(&sent.finish[0], &public(Party::A)).unwrap();
    ([a, b], sent)
}

#[test]
fn every_two_nodes_agree_whoever_calls() {
    for own in Party::ALL {
        for peer in [own.next(), own.prev()] {
            let (ours, our_hello) = Node::new(own, peer).start();
            let (theirs, their_hello) = Node::new(peer, own).start();
            let (ours, our_finish) = ours.hello(&their_hello, &identity(own)).unwrap();
            let (theirs, their_finish) = theirs.hello(&our_hello, &identity(peer)).unwrap();
            assert_eq!(our_hello.len(), HELLO_LESS_NAME + "kz-demo".len());
            assert!(our_hello.len() <= HELLO_MAX);
            assert_eq!(our_finish.len(), FINISH);
            let ours = ours.finish(&their_finish, &public(peer)).unwrap();
            let theirs = theirs.finish(&our_finish, &public(own)).unwrap();
            assert_eq!(ours.seed, theirs.seed);
            assert_eq!((ours.peer, theirs.peer), (peer, own));
        }
    }
}

#[test]
fn a_reconnect_gives_another_seed_from_other_messages() {
    let ([one, _], first) = whole();
    let ([two, _], second) = whole();
    assert_ne!(one.seed, two.seed);
    for side in 0..2 {
        assert_ne!(first.hello[side], second.hello[side]);
        assert_ne!(first.finish[side], second.finish[side]);
    }
}

#[test]
fn a_recording_of_an_earlier_run_proves_nothing() {
    let (_, old) = whole();
    // B's old hello and old finish, played to A anew.
    let (a, _) = Node::new(Party::A, Party::B).start();
    let (a, _) = a.hello(&old.hello[1], &identity(Party::A)).unwrap();
    assert_eq!(a.finish(&old.finish[1], &public(Party::B)).unwrap_err(), HandshakeError::Identity);
    // B's new hello, but the old finish; and the other way round.
    let ([a, b], _) = halfway();
    assert_eq!(a.finish(&old.finish[1], &public(Party::B)).unwrap_err(), HandshakeError::Identity);
    assert_eq!(b.finish(&old.finish[0], &public(Party::A)).unwrap_err(), HandshakeError::Identity);
}

#[test]
fn a_node_s_own_words_thrown_back_at_it_are_refused() {
    let (a, hello) = Node::new(Party::A, Party::B).start();
    assert_eq!(a.hello(&hello, &identity(Party::A)).unwrap_err(), HandshakeError::Party { expected: Party::B });
    // Even if one key were pinned for both parties by mistake, the signature says who made it.
    let ([a, _], sent) = halfway();
    assert_eq!(a.finish(&sent.finish[0], &public(Party::A)).unwrap_err(), HandshakeError::Identity);
}

#[test]
fn every_disagreement_has_its_own_error() {
    let hello_of = |change: fn(&mut Node)| {
        let mut node = Node::new(Party::B, Party::A);
        change(&mut node);
        node.start().1
    };
    let refusal = |hello: &[u8]| {
        let (a, _) = Node::new(Party::A, Party::B).start();
        a.hello(hello, &identity(Party::A)).unwrap_err()
    };
    let good = hello_of(|_| ());
    assert_eq!(refusal(&hello_of(|b| b.own = Party::C)), HandshakeError::Party { expected: Party::B });
    for other in ["kz-prod", "kz-demo2", "k"] {
        let mut node = Node::new(Party::B, Party::A);
        node.deployment = other.parse().unwrap();
        assert_eq!(refusal(&node.start().1), HandshakeError::Deployment);
    }
    let (own, models) = ([0xc0; SHOWN], [0xc1; SHOWN]);
    let policy = refusal(&hello_of(|b| b.context.policy = [0xd0; 32]));
    assert_eq!(policy, HandshakeError::Policy { own, theirs: [0xd0; SHOWN] });
    assert_eq!(
        policy.to_string(),
        "the peer runs under another policy, its SHA-256 begins with d0d0d0d0d0d0d0d0, and this node's with c0c0c0c0c0c0c0c0: the \
         same policy.toml must be at all three"
    );
    // Whatever part of a digest differs.
    assert_eq!(refusal(&hello_of(|b| b.context.policy[31] ^= 1)), HandshakeError::Policy { own, theirs: own });
    assert_eq!(
        refusal(&hello_of(|b| b.context.models[31] ^= 1)),
        HandshakeError::Models { own: models, theirs: models }
    );
    for other in [1, 3] {
        let mut hello = good.clone();
        hello[..2].copy_from_slice(&u16::to_be_bytes(other));
        assert_eq!(refusal(&hello), HandshakeError::Version(other));
    }
    let mut no_key = good.clone();
    let key_from = 4 + "kz-demo".len() + NONCE;
    no_key[key_from..key_from + 3].fill(0xff);
    assert_eq!(refusal(&no_key), HandshakeError::EphemeralKey);
    for got in [0, 1, 3, 4, 11, good.len() - 1] {
        assert_eq!(refusal(&good[..got]), HandshakeError::HelloLength { got });
    }
    let long = [&good[..], &[0]].concat();
    assert_eq!(refusal(&long), HandshakeError::HelloLength { got: long.len() });
    let (deployment, own) = ("kz-demo".parse().unwrap(), Party::C);
    let alone = Ends { own, peer: own, deployment: &deployment, context: &CONTEXT };
    assert_eq!(Start::new(&alone).unwrap_err(), HandshakeError::Itself);
}

#[test]
fn a_finish_of_another_length_or_identity_is_refused() {
    for got in [0, ENCAPSULATED, FINISH - 1, FINISH + 1] {
        let ([a, _], sent) = halfway();
        let bytes: Vec<u8> = sent.finish[1].iter().copied().chain([0]).take(got).collect();
        assert_eq!(a.finish(&bytes, &public(Party::B)).unwrap_err(), HandshakeError::FinishLength { got });
    }
    let ([a, _], sent) = halfway();
    assert_eq!(a.finish(&sent.finish[1], &public(Party::C)).unwrap_err(), HandshakeError::Identity);
}

#[test]
fn whoever_holds_no_identity_key_cannot_stand_between() {
    // M shakes hands with A in B's name, hello and all, but signs with a key of its own.
    let (a, hello_a) = Node::new(Party::A, Party::B).start();
    let (m, hello_m) = Node::new(Party::B, Party::A).start();
    let (a, _) = a.hello(&hello_m, &identity(Party::A)).unwrap();
    let mallory = SigningKey::from_seed(&[0x4d; 32]);
    let (_, finish_m) = m.hello(&hello_a, &mallory).unwrap();
    assert_eq!(a.finish(&finish_m, &public(Party::B)).unwrap_err(), HandshakeError::Identity);
    // M lets B sign its own run with M, and hands that signature on to A.
    let (a, hello_a) = Node::new(Party::A, Party::B).start();
    let (b, hello_b) = Node::new(Party::B, Party::A).start();
    let (_, hello_m) = Node::new(Party::A, Party::B).start();
    let (a, _) = a.hello(&hello_b, &identity(Party::A)).unwrap();
    let (_, finish_b) = b.hello(&hello_m, &identity(Party::B)).unwrap();
    assert_ne!(hello_a, hello_m);
    assert_eq!(a.finish(&finish_b, &public(Party::B)).unwrap_err(), HandshakeError::Identity);
}

#[test]
fn a_byte_changed_on_the_way_ends_the_run() {
    let length = Node::new(Party::A, Party::B).start().1.len();
    let key = 11 + NONCE..length - 2 * DIGEST;
    for place in (0..length).filter(|at| !key.contains(at) || at % 61 == 0) {
        let (a, mut hello_a) = Node::new(Party::A, Party::B).start();
        let (b, hello_b) = Node::new(Party::B, Party::A).start();
        hello_a[place] ^= 1;
        // B may refuse the hello. If not, A refuses B's signature over a hello that A did not send, and B refuses A's.
        if let Ok((b, finish_b)) = b.hello(&hello_a, &identity(Party::B)) {
            let (a, finish_a) = a.hello(&hello_b, &identity(Party::A)).unwrap();
            assert_eq!(a.finish(&finish_b, &public(Party::B)).unwrap_err(), HandshakeError::Identity, "byte {place}");
            assert_eq!(b.finish(&finish_a, &public(Party::A)).unwrap_err(), HandshakeError::Identity, "byte {place}");
        }
    }
    for place in (0..FINISH).filter(|at| *at >= ENCAPSULATED || at % 61 == 0) {
        let ([a, _], mut sent) = halfway();
        sent.finish[1][place] ^= 1;
        let refused = a.finish(&sent.finish[1], &public(Party::B)).unwrap_err();
        assert_eq!(refused, HandshakeError::Identity, "byte {place}");
    }
}

#[test]
fn each_side_s_secret_goes_into_the_seed_in_its_place() {
    let [low, high, salt]: [[u8; 32]; 3] = array::from_fn(|at| [u8::try_from(at).unwrap(); 32]);
    let plain = seed(&salt, &low, &high);
    assert_eq!(plain.as_slice(), vectors()["pair_seed"]);
    for (salt, low, high) in [(salt, high, low), (salt, low, low), (salt, high, high), (low, low, high)] {
        assert_ne!(plain, seed(&salt, &low, &high));
    }
}

#[test]
fn no_secret_of_a_run_prints_itself() {
    let (start, _) = Node::new(Party::A, Party::B).start();
    let secret = start.ephemeral.to_seed();
    assert!(!shows(&format!("{start:?} {start:#?}"), secret.as_slice()));
    let ([a, b], sent) = halfway();
    let text = format!("{a:?} {a:#?}");
    assert!(!shows(&text, a.drawn.secret.as_slice()) && !shows(&text, a.ephemeral.to_seed().as_slice()));
    let b = b.finish(&sent.finish[0], &public(Party::A)).unwrap();
    assert!(!shows(&format!("{b:?} {b:#?}"), b.seed.as_slice()));
    assert_eq!(format!("{b:?}"), "Established(with A)");
}

/// The answers in `tests/vectors/seal.txt`, which `seal.py` beside it computes apart from this code.
fn vectors() -> HashMap<&'static str, Vec<u8>> {
    include_str!("../../tests/vectors/seal.txt")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, hex)| {
            let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            (name, digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect())
        })
        .collect()
}

/// Whether a text shows three of the bytes in a row, in decimal or in hex.
fn shows(text: &str, secret: &[u8]) -> bool {
    let text: String = text.to_lowercase().split_whitespace().collect();
    secret.windows(3).any(|run| {
        let hex = format!("{:02x}{:02x}{:02x}", run[0], run[1], run[2]);
        text.contains(&hex) || text.contains(&format!("{},{},{}", run[0], run[1], run[2]))
    })
}
