//! Three real nodes that trust the drafts' issuer at the drafts' time, and calls to them as raw as gRPC allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request as Rpc, Status};
use tonic_types::StatusExt as _;
use tumar::client::{Answer, Client, Prepared, SubjectKey, Target};
use tumar::log::entry::{Entry, Event};
use tumar::name::{GalleryName, PurposeName, RelyingParty, RequestId};
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::{Case, Method, Minute, RequestInfo, RequestTarget};
use tumar::seal::{Binding, Envelope, PrivateKey};
use tumar::service::DOMAIN;
use tumar::template::model::BUILT_IN;
use tumar::template::{ROW, Template};
use tumar::tls::{Dialler, Pinned, TlsIdentity};
use tumar::wire::peer::v1::Relayed;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1::matching_service_client::MatchingServiceClient;
use tumar::wire::v1::search_gallery_response::Step;
use tumar::wire::{MOST_SAMPLES, samples_taken, sha256, v1};

use crate::support::cluster::{Files, GALLERY_OF_B19, entries, face_of, target, template};
use crate::support::token_fixtures::officers::officers_text;
use crate::support::token_fixtures::{
    BASE, CLIENT, Draft, ISSUER, ISSUER_OF_B19, NOW, OF_ISSUER, details, jwks, jwks_of_b19, policy_text,
};

/// Components of `fr512`.
pub(crate) const DIMENSION: usize = 512;

/// Requests that one relying party may make here, be they refused or not: the clock stands still, so none is ever given back. More than
/// the tests make in the name of the first bank.
pub(crate) const BURST: usize = 600;

/// Of those, requests that are made in the other bank's name before it asks too often, at most.
pub(crate) const BEFORE: usize = 8;

/// Envelopes of one client that may fail to open here.
pub(crate) const JUNK: usize = 60;

/// Milliseconds that a node waits here for each word of another one.
const PATIENCE_MS: u64 = 3000;

pub(crate) fn clock() -> u64 {
    NOW
}

/// When captures are made here.
pub(crate) fn minute() -> Minute {
    Minute::of(NOW)
}

/// Files of three nodes that take the drafts' tokens, and of a caller with a certificate of its own.
pub(crate) struct Installation {
    pub(crate) files: Files,
    /// SHA-256 of the caller's certificate.
    pub(crate) certificate: [u8; 32],
    caller: TlsIdentity,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let files = Files::of("kz-test");
        let policy = policy_text().replace("requests_per_second = 200 ", "requests_per_second = 1 ");
        let policy = policy.replace("burst = 400 ", &format!("burst = {BURST} "));
        assert!(policy.contains(&format!("burst = {BURST} ")), "the policy's limits changed their form");
        let finger = "[[model]]\nid = \"fp512\"\nmodality = \"finger\"\ndimension = 512\n\
                      thresholds = { \"1e-3\" = 0.3, \"1e-4\" = 0.4, \"1e-5\" = 0.5 }\n";
        let made = rcgen::generate_simple_self_signed(vec!["caller.example".to_owned()]).unwrap();
        for (name, text) in [
            ("policy.toml", policy),
            ("models.toml", format!("{BUILT_IN}\n{finger}")),
            ("issuer/jwks.json", jwks()),
            ("b19/issuer/jwks.json", jwks_of_b19()),
            ("officers/officers.toml", officers_text()),
            ("caller.crt", made.cert.pem()),
        ] {
            std::fs::write(files.path(name), text).unwrap();
        }
        for party in Party::ALL {
            let path = files.node(party).join("node.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            let bases = format!("clients = [\"../caller.crt\"]\nbases = [\"https://a.example\", \"{BASE}\", ");
            let changed = text
                .replace("bases = [", &bases)
                .replace("https://issuer.b17.kz-test.tumar.internal", ISSUER)
                .replace("https://issuer.b19.kz-test.tumar.internal", ISSUER_OF_B19)
                .replace("[\"banks/b17\"]", &format!("{OF_ISSUER:?}"))
                .replace("[\"banks/b17/customers\"", "[\"banks/b1/customers\", \"banks/b17/customers\"")
                + &format!("\n[limits]\nin_flight = 4\nbatch = 64\npatience_ms = {PATIENCE_MS}\n");
            let has = |part: &str| changed.contains(part);
            assert!(
                [BASE, ISSUER, ISSUER_OF_B19, OF_ISSUER[2], "banks/b1/customers"].into_iter().all(has),
                "node.toml changed its form"
            );
            std::fs::write(path, changed).unwrap();
        }
        let caller =
            TlsIdentity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
        Self { files, certificate: sha256(made.cert.der()), caller }
    }

