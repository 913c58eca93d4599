//! The log's formats against vectors that others made, and against every kind of damage.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tumar::log::entry::{Draft, Entry, Event, Minute};
use tumar::log::merkle::{MerkleError, Tree, leaf_hash};
use tumar::log::note::{Checkpoint, NoteError, NoteSigner, SigningKey, VerifierKey, is_signed};
use tumar::log::receipt::{NodeKeys, Outcome, Receipt, ReceiptBody, ReceiptError};
use tumar::name::Deployment;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::token::Evidence;
use tumar::token::purpose::AccessRecord;

/// The eight leaves of the certificate-transparency reference tests.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Their roots, for sizes 1 to 8.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash_of(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().unwrap()
}

fn reference() -> Tree {
    let mut tree = Tree::new();
    for leaf in LEAVES {
        tree.push(leaf_hash(&bytes(leaf)));
    }
    tree
}

#[test]
fn the_reference_tree_has_the_reference_roots_and_proofs() {
    let tree = reference();
    assert_eq!(tree.root(0), Ok(hash_of("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(tree.root(size), Ok(hash_of(root)), "size {size}");
    }
    let proof = |hashes: &[&str]| Ok(hashes.iter().map(|hex| hash_of(hex)).collect::<Vec<_>>());
    assert_eq!(tree.inclusion(0, 1), proof(&[]));
    assert_eq!(
        tree.inclusion(0, 8),
        proof(&[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ])
    );
    assert_eq!(
        tree.consistency(6, 8),
        proof(&[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ])
    );
    assert_eq!(
        tree.consistency(2, 5),
        proof(&[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ])
    );
}
/// A log's signer from a fixed seed.
fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name.parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
}

#[test]
fn an_entry_with_any_bit_changed_is_refused_or_is_another_entry() {
    const LOCKED: Reason = Reason::SubjectLocked;
    let record = AccessRecord {
        relying_party: "banks/b17".parse().unwrap(),
        gallery: "banks/b17/customers".parse().unwrap(),
        subject: Some("c-0042".parse().unwrap()),
        purpose: "cash_withdrawal".parse().unwrap(),
        method: Method::Verify,
        modalities: vec![],
        evidence: Arc::new(Evidence::new("token".to_owned(), "proof".to_owned(), Vec::new())),
        approvals: 0,
        policy: [0xb0; 32],
    };
    let entry = Draft::new(&record, [7; 32], [5; 16], Minute::of(0), Event::Denied(LOCKED.into())).finish([8; 32]);
    for bit in 0..entry.len() * 8 {
        let mut other = entry.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        if let Ok(parsed) = Entry::parse(&other) {
            assert_eq!(parsed.to_bytes(), other, "bit {bit}");
            assert_ne!(leaf_hash(&other), leaf_hash(&entry));
        }
        assert!(Entry::parse(&entry[..bit / 8]).is_err(), "cut at {}", bit / 8);
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic_or_read_what_it_would_not_write(
        text in "(\\PC|\n|[0-9+=/]){0,60}|[a-z]{1,3}\n[0-9+]{1,3}\n[A-Za-z0-9+/]{42}A=\n",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.text(), text.clone());
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text.clone());
        }
        let log = signer("log", 1);
        prop_assert!(log.verifier().open(&text).is_err());
        let as_note = format!("{text}\n\n\u{2014} {text}\n");
        prop_assert!(log.verifier().open(&as_note).is_err());
        prop_assert!(Entry::parse(text.as_bytes()).is_err());
        prop_assert!(Entry::parse(&bytes).is_err());
    }
}

mod notes {
    use super::*;

    /// Key and note of the tests of Go's `sumdb/note`.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const LINE: &str = "\u{2014} PeterNeumann \
                        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> VerifierKey {
        PETER.parse().unwrap()
    }

    #[test]
    fn the_note_that_go_signed_verifies_and_is_signed_alike() {
        let note = format!("{TEXT}\n{LINE}");
        assert_eq!(peter().open(&note), Ok(TEXT));
        assert_eq!(peter().to_string(), PETER);
        let seed: [u8; 32] = STANDARD.decode(PETER_SEED).unwrap().try_into().unwrap();
        let signer = NoteSigner::new("PeterNeumann".parse().unwrap(), SigningKey::from_seed(&seed));
        assert_eq!(signer.verifier(), &peter());
        assert_eq!(signer.sign(TEXT), Ok(note));
    }

