//! The port for auditors, and cosignatures for the own log.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::stop::stopped;
use super::{Config, NodeError, PeerConfig, keys, listen};
use crate::audit_server::{NodeKeys, Parts, Server};
use crate::clocks::Clocks;
use crate::cosigning::{self, Unheard, Witness as Asked};
use crate::engine::Authorizer;
use crate::guests::Room;
use crate::log::access::AccessLog;
use crate::log::cosign::{Cosigner, CosignerKey, witness_name};
use crate::log::note::VerifierKey;
use crate::log::witness::{AddCheckpoint, Witness, WitnessError};
use crate::party::Party;
use crate::peer::{Cosigner as CosignsPeers, Peers};
use crate::tls::WebTls;
use crate::web::{Answer, HttpClient};

/// How long a witness, or another node whose log is relayed, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The port, before it listens.
pub(super) struct Port {
    server: Server,
    listener: TcpListener,
    pub(super) tls: Option<WebTls>,
    /// For the log that is written, and for the one that ended last.
    asked: [Vec<Asked>; 2],
}

/// Puts the port together; none is wanted without its table in the configuration.
pub(super) async fn port(
    config: &Config,
    authorizer: &Arc<Authorizer>,
    (log, own): (&AccessLog, &VerifierKey),
    (links, witness): (&Arc<Peers>, Option<Arc<Witness>>),
    (clocks, room): (Arc<Clocks>, Arc<Room>),
) -> Result<Option<Port>, NodeError> {
    let (Some(audit), Some(witness)) = (&config.audit, witness) else { return Ok(None) };
    let folder = config.path(&config.keys);
    let mut peers = Vec::new();
    for peer in &config.peers {
        let seen = peer.audit.as_ref().ok_or(NodeError::Auditors(peer.party))?;
        let keys = NodeKeys { log: vkey(&seen.log_key)?, cosigner: cosigner_key(&seen.cosigner)? };
        peers.push((peer.party, keys, site(config, &seen.url, seen.certificate.as_ref())?));
    }
    let (mut witnesses, mut outside) = (Vec::new(), Vec::new());
    for witness in &audit.witnesses {
        let key = cosigner_key(&witness.key)?;
        outside.push((key.clone(), site(config, &witness.url, witness.certificate.as_ref())?));
        witnesses.push(key);
    }
    let all = || {
        let nodes = peers.iter().map(|(party, keys, _)| over_link(*party, keys.cosigner.clone(), links));
        nodes.chain(outside.iter().map(|(key, site)| Asked::at(key.clone(), site.clone()))).collect()
    };
    let asked = [all(), all()];
    let mut keys = vec![(config.party, NodeKeys { log: own.clone(), cosigner: witness.verifier().clone() })];
    keys.extend(peers.iter().map(|(party, keys, _)| (*party, keys.clone())));
    keys.sort_by_key(|(party, _)| *party);
    let keys: Vec<NodeKeys> = keys.into_iter().map(|(_, keys)| keys).collect();
    links.cosign_by(cosigner_of(Arc::clone(&witness), Arc::clone(&clocks)));
    let reads = Arc::clone(authorizer);
    let parts = Parts {
        party: config.party,
        deployment: config.deployment.clone(),
        keys: keys.try_into().map_err(|_| NodeError::Peers)?,
        witnesses,
        logs: log.directory().to_owned(),
        peers: peers.into_iter().map(|(party, _, site)| (party, site)).collect(),
        witness: Some(witness),
        readers: Arc::new(move |token| reads.may_read(token).is_ok()),
        clock: Arc::new(move || clocks.now().ok()),
        room,
    };
    let tls = if audit.plain { None } else { Some(WebTls::new(&keys::tls(&folder, "tls")?)?) };
    let listener = listen(&audit.address).await?;
    Ok(Some(Port { server: Server::new(parts), listener, tls, asked }))
}