    pub(crate) fn config(&self, party: Party) -> Config {
        Config::read(&self.files.node(party).join("node.toml")).unwrap()
    }

    pub(crate) async fn start(&self, party: Party) -> Node {
        Box::pin(tumar::node::start(self.config(party), Arc::new(clock))).await.unwrap()
    }

    /// A, B and C, linked.
    pub(crate) async fn start_all(&self) -> [Node; 3] {
        let [a, b, c] = Party::ALL.map(|party| self.start(party));
        let nodes = [a.await, b.await, c.await];
        for node in &nodes {
            node.ready().await;
        }
        nodes
    }

    pub(crate) async fn client(&self) -> Client {
        let mut config = self.files.client_config();
        config.client = CLIENT.parse().unwrap();
        BASE.clone_into(&mut config.base);
        Client::connect(config, clock).await.unwrap()
    }

    /// A channel to a node's public port; with a certificate of the caller's own, or without.
    pub(crate) async fn channel(&self, party: Party, shown: bool) -> Channel {
        let pem = std::fs::read(self.files.node(party).join("keys/tls.crt")).unwrap();
        let own = shown.then_some(&self.caller);
        let dialler = Dialler::new(own, &Pinned::from_pem(&pem).unwrap(), "localhost").unwrap();
        dialler.dial(&self.config(party).public).await.unwrap()
    }

    /// What a stopped node's log says of a request.
    pub(crate) fn logged(&self, party: Party, rq: &[u8; 32]) -> Vec<Event> {
        let entries = entries(&self.files.node(party));
        let parsed = entries.iter().map(|entry| Entry::parse(entry).unwrap());
        parsed.filter(|entry| entry.request_digest == *rq).map(|entry| entry.event).collect()
    }
}

/// Stops all nodes.
pub(crate) async fn stop(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.stop().await.unwrap();
    }
}

/// An id that no other token or proof of this process has.
pub(crate) fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:0>22}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a token for one such call allows.
pub(crate) fn details_for(gallery: &GalleryName, purpose: &PurposeName, method: Method) -> Value {
    let mut details = details();
    details["purpose"] = json!(purpose.as_str());
    details["actions"] = json!([method.action()]);
    details["galleries"] = json!([gallery.as_str()]);
    details["max_uses"] = json!(1);
    details
}

/// A draft that is good for one use of this request.
pub(crate) fn draft_of(ask: &RequestInfo) -> Draft {
    let mut draft = Draft::good();
    draft.ask = ask.clone();
    draft.call = ask.method;
    *draft.details() = details_for(&ask.gallery, &ask.purpose, ask.method);
    draft.claims["exp"] = json!(NOW + 120);
    draft.claims["amr"] = json!(["registry_check", "mobile_auth"]);
    draft.claims["jti"] = json!(fresh_id());
    draft.proof["jti"] = json!(fresh_id());
    draft
}

/// Whether any message can say what the draft asks for.
pub(crate) fn is_carried(draft: &Draft) -> bool {
    draft.call == draft.ask.method && samples_taken(draft.ask.method).contains(&draft.ask.samples.len())
}