    #[test]
    fn a_note_with_any_bit_changed_is_refused() {
        let note = format!("{TEXT}\n{LINE}").into_bytes();
        for bit in 0..note.len() * 8 {
            let mut bad = note.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // What is no UTF-8 does not even become a `str`.
            if let Ok(bad) = String::from_utf8(bad) {
                assert!(peter().open(&bad).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_verifier_key_has_one_text_and_a_changed_one_is_refused() {
        for from in 0..PETER.len() {
            for to in from + 1..=PETER.len() {
                assert_eq!(PETER[from..to].parse::<VerifierKey>().is_ok(), (from, to) == (0, PETER.len()));
            }
        }
        for place in 0..PETER.len() {
            let mut bad = PETER.as_bytes().to_vec();
            bad[place] += 1;
            assert_eq!(String::from_utf8(bad).unwrap().parse::<VerifierKey>(), Err(NoteError::VerifierKey), "{place}");
        }
        for bad in [
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", // too long a key, with its own id
            "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // unknown algorithm, with its own id
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // capital digits
        ] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(NoteError::VerifierKey), "{bad}");
        }
        // By these anybody makes signatures that verify, well as they are written.
        let (zero, mut identity) = ([0; 32], [0; 32]);
        identity[0] = 1;
        for key in [zero, identity] {
            let text = VerifierKey::new("PeterNeumann".parse().unwrap(), key).to_string();
            assert_eq!(text.parse::<VerifierKey>(), Err(NoteError::SmallOrder), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        use NoteError::{Malformed, TooLong, TooManySignatures, Unsigned};
        let cases = [
            (String::new(), Malformed, "nothing"),
            (TEXT.to_owned(), Malformed, "text alone"),
            (format!("{TEXT}\n"), Malformed, "no signature"),
            (format!("{TEXT}{LINE}"), Malformed, "no blank line"),
            (format!("{TEXT}\n{}", LINE.trim_end()), Malformed, "no line end"),
            (format!("{TEXT}\n{LINE}\n"), Malformed, "a blank line after"),
            (format!("{TEXT}\n{LINE}").replace('\n', "\r\n"), Malformed, "two bytes a line end"),
            (format!("{}\n{LINE}", TEXT.replace(' ', "\t")), Malformed, "a control character"),
            (format!("{TEXT}\n-{}", LINE.trim_start_matches('\u{2014}')), Malformed, "a hyphen for the dash"),
            (format!("{TEXT}\n{}", LINE.replace("PeterNeumann ", "")), Malformed, "no name"),
            (format!("{TEXT}\n{}", LINE.replace("PeterNeumann", "Peter+Neumann")), Malformed, "a plus in a name"),
            (format!("{TEXT}\n{}", LINE.replace("nAM=", "nAM")), Malformed, "no padding"),
            (format!("{TEXT}\n{}", LINE.replace("nAM=", "nAN=")), Malformed, "bits after the end"),
            (format!("{TEXT}\n{LINE}\u{2014} other x08gow==\n"), Malformed, "an id without a signature"),
            (format!("{TEXT}\n{}", LINE.repeat(17)), TooManySignatures, "seventeen"),
            (format!("{}\n{LINE}", "x\n".repeat(70_000)), TooLong, "long"),
            (format!("{TEXT}\n{}", LINE.replace("PeterNeumann", "Peter")), Unsigned, "another name"),
            (format!("{TEXT}\n{}", LINE.replace("x08g", "y08g")), Unsigned, "another id"),
        ];
        for (note, error, case) in cases {
            assert_eq!(peter().open(&note), Err(error), "{case}");
        }
        assert_eq!(signer("log", 1).sign("no line end"), Err(Malformed));
        assert_eq!(signer("log", 1).sign("bell\x07\n"), Err(Malformed));
    }

    #[test]
    fn signatures_by_others_are_ignored_and_a_false_one_in_its_own_name_is_not() {
        let other = signer("PeterNeumann", 9).sign(TEXT).unwrap();
        let (_, other) = other.rsplit_once("\n\n").unwrap();
        assert_eq!(peter().open(&format!("{TEXT}\n{}{LINE}", other.repeat(15))), Ok(TEXT));
        assert_eq!(peter().open(&format!("{TEXT}\n{other}")), Err(NoteError::Unsigned));
        let false_one = LINE.replace("Zb6K", "Zb6L");
        assert_eq!(peter().open(&format!("{TEXT}\n{LINE}{false_one}")), Err(NoteError::Signature));
        assert_eq!(peter().open(&format!("another\n\n{LINE}")), Err(NoteError::Signature));
    }

    #[test]
    fn no_private_key_is_printed() {
        let signer = signer("log.example/a", 0xab);
        assert_eq!(format!("{signer:?}"), "NoteSigner(log.example/a)");
        let key = format!("{:?}", SigningKey::from_seed(&[0xab; 32]));
        assert!(!key.contains("abab") && !key.contains("171"), "{key}");
    }

    #[test]
    fn only_an_ed25519_key_is_a_signing_key() {
        let random = ring::rand::SystemRandom::new();
        let pair = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let key = SigningKey::from_pkcs8(pair.as_ref()).unwrap();
        assert!(is_signed(&key.public(), b"text", &key.sign(b"text")));
        assert!(!is_signed(&key.public(), b"texT", &key.sign(b"text")));
        let p256 =
            ring::signature::EcdsaKeyPair::generate_pkcs8(&ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .unwrap();
        for bad in [p256.as_ref(), b"", &pair.as_ref()[1..]] {
            assert_eq!(SigningKey::from_pkcs8(bad).err(), Some(NoteError::PrivateKey));
        }
    }
}

mod checkpoints {
    use super::*;

    /// The example of C2SP tlog-checkpoint.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_reads_and_prints_as_it_stands() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.text(), EXAMPLE);
    }

    #[test]
    fn a_checkpoint_comes_back_from_its_own_log_only() {
        let (log, other) = (signer("log.example/a", 1), signer("log.example/b", 1));
        let (stolen_name, changed_key) = (signer("log.example/a", 2), signer("log.example/a", 3));
        let checkpoint = Checkpoint { origin: log.verifier().name().clone(), size: 0, root: [3; 32] };
        let note = checkpoint.sign(&log).unwrap();
        assert_eq!(Checkpoint::open(&note, log.verifier()), Ok(checkpoint.clone()));
        for wrong in [&other, &stolen_name, &changed_key] {
            assert_eq!(Checkpoint::open(&note, wrong.verifier()), Err(NoteError::Unsigned));
        }
        assert_eq!(checkpoint.sign(&other), Err(NoteError::Origin));
        let foreign = other.sign(&checkpoint.text()).unwrap();
        assert_eq!(Checkpoint::open(&foreign, other.verifier()), Err(NoteError::Origin));
        let note = log.sign("something else\n").unwrap();
        assert_eq!(Checkpoint::open(&note, log.verifier()), Err(NoteError::Checkpoint));
    }

    #[test]
    fn what_is_not_exactly_a_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, case) in [
            (String::new(), "nothing"),
            ("log\n1\n".to_owned(), "two lines"),
            (format!("\n1\n{root}\n"), "no origin"),
            (format!("a log\n1\n{root}\n"), "a space in the origin"),
            (format!("log\n01\n{root}\n"), "a leading zero"),
            (format!("log\n+1\n{root}\n"), "a sign"),
            (format!("log\n-1\n{root}\n"), "a negative size"),
            (format!("log\n18446744073709551616\n{root}\n"), "a size over 64 bits"),
            (format!("log\n1\n{}\n", &root[4..]), "a short root"),
            (format!("log\n1\n{}\n", root.trim_end_matches('=')), "no padding"),
            (format!("log\n1\n{root}"), "no line end"),
            (format!("log\n1\n{root}\n\n"), "an empty line"),
            (format!("log\n1\n{root}\nmore\n"), "an extension line"),
            (format!("log\r\n1\r\n{root}\r\n"), "two bytes a line end"),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(NoteError::Checkpoint), "{case}");
        }
    }
}

mod receipts {
    use super::*;

