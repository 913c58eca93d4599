//! Searches through three real nodes: the people that plain integers find, and nobody who must not be found.

#![allow(clippy::unwrap_used)]

use crate::support::mpc_sim::data;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::cluster::{Files, Trio, entries, face_of, minute, model, now, reason, target, template};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Semaphore;
use tumar::client::{Client, ClientError, Prepared, Searched, SubjectKey};
use tumar::log::entry::{Entry, Event, blinded_handle};
use tumar::name::RequestId;
use tumar::node::Config;
use tumar::party::Party;
use tumar::request::{Method, Progress};
use tumar::template::model::Fmr;
use tumar::template::{Shape, Template};
use tumar::wire::peer::v1::relayed::Request;

/// A face for each seed; faces of different seeds are as unlike as strangers.
fn face(seed: u64) -> Template {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u8::try_from(state >> 56).unwrap()) / 256.0
    };
    template(&(0..512).map(|_| (0..12).map(|_| byte()).sum::<f32>() - 6.0).collect::<Vec<_>>())
}

async fn enrol(trio: &Trio, subject: &str, reference: &Template) -> SubjectKey {
    let token = trio.files.token("enrolment", Method::Enroll);
    let enrolled = trio.client.enroll(&token, &target(subject, "enrolment"), &[face_of(reference)]).await;
    enrolled.unwrap().subject_key
}

async fn search(files: &Files, client: &Client, probe: &Template, most: u32) -> Result<Searched, ClientError> {
    let token = files.token("case_search", Method::Search);
    client.search(&token, &files.search(most), &[face_of(probe)], &mut |_| {}).await
}

/// Whom a search names.
async fn names(trio: &Trio, probe: &Template) -> Vec<String> {
    let searched = search(&trio.files, &trio.client, probe, 8).await.unwrap();
    assert!(!searched.found.truncated);
    searched.found.candidates.into_iter().map(String::from).collect()
}