/// Envelopes that are well formed, and open nowhere.
pub(crate) fn shut_envelopes(client: &Client, method: Method) -> [Vec<u8>; 3] {
    let content = DIMENSION + if method == Method::Enroll { 32 } else { 0 };
    Party::ALL.map(|party| shut(client, party, content))
}

/// An envelope of so many bytes of content that opens nowhere.
fn shut(client: &Client, party: Party, content: usize) -> Vec<u8> {
    let mut bytes = client.committee().key(party).id().as_bytes().to_vec();
    // Each is another one: none is taken twice.
    bytes.extend_from_slice(&sha256(fresh_id().as_bytes()));
    bytes.resize(Envelope::OVERHEAD + content, party.as_str().as_bytes()[0]);
    bytes
}

/// Requests with sets of rows that are none, and what is wrong with each.
pub(crate) fn malformed_sets(client: &Client) -> Vec<(&'static str, Request)> {
    let of_rows = |contents: [usize; 3]| v1::Sample {
        modality: v1::Modality::Finger.into(),
        model: "leader-rows-3".to_owned(),
        envelope_a: shut(client, Party::A, contents[0]),
        envelope_b: shut(client, Party::B, contents[1]),
        envelope_c: shut(client, Party::C, contents[2]),
    };
    let mut requests = Vec::new();
    for (about, contents) in [
        ("no rows", [0; 3]),
        ("three rows", [3 * ROW; 3]),
        ("41 rows", [41 * ROW; 3]),
        ("a row short by one byte", [38 * ROW - 1; 3]),
        ("a byte more than rows", [38 * ROW + 1; 3]),
        ("a key behind the rows of a probe", [38 * ROW + 32; 3]),
        ("A's shorter", [37 * ROW, 38 * ROW, 38 * ROW]),
        ("B's shorter", [38 * ROW, 37 * ROW, 38 * ROW]),
        ("C's longer", [38 * ROW, 38 * ROW, 39 * ROW]),
        ("each another", [4 * ROW, 5 * ROW, 6 * ROW]),
    ] {
        let Request::Verify(mut message) = withdrawal(client, "c-1", &face(1)).into_request() else { unreachable!() };
        message.samples = vec![of_rows(contents)];
        requests.push((about, Request::Verify(message)));
    }
    for (about, first, second) in [
        ("no key behind the first reference", 38 * ROW, 38 * ROW),
        ("a key behind the second reference", 38 * ROW + 32, 38 * ROW + 32),
        ("41 rows in the second reference", 38 * ROW + 32, 41 * ROW),
    ] {
        let Request::Enroll(mut message) = enrolment(client, "c-3", &face(1)).into_request() else { unreachable!() };
        message.samples = vec![of_rows([first; 3]), of_rows([second; 3])];
        requests.push((about, Request::Enroll(message)));
    }
    requests
}

/// As large as an enrolment can be: 647 kB that open nowhere.
pub(crate) fn largest_enrolment(client: &Client, subject: &str) -> Prepared {
    let Request::Enroll(mut message) = enrolment(client, subject, &face(1)).into_request() else { unreachable!() };
    let sample = |key: usize| v1::Sample {
        modality: v1::Modality::Finger.into(),
        model: "leader-rows-3".to_owned(),
        envelope_a: shut(client, Party::A, 40 * ROW + key),
        envelope_b: shut(client, Party::B, 40 * ROW + key),
        envelope_c: shut(client, Party::C, 40 * ROW + key),
    };
    message.samples = vec![sample(0); MOST_SAMPLES];
    message.samples[0] = sample(32);
    Prepared::new(Request::Enroll(message)).unwrap()
}

/// One call, as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) metadata: Vec<(&'static str, String)>,
    pub(crate) request: Request,
}

impl Call {
    pub(crate) fn new(access: &str, proof: &str, request: Request) -> Self {
        let metadata = vec![("authorization", format!("DPoP {access}")), ("dpop", proof.to_owned())];
        Self { metadata, request }
    }