impl Port {
    /// Listens, and gets cosignatures, until told to stop.
    pub(super) fn open(self, log: &AccessLog, stopping: &watch::Receiver<bool>) -> JoinHandle<()> {
        let [current, ended] = self.asked;
        for (notes, asked) in [(log.published(), current), (log.ended(), ended)] {
            let asking = cosigning::run(notes, asked, Arc::new(log.clone()));
            let stop = stopped(stopping.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = asking => {}
                    () = stop => {}
                }
            });
        }
        tokio::spawn(self.server.serve(self.listener, self.tls, stopped(stopping.clone())))
    }
}

/// Another node, asked over the link to it.
fn over_link(party: Party, key: CosignerKey, links: &Arc<Peers>) -> Asked {
    // Weak: the log's tasks hold no link.
    let (links, runtime) = (Arc::downgrade(links), Handle::current());
    let ask = move |body: &str| {
        let (links, body) = (links.upgrade().ok_or(Unheard::Link)?, body.to_owned());
        let (tell, told) = oneshot::channel();
        // A task of the runtime ends with it; a thread that waits on its clock would panic then.
        runtime.spawn(async move { tell.send(links.ask_to_cosign(party, body).await) });
        let answer = told.blocking_recv().ok().flatten().ok_or(Unheard::Link)?;
        Ok(Answer { status: answer.0, body: answer.1 })
    };
    Asked::new(key, Box::new(ask))
}

/// What other nodes' checkpoints are cosigned by, when they ask over their links.
fn cosigner_of(witness: Arc<Witness>, clocks: Arc<Clocks>) -> CosignsPeers {
    Arc::new(move |body| {
        let Ok(now) = clocks.now() else { return (503, Vec::new()) };
        match AddCheckpoint::parse(body).and_then(|asked| witness.add(&asked, now)) {
            Ok(line) => (200, line.into_bytes()),
            Err(error) => {
                if matches!(error, WitnessError::State(_)) {
                    tracing::error!(error = &error as &dyn std::error::Error, "the checkpoint was not cosigned");
                }
                (error.status(), error.size().map(|size| format!("{size}\n").into_bytes()).unwrap_or_default())
            }
        }
    })
}

/// What cosigns the others' logs, and remembers what it cosigned; none without the table in the configuration.
pub(super) fn witness(config: &Config) -> Result<Option<Arc<Witness>>, NodeError> {
    if config.audit.is_none() {
        return Ok(None);
    }
    let key = keys::signing(&config.path(&config.keys).join("witness.pk8"))?;
    let cosigner = Cosigner::new(witness_name(&config.deployment, config.party), key);
    let log = |peer: &PeerConfig| vkey(&peer.audit.as_ref().ok_or(NodeError::Auditors(peer.party))?.log_key);
    let logs = config.peers.iter().map(log).collect::<Result<_, _>>()?;
    Ok(Some(Arc::new(Witness::new(cosigner, logs, &config.path(&config.data).join("witness")))))
}

pub(super) fn site(config: &Config, url: &str, certificate: Option<&PathBuf>) -> Result<HttpClient, NodeError> {
    let root = certificate.map(|path| config.bytes(path)).transpose()?;
    let at = || certificate.map(|path| config.path(path)).unwrap_or_default();
    HttpClient::new(url, root.as_deref(), PATIENCE).map_err(|error| NodeError::Web(at(), error))
}

fn vkey(text: &str) -> Result<VerifierKey, NodeError> {
    text.parse().map_err(|_| NodeError::VerifierKey)
}

fn cosigner_key(text: &str) -> Result<CosignerKey, NodeError> {
    text.parse().map_err(|_| NodeError::VerifierKey)
}

impl cosigning::Log for AccessLog {
    fn consistency(&self, origin: &crate::log::note::KeyName, old: u64, new: u64) -> Option<Vec<[u8; 32]>> {
        let half = origin.as_str().rsplit_once('/')?.1.parse().ok()?;
        Self::consistency(self, half, old, new).ok()
    }

    fn replace(&self, note: &str) -> io::Result<()> {
        self.put_cosigned(note).map(drop).map_err(|error| io::Error::other(super::causes::with_causes(&error)))
    }
}
