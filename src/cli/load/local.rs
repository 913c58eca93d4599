//! Three nodes as processes of their own, on files of their own: started, killed, started again, and watched.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tumar::client::{ClientConfig, NodePin};
use tumar::node::Config;
use tumar::party::Party;
use tumar::tls::{Dialler, Pinned};
use tumar::wire::v1;
use tumar::wire::v1::matching_service_client::MatchingServiceClient;

use crate::cli::failure::Failure;
use crate::cli::world::{Rate, files_of};
use crate::cli::{files, init};

/// How long nodes may take to start, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often they are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Three nodes of this machine. Dropped, they are killed, and their files are gone.
pub(super) struct Local {
    program: PathBuf,
    folder: TempDir,
    nodes: [Child; 3],
}

impl Drop for Local {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // One that has ended already is what is wanted.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// What the nodes held in memory at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Since the beginning.
    pub(super) at: Duration,
    /// Resident, in KiB: of A, B, C. None where the system does not tell, or the node is not there.
    pub(super) kib: [Option<u64>; 3],
}

impl Local {
    /// Writes the files, starts the nodes, and waits until all are linked.
    pub(super) async fn start(deployment: &str) -> Result<Self, Failure> {
        let folder = files_of(deployment, Rate::Lifted)?;
        let program = std::env::current_exe().map_err(Failure::Runtime)?;
        let [a, b, c] = Party::ALL.map(|party| spawn(&program, folder.path(), party));
        let mut local = Self { program, folder, nodes: [a?, b?, c?] };
        local.linked().await?;
        Ok(local)
    }

    /// What `tumar init` wrote, and what the nodes write.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The nodes' keys, as a client has them pinned.
    pub(super) fn pins(&self) -> Result<[NodePin; 3], Failure> {
        Ok(ClientConfig::read(&init::client_config(self.folder()))?.nodes)
    }

    /// Waits until every node knows both others.
    pub(super) async fn linked(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        for party in Party::ALL {
            while !is_linked(self.folder.path(), party).await? {
                let ended = self.nodes[party.index()].try_wait().map_err(Failure::Runtime)?;
                if ended.is_some() || Instant::now() > until {
                    return Err(Failure::NodeEnded(party));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Kills a node where it stands, without a word to it, and starts it again.
    pub(super) fn restart(&mut self, party: Party) -> Result<(), Failure> {
        let node = &mut self.nodes[party.index()];
        // SIGKILL: no handler runs, nothing is written.
        node.kill().and_then(|()| node.wait()).map_err(Failure::Runtime)?;
        *node = spawn(&self.program, self.folder.path(), party)?;
        Ok(())
    }

    /// What the nodes hold in memory now.
    pub(super) fn memory(&self, at: Duration) -> Memory {
        Memory { at, kib: self.nodes.each_ref().map(|node| resident(node.id())) }
    }

    /// Lets the nodes write what waits, and end.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        for node in &self.nodes {
            // One that has ended by itself is found out below.
            let _ = kill_process(Pid::from_child(node), Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        for (party, node) in Party::ALL.into_iter().zip(&mut self.nodes) {
            let ended: Option<ExitStatus> = loop {
                let ended = node.try_wait().map_err(Failure::Runtime)?;
                if ended.is_some() || Instant::now() > until {
                    break ended;
                }
                sleep(LOOK).await;
            };
            if !ended.is_some_and(|status| status.success()) {
                return Err(Failure::NodeEnded(party));
            }
        }
        Ok(())
    }
}

/// A node as a process; its errors come out on standard error.
fn spawn(program: &Path, folder: &Path, party: Party) -> Result<Child, Failure> {
    let mut command = Command::new(program);
    command.args(["node", "--config"]).arg(init::node_config(folder, party)).stdout(Stdio::null());
    if std::env::var_os("RUST_LOG").is_none() {
        command.env("RUST_LOG", "error");
    }
    command.spawn().map_err(Failure::Runtime)
}

/// Whether a node knows who the three are. One that does not answer yet does not.
async fn is_linked(folder: &Path, party: Party) -> Result<bool, Failure> {
    let config = init::node_config(folder, party);
    let pem = files::read(&config.with_file_name("keys").join("tls.crt"))?;
    let pinned = Pinned::from_pem(&pem).map_err(tumar::client::ClientError::Tls)?;
    let dialler = Dialler::new(None, &pinned, "localhost").map_err(tumar::client::ClientError::Tls)?;
    let public = Config::read(&config)?.public;
    let Ok(channel) = dialler.dial(&public).await else { return Ok(false) };
    Ok(MatchingServiceClient::new(channel).get_committee(v1::GetCommitteeRequest {}).await.is_ok())
}

/// Memory that a process holds, in KiB, where the system has `/proc`.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_memory_and_one_that_is_not_there_holds_none() {
        let held = resident(std::process::id()).unwrap();
        assert!((1024..64 * 1024 * 1024).contains(&held), "{held} KiB");
        // Above the highest number that a process has.
        assert_eq!(resident(u32::MAX), None);
    }
}
