//! Three real nodes for tests: files by `tumar init`, TLS and gRPC on loopback, in this process or as processes of their own.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::missing_panics_doc, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::ports::free_ports;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tumar::client::{Capture, Client, ClientConfig, ClientError, Search, Target};
use tumar::name::{Modality, ModelId};
use tumar::node::{Config, Node};
use tumar::party::Party;
use tumar::request::{Case, Method, Minute};
use tumar::template::Template;
use tumar::template::face::quantise;
use tumar::template::model::{Model, Models};
use tumar::tls::{Dialler, Pinned};
use tumar::token::approval::case_digest;
use tumar::token::details::DetailsType;
use tumar::token::{Action, Details, Issuer, Officer, SigningKey, TokenRequest};

pub const GALLERY: &str = "banks/b17/customers";
/// The other bank's.
pub const GALLERY_OF_B19: &str = "banks/b19/customers";

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// When a capture is made: now.
pub fn minute() -> Minute {
    Minute::of(now())
}

/// The files of an installation, and a client of it.
pub struct Files {
    folder: TempDir,
}

impl Files {
    pub fn new() -> Self {
        Self::of("dev")
    }

    /// Those of an installation of this name.
    pub fn of(deployment: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_ports().to_string();
        let made = Command::new(env!("CARGO_BIN_EXE_tumar"))
            .args(["init", "--deployment", deployment, "--base-port", &port, "--json"])
            .arg(folder.path().join("dev"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let files = Self { folder };
        // One bank runs thousands of requests a second here: the rate has tests of its own.
        let policy = files.path("policy.toml");
        let text = std::fs::read_to_string(&policy).unwrap();
        let text = text.replace("requests_per_second = 200", "requests_per_second = 1000000");
        let text = text.replace("burst = 400", "burst = 1000000");
        assert!(text.contains("burst = 1000000"), "the policy's limits changed their form");
        std::fs::write(policy, &text).unwrap();
        // The auditor knows the policies that are in force.
        std::fs::write(files.path("auditor/policies/policy.toml"), text).unwrap();
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }

    pub fn node(&self, party: Party) -> PathBuf {
        self.path(party.letter())
    }

    /// The first bank's, b17.
    pub fn client_config(&self) -> ClientConfig {
        self.client_config_of("b17")
    }

    /// Of bank `b17` or `b19`.
    pub fn client_config_of(&self, bank: &str) -> ClientConfig {
        let config = ClientConfig::read(&self.folder_of(bank).join("client/client.toml")).unwrap();
        // What a node says is what is looked at here; tests/alone/rolling.rs waits.
        ClientConfig { retry: Duration::ZERO, ..config }
    }

    /// Where a bank, or the regulator, has what is its own.
    fn folder_of(&self, owner: &str) -> PathBuf {
        self.path(match owner {
            "b17" => "",
            "b19" => "b19",
            "regulator" => "auditor",
            other => panic!("nobody is called {other}"),
        })
    }

    /// Who gives tokens to bank `b17` or `b19`, or to the `regulator`.
    pub fn issuer_of(&self, owner: &str) -> Issuer {
        let pkcs8 = std::fs::read(self.folder_of(owner).join("issuer/issuer.pk8")).unwrap();
        let deployment = self.client_config().deployment;
        let name = format!("https://issuer.{owner}.{deployment}.tumar.internal");
        Issuer::new(name, SigningKey::from_pkcs8(&pkcs8).unwrap())
    }

    /// A token for one use of one call.
    pub fn token(&self, purpose: &str, method: Method) -> String {
        self.token_for(purpose, &[method], 1, now())
    }

    /// What a token of bank `b17` says that it allows.
    fn details(purpose: &str, methods: &[Method], max_uses: u32) -> Details {
        Self::details_of("b17", purpose, methods, max_uses)
    }

    fn details_of(bank: &str, purpose: &str, methods: &[Method], max_uses: u32) -> Details {
        let samples = methods.iter().any(|method| matches!(method, Method::Enroll | Method::Verify | Method::Search));
        Details {
            kind: DetailsType,
            purpose: purpose.parse().unwrap(),
            actions: methods.iter().map(|&method| Action(method)).collect(),
            relying_party: format!("banks/{bank}").parse().unwrap(),
            galleries: vec![format!("banks/{bank}/customers").parse().unwrap()],
            modalities: if samples { vec![Modality::Face, Modality::Finger] } else { Vec::new() },
            max_uses,
            legal_basis: None,
        }
    }

    /// Two officers' approvals of searches by a token for so many, and the case that they are of.
    pub fn case(&self, purpose: &str, most: u32, max_uses: u32, issued: u64) -> Case {
        let digest = case_digest(b"case 17: one face, many names");
        let details = Self::details(purpose, &[Method::Search], max_uses);
        let approve = |(name, role): (&str, &str)| {
            let pkcs8 = std::fs::read(self.path(&format!("officers/{name}.pk8"))).unwrap();
            let officer = Officer::new(name, role, SigningKey::from_pkcs8(&pkcs8).unwrap()).unwrap();
            officer.approve(&self.client_config().deployment, &details, &digest, issued).unwrap()
        };
        let approvals = [("aida", "fraud-analyst"), ("bolat", "privacy-officer")].map(approve).to_vec();
        Case { digest, most, approvals }
    }

    /// A search of the gallery, with approvals for one.
    pub fn search(&self, most: u32) -> Search {
        self.search_at(most, now())
    }

    pub fn search_at(&self, most: u32, issued: u64) -> Search {
        let (gallery, purpose) = (GALLERY.parse().unwrap(), "case_search".parse().unwrap());
        Search { gallery, purpose, case: self.case("case_search", most, 1, issued) }
    }

    pub fn token_for(&self, purpose: &str, methods: &[Method], max_uses: u32, issued: u64) -> String {
        self.issuer_of("b17").issue(&self.token_request("b17", purpose, methods, max_uses), issued).unwrap()
    }

    /// A token of bank `b17` or `b19` for one use of one call.
    pub fn token_of(&self, bank: &str, purpose: &str, method: Method) -> String {
        self.issuer_of(bank).issue(&self.token_request(bank, purpose, &[method], 1), now()).unwrap()
    }

    /// What an issuer is asked for in the name of a bank, for a test to change.
    pub fn token_request(&self, bank: &str, purpose: &str, methods: &[Method], max_uses: u32) -> TokenRequest {
        let config = self.client_config_of(bank);
        TokenRequest {
            deployment: config.deployment.clone(),
            client: config.client.to_string(),
            jkt: config.proof_key.thumbprint(),
            certificate: None,
            details: Self::details_of(bank, purpose, methods, max_uses),
            amr: ["registry_check", "mobile_auth"].map(str::to_owned).to_vec(),
            lifetime: 120,
        }
    }

    /// Starts a node in this process.
    pub async fn start(&self, party: Party) -> Node {
        let config = Config::read(&self.node(party).join("node.toml")).unwrap();
        tumar::node::start(config, Arc::new(now)).await.unwrap()
    }

    /// Starts a node as a process of its own.
    pub fn spawn(&self, party: Party) -> Child {
        self.spawn_with(party, &[])
    }

    /// The same, with more on its command line.
    pub fn spawn_with(&self, party: Party, more: &[&str]) -> Child {
        self.command(party).args(more).spawn().unwrap()
    }

    /// The same, saying all that is of this importance.
    pub fn spawn_saying(&self, party: Party, level: &str) -> Child {
        self.command(party).env("RUST_LOG", level).spawn().unwrap()
    }

    /// What starts a node as a process of its own; it writes down what it says.
    pub fn command(&self, party: Party) -> Command {
        let words = std::fs::OpenOptions::new().create(true).append(true).open(self.words(party)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tumar"));
        command.args(["node", "--config"]).arg(self.node(party).join("node.toml"));
        command.env("RUST_LOG", "warn").stdout(Stdio::null()).stderr(words);
        command
    }

    fn words(&self, party: Party) -> PathBuf {
        self.node(party).join("words")
    }

    /// What a node that was spawned said so far.
    pub fn said(&self, party: Party) -> String {
        std::fs::read_to_string(self.words(party)).unwrap_or_default()
    }

    /// What asks a node for its health, by the usual interface.
    pub async fn health(&self, party: Party) -> HealthClient<Channel> {
        let config = Config::read(&self.node(party).join("node.toml")).unwrap();
        let pem = std::fs::read(self.node(party).join("keys/tls.crt")).unwrap();
        let dialler = Dialler::new(None, &Pinned::from_pem(&pem).unwrap(), "localhost").unwrap();
        HealthClient::new(dialler.dial(&config.public).await.unwrap())
    }

    /// Whether a node says that it serves.
    pub async fn serves(&self, party: Party) -> bool {
        let service = "tumar.v1.MatchingService".to_owned();
        let said = self.health(party).await.check(HealthCheckRequest { service }).await.unwrap().into_inner();
        said.status() == ServingStatus::Serving
    }

    pub async fn client(&self) -> Result<Client, ClientError> {
        self.client_of("b17").await
    }

    /// A client of bank `b17` or `b19`.
    pub async fn client_of(&self, bank: &str) -> Result<Client, ClientError> {
        Client::connect(self.client_config_of(bank), now).await
    }
}

/// Three nodes in this process that are linked, and a client of them.
pub struct Trio {
    pub files: Files,
    pub nodes: Vec<Node>,
    pub client: Client,
}

impl Trio {
    pub async fn start() -> Self {
        Self::of(Files::new()).await
    }

    pub async fn of(files: Files) -> Self {
        let mut nodes = Vec::new();
        for party in Party::ALL {
            nodes.push(files.start(party).await);
        }
        for (node, party) in nodes.iter().zip(Party::ALL) {
            let linked = tokio::time::timeout(Duration::from_mins(1), node.ready()).await;
            assert!(linked.is_ok(), "node {party} has not found the two others in a minute");
        }
        let client = files.client().await.unwrap();
        Self { files, nodes, client }
    }

    pub async fn stop(self) -> Files {
        drop(self.client);
        for node in self.nodes {
            node.stop().await.unwrap();
        }
        self.files
    }
}

pub fn target(subject: &str, purpose: &str) -> Target {
    Target { gallery: GALLERY.parse().unwrap(), subject: subject.parse().unwrap(), purpose: purpose.parse().unwrap() }
}

pub fn model() -> Model {
    Models::built_in().find(&"fr512".parse().unwrap()).unwrap().clone()
}

static FACES: LazyLock<ModelId> = LazyLock::new(|| "fr512".parse().unwrap());
static FINGERS: LazyLock<ModelId> = LazyLock::new(|| "leader-rows-3".parse().unwrap());

/// A face's template, as the client takes it.
pub fn face_of(template: &Template) -> Capture<'_> {
    Capture { model: &FACES, template }
}

/// A finger's set of rows, as the client takes it.
pub fn finger_of(template: &Template) -> Capture<'_> {
    Capture { model: &FINGERS, template }
}

pub fn template(embedding: &[f32]) -> Template {
    quantise(embedding, &model()).unwrap()
}

/// The reason code of a refusal.
pub fn reason<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    answer.unwrap_err().reason().to_owned()
}

/// Entries of a stopped node's log.
pub fn entries(folder: &Path) -> Vec<Vec<u8>> {
    let mut halves: Vec<_> =
        std::fs::read_dir(folder.join("data/log")).unwrap().map(|half| half.unwrap().path()).collect();
    halves.sort();
    let of_half = |half: PathBuf| {
        let files = tumar::log::tiles::Reader::new(&half);
        let note = std::fs::read_to_string(half.join("checkpoint")).unwrap();
        let size = note.lines().nth(1).unwrap().parse().unwrap();
        (0..size).map(|index| files.entry(index, size).unwrap()).collect::<Vec<_>>()
    };
    halves.into_iter().flat_map(of_half).collect()
}