    const NAME: &str = "log.example/b";
    /// The log of half a year has its own name.
    const ORIGIN: &str = "log.example/b/2026h2";

    struct Node {
        log: NoteSigner,
        identity: SigningKey,
        tree: Tree,
    }

    impl Node {
        fn new() -> Self {
            let mut tree = Tree::new();
            for index in 0..11_u8 {
                tree.push(leaf_hash(&[index]));
            }
            Self { log: signer(NAME, 1), identity: SigningKey::from_seed(&[2; 32]), tree }
        }

        fn half(&self) -> NoteSigner {
            self.log.of_half("2026h2".parse().unwrap())
        }

        fn keys(&self) -> NodeKeys {
            NodeKeys { party: Party::B, identity: self.identity.public(), log: self.log.verifier().clone() }
        }

        fn checkpoint(&self, size: u64) -> String {
            let root = self.tree.root(size).unwrap();
            Checkpoint { origin: ORIGIN.parse().unwrap(), size, root }.sign(&self.half()).unwrap()
        }

        fn body(&self) -> ReceiptBody {
            ReceiptBody {
                party: Party::B,
                outcome: Outcome::Match,
                found: None,
                request_digest: [3; 32],
                index: 6,
                leaf: self.tree.leaf(6).unwrap(),
                inclusion: self.tree.inclusion(6, 11).unwrap(),
                checkpoint: self.checkpoint(11),
            }
        }
    }

    fn here() -> Deployment {
        "kz-demo".parse().unwrap()
    }