    /// A prepared request with token and proof of a draft.
    pub(crate) fn with(draft: &Draft, prepared: &Prepared) -> Self {
        let token = draft.token();
        Self::new(token.access(), token.proof(), prepared.request().clone())
    }

    /// A prepared request with a token for one use and a proof.
    pub(crate) fn good(prepared: &Prepared) -> Self {
        Self::with(&draft_of(prepared.ask()), prepared)
    }

    fn dressed<T>(&self, message: T) -> Rpc<T> {
        let mut rpc = Rpc::new(message);
        for (name, value) in &self.metadata {
            rpc.metadata_mut().append(*name, MetadataValue::<Ascii>::try_from(value).unwrap());
        }
        rpc
    }

    /// The three receipts, or what was said instead.
    pub(crate) async fn send(&self, channel: &Channel) -> Result<Vec<v1::Receipt>, Status> {
        let mut rpc = MatchingServiceClient::new(channel.clone());
        Ok(match self.request.clone() {
            Request::Enroll(m) => rpc.enroll_subject(self.dressed(m)).await?.into_inner().receipts,
            Request::Verify(m) => rpc.verify_subject(self.dressed(m)).await?.into_inner().receipts,
            Request::Erase(m) => rpc.erase_subject(self.dressed(m)).await?.into_inner().receipts,
            Request::Lock(m) => rpc.lock_subject(self.dressed(m)).await?.into_inner().receipts,
            Request::Unlock(m) => rpc.unlock_subject(self.dressed(m)).await?.into_inner().receipts,
            Request::Search(_) => self.search(channel, &AtomicU64::new(0)).await?,
        })
    }

    /// The same of a search; `heard` counts how often it is told how far it is.
    pub(crate) async fn search(&self, channel: &Channel, heard: &AtomicU64) -> Result<Vec<v1::Receipt>, Status> {
        let Request::Search(message) = self.request.clone() else { panic!("not a search") };
        let mut rpc = MatchingServiceClient::new(channel.clone());
        let mut steps = rpc.search_gallery(self.dressed(message)).await?.into_inner();
        loop {
            match steps.message().await?.expect("a search ends with its result").step {
                Some(Step::Result(result)) => return Ok(result.receipts),
                Some(Step::Progress(_)) => drop(heard.fetch_add(1, Ordering::SeqCst)),
                None => {}
            }
        }
    }
}

/// A draft's request as the leader relays it. The envelopes' digests become those of `envelopes`, before the proof is signed.
pub(crate) fn relayed(draft: &mut Draft, envelopes: &[Vec<u8>; 3]) -> Relayed {
    let digests = envelopes.each_ref().map(|envelope| sha256(envelope));
    draft.approve();
    for ask in std::iter::once(&mut draft.ask).chain(&mut draft.asked) {
        ask.samples.iter_mut().for_each(|sample| sample.envelopes = digests);
        if ask.method != Method::Verify {
            // The messages of the other calls have no amount.
            ask.amount_kzt = 0;
        }
        if !matches!(ask.method, Method::Enroll | Method::Verify | Method::Search) {
            // Nor have those without samples a minute of capture.
            ask.captured = Minute::default();
        }
    }
    let token = draft.token();
    Relayed {
        token: token.access().to_owned(),
        proof: token.proof().to_owned(),
        client_certificate: draft.certificate.map(|digest| digest.to_vec()).unwrap_or_default(),
        position: 0,
        request: Some(message(draft.asked.as_ref().unwrap_or(&draft.ask), envelopes)),
    }
}

/// A prepared request with token and proof of a draft, as the leader relays it.
pub(crate) fn relay(draft: &Draft, prepared: &Prepared) -> Relayed {
    let token = draft.token();
    let (access, proof) = (token.access().to_owned(), token.proof().to_owned());
    let request = Some(prepared.request().clone());
    Relayed { token: access, proof, client_certificate: Vec::new(), position: 0, request }
}

