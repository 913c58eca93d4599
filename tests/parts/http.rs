//! A node's port for auditors, called as anybody may call it: with this crate's own HTTP client, and with bytes by hand.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tumar::audit_server::{NodeKeys, Parts, Server};
use tumar::guests::Room;
use tumar::log::cosign::{Cosigner, CosignerKey, witness_name};
use tumar::log::merkle::{Tree, leaf_hash};
use tumar::log::note::{Checkpoint, KeyName, NoteSigner, SigningKey, VerifierKey, log_name};
use tumar::log::shard::Shard;
use tumar::log::tiles::Writer;
use tumar::log::witness::{AddCheckpoint, MAX_REQUEST, Witness};
use tumar::name::Deployment;
use tumar::party::Party;
use tumar::tls::{TlsIdentity, WebTls};
use tumar::web::{Answer, HttpClient};

const NOW: u64 = 1_790_000_000;
/// Connections that there is room for.
const CONNECTIONS: usize = 256;

const TOKEN: &str = "an.auditors.token";

fn deployment() -> Deployment {
    "kz-demo".parse().unwrap()
}

fn log_key(party: Party) -> SigningKey {
    SigningKey::from_seed(&[1 + party as u8; 32])
}

fn cosigner(party: Party) -> Cosigner {
    Cosigner::new(witness_name(&deployment(), party), SigningKey::from_seed(&[11 + party as u8; 32]))
}

fn verifier(party: Party) -> VerifierKey {
    VerifierKey::new(log_name(&deployment(), party), log_key(party).public())
}

/// Writes 300 entries of a party's log of 2026h2, and returns its tree and checkpoint.
fn write_log(party: Party, data: &Path) -> (Tree, String) {
    let half: Shard = "2026h2".parse().unwrap();
    let signer = NoteSigner::new(log_name(&deployment(), party).of_half(half), log_key(party));
    let entries: Vec<Vec<u8>> = (0..300).map(|index| format!("{party} {index}").into_bytes()).collect();
    let mut tree = Tree::new();
    for entry in &entries {
        tree.push(leaf_hash(entry));
    }
    let origin = signer.verifier().name().clone();
    let note = Checkpoint { origin, size: 300, root: tree.root(300).unwrap() }.sign(&signer).unwrap();
    let at = |index: u64| usize::try_from(index).unwrap();
    let mut writer = Writer::open(&data.join("2026h2")).unwrap();
    writer.write(&tree, |range| Ok(entries[at(range.start)..at(range.end)].to_vec()), &note).unwrap();
    (tree, note)
}

