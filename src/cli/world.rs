//! Three nodes in this process, from the very files that `tumar init` writes, and a client.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tumar::client::{ClientConfig, NodePin};
use tumar::name::{Deployment, RelyingParty};
use tumar::node::Node;
use tumar::party::Party;
use tumar::token::policy;

use super::bank::Bank;
use super::failure::Failure;
use super::{init, node};

/// How long nodes may take to find each other.
const PATIENCE: Duration = Duration::from_mins(1);

/// What its bank's handles for people begin with.
const PEOPLE: &str = "person";

/// How often one relying party may ask the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// As the policy says that `tumar init` writes.
    OfThePolicy,
    /// A million a second: as often as it can.
    Lifted,
}

impl Rate {
    /// The table of what is allowed.
    fn policy(self) -> String {
        match self {
            Self::OfThePolicy => policy::DEFAULT.to_owned(),
            Self::Lifted => {
                let lifted = |line: &str| match line.split_once('=').map(|(key, _)| key.trim()) {
                    Some(key @ ("requests_per_second" | "burst")) => format!("{key} = 1000000\n"),
                    Some(_) | None => format!("{line}\n"),
                };
                policy::DEFAULT.lines().map(lifted).collect()
            }
        }
    }
}

/// Three nodes, and one relying party.
pub(super) struct World {
    folder: TempDir,
    nodes: Vec<Node>,
    /// Whose people they are.
    pub(super) bank: Bank,
}

impl World {
    /// Writes the files, starts the nodes, waits until they are linked, and connects.
    pub(super) async fn start(deployment: &str) -> Result<Self, Failure> {
        let folder = files_of(deployment, Rate::OfThePolicy)?;
        let nodes = nodes_of(folder.path()).await?;
        let config = ClientConfig::read(&init::client_config(folder.path()))?;
        let bank = Bank::connect(config, folder.path(), PEOPLE).await?;
        Ok(Self { folder, nodes, bank })
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
        let config = self.bank.client.config();
        let (deployment, relying_party) = (config.deployment.clone(), config.relying_party.clone());
        let pins = config.nodes.clone();
        drop(self.bank);
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

/// Starts the three nodes whose files are in this folder, in this process, and waits until they are linked.
pub(super) async fn nodes_of(folder: &Path) -> Result<Vec<Node>, Failure> {
    let mut nodes = Vec::with_capacity(3);
    for party in Party::ALL {
        nodes.push(node::start(&init::node_config(folder, party)).await?);
    }
    for (node, party) in nodes.iter().zip(Party::ALL) {
        let linked = tokio::time::timeout(PATIENCE, node.ready()).await;
        linked.map_err(|_| Failure::NodeEnded(party))?;
    }
    Ok(nodes)
}

/// Everything that `tumar init` writes, for three nodes on this machine.
pub(super) fn files_of(deployment: &str, rate: Rate) -> Result<TempDir, Failure> {
    let folder = TempDir::new().map_err(Failure::Runtime)?;
    plan(deployment, rate)?.write(folder.path())?;
    Ok(folder)
}

/// The same, still to be written: on ports that nobody listens on.
pub(super) fn plan(deployment: &str, rate: Rate) -> Result<init::Plan, Failure> {
    let [public, peer, audit] = free_ports().map_err(Failure::Runtime)?;
    let host = Ipv4Addr::LOCALHOST.to_string();
    Ok(init::Plan { deployment: deployment.parse()?, host, policy: rate.policy(), public, peer, audit })
}

/// Where ports are looked for: below those that the system gives to callers, since a node that is started again must find its own
/// port free.
const PORTS: Range<u16> = 12_000..19_998;

/// Three times three ports that nobody listens on now.
fn free_ports() -> std::io::Result<[[u16; 3]; 3]> {
    let blocks: Vec<u16> = PORTS.step_by(9).collect();
    // Those who look at the same time do not begin at the same place.
    let from = usize::try_from(std::process::id()).unwrap_or_default() % blocks.len();
    let turned = blocks[from..].iter().chain(&blocks[..from]);
    // All nine are held until all are known to be free.
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let are_free = |first: u16| (first..first + 9).map(bind).collect::<Result<Vec<TcpListener>, _>>().is_ok();
    let first = turned.copied().find(|first| are_free(*first)).ok_or(std::io::ErrorKind::AddrInUse)?;
    Ok([0, 3, 6].map(|offset| [0, 1, 2].map(|place| first + offset + place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_taken_are_passed_over() {
        let first = free_ports().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first[1][2])).unwrap();
        let next = free_ports().unwrap();
        assert!(
            first != next && next.iter().flatten().all(|port| (12_000..20_000).contains(port)),
            "{first:?} {next:?}"
        );
    }

    #[test]
    fn lifting_the_rate_changes_the_two_limits_and_nothing_else() {
        let (usual, lifted) = (Rate::OfThePolicy.policy(), Rate::Lifted.policy());
        let changed: Vec<&str> = usual
            .lines()
            .zip(lifted.lines())
            .filter(|(usual, lifted)| usual != lifted)
            .map(|(_, lifted)| lifted)
            .collect();
        assert_eq!(changed, ["requests_per_second = 1000000", "burst = 1000000"]);
        assert_eq!(usual.lines().count(), lifted.lines().count());
    }
}