/// The message that asks for this, with these envelopes.
pub(crate) fn message(ask: &RequestInfo, envelopes: &[Vec<u8>; 3]) -> Request {
    let [envelope_a, envelope_b, envelope_c] = envelopes.clone();
    let samples = ask.samples.iter().map(|sample| v1::Sample {
        modality: v1::Modality::from(sample.modality).into(),
        model: sample.model.to_string(),
        envelope_a: envelope_a.clone(),
        envelope_b: envelope_b.clone(),
        envelope_c: envelope_c.clone(),
    });
    let samples = samples.collect();
    let (request_id, gallery) = (ask.request_id.to_string(), ask.gallery.to_string());
    let (client, capture_minute) = (ask.client.to_string(), ask.captured.number());
    let (purpose, amount_kzt) = (ask.purpose.to_string(), ask.amount_kzt);
    let subject = match &ask.about {
        RequestTarget::Subject(subject) => subject.to_string(),
        RequestTarget::Evidence(_) | RequestTarget::Matched(..) => unreachable!("no relayed request is about these"),
        RequestTarget::Case(Case { digest, most, approvals }) => {
            return Request::Search(v1::SearchGalleryRequest {
                request_id,
                gallery,
                purpose,
                case_digest: digest.to_vec(),
                max_candidates: *most,
                samples,
                approvals: approvals.clone(),
                client,
                capture_minute,
            });
        }
    };
    match ask.method {
        Method::Enroll => Request::Enroll(v1::EnrollSubjectRequest {
            request_id,
            gallery,
            subject,
            purpose,
            samples,
            client,
            capture_minute,
        }),
        Method::Verify => Request::Verify(v1::VerifySubjectRequest {
            request_id,
            gallery,
            subject,
            purpose,
            amount_kzt,
            samples,
            client,
            capture_minute,
        }),
        Method::Erase => Request::Erase(v1::EraseSubjectRequest { request_id, gallery, subject, purpose, client }),
        Method::Lock => Request::Lock(v1::LockSubjectRequest { request_id, gallery, subject, purpose, client }),
        Method::Unlock => Request::Unlock(v1::UnlockSubjectRequest { request_id, gallery, subject, purpose, client }),
        Method::Search | Method::OpenEvidence | Method::ListUses | Method::ReadLog => {
            unreachable!("a search is about a case, and the others are not relayed")
        }
    }
}

/// Asserts that a refusal says this reason, with its status and sentence, and names this node.
pub(crate) fn assert_refused(status: &Status, reason: &str, node: Party, about: &str) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{about}: no ErrorInfo in {status:?}"));
    let told = (info.reason.as_str(), info.metadata["node"].as_str(), info.domain.as_str());
    assert_eq!(told, (reason, node.as_str(), DOMAIN), "{about}");
    let row = Reason::of(reason).unwrap();
    assert_eq!((status.code(), status.message()), (row.status(), row.text()), "{about}");
}

/// A face's embedding; another for each seed.
pub(crate) fn face(seed: u64) -> Template {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut component = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(i16::from_le_bytes([state.to_le_bytes()[6], state.to_le_bytes()[7]])) / 32768.0
    };
    template(&std::array::from_fn::<f32, DIMENSION, _>(|_| component()))
}

pub(crate) fn enrolment(client: &Client, subject: &str, reference: &Template) -> Prepared {
    let (target, key) = (target(subject, "enrolment"), SubjectKey::generate().unwrap());
    Prepared::enroll(client.config(), &client.committee(), &target, &[face_of(reference)], minute(), &key).unwrap()
}

pub(crate) fn withdrawal(client: &Client, subject: &str, probe: &Template) -> Prepared {
    withdrawal_of(client, subject, probe, 40_000)
}