async fn enrol_all(trio: &Arc<Trio>, references: &Arc<Vec<Template>>) {
    let at_once = Arc::new(Semaphore::new(24));
    let mut tasks = Vec::new();
    for row in 0..references.len() {
        let turn = Arc::clone(&at_once).acquire_owned().await.unwrap();
        let (trio, references) = (Arc::clone(trio), Arc::clone(references));
        tasks.push(tokio::spawn(async move {
            enrol(&trio, &format!("row-{row}"), &references[row]).await;
            drop(turn);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Searches for the faces at the places `probes` among the first so many; says how many of them found more than
/// one, and more than are named. `None` without the set.
async fn names_exactly_whom_plain_integers_find(
    rows: usize,
    probes: impl Iterator<Item = usize>,
) -> Option<(usize, usize)> {
    let faces = data::faces("lfw_dev", "fr512")?;
    let files = Files::new();
    let policy = std::fs::read_to_string(files.path("policy.toml")).unwrap();
    std::fs::write(files.path("policy.toml"), policy.replace("max_candidates = 16", "max_candidates = 32")).unwrap();
    let trio = Arc::new(Trio::of(files).await);
    let all: Vec<Template> =
        faces.embeddings.outer_iter().take(rows).map(|row| template(row.as_slice().unwrap())).collect();
    let all = Arc::new(all);
    enrol_all(&trio, &all).await;

    let shape = Shape::vector(512).unwrap();
    let threshold = model().threshold(Fmr::E5, shape, shape);
    let mut tasks = Vec::new();
    // They run together, so that most share a pass.
    let at_once = Arc::new(Semaphore::new(8));
    for probe in probes {
        let (trio, all, at_once) = (Arc::clone(&trio), Arc::clone(&all), Arc::clone(&at_once));
        tasks.push(tokio::spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            let found = search(&trio.files, &trio.client, &all[probe], 32).await.unwrap().found;
            let matching = (0..all.len()).filter(|&row| all[row].matches_vartime(&all[probe], threshold));
            let matching: Vec<String> = matching.map(|row| format!("row-{row}")).collect();
            let mut named: Vec<String> = found.candidates.into_iter().map(String::from).collect();
            named.sort();
            (probe, named, found.truncated, matching)
        }));
    }
    let (mut found, mut strangers, mut others, mut truncated) = (0, 0, 0, 0);
    for task in tasks {
        let (probe, named, more, mut matching) = task.await.unwrap();
        matching.sort();
        assert_eq!(more, matching.len() > 32);
        if more {
            truncated += 1;
            assert_eq!(named.len(), 32);
            assert!(named.iter().all(|name| matching.contains(name)), "{named:?}");
        } else {
            assert_eq!(named, matching);
        }
        found += named.len();
        let person = |name: &String| faces.people[name["row-".len()..].parse::<usize>().unwrap()];
        strangers += named.iter().filter(|name| person(name) != faces.people[probe]).count();
        others += usize::from(named.len() > 1);
    }
    println!(
        "{} faces: {found} named, {strangers} of them strangers; {others} with more than one, {truncated} cut off",
        all.len()
    );
    Some((others, truncated))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_some_faces_names_exactly_whom_plain_integers_find() {
    let found = names_exactly_whom_plain_integers_find(300, (0..10).map(|place| place * 30)).await;
    assert!(found.is_none_or(|(others, _)| others > 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: two minutes"]
async fn a_search_of_all_faces_names_exactly_whom_plain_integers_find() {
    let found = names_exactly_whom_plain_integers_find(usize::MAX, (0..200).map(|place| place * 30)).await;
    assert!(found.is_none_or(|(others, truncated)| others > 20 && truncated > 0));
}

static LATER: AtomicU64 = AtomicU64::new(0);

/// A clock that can be put forward.
fn later() -> u64 {
    now() + LATER.load(Ordering::Relaxed)
}

/// The same for another test.
static SOON: AtomicU64 = AtomicU64::new(0);

fn soon() -> u64 {
    now() + SOON.load(Ordering::Relaxed)
}

async fn start_by(files: Files, clock: fn() -> u64) -> Trio {
    let mut nodes = Vec::new();
    for party in Party::ALL {
        let config = Config::read(&files.node(party).join("node.toml")).unwrap();
        nodes.push(tumar::node::start(config, Arc::new(clock)).await.unwrap());
    }
    for node in &nodes {
        node.ready().await;
    }
    let client = Client::connect(files.client_config(), clock).await.unwrap();
    Trio { files, nodes, client }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_locked_or_expired_is_never_named() {
    let trio = start_by(Files::new(), later).await;
    let twins = face(1);
    // One face under many names: that is what a search is for.
    for name in ["anna", "berta", "carla", "dora"] {
        enrol(&trio, name, &twins).await;
    }
    enrol(&trio, "emil", &face(2)).await;
    assert_eq!(names(&trio, &twins).await, ["anna", "berta", "carla", "dora"]);
    assert_eq!(names(&trio, &face(2)).await, ["emil"]);
    assert_eq!(names(&trio, &face(3)).await, [""; 0]);

    let token = |purpose, method| trio.files.token(purpose, method);
    trio.client.erase(&token("erasure", Method::Erase), &target("berta", "erasure")).await.unwrap();
    trio.client.lock(&token("subject_lock", Method::Lock), &target("dora", "subject_lock")).await.unwrap();
    assert_eq!(names(&trio, &twins).await, ["anna", "carla"]);
    trio.client.unlock(&token("subject_unlock", Method::Unlock), &target("dora", "subject_unlock")).await.unwrap();
    enrol(&trio, "berta", &twins).await;
    assert_eq!(names(&trio, &twins).await, ["anna", "carla", "dora", "berta"], "in the order of enrolments");

    // After three attempts of a stranger one must wait, and is there all the same: nobody keeps away from searches by failing.
    for _ in 0..3 {
        let token = token("cash_withdrawal", Method::Verify);
        let verified = trio.client.verify(&token, &target("anna", "cash_withdrawal"), &[face_of(&face(9))], 1).await;
        assert!(!verified.unwrap().matched);
    }
    assert_eq!(names(&trio, &twins).await, ["anna", "carla", "dora", "berta"]);
    trio.client.lock(&token("subject_lock", Method::Lock), &target("anna", "subject_lock")).await.unwrap();
    assert_eq!(names(&trio, &twins).await, ["carla", "dora", "berta"]);
    // Whoever may not be named takes up no place: anna stands before both, and is locked.
    for (most, named, truncated) in [(2, &["carla", "dora"][..], true), (3, &["carla", "dora", "berta"], false)] {
        let found = search(&trio.files, &trio.client, &twins, most).await.unwrap().found;
        assert_eq!(
            (found.candidates.iter().map(ToString::to_string).collect::<Vec<_>>(), found.truncated),
            (named.iter().map(ToString::to_string).collect(), truncated)
        );
    }

    // Three years on, everybody has expired, whether or not it was swept up.
    // Clocks that leap while nodes run are not believed: it comes to pass while they are down.
    let files = trio.stop().await;
    LATER.store(1095 * 86_400, Ordering::Relaxed);
    let trio = start_by(files, later).await;
    let token = trio.files.token_for("case_search", &[Method::Search], 1, later());
    let wanted = trio.files.search_at(8, later());
    let none = trio.client.search(&token, &wanted, &[face_of(&twins)], &mut |_| {}).await.unwrap();
    assert_eq!(none.found.candidates, []);
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_leaves_one_entry_for_itself_and_one_for_each_whom_it_names() {
    let trio = Trio::start().await;
    let twins = face(1);
    let keys = [enrol(&trio, "anna", &twins).await, enrol(&trio, "berta", &twins).await];
    enrol(&trio, "carla", &face(2)).await;
    let mut seen = Vec::new();
    let token = trio.files.token("case_search", Method::Search);
    let (wanted, captures) = (trio.files.search(8), [face_of(&twins)]);
    let searched = trio.client.search(&token, &wanted, &captures, &mut |step| seen.push(step)).await.unwrap();
    assert_eq!(seen, [Progress { blocks_done: 1, blocks: 1 }]);
    assert_eq!(searched.found.candidates.len(), 2);
    let rq = searched.receipts.iter().next().unwrap().body.request_digest;
    let files = trio.stop().await;
    for party in Party::ALL {
        let log: Vec<Entry> = entries(&files.node(party)).iter().map(|bytes| Entry::parse(bytes).unwrap()).collect();
        let of_search: Vec<&Entry> = log.iter().filter(|entry| entry.request_digest == rq).collect();
        let events: Vec<_> = of_search.iter().map(|entry| entry.event.clone()).collect();
        assert_eq!(events, [Event::Admitted, Event::Candidate, Event::Candidate, Event::Completed], "{party}");
        assert!(of_search.iter().all(|entry| entry.approvals == 2 && entry.action == Method::Search));
        // The two find the entry about themselves, by the keys that they were given, and nobody else does.
        for (key, entry) in keys.iter().zip(&of_search[1..3]) {
            let key = key.for_node(party);
            let own = (0..9).any(|counter| blinded_handle(&key, counter) == entry.handle);
            assert!(own, "{party}: the candidate does not find the own entry");
        }
        let handles: std::collections::BTreeSet<_> = log.iter().map(|entry| entry.handle).collect();
        assert_eq!(handles.len(), log.len(), "no two entries are linked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_hold_the_same_people_is_named_and_nothing_is_searched() {
    let mut files = Trio::start().await.stop().await;
    for behind in Party::ALL {
        let trio = Trio::of(files).await;
        let name = format!("p-{behind}");
        enrol(&trio, &name, &face(1)).await;
        enrol(&trio, &format!("q-{behind}"), &face(2)).await;
        files = trio.stop().await;
        let store = files.node(behind).join("data/store.sqlite");
        let mut store = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
        sqlx::query("UPDATE records SET live = 0 WHERE subject = ?").bind(&name).execute(&mut store).await.unwrap();
        sqlx::Connection::close(store).await.unwrap();
        let trio = Trio::of(files).await;
        let refused = search(&trio.files, &trio.client, &face(2), 8).await.unwrap_err();
        let refusal = refused.refusal().unwrap();
        assert_eq!((refusal.reason.as_str(), refusal.node), ("NODES_OUT_OF_STEP", Some(behind)));
        files = trio.stop().await;
        let store = files.node(behind).join("data/store.sqlite");
        let mut store = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
        sqlx::query("UPDATE records SET live = 1").execute(&mut store).await.unwrap();
        sqlx::Connection::close(store).await.unwrap();
    }
    let trio = Trio::of(files).await;
    assert_eq!(names(&trio, &face(1)).await, ["p-A", "p-B", "p-C"]);
    trio.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_its_client_leaves_ends_at_all_three_nodes() {
    let trio = Arc::new(Trio::start().await);
    let references: Vec<Template> = (0..600).map(face).collect();
    enrol_all(&trio, &Arc::new(references)).await;
    let mut left = 0;
    // Wherever the client leaves: each time a little later.
    for step in 0..40_u32 {
        let token = trio.files.token("case_search", Method::Search);
        let (wanted, probe) = (trio.files.search(8), face(7));
        let captures = [face_of(&probe)];
        let mut watch = |_| {};
        let searching = trio.client.search(&token, &wanted, &captures, &mut watch);
        tokio::select! {
            biased;
            () = yields(step * 40) => left += 1,
            done = searching => assert_eq!(done.unwrap().found.candidates.len(), 1),
        }
    }
    assert!(left > 0, "no client left");
    // Nothing of it stands in the way of what comes next.
    assert_eq!(names(&trio, &face(7)).await, ["row-7"]);
    enrol(&trio, "late", &face(1000)).await;
    assert_eq!(names(&trio, &face(1000)).await, ["late"]);
    let files = Arc::into_inner(trio).unwrap().stop().await;
    for party in Party::ALL {
        let mut open: BTreeMap<[u8; 32], i32> = BTreeMap::new();
        for bytes in entries(&files.node(party)) {
            let entry = Entry::parse(&bytes).unwrap();
            match entry.event {
                Event::Admitted => *open.entry(entry.request_digest).or_default() += 1,
                Event::Completed | Event::Failed(_) => *open.entry(entry.request_digest).or_default() -= 1,
                Event::Denied(_) | Event::Unlogged(_) | Event::Candidate | Event::Again(_) => {}
            }
        }
        assert!(open.values().all(|count| *count == 0), "{party}: what was admitted was closed, once");
    }
}

/// Gives way so many times: the rest of the program goes on meanwhile.
async fn yields(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_refused_hears_nothing_of_the_others_of_its_batch() {
    let trio = Arc::new(Trio::start().await);
    enrol_all(&trio, &Arc::new((0..200).map(face).collect())).await;
    let mut refusals = 0;
    for _ in 0..10 {
        // Two by a token for one, and one more: while the first runs, the others wait and make a batch.
        let shared = trio.files.token("case_search", Method::Search);
        let tokens = [shared.clone(), trio.files.token("case_search", Method::Search), shared];
        let searches = tokens.map(|token| {
            let trio = Arc::clone(&trio);
            tokio::spawn(async move {
                let (mut told, probe) = (0, face(7));
                let (wanted, probes) = (trio.files.search(8), [face_of(&probe)]);
                let found = trio.client.search(&token, &wanted, &probes, &mut |_| told += 1).await;
                (found, told)
            })
        });
        for search in searches {
            match search.await.unwrap() {
                (Ok(answer), _) => assert_eq!(answer.found.candidates.len(), 1),
                (Err(error), seen) => {
                    assert_eq!((error.reason(), seen), ("TOKEN_SPENT", 0), "it was told how far others are");
                    refusals += 1;
                }
            }
        }
    }
    assert_eq!(refusals, 10);
    Arc::into_inner(trio).unwrap().stop().await;
}

/// People come and go while searches run: nobody's row becomes noise, so each search finds exactly the one whom it looks for.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_or_goes_during_a_search_changes_nothing_in_it() {
    let trio = Arc::new(Trio::start().await);
    enrol_all(&trio, &Arc::new((0..120).map(face).collect())).await;
    let changes = tokio::spawn({
        let trio = Arc::clone(&trio);
        async move {
            for row in 20..80 {
                let (name, token) = (format!("row-{row}"), trio.files.token("erasure", Method::Erase));
                trio.client.erase(&token, &target(&name, "erasure")).await.unwrap();
                if row % 3 == 0 {
                    enrol(&trio, &name, &face(row)).await;
                }
            }
        }
    });
    let mut searches = 0;
    while !changes.is_finished() || searches == 0 {
        let found = search(&trio.files, &trio.client, &face(7), 1).await.unwrap().found;
        assert_eq!((found.candidates.len(), found.truncated), (1, false), "search {searches}");
        assert_eq!(found.candidates[0].as_str(), "row-7");
        searches += 1;
    }
    changes.await.unwrap();
    assert_eq!(names(&trio, &face(21)).await, ["row-21"]);
    assert_eq!(names(&trio, &face(22)).await, [""; 0]);
    Arc::into_inner(trio).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_approved_search_is_made_and_the_same_request_is_answered_alike() {
    let trio = start_by(Files::new(), soon).await;
    enrol(&trio, "anna", &face(1)).await;
    let token = trio.files.token("case_search", Method::Search);
    let mut alone = trio.files.search(8);
    alone.case.approvals.truncate(1);
    let refused = trio.client.search(&token, &alone, &[face_of(&face(1))], &mut |_| {}).await;
    assert_eq!(reason(refused), "APPROVALS_MISSING");

    let prepared = Prepared::search(
        trio.client.config(),
        &trio.client.committee(),
        &trio.files.search(8),
        &[face_of(&face(1))],
        minute(),
    );
    let prepared = prepared.unwrap();
    let first = trio.client.send(&token, &prepared).await.unwrap();
    let again = trio.client.send(&token, &prepared).await.unwrap();
    assert_eq!(first.found, again.found);
    assert_eq!(first.found.as_ref().unwrap().candidates.len(), 1);

    // Its approvals have expired by then, and its sample is too old. It is owed its answer, and nothing else is.
    let Trio { files, nodes, client } = trio;
    drop(client);
    for node in nodes {
        node.stop().await.unwrap();
    }
    SOON.store(1200, Ordering::Relaxed);
    let trio = start_by(files, soon).await;
    let token = || trio.files.token_for("case_search", &[Method::Search], 1, soon());
    let again = trio.client.send(&token(), &prepared).await.unwrap();
    assert_eq!((first.found, first.receipts), (again.found, again.receipts));
    let Request::Search(mut message) = prepared.request().clone() else { unreachable!() };
    message.request_id = RequestId::from_random([7; 16]).to_string();
    let other = Prepared::new(Request::Search(message)).unwrap();
    assert_eq!(reason(trio.client.send(&token(), &other).await), "APPROVAL_EXPIRED");
    trio.stop().await;
}
