//! What three processes admit, count and write down: attempts, a proof for one node's log, and the same bytes a thousand times.

#![allow(clippy::unwrap_used)]

mod trio;

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, timeout};
use tonic::Request;
use tonic::transport::Channel;
use trio::{Files, GALLERY, entries, face_of, now, reason, target, template};
use tumar::client::{Answer, Client, ClientConfig, ClientError, Prepared};
use tumar::log::entry::{Entry, Event};
use tumar::log::half::Half;
use tumar::log::note::Checkpoint;
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::{Method, Minute};
use tumar::template::Template;
use tumar::tls::Dialler;
use tumar::token::details::Action;
use tumar::token::{Narrowing, TokenRequest};
use tumar::wire::peer::v1::relayed;
use tumar::wire::v1::access_log_service_client::AccessLogServiceClient;
use tumar::wire::v1::subject_service_client::SubjectServiceClient;
use tumar::wire::{ask_of_evidence, ask_of_uses, v1};

fn face(seed: u16) -> Template {
    template(&(0..512).map(|place| f32::from((place * 37 + seed * 101) % 64) - 31.5).collect::<Vec<_>>())
}

/// Three processes, and a client of bank b17.
struct Nodes {
    files: Files,
    processes: Vec<Child>,
    client: Arc<Client>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Nodes {
    /// With the person `c-1` enrolled by the first face; nobody waits long for another node.
    async fn start(prepare: impl FnOnce(&Files)) -> Self {
        let files = Files::new();
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let limits = "\n[limits]\nin_flight = 4\nbatch = 64\npatience_ms = 2000\n";
            std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + limits).unwrap();
        }
        prepare(&files);
        let processes = Party::ALL.map(|party| files.spawn(party)).into();
        let deadline = Instant::now() + Duration::from_mins(1);
        let client = loop {
            match files.client().await {
                Ok(client) => break Arc::new(client),
                Err(error) => assert!(Instant::now() < deadline, "the nodes do not find each other: {error}"),
            }
            tokio::task::yield_now().await;
        };
        let nodes = Self { files, processes, client };
        nodes.enrol("c-1", 1).await;
        nodes
    }

    async fn enrol(&self, subject: &str, seed: u16) {
        let token = self.files.token("enrolment", Method::Enroll);
        self.client.enroll(&token, &target(subject, "enrolment"), &[face_of(&face(seed))]).await.unwrap();
    }

    /// A comparison of `c-1` with a face, to be sent.
    fn withdrawal(&self, seed: u16) -> Prepared {
        self.withdrawal_by(self.client.config(), seed)
    }

    fn withdrawal_by(&self, config: &ClientConfig, seed: u16) -> Prepared {
        let committee = self.client.committee();
        let (target, minute) = (target("c-1", "cash_withdrawal"), Minute::of(now()));
        Prepared::verify(config, &committee, &target, &[face_of(&face(seed))], 1, minute).unwrap()
    }

    /// The same by a token of its own, under way.
    fn verify(&self, seed: u16) -> tokio::task::JoinHandle<Result<Answer, ClientError>> {
        let (client, prepared) = (Arc::clone(&self.client), self.withdrawal(seed));
        let token = self.files.token("cash_withdrawal", Method::Verify);
        tokio::spawn(async move { client.send(&token, &prepared).await })
    }

    /// The very same bytes, so many times at once.
    async fn repeat(&self, token: &str, proof: &str, prepared: &Prepared, times: usize) -> Vec<String> {
        let sent: Vec<_> = (0..times)
            .map(|_| {
                let (client, prepared) = (Arc::clone(&self.client), prepared.clone());
                let (token, proof) = (token.to_owned(), proof.to_owned());
                tokio::spawn(async move { client.call(&token, &proof, &prepared).await })
            })
            .collect();
        let mut heard = Vec::with_capacity(times);
        for sent in sent {
            heard.push(sent.await.unwrap().map_or_else(|error| error.reason().to_owned(), |_| "OK".to_owned()));
        }
        heard
    }

    fn signal(&self, party: Party, signal: Signal) {
        kill_process(Pid::from_child(&self.processes[party.index()]), signal).unwrap();
    }

    /// Ends all nodes well; what each wrote.
    fn stop(mut self) -> [Vec<Entry>; 3] {
        for party in Party::ALL {
            self.signal(party, Signal::TERM);
        }
        for process in &mut self.processes {
            assert!(process.wait().unwrap().success());
        }
        Party::ALL.map(|party| {
            let entries = entries(&self.files.node(party));
            entries.iter().map(|entry| Entry::parse(entry).unwrap()).collect()
        })
    }
}