pub(crate) fn withdrawal_of(client: &Client, subject: &str, probe: &Template, amount_kzt: u64) -> Prepared {
    let target = target(subject, "cash_withdrawal");
    Prepared::verify(client.config(), &client.committee(), &target, &[face_of(probe)], amount_kzt, minute()).unwrap()
}

/// By a finger that is as good as any, since there is none to compare it with.
pub(crate) fn finger_withdrawal(client: &Client, subject: &str) -> Prepared {
    probe_by(client, subject, "leader-rows-3", &[0x11; 4 * ROW / 2])
}

/// The same by a finger's vector, which is for searches.
pub(crate) fn vector_withdrawal(client: &Client, subject: &str) -> Prepared {
    probe_by(client, subject, "fp512", &face(1).pack())
}

fn probe_by(client: &Client, subject: &str, model: &str, packed: &[u8]) -> Prepared {
    let (target, model) = (target(subject, "cash_withdrawal"), model.parse().unwrap());
    let probes: [(_, &[u8]); 1] = [(&model, packed)];
    Prepared::danger_verify_packed(client.config(), &client.committee(), &target, &probes, 40_000, minute()).unwrap()
}

/// Sends a good request, and checks the answer's three receipts.
pub(crate) async fn answer(client: &Client, prepared: &Prepared) -> Answer {
    let token = draft_of(prepared.ask()).token();
    client.call(token.access(), token.proof(), prepared).await.unwrap()
}

/// What a hostile terminal may change in the seal of one envelope.
#[derive(Clone)]
pub(crate) struct Seal {
    /// Whose key.
    pub(crate) key: Party,
    /// For whom, by the envelope's own account.
    pub(crate) party: Party,
    pub(crate) relying_party: RelyingParty,
    pub(crate) ask: RequestInfo,
}

impl Seal {
    /// As it should be.
    pub(crate) fn fitting(party: Party, ask: &RequestInfo) -> Self {
        Self { key: party, party, relying_party: "banks/b17".parse().unwrap(), ask: ask.clone() }
    }

    pub(crate) fn envelope(&self, client: &Client, content: &[u8]) -> Vec<u8> {
        let binding = Binding {
            party: self.party,
            deployment: client.deployment(),
            relying_party: &self.relying_party,
            client: &self.ask.client,
            method: self.ask.method,
            purpose: &self.ask.purpose,
            request_id: &self.ask.request_id,
            gallery: &self.ask.gallery,
            subject: self.ask.subject(),
            modality: self.ask.samples[0].modality,
            model: &self.ask.samples[0].model,
            amount_kzt: self.ask.amount_kzt,
            captured: self.ask.captured,
        };
        client.committee().key(self.key).seal(&binding, content).unwrap().to_bytes()
    }
}

/// The envelope for a party, in the request's one sample.
pub(crate) fn envelope(request: &mut Request, party: Party) -> &mut Vec<u8> {
    let samples = match request {
        Request::Enroll(m) => &mut m.samples,
        Request::Verify(m) => &mut m.samples,
        Request::Search(m) => &mut m.samples,
        Request::Erase(_) | Request::Lock(_) | Request::Unlock(_) => panic!("takes no sample"),
    };
    match party {
        Party::A => &mut samples[0].envelope_a,
        Party::B => &mut samples[0].envelope_b,
        Party::C => &mut samples[0].envelope_c,
    }
}

/// The id of a key that no node has.
pub(crate) fn unknown_key() -> [u8; 8] {
    *PrivateKey::generate().unwrap().public().id().as_bytes()
}

/// Requests about a subject that bring no samples.
pub(crate) fn lock(target: &Target) -> Prepared {
    bare(target, Method::Lock)
}

pub(crate) fn bare(target: &Target, method: Method) -> Prepared {
    let ask = RequestInfo {
        method,
        client: CLIENT.parse().unwrap(),
        request_id: RequestId::from_random(sha256(fresh_id().as_bytes())[..16].try_into().unwrap()),
        gallery: target.gallery.clone(),
        about: RequestTarget::Subject(target.subject.clone()),
        purpose: target.purpose.clone(),
        amount_kzt: 0,
        captured: Minute::default(),
        samples: Vec::new(),
    };
    Prepared::new(message(&ask, &[Vec::new(), Vec::new(), Vec::new()])).unwrap()
}

