//! What a node does for a request besides comparing: it opens an envelope, checks a token, and writes an entry that lasts. And
//! what a client does for each node: it seals an envelope.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use support::grants::{self, Bank};
use support::rng::Dice;
use support::token_fixtures::{self, Draft, ES_CLIENT, ES_ISSUER, FACE, FINGER, Models, POLICY, VERIFIER};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tumar::log::access::{AccessLog, Completion, Permit};
use tumar::log::ledger::Position;
use tumar::log::merkle::leaf_hash;
use tumar::log::note::{NoteSigner, SigningKey};
use tumar::name::{
    ClientName, Deployment, GalleryName, Modality, ModelId, PurposeName, RelyingParty, RequestId, Subject,
};
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::seal::{Binding, Envelope, EnvelopeKeys, PrivateKey, StoreKey};
use tumar::share::{Masks, PointShare, split};
use tumar::store::{Change, ChangeId, Enrolment, Reference, Store};
use tumar::template::Shape;
use tumar::token::Token;
use tumar::token::jws::to_base64;
use tumar::token::policy::Limits;
use tumar::token::purpose::{Grant, Verify};
use zeroize::Zeroizing;

/// Requests under way together.
const CROWD: usize = 64;

fn bench_envelopes(criterion: &mut Criterion) {
    let deployment: Deployment = "kz-test".parse().unwrap();
    let relying_party: RelyingParty = "banks/b17".parse().unwrap();
    let client: ClientName = "banks/b17/atm-backend".parse().unwrap();
    let purpose: PurposeName = "cash_withdrawal".parse().unwrap();
    let gallery: GalleryName = "banks/b17/customers".parse().unwrap();
    let (subject, request_id): (Subject, _) = ("c-0042".parse().unwrap(), RequestId::from_random([7; 16]));
    let private = PrivateKey::generate().unwrap();
    let public = private.public().clone();
    let keys = EnvelopeKeys::new(private, None);
    let mut dice = Dice(1);
    let shapes = [
        ("face512", Modality::Face, "fr512", Shape::vector(512).unwrap()),
        ("finger40", Modality::Finger, "fp128", Shape::set(40).unwrap()),
    ];
    for (name, modality, model, shape) in shapes {
        let model: ModelId = model.parse().unwrap();
        let binding = Binding {
            party: Party::A,
            deployment: &deployment,
            relying_party: &relying_party,
            client: &client,
            method: Method::Verify,
            purpose: &purpose,
            request_id: &request_id,
            gallery: &gallery,
            subject: Some(&subject),
            modality,
            model: &model,
            amount_kzt: 40_000,
            captured: Minute::from_number(30_000_000),
        };
        let masks = Masks::from_random(Zeroizing::new(dice.bytes(shape.components())));
        let [summands, ..] = split(shape, &dice.bytes(shape.components() / 2), masks).unwrap();
        let plain = summands.for_envelope();
        let sealed = public.seal(&binding, plain).unwrap().to_bytes();
        let mut group = criterion.benchmark_group(format!("envelope/{name}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("seal", |b| b.iter(|| public.seal(&binding, plain).unwrap()));
        group.bench_function("open", |b| {
            b.iter(|| {
                let envelope = Envelope::parse(&sealed, plain.len()).unwrap();
                keys.open(&envelope, &binding).unwrap()
            });
        });
    }
}

/// Token and proof by keys for ECDSA on P-256 in place of Ed25519.
fn with_p256(mut draft: Draft) -> Draft {
    (draft.issuer, draft.client) = (&ES_ISSUER, &ES_CLIENT);
    (draft.header["alg"], draft.header["kid"]) = (json!("ES256"), json!("ES256"));
    draft.claims["cnf"]["jkt"] = json!(to_base64(&ES_CLIENT.public().thumbprint()));
    (draft.proof_header["alg"], draft.proof_header["jwk"]) = (json!("ES256"), ES_CLIENT.public().to_jwk());
    draft
}

fn bench_tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    group.throughput(Throughput::Elements(1));
    for (name, draft) in [("eddsa", Draft::good()), ("es256", with_p256(Draft::good()))] {
        assert_eq!(draft.outcome(), "OK");
        let check = |token: Token| -> Grant<Verify> {
            let verified = token.verify(&VERIFIER, &draft.ask, token_fixtures::NOW).unwrap();
            verified.grant(&POLICY, &Models(&[FACE, FINGER])).unwrap()
        };
        group.bench_function(format!("{name}/check"), |b| {
            b.iter_batched(|| draft.token(), check, BatchSize::SmallInput);
        });
    }
}

fn subject(number: usize) -> String {
    format!("c-{number}")
}

/// The log over a store on disk, with someone to ask about for each of the crowd.
async fn open_log(directory: &Path) -> (AccessLog, Store) {
    let key = StoreKey::from_bytes(&Zeroizing::new([7; 32]));
    let store = Store::open(&directory.join("store.db"), "kz-test".parse().unwrap(), Party::A, key).await.unwrap();
    for number in 0..CROWD {
        let change = Change::Enroll(Box::new(Enrolment {
            gallery: "banks/b17/customers".parse().unwrap(),
            subject: subject(number).parse().unwrap(),
            position: Position(number as u64),
            expires: grants::NOW + 24 * 3600,
            references: vec![Reference {
                model: "fr512".parse().unwrap(),
                share: PointShare::from_unsealed_bytes(Party::A, Shape::vector(512).unwrap(), &[5; 1024]).unwrap(),
            }],
            subject_key: Box::new(Zeroizing::new([0x42; 32])),
        }));
        let id = ChangeId(leaf_hash(&number.to_be_bytes()));
        store.prepare(id, &change, grants::NOW).await.unwrap();
        store.commit(id, grants::NOW).await.unwrap();
    }
    // One moment for all: no rate may stand in the way.
    let limits = Limits { requests_per_second: u32::MAX, burst: u32::MAX, ..grants::LIMITS };
    let signer = NoteSigner::new("kz-test.tumar.test/a".parse().unwrap(), SigningKey::from_seed(&[9; 32]));
    (AccessLog::open(store.clone(), limits, signer, &directory.join("log"), grants::NOW).await.unwrap(), store)
}

/// How long it takes until all of these are admitted, side by side. They are closed when the clock stands.
async fn admit(log: &AccessLog, grants: Vec<Grant<Verify>>) -> Duration {
    let mut under_way = JoinSet::new();
    let begun = Instant::now();
    for grant in grants {
        let log = log.clone();
        under_way.spawn(async move { log.admit(grant, grants::NOW).await.unwrap() });
    }
    let permits: Vec<Permit<Verify>> = under_way.join_all().await;
    let taken = begun.elapsed();
    for permit in permits {
        log.close(permit.ticket(), Completion::Matched, None, grants::NOW).await.unwrap();
    }
    taken
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn bench_log(criterion: &mut Criterion) {
    let (runtime, directory, bank) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap(), Bank::new());
    let (log, store) = runtime.block_on(open_log(directory.path()));
    let mut group = criterion.benchmark_group("log");
    group.sample_size(20).throughput(Throughput::Elements(1));
    for (name, crowd) in [("alone", 1), ("64 at once", CROWD)] {
        group.bench_function(format!("append/{name}"), |b| {
            b.iter_custom(|count| {
                // Whole crowds, counted down to one entry.
                let rounds = count.div_ceil(crowd as u64);
                let grants = || (0..crowd).map(|number| bank.fresh::<Verify>(&subject(number), grants::NOW)).collect();
                let taken: Duration = (0..rounds).map(|_| runtime.block_on(admit(&log, grants()))).sum();
                taken.mul_f64(float(count) / float(rounds * crowd as u64))
            });
        });
    }
    group.finish();
    runtime.block_on(async {
        log.shutdown().await;
        drop(log);
        store.close().await.unwrap();
    });
}

criterion_group!(benches, bench_envelopes, bench_tokens, bench_log);
criterion_main!(benches);