/// What a log says of a request.
fn events(log: &[Entry], prepared: &Prepared) -> Vec<Event> {
    let rq = prepared.ask().transcript();
    log.iter().filter(|entry| entry.rq == rq).map(|entry| entry.event.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn six_genuine_comparisons_at_once_match_or_wait_and_lock_nobody() {
    let nodes = Nodes::start(|_| {}).await;
    for round in 0..5 {
        let mut matched = 0;
        for call in (0..6).map(|_| nodes.verify(1)).collect::<Vec<_>>() {
            match call.await.unwrap() {
                Ok(answer) => {
                    assert_eq!(answer.outcome, Outcome::Match);
                    matched += 1;
                }
                Err(error) => {
                    let refusal = error.refusal().unwrap();
                    assert_eq!(refusal.reason, "ATTEMPTS_IN_FLIGHT", "round {round}");
                    assert!(refusal.retry_after.is_some());
                }
            }
        }
        assert!(matched > 0, "round {round}");
    }
    assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_and_a_backend_that_tries_again_lock_nobody() {
    let nodes = Nodes::start(|_| {}).await;
    nodes.signal(Party::C, Signal::STOP);
    let again = nodes.withdrawal(1);
    let token = nodes.files.token("cash_withdrawal", Method::Verify);
    let proof = nodes.client.prove(&token, again.ask(), None).unwrap();
    let mut heard: BTreeSet<String> = nodes.repeat(&token, &proof, &again, 200).await.into_iter().collect();
    let retried: BTreeSet<&str> = heard.iter().map(String::as_str).collect();
    assert!(retried.is_subset(&BTreeSet::from(["PEER_LOST", "REQUEST_IN_FLIGHT", "PROOF_REPLAYED"])), "{retried:?}");
    heard.clear();
    for _ in 0..4 {
        for call in (0..6).map(|_| nodes.verify(1)).collect::<Vec<_>>() {
            heard.insert(reason(call.await.unwrap()));
        }
    }
    heard.retain(|reason| reason != "PEER_LOST" && reason != "ATTEMPTS_IN_FLIGHT");
    assert_eq!(heard, BTreeSet::new());
    nodes.signal(Party::C, Signal::CONT);
    let matched = timeout(Duration::from_mins(1), async {
        loop {
            match nodes.verify(1).await.unwrap() {
                Ok(answer) => break answer.outcome,
                Err(error) => {
                    let passes = ["PEER_LOST", "ATTEMPTS_IN_FLIGHT", "COMMITTEE_INCOMPLETE", "UNREACHABLE"];
                    assert!(passes.contains(&error.reason()), "{error}");
                }
            }
        }
    });
    assert_eq!(matched.await.unwrap(), Outcome::Match);
    let [a, ..] = nodes.stop();
    let told = events(&a, &again);
    assert!(matches!(told[..], [Event::Admitted, Event::Failed(_)]), "the same bytes 200 times: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_that_do_not_open_stop_the_client_and_nobody_else() {
    let nodes = Nodes::start(|files| {
        let policy = files.path("policy.toml");
        let text = std::fs::read_to_string(&policy).unwrap();
        let few = text.replace("envelope_faults_per_minute = 60", "envelope_faults_per_minute = 4");
        assert_ne!(few, text);
        std::fs::write(policy, few).unwrap();
    })
    .await;
    let junk = || {
        let mut request = nodes.withdrawal(1).into_request();
        let relayed::Request::Verify(message) = &mut request else { unreachable!() };
        *message.samples[0].envelope_b.last_mut().unwrap() ^= 1;
        Prepared::new(request).unwrap()
    };
    let mut heard = Vec::new();
    // One comes back in fifteen seconds, so that it ends however slow this machine is.
    while heard.last().is_none_or(|last| last == "ENVELOPE_INVALID") {
        let token = nodes.files.token("cash_withdrawal", Method::Verify);
        heard.push(reason(nodes.client.send(&token, &junk()).await));
        assert!(heard.len() < 100, "{heard:?}");
    }
    assert_eq!(heard.pop().unwrap(), "ENVELOPES_REFUSED");
    assert!(heard.len() >= 4);
    // Another workload of the same bank, for the same person.
    let mut request = nodes.files.token_request("b17", "cash_withdrawal", &[Method::Verify], 1);
    "banks/b17/branch-backend".clone_into(&mut request.client);
    let other = nodes.files.issuer_of("b17").issue(&request, now()).unwrap();
    let config = ClientConfig { client: request.client.parse().unwrap(), ..nodes.files.client_config() };
    let withdrawal = nodes.withdrawal_by(&config, 1);
    assert_eq!(nodes.client.send(&other, &withdrawal).await.unwrap().outcome, Outcome::Match);
    nodes.stop();
}

/// An auditor's or a person's request to one node.
struct Lone {
    access: String,
    proof: String,
    asked: Asked,
}

enum Asked {
    Evidence(v1::OpenEvidenceRequest),
    Uses(v1::ListUsesRequest),
}

impl Lone {
    /// Whether a node answers it.
    async fn sent_to(&self, channel: &Channel) -> Result<(), ClientError> {
        match &self.asked {
            Asked::Evidence(asked) => {
                AccessLogServiceClient::new(channel.clone()).open_evidence(self.dressed(asked)).await.map(drop)?;
            }
            Asked::Uses(asked) => {
                SubjectServiceClient::new(channel.clone()).list_uses(self.dressed(asked)).await.map(drop)?;
            }
        }
        Ok(())
    }

    fn dressed<T: Clone>(&self, message: &T) -> Request<T> {
        let mut request = Request::new(message.clone());
        request.metadata_mut().insert("authorization", format!("DPoP {}", self.access).parse().unwrap());
        request.metadata_mut().insert("dpop", self.proof.parse().unwrap());
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_for_one_nodes_log_opens_nothing_at_another_whatever_addresses_it_takes() {
    // Each node takes the addresses of all three.
    let nodes = Nodes::start(|files| {
        let bases = files.client_config().doors.map(|door| format!("{:?}", door.unwrap().base)).join(", ");
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replace("bases = [", &format!("bases = [{bases}, "))).unwrap();
        }
    })
    .await;
    let config = nodes.files.client_config();
    let half = Half::of(now()).to_string();
    let channels = async |party: Party| {
        let door = config.doors[party.index()].as_ref().unwrap();
        Dialler::new(None, &door.certificate, &config.server_name).unwrap().dial(&door.address).await.unwrap()
    };
    let channels = [channels(Party::A).await, channels(Party::B).await, channels(Party::C).await];
    // What is opened below must be published first.
    for (channel, pin) in channels.iter().zip(&config.nodes) {
        let mut log = AccessLogServiceClient::new(channel.clone());
        loop {
            let shown = log.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner();
            if Checkpoint::open_half(&shown.checkpoint, &pin.log).unwrap().1.size > 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let token = nodes.files.token("subject_access", Method::Verify);
    let own = target("c-1", "subject_access");
    let matched = nodes.client.verify(&token, &own, &[face_of(&face(1))], 0).await.unwrap();
    assert!(matched.matched);
    for home in Party::ALL {
        for evidence in [true, false] {
            let request_id = RequestId::from_random(std::array::from_fn(|place| {
                u8::try_from(place * 7 + home.index() * 31 + usize::from(evidence)).unwrap()
            }));
            let lone = if evidence {
                exhibit(&nodes, home, request_id, &half)
            } else {
                uses(&nodes, home, request_id, matched.request_id)
            };
            // At the others first, and at home last: it was good all the while.
            for party in [home.next(), home.prev(), home, home.next(), home.prev()] {
                let answer = lone.sent_to(&channels[party.index()]).await;
                if party == home {
                    answer.unwrap();
                } else {
                    assert_eq!(reason(answer), "PROOF_RQH", "{home} at {party}");
                }
            }
            assert_eq!(reason(lone.sent_to(&channels[home.index()]).await), "PROOF_REPLAYED");
        }
    }
    nodes.stop();
}

/// The regulator's request for the token behind the first entry of a node's log.
fn exhibit(nodes: &Nodes, home: Party, request_id: RequestId, half: &str) -> Lone {
    let mut wanted = nodes.files.token_request("b17", "audit", &[Method::OpenEvidence], 1);
    "auditors/regulator/desk-1".clone_into(&mut wanted.client);
    wanted.details.relying_party = "auditors/regulator".parse().unwrap();
    let access = nodes.files.issuer_of("regulator").issue(&wanted, now()).unwrap();
    let asked = v1::OpenEvidenceRequest {
        request_id: request_id.to_string(),
        gallery: GALLERY.to_owned(),
        purpose: "audit".to_owned(),
        half: half.to_owned(),
        index: 0,
        part: v1::EvidencePart::Token.into(),
        client: wanted.client.clone(),
    };
    let (ask, _, _) = ask_of_evidence(&asked, home).unwrap();
    let config = nodes.files.client_config();
    let base = &config.doors[home.index()].as_ref().unwrap().base;
    let proof = config.proof_key.prove(&access, &ask, base, None, now()).unwrap();
    Lone { access, proof, asked: Asked::Evidence(asked) }
}

/// A person's request for the own entries in a node's log.
fn uses(nodes: &Nodes, home: Party, request_id: RequestId, matched: RequestId) -> Lone {
    let access = nodes.files.token("subject_access", Method::ListUses);
    let asked = v1::ListUsesRequest {
        request_id: request_id.to_string(),
        gallery: GALLERY.to_owned(),
        subject: "c-1".to_owned(),
        purpose: "subject_access".to_owned(),
        verified_request_id: matched.to_string(),
        client: nodes.files.client_config().client.to_string(),
    };
    let ask = ask_of_uses(&asked, home).unwrap();
    let config = nodes.files.client_config();
    let base = &config.doors[home.index()].as_ref().unwrap().base;
    let proof = config.proof_key.prove(&access, &ask, base, None, now()).unwrap();
    Lone { access, proof, asked: Asked::Uses(asked) }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_a_thousand_times_makes_a_handful_of_entries() {
    let nodes = Nodes::start(|_| {}).await;
    let token = nodes.files.token("cash_withdrawal", Method::Verify);
    let answered = nodes.withdrawal(1);
    assert_eq!(nodes.client.send(&token, &answered).await.unwrap().outcome, Outcome::Match);
    // Its token is spent now; the request id stands for it; and other things are wrong with others.
    let spent = nodes.withdrawal(1);
    let relayed::Request::Verify(mut message) = answered.request().clone() else { unreachable!() };
    message.amount_kzt += 1;
    let reused = Prepared::new(relayed::Request::Verify(message)).unwrap();
    let unknown = Prepared::lock(nodes.client.config(), &target("c-9", "subject_lock")).unwrap();
    let denied = nodes.withdrawal(1);
    let fresh = |purpose, method| nodes.files.token(purpose, method);
    let captured = [
        (token, &spent, "TOKEN_SPENT", 1000),
        (fresh("cash_withdrawal", Method::Verify), &reused, "REQUEST_ID_REUSED", 100),
        (fresh("subject_lock", Method::Lock), &unknown, "SUBJECT_UNKNOWN", 100),
        (fresh("card_activation", Method::Verify), &denied, "PURPOSE_NOT_GRANTED", 100),
        (fresh("cash_withdrawal", Method::Verify), &answered, "OK", 100),
    ];
    for (token, prepared, expected, times) in &captured {
        let proof = nodes.client.prove(token, prepared.ask(), None).unwrap();
        // What was wrong at first, or that it was sent before.
        let first = nodes.repeat(token, &proof, prepared, 1).await;
        assert_eq!(first, [*expected]);
        let heard = nodes.repeat(token, &proof, prepared, times - 1).await;
        let told = |word: &String| word == expected || word == "PROOF_REPLAYED" || word == "OVERLOADED";
        assert!(heard.iter().all(told), "{:?}", heard.iter().collect::<BTreeSet<_>>());
    }
    let logs = nodes.stop();
    for (_, prepared, expected, _) in &captured {
        let [a, b, c] = logs.each_ref().map(|log| events(log, prepared));
        if *expected == "OK" {
            let again = [1, 2, 3].map(Event::Again);
            assert_eq!(a, [&[Event::Admitted, Event::Completed][..], &again].concat());
            assert_eq!([b, c], [(); 2].map(|()| vec![Event::Admitted, Event::Completed]));
        } else {
            let is_it = |event: &Event| matches!(event, Event::Denied(reason) if reason.as_str() == *expected);
            assert!(a.len() == 1 && is_it(&a[0]), "{expected}: {a:?}");
            assert_eq!([b, c], [vec![], vec![]], "{expected}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refusals_of_one_token_are_told_as_a_number() {
    const TIMES: u32 = 120;
    let nodes = Nodes::start(|_| {}).await;
    let wanted = TokenRequest { ..nodes.files.token_request("b17", "card_activation", &[Method::Verify], 1000) };
    assert_eq!(wanted.details.actions, [Action(Method::Verify)]);
    let token = nodes.files.issuer_of("b17").issue(&wanted, now()).unwrap();
    for _ in 0..TIMES {
        let prepared = nodes.withdrawal(1);
        let proof = nodes.client.prove(&token, prepared.ask(), None::<&Narrowing>).unwrap();
        assert_eq!(reason(nodes.client.call(&token, &proof, &prepared).await), "PURPOSE_NOT_GRANTED");
    }
    let [a, ..] = nodes.stop();
    let own = a.iter().filter(|entry| matches!(entry.event, Event::Denied(_))).count();
    let told: Vec<u32> = a
        .iter()
        .filter_map(|entry| if let Event::Unlogged(count) = entry.event { Some(count) } else { None })
        .collect();
    assert_eq!(u32::try_from(own).unwrap() + told.iter().sum::<u32>(), TIMES, "{own} and {told:?}");
    // Ten in each minute, of which there may be several.
    assert!(!told.is_empty() && own <= 10 * (told.len() + 1), "{own} and {told:?}");
}