/// A lock that another bank may ask for.
pub(crate) fn lock_of_other_bank(subject: &str) -> (Draft, Prepared) {
    let gallery = GALLERY_OF_B19;
    let mut target = target(subject, "subject_lock");
    target.gallery = gallery.parse().unwrap();
    let prepared = lock(&target);
    let mut draft = draft_of(prepared.ask());
    draft.by_issuer_of_b19();
    draft.details()["relying_party"] = json!("banks/b19");
    draft.details()["galleries"] = json!([gallery]);
    (draft, prepared)
}

/// One more enrolment than a client may spoil, of envelopes that open nowhere, by a client and a bank that do nothing else.
pub(crate) fn junk_enrolments(client: &Client) -> Vec<Relayed> {
    let relayed_one = |number: usize| {
        // Each envelope is taken once.
        let envelopes = shut_envelopes(client, Method::Enroll);
        let mut draft = Draft::good();
        draft.purpose("enrolment");
        draft.method(Method::Enroll);
        draft.details()["relying_party"] = json!("banks/b1");
        draft.details()["galleries"] = json!(["banks/b1/customers"]);
        draft.ask.gallery = "banks/b1/customers".parse().unwrap();
        draft.ask.about = RequestTarget::Subject(format!("junk-{number}").parse().unwrap());
        let mut random = [0; 16];
        random[0] = u8::try_from(number).unwrap();
        draft.ask.request_id = RequestId::from_random(random);
        draft.claims["amr"] = json!(["registry_check"]);
        (draft.claims["client_id"], draft.claims["sub"]) = (json!("b1-junk"), json!("b1-junk"));
        draft.ask.client = "b1-junk".parse().unwrap();
        (draft.claims["jti"], draft.proof["jti"]) = (json!(fresh_id()), json!(fresh_id()));
        relayed(&mut draft, &envelopes)
    };
    (0..=JUNK).map(relayed_one).collect()
}

pub(crate) type Spoil = fn(&mut Vec<u8>);

pub(crate) type Rebind = fn(&mut Seal);

pub(crate) fn spoilt_envelopes() -> [(&'static str, Spoil); 6] {
    [
        ("ENVELOPE_MALFORMED", |bytes| bytes.truncate(bytes.len() - 1)),
        ("ENVELOPE_MALFORMED", |bytes| bytes.push(0)),
        ("ENVELOPE_MALFORMED", Vec::clear),
        ("ENVELOPE_KEY_UNKNOWN", |bytes| bytes[..8].copy_from_slice(&unknown_key())),
        ("ENVELOPE_INVALID", |bytes| bytes[8] ^= 1),
        ("ENVELOPE_INVALID", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ]
}

pub(crate) fn other_bindings() -> [(&'static str, Rebind); 10] {
    [
        ("request", |seal| seal.ask.request_id = RequestId::from_random([9; 16])),
        ("subject", |seal| seal.ask.about = RequestTarget::Subject("c-2".parse().unwrap())),
        ("purpose", |seal| seal.ask.purpose = "card_activation".parse().unwrap()),
        ("gallery", |seal| seal.ask.gallery = "banks/b17/staff".parse().unwrap()),
        ("call", |seal| seal.ask.method = Method::Lock),
        ("client", |seal| seal.ask.client = "b17-branch".parse().unwrap()),
        ("amount", |seal| seal.ask.amount_kzt += 1),
        ("minute of capture", |seal| seal.ask.captured = Minute::of(NOW - 60)),
        ("relying party", |seal| seal.relying_party = "banks/b18".parse().unwrap()),
        ("party", |seal| seal.party = seal.key.next()),
    ]
}