/// A port that is served, and its folder.
struct Port {
    address: SocketAddr,
    data: TempDir,
    note: String,
    tree: Tree,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Port {
    async fn start(party: Party, peers: Vec<(Party, HttpClient)>, tls: Option<WebTls>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (tree, note) = write_log(party, data.path());
        let others = Party::ALL.into_iter().filter(|&other| other != party).map(verifier).collect();
        let server = Server::new(Parts {
            party,
            deployment: deployment(),
            keys: Party::ALL
                .map(|party| NodeKeys { log: verifier(party), cosigner: cosigner(party).verifier().clone() }),
            witnesses: vec![CosignerKey::new("outside.example".parse().unwrap(), [7; 32])],
            logs: data.path().to_owned(),
            peers,
            witness: Some(Arc::new(Witness::new(cosigner(party), others, &data.path().join("witness")))),
            readers: Arc::new(|token| token == TOKEN),
            clock: Arc::new(|| Some(NOW)),
            room: Room::new(CONNECTIONS, CONNECTIONS),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(listener, tls, async {
            let _ = stopped.await;
        }));
        Self { address, data, note, tree, stop, serving }
    }

    fn site(&self) -> HttpClient {
        HttpClient::new(&format!("http://{}", self.address), None, Duration::from_secs(20)).unwrap()
    }

    async fn get(&self, path: &str, token: Option<&'static str>) -> Answer {
        let (site, path) = (self.site(), path.to_owned());
        tokio::task::spawn_blocking(move || site.get(&path, token).unwrap()).await.unwrap()
    }

    async fn post(&self, body: Vec<u8>) -> Answer {
        let site = self.site();
        tokio::task::spawn_blocking(move || site.post("/add-checkpoint", &body).unwrap()).await.unwrap()
    }

    /// Sends bytes as they are, and returns what comes until the end.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).to_lowercase()
    }

    /// The head of the answer to a request without a body.
    async fn head_of(&self, method: &str, path: &str) -> String {
        let answer = self.raw(&format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(method != "HEAD" || body.is_empty());
        head.to_owned()
    }

    fn file(&self, path: &str) -> Vec<u8> {
        fs::read(self.data.path().join("2026h2").join(path)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_log_is_served_as_it_stands_on_disk_and_entries_to_readers_alone() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    assert_eq!(port.get("/a/2026h2/checkpoint", None).await.body, port.note.as_bytes());
    for path in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"] {
        assert_eq!(port.get(&format!("/a/2026h2/{path}"), None).await.body, port.file(path));
    }
    for path in ["tile/entries/000", "tile/entries/001.p/44"] {
        let url = format!("/a/2026h2/{path}");
        for token in [None, Some("another"), Some("")] {
            assert_eq!(port.get(&url, token).await.status, 401);
        }
        let answer = port.get(&url, Some(TOKEN)).await;
        assert_eq!((answer.status, answer.body), (200, port.file(path)));
    }
    for path in ["/a/2026h1/checkpoint", "/a/2026h2/tile/0/009", "/b/2026h2/checkpoint", "/x", "/a/2026h2/witness"] {
        assert_eq!(port.get(path, None).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_logs() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    fs::write(port.data.path().join("secret"), "secret").unwrap();
    fs::write(port.data.path().join("2026h2/checkpoint.new"), "secret").unwrap();
    for path in [
        "/a/2026h2/../secret",
        "/a/2026h2/%2e%2e/secret",
        "/a/2026h2/..%2fsecret",
        "/a/%2e%2e/secret",
        "/a/2026h2/tile/../../secret",
        "/a/2026h2//secret",
        "/a/2026h2/checkpoint.new",
        "/a/2026h2/checkpoint%00",
        "/a/2026h2/%63heckpoint",
        "/page/../../secret",
        "/page/..%2f..%2fsecret",
        "/page/%2e%2e",
        "//secret",
        "/secret",
    ] {
        let head = port.head_of("GET", path).await;
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    for (path, status, more) in [
        ("/a/2026h2/checkpoint", 200, "content-type: text/plain; charset=utf-8\r\ncache-control: no-store"),
        ("/a/2026h2/tile/0/000", 200, "immutable"),
        ("/a/2026h2/tile/0/000", 200, "content-type: application/octet-stream"),
        ("/a/2026h2/tile/entries/000", 401, "www-authenticate: bearer"),
        ("/logs.json", 200, "content-type: application/json"),
        ("/nothing", 404, "cache-control: no-store"),
    ] {
        for method in ["GET", "HEAD"] {
            let head = port.head_of(method, path).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")) && head.contains(more), "{method} {path}: {head}");
            assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';"));
            assert!(head.contains("x-content-type-options: nosniff") && head.contains("referrer-policy: no-referrer"));
        }
    }
    for (method, path) in [("POST", "/logs.json"), ("DELETE", "/a/2026h2/checkpoint"), ("GET", "/add-checkpoint")] {
        let head = port.head_of(method, path).await;
        assert!(
            head.starts_with("http/1.1 405") && head.contains("content-security-policy"),
            "{method} {path}: {head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_witnessed_by_the_protocol_of_c2sp() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (_, note) = write_log(Party::B, elsewhere.path());
    let request = AddCheckpoint { old: 0, proof: Vec::new(), note: note.clone() };
    let answer = port.post(request.to_string().into_bytes()).await;
    let line = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(cosigner(Party::A).verifier().verify(&format!("{note}{line}")), Ok(NOW));
    let again = port.post(request.to_string().into_bytes()).await;
    assert_eq!((again.status, again.body), (409, b"300\n".to_vec()));
    let body = request.to_string();
    let length = body.len();
    let raw = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    assert!(port.raw(&raw).await.contains("content-type: text/x.tlog.size\r\n"));
    // The own log is not the own witness's business.
    let own = AddCheckpoint { note: port.note.clone(), ..request };
    assert_eq!(port.post(own.to_string().into_bytes()).await.status, 404);
    for (body, status) in [(Vec::new(), 400), (vec![0xff; 9], 400), (b"old 0\n\nx".to_vec(), 400)] {
        assert_eq!(port.post(body).await.status, status);
    }
    assert_eq!(port.post(vec![b'x'; MAX_REQUEST + 1]).await.status, 413);
}

/// B's log, whose checkpoint A is asked to cosign.
struct Published {
    tree: Tree,
    placed: mpsc::Sender<String>,
}

impl tumar::cosigning::Log for Published {
    fn consistency(&self, _: &KeyName, old: u64, new: u64) -> Option<Vec<[u8; 32]>> {
        self.tree.consistency(old, new).ok()
    }

    fn replace(&self, note: &str) -> std::io::Result<()> {
        self.placed.blocking_send(note.to_owned()).map_err(std::io::Error::other)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_its_checkpoint_cosigned_at_the_port_of_another() {
    let a = Port::start(Party::A, Vec::new(), None).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (tree, note) = write_log(Party::B, elsewhere.path());
    let (placed, mut cosigned) = mpsc::channel(1);
    let (publish, published) = watch::channel(Some(note));
    let witness = tumar::cosigning::Witness::at(cosigner(Party::A).verifier().clone(), a.site());
    let log = Arc::new(Published { tree, placed });
    let running = tokio::spawn(tumar::cosigning::run(published, vec![witness], log));
    let note = cosigned.recv().await.unwrap();
    assert_eq!(cosigner(Party::A).verifier().verify(&note), Ok(NOW));
    assert!(Checkpoint::open(&note, &verifier(Party::B).of_half("2026h2".parse().unwrap())).is_ok());
    drop(publish);
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_logs_are_relayed_and_the_index_names_what_there_is() {
    let b = Port::start(Party::B, Vec::new(), None).await;
    let nobody = HttpClient::new("http://127.0.0.1:1", None, Duration::from_secs(5)).unwrap();
    let a = Port::start(Party::A, vec![(Party::B, b.site()), (Party::C, nobody)], None).await;
    assert_eq!(a.get("/b/2026h2/checkpoint", None).await.body, b.note.as_bytes());
    assert_eq!(a.get("/b/2026h2/tile/0/000", None).await.body, b.file("tile/0/000"));
    assert_eq!(a.get("/b/2026h2/tile/0/009", None).await.status, 404);
    assert_eq!(a.get("/b/2026h2/tile/entries/000", None).await.status, 401);
    assert_eq!(a.get("/b/2026h2/tile/entries/000", Some(TOKEN)).await.body, b.file("tile/entries/000"));
    assert_eq!(a.get("/c/2026h2/checkpoint", None).await.status, 502);
    // B does not know where the others are: what it relays is its own, and no circle comes about.
    assert_eq!(b.get("/a/2026h2/checkpoint", None).await.status, 404);
    fs::create_dir_all(b.data.path().join("2026h1")).unwrap();
    fs::write(b.data.path().join("2026h1/checkpoint"), "later").unwrap();
    fs::create_dir_all(b.data.path().join("2027h1")).unwrap();
    let index: Value = serde_json::from_slice(&a.get("/logs.json", None).await.body).unwrap();
    let node = |party: Party, halves: &[&str]| {
        let (log, cosigner) = (verifier(party).to_string(), cosigner(party).verifier().to_string());
        json!({ "party": party.as_str(), "log": log, "cosigner": cosigner, "halves": halves })
    };
    let outside = CosignerKey::new("outside.example".parse().unwrap(), [7; 32]).to_string();
    let nodes = [node(Party::A, &["2026h2"]), node(Party::B, &["2026h1", "2026h2"]), node(Party::C, &["2026h2"])];
    assert_eq!(index, json!({ "deployment": "kz-demo", "nodes": nodes, "witnesses": [outside] }));
    let own: Value = serde_json::from_slice(&a.get("/logs.json?own", None).await.body).unwrap();
    assert_eq!(own["nodes"], json!([node(Party::A, &["2026h2"])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_same_is_served_to_who_believes_the_certificate() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = TlsIdentity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let port = Port::start(Party::A, Vec::new(), Some(WebTls::new(&identity).unwrap())).await;
    let base = format!("https://localhost:{}", port.address.port());
    let patience = Duration::from_secs(20);
    let pinned = HttpClient::new(&base, Some(certificate.pem().as_bytes()), patience).unwrap();
    let stranger = HttpClient::new(&base, None, patience).unwrap();
    let (answer, refused) = tokio::task::spawn_blocking(move || {
        (pinned.get("/a/2026h2/checkpoint", None), stranger.get("/a/2026h2/checkpoint", None))
    })
    .await
    .unwrap();
    assert_eq!(answer.unwrap().body, port.note.as_bytes());
    assert!(refused.is_err());
    // Who speaks no TLS gets nothing, and holds up nobody.
    assert!(!port.raw("GET / HTTP/1.1\r\n\r\n").await.contains("http/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ask_nothing_make_room_for_one_that_does() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    let mut held = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        held.push(TcpStream::connect(port.address).await.unwrap());
    }
    let answer = port.raw("GET /a/2026h2/checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("http/1.1 200") && answer.ends_with(&port.note.to_lowercase()));
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_pile_up_are_told_to_come_again_and_the_witness_goes_on() {
    // A peer that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let peer = HttpClient::new(&format!("http://{address}"), None, Duration::from_secs(20)).unwrap();
    let port = Port::start(Party::A, vec![(Party::B, peer)], None).await;
    let mut waiting = Vec::new();
    for _ in 0..tumar::audit_server::REQUESTS {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(b"GET /b/2026h2/checkpoint HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    // They arrive in their own time: until the last has, one more is answered.
    while port.get("/a/2026h2/checkpoint", None).await.status != 503 {}
    assert_eq!(port.post(b"old 0".to_vec()).await.status, 400);
    drop(silent);
    let mut answer = [0; 12];
    waiting[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 502");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_begins_a_request_and_falls_silent_is_cut_off() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    let began = tokio::time::Instant::now();
    assert_eq!(port.raw("GET /a/2026h2/checkpoint HTTP/1.1\r\nhost").await, "");
    assert!(began.elapsed() < Duration::from_mins(1), "of a clock that runs when nobody does");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_node_stops_idle_connections_are_closed_and_it_ends() {
    let port = Port::start(Party::A, Vec::new(), None).await;
    let mut idle = TcpStream::connect(port.address).await.unwrap();
    idle.write_all(b"GET /a/2026h2/checkpoint HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 16]).await.unwrap() > 0);
    port.stop.send(()).unwrap();
    port.serving.await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(port.address).await.is_err());
    assert_eq!(port.tree.size(), 300);
}