    #[test]
    fn a_receipt_is_verified_and_tells_its_checkpoint() {
        let node = Node::new();
        for outcome in Outcome::ALL {
            let receipt = ReceiptBody { outcome, ..node.body() }.sign(&node.identity, &here());
            assert_eq!(receipt.verify(&node.keys(), &here()).unwrap().size, 11);
        }
    }

    #[test]
    fn a_receipt_changed_after_it_was_signed_is_refused() {
        let node = Node::new();
        let receipt = node.body().sign(&node.identity, &here());
        let changes: [fn(&mut Receipt); 7] = [
            |r| r.body.outcome = Outcome::NoMatch,
            |r| r.body.request_digest[31] ^= 1,
            |r| r.body.index = 7,
            |r| r.body.leaf[5] ^= 4,
            |r| r.body.checkpoint.push('\n'),
            |r| r.signature[0] ^= 1,
            |r| r.signature[63] ^= 1,
        ];
        for (place, change) in changes.iter().enumerate() {
            let mut bad = receipt.clone();
            change(&mut bad);
            assert_eq!(bad.verify(&node.keys(), &here()), Err(ReceiptError::Signature), "change {place}");
        }
        let elsewhere = "kz-other".parse().unwrap();
        assert_eq!(receipt.verify(&node.keys(), &elsewhere), Err(ReceiptError::Signature));
        let mut bad = receipt.clone();
        bad.body.party = Party::C;
        assert_eq!(bad.verify(&node.keys(), &here()), Err(ReceiptError::Party));
        let as_c = NodeKeys { party: Party::C, ..node.keys() };
        assert_eq!(bad.verify(&as_c, &here()), Err(ReceiptError::Signature));
        let stranger = NodeKeys { identity: [9; 32], ..node.keys() };
        assert_eq!(receipt.verify(&stranger, &here()), Err(ReceiptError::Signature));
    }

    #[test]
    fn every_bit_of_the_proof_counts() {
        let node = Node::new();
        let receipt = node.body().sign(&node.identity, &here());
        for bit in 0..receipt.body.inclusion.len() * 256 {
            let mut bad = receipt.clone();
            bad.body.inclusion[bit / 256][bit / 8 % 32] ^= 1 << (bit % 8);
            assert_eq!(bad.verify(&node.keys(), &here()), Err(ReceiptError::Inclusion(MerkleError::Root)), "{bit}");
        }
        for proof in [vec![], vec![[0; 32]; 64], vec![[0; 32]; 100_000]] {
            let mut bad = receipt.clone();
            bad.body.inclusion = proof;
            assert_eq!(bad.verify(&node.keys(), &here()), Err(ReceiptError::Inclusion(MerkleError::Length)));
        }
    }

    #[test]
    fn a_node_that_signs_what_its_log_does_not_show_is_found_out() {
        let node = Node::new();
        let refused = |body: ReceiptBody, error: ReceiptError, case: &str| {
            assert_eq!(body.sign(&node.identity, &here()).verify(&node.keys(), &here()), Err(error), "{case}");
        };
        let leaf = leaf_hash(b"never logged");
        refused(ReceiptBody { leaf, ..node.body() }, MerkleError::Root.into(), "an entry that is not in the log");
        refused(ReceiptBody { index: 5, ..node.body() }, MerkleError::Root.into(), "another place");
        let smaller = node.checkpoint(6);
        refused(
            ReceiptBody { checkpoint: smaller, ..node.body() },
            MerkleError::Beyond.into(),
            "an earlier checkpoint",
        );
        let forked =
            Checkpoint { origin: ORIGIN.parse().unwrap(), size: 11, root: [0; 32] }.sign(&node.half()).unwrap();
        refused(ReceiptBody { checkpoint: forked, ..node.body() }, MerkleError::Root.into(), "a fork's checkpoint");
        let foreign = signer(ORIGIN, 7).sign(&format!("{ORIGIN}\n11\n{}\n", STANDARD.encode([0; 32]))).unwrap();
        refused(
            ReceiptBody { checkpoint: foreign, ..node.body() },
            NoteError::Unsigned.into(),
            "a stranger's checkpoint",
        );
        for other in
            ["elsewhere", NAME, "log.example/b/", "log.example/b/2026h3", "log.example/b2/2026h2", "elsewhere/2026h2"]
        {
            let origin = node.half().sign(&format!("{other}\n11\n{}\n", STANDARD.encode([0; 32]))).unwrap();
            let body = ReceiptBody { checkpoint: origin, ..node.body() };
            refused(body, NoteError::Origin.into(), "another log's checkpoint");
        }
        let other_half = node.half().sign(&format!("{NAME}/2027h1\n11\n{}\n", STANDARD.encode([0; 32]))).unwrap();
        refused(
            ReceiptBody { checkpoint: other_half, ..node.body() },
            NoteError::Unsigned.into(),
            "a half-year's under the name of another",
        );
    }
}
