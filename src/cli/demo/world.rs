//! Three nodes in this process, from the very files that `tumar init` writes, and a client.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::TempDir;
use tumar::client::{Client, ClientConfig, NodePin, Target};
use tumar::name::{Deployment, GalleryName, RelyingParty};
use tumar::node::Node;
use tumar::party::Party;
use tumar::request::Method;
use tumar::token::Issuer;

use crate::cli::failure::Failure;
use crate::cli::{clock, init, node, token};

/// Name of the demo's deployment.
const DEPLOYMENT: &str = "demo";

/// Three nodes, and one relying party's client.
pub(super) struct World {
    folder: TempDir,
    nodes: Vec<Node>,
    issuer: Issuer,
    /// Connected to the leader.
    pub(super) client: Client,
    /// Where the demo's people are.
    pub(super) gallery: GalleryName,
}

/// What a token of the demo is to allow.
pub(super) struct Wanted<'a> {
    /// A purpose of the policy.
    pub(super) purpose: &'a str,
    /// One call.
    pub(super) method: Method,
    /// Evidence of other factors.
    pub(super) amr: &'a [&'a str],
}

impl World {
    /// Writes the files, starts the nodes, waits until they are linked, and connects.
    pub(super) async fn start() -> Result<Self, Failure> {
        let folder = TempDir::new().map_err(Failure::Runtime)?;
        let [public, peer] = free_ports().map_err(Failure::Runtime)?;
        let host = Ipv4Addr::LOCALHOST.to_string();
        let plan = init::Plan { deployment: DEPLOYMENT.parse()?, host, public, peer };
        plan.write(folder.path())?;
        let mut nodes = Vec::with_capacity(3);
        for party in Party::ALL {
            nodes.push(node::start(&init::node_config(folder.path(), party)).await?);
        }
        for node in &nodes {
            node.ready().await;
        }
        let config = ClientConfig::read(&init::client_config(folder.path()))?;
        let issuer = token::read_issuer(folder.path(), &config)?;
        let gallery = token::customers(&config.relying_party)?;
        let client = Client::connect(config, clock::now).await?;
        Ok(Self { folder, nodes, issuer, client, gallery })
    }

    /// Whom a call is about: person number so and so.
    pub(super) fn target(&self, person: usize, purpose: &str) -> Result<Target, Failure> {
        Ok(Target {
            gallery: self.gallery.clone(),
            subject: format!("person-{person:04}").parse()?,
            purpose: purpose.parse()?,
        })
    }

    /// A token for one request, as every call has its own.
    pub(super) fn token(&self, wanted: &Wanted<'_>) -> Result<String, Failure> {
        self.token_for(wanted, self.gallery.clone(), clock::now())
    }

    /// The same for any gallery, given out at any time.
    pub(super) fn token_for(&self, wanted: &Wanted<'_>, gallery: GalleryName, now: u64) -> Result<String, Failure> {
        let owner: &RelyingParty = &self.client.config().relying_party;
        let details = token::details(owner, wanted.purpose.parse()?, &[wanted.method], vec![gallery], 1);
        let amr = wanted.amr.iter().map(|&evidence| evidence.to_owned()).collect();
        Ok(self.issuer.issue(&token::request(self.client.config(), details, amr, 120), now)?)
    }

    /// Runs of the protocol that each node took part in: A, B, C.
    pub(super) fn protocol_runs(&self) -> [u64; 3] {
        let mut runs = [0; 3];
        for (runs, node) in runs.iter_mut().zip(&self.nodes) {
            *runs = node.counters().protocol_runs();
        }
        runs
    }

    /// Stops the nodes; the files stay until what is returned is dropped.
    pub(super) async fn stop(self) -> Result<Stopped, Failure> {
        let config = self.client.config();
        let (deployment, relying_party) = (config.deployment.clone(), config.relying_party.clone());
        let pins = config.nodes.clone();
        drop(self.client);
        for node in self.nodes {
            node.stop().await?;
        }
        Ok(Stopped { folder: self.folder, deployment, relying_party, pins })
    }
}

/// What stopped nodes leave behind. The files are gone with it.
pub(super) struct Stopped {
    folder: TempDir,
    /// Name of the installation.
    pub(super) deployment: Deployment,
    /// Who asked.
    pub(super) relying_party: RelyingParty,
    /// The nodes' keys, as the client has them pinned.
    pub(super) pins: [NodePin; 3],
}

impl Stopped {
    /// Where everything was written.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Two times three ports that nobody listens on now.
fn free_ports() -> std::io::Result<[[u16; 3]; 2]> {
    // All six are held until all are known, so that they differ.
    let held: Vec<TcpListener> =
        (0..6).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
    let port = |place: usize| held[place].local_addr().map(|address| address.port());
    Ok([[port(0)?, port(1)?, port(2)?], [port(3)?, port(4)?, port(5)?]])
}
