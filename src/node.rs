//! From a configuration to a node that runs: reads keys, opens log and store, links up, listens, and drains when told.

mod audit;
mod backup;
mod believed;
mod causes;
mod check;
mod config;
mod control;
mod daily;
mod descriptors;
mod error;
mod health;
mod keys;
mod own;
mod peers;
mod public;
mod reload;
mod restore;
mod stop;
mod troubles;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::transport::Server;

pub use backup::{BackupError, Manifest, Source, Summed, write as write_backup};
pub use check::{Finding, Verdict, check, worst};
pub use config::{AuditConfig, Config, IssuerConfig, LimitsConfig, PeerAuditConfig, PeerConfig, WitnessConfig};
pub use control::{ask_backup, summary};
pub use descriptors::{LEAST as LEAST_DESCRIPTORS, raise as raise_descriptors};
pub use error::NodeError;
pub use keys::Keys;
pub use restore::{Restore, RestoreError, Restored, restore};

use crate::clocks::{Clock, Clocks};
use crate::engine::{Counters, Ground, KeyRing, Leader, Parts, Resources, ToldKey};
use crate::handshake::Context as Terms;
use crate::log::access::AccessLog;
use crate::log::note::{NoteSigner, VerifierKey};
use crate::log::witness::Witness;
use crate::party::Party;
use crate::peer::{Behind, Breaks, Listener, MAX_FRAME, Own, Peers, Remote};
use crate::service::{Gate, MAX_SMALL, host};
use crate::store::{Store, StoreError};
use crate::template::model::Models;
use crate::tls::{Pinned, Secured};
use crate::token::Policy;
use crate::wire::peer::v1::peer_service_server::PeerServiceServer;
use believed::verifier;
use daily::Card;
use reload::Reload;
use stop::{Servers, Stop, stopped};

/// A node that runs.
pub struct Node {
    leader: Arc<Leader>,
    keys: Arc<KeyRing>,
    counters: Arc<Counters>,
    peers: Arc<Peers>,
    store: Store,
    log: AccessLog,
    public: SocketAddr,
    peer: SocketAddr,
    stop: Stop,
    servers: Servers,
    reload: Reload,
    /// This start made the store.
    made: bool,
}

/// Opens everything that the configuration names, and listens.
///
/// # Errors
/// [`NodeError`], by what is wrong; then nothing listens.
///
/// A boxed future: a node is compiled here once, and not in everything that starts one.
#[must_use = "futures do nothing unless polled"]
pub fn start(config: Config, clock: Clock) -> Pin<Box<dyn Future<Output = Result<Node, NodeError>> + Send>> {
    let file = config.file().to_owned();
    Box::pin(async move { open(config, clock).await.map_err(|error| error.of(&file)) })
}

async fn open(config: Config, clock: Clock) -> Result<Node, NodeError> {
    config.apart()?;
    let reads = Arc::clone(&clock);
    let Setup { parts, keys, peers, store, log, log_key, proposals, clocks, card, witness, made } =
        Box::pin(set_up(&config, clock)).await?;
    let rooms = descriptors::rooms(&config)?;
    let auditors =
        audit::port(&config, &parts.authorizer, (&log, &log_key), (&peers, witness), (clocks, rooms.auditors)).await?;
    let keys_dir = config.path(&config.keys);
    let peer_identity = keys::peer(&keys_dir, config.party)?;
    let public_identity = keys::tls(&keys_dir, "tls")?;
    let callers = config.clients.iter().map(|path| pinned(&config, path)).collect::<Result<Vec<_>, _>>()?;
    let public_listener = listen(&config.public).await?;
    let peer_listener = listen(&config.peer).await?;
    let (public, peer) = (bound(&public_listener, &config.public)?, bound(&peer_listener, &config.peer)?);
    let stop = Stop::default();
    let (stopping, closing) = (stop.tasks.subscribe(), stop.ports.subscribe());

    let pins = remotes(&config)?.map(|remote| remote.certificate);
    let peer_tls = crate::tls::pinned_server(&peer_identity, &pins)?;
    let links = PeerServiceServer::new(Listener(Arc::clone(&peers)))
        .max_decoding_message_size(MAX_FRAME)
        .max_encoding_message_size(MAX_FRAME);
    let peer_server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .add_service(links)
        .serve_with_incoming_shutdown(
            crate::tls::accept(peer_listener, peer_tls.clone(), rooms.peers).map(|stream| stream.map(kept)),
            stopped(stop.links.subscribe()),
        );

    let public_tls = crate::tls::open_server(&public_identity, &callers)?;
    let (health, health_service) = tonic_health::server::health_reporter();
    let health = tokio::spawn(health::report(health, Arc::clone(&peers), log.behind(), stopping.clone()));
    let routes = public::routes(&parts, &peers, config.deployment.clone())?;
    let routes = routes.add_service(health_service.max_decoding_message_size(MAX_SMALL));
    let callers = crate::tls::accept(public_listener, public_tls.clone(), rooms.clients);
    let public_server =
        host::serve(callers, Gate::new(Arc::clone(&parts.authorizer)), routes, stopped(closing.clone()));

    let Parts { leader, helper, authorizer, sweeper, counters, .. } = parts;
    tokio::spawn(helper.serve(proposals));
    Arc::clone(&peers).dial(&peer_identity)?;
    let web = auditors.as_ref().and_then(|port| port.tls.clone());
    let mut ports = vec![tokio::spawn(public_server)];
    ports.extend(auditors.map(|port| port.open(&log, &closing)));
    let (envelope_life, rotated) = (config.envelope_life()?, (Arc::clone(&keys), Arc::clone(&peers)));
    let mut destroying = vec![tokio::spawn(daily::rotate(rotated, card, envelope_life, stopping.clone()))];
    if config.party == Party::LEADER {
        tokio::spawn(daily::renew(Arc::clone(&leader), config.link_life()?, stopping.clone()));
    }
    look_after(&config, (&store, &log, &peers), reads, &stopping);
    destroying.push(tokio::spawn(daily::sweep(sweeper, Arc::clone(&peers), stopping)));
    let servers = Servers { health, ports, links: serve(peer_server), destroying };
    tracing::info!(party = %config.party, %public, %peer, "listening");
    let linked = Arc::clone(&peers);
    let reload = Reload { config, authorizer, peers: linked, public: public_tls, links: peer_tls, web };
    Ok(Node { leader, keys, counters, peers, store, log, public, peer, stop, servers, reload, made })
}

/// What a node does beside serving: answers its operator, looks at its published files, and tells what is wrong with its log.
fn look_after(
    config: &Config,
    (store, log, peers): (&Store, &AccessLog, &Arc<Peers>),
    clock: Clock,
    stopping: &watch::Receiver<bool>,
) {
    let source = Source { deployment: config.deployment.clone(), party: config.party, data: config.path(&config.data) };
    tokio::spawn(control::serve(store.clone(), source, clock, stopping.clone()));
    tokio::spawn(daily::scrub(log.clone(), stopping.clone()));
    tokio::spawn(troubles::tell(log.troubles(), Arc::clone(peers), stopping.clone()));
}

impl Node {
    /// Where clients are listened to.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where peers are listened to.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Waits until all three links are up, those of this node and that between the two others, and the three clocks agree.
    pub async fn ready(&self) {
        self.peers.ready().await;
    }

    /// Waits until a peer shows that this node's log is an older one than it cosigned, or another: the node must be stopped then, and
    /// writes nothing meanwhile.
    pub async fn fell_behind(&self) -> Behind {
        self.peers.fell_behind().await
    }

    /// The envelope keys that clients may seal to now, the current one first.
    #[must_use]
    pub fn told_keys(&self) -> Vec<ToldKey> {
        self.keys.told()
    }

    /// Its access log.
    #[must_use]
    pub const fn log(&self) -> &AccessLog {
        &self.log
    }

    /// Its store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What another node did to runs, since this one started.
    #[must_use]
    pub fn breaks(&self, peer: Party) -> Breaks {
        self.peers.breaks(peer)
    }

    /// Reads issuers' keys, officers and certificates again, as the files are now, and says in the log what came of it. Where one does
    /// not hold what it should, all stay as they were. Connections that stand go on.
    pub fn reload(&self) {
        self.reload.run();
    }

    /// Says that it serves no more, takes nothing more in, lets what is under way end for ten seconds at most, parts from its peers, and
    /// writes what waits.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be closed cleanly; nothing durable is lost.
    #[must_use = "futures do nothing unless polled"]
    pub fn stop(self) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(stop::drain(self))
    }

    /// The same, of a node that [fell behind](Self::fell_behind). A store that this start made, with no entry in its log, is taken away
    /// again: it would be in the way of the one that is put back.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    #[must_use = "futures do nothing unless polled"]
    pub fn stop_behind(self) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> {
        Box::pin(stop::drain_behind(self))
    }
}

struct Setup {
    parts: Parts,
    keys: Arc<KeyRing>,
    peers: Arc<Peers>,
    store: Store,
    log: AccessLog,
    log_key: VerifierKey,
    proposals: mpsc::Receiver<crate::peer::Proposed>,
    clocks: Arc<Clocks>,
    card: Card,
    witness: Option<Arc<Witness>>,
    made: bool,
}

/// Everything but the sockets.
async fn set_up(config: &Config, clock: Clock) -> Result<Setup, NodeError> {
    let models_text = config.text(&config.models)?;
    let models = Models::parse(&models_text).map_err(|error| NodeError::Models(config.path(&config.models), error))?;
    let policy = Policy::parse(&config.text(&config.policy)?, &models)
        .map_err(|error| NodeError::Policy(config.path(&config.policy), error))?;
    let terms = Terms { policy: *policy.digest(), models: *models.digest() };
    let verifier = verifier(config)?;
    let own = Keys::read(&config.path(&config.keys))?;
    let identity = Arc::new(own.identity);
    let data = config.path(&config.data);
    let made = check::is_new(&data)?;
    std::fs::create_dir_all(&data).map_err(|error| NodeError::File(data.clone(), error))?;
    let file = data.join("store.sqlite");
    let store = Store::open(&file, config.deployment.clone(), config.party, own.store).await;
    let store = store.map_err(|error| NodeError::Open(file, error))?;
    if config.accept_clock {
        store.danger_set_acted(clock()).await?;
    }
    let clocks = Arc::new(Clocks::new(config.party, clock, store.acted()));
    let signer = NoteSigner::new(crate::log::note::log_name(&config.deployment, config.party), own.log);
    let keys = KeyRing::open(store.clone(), config.envelope_life()?, Arc::clone(&clocks)).await?;
    let keys = Arc::new(keys);
    let log_key = signer.verifier().clone();
    let log = AccessLog::open(store.clone(), *policy.limits(), signer, &data.join("log"), clocks.known()).await?;
    let limits = config.limits();
    let witness = audit::witness(config)?;
    let ground = Ground::open(Resources {
        party: config.party,
        deployment: config.deployment.clone(),
        verifier,
        policy,
        models,
        keys: Arc::clone(&keys),
        identity: Arc::clone(&identity),
        log: log.clone(),
        store: store.clone(),
        limits,
        clocks: Arc::clone(&clocks),
        witness: witness.clone(),
    });
    let ground = Box::pin(ground).await?;
    let card = Card::new(config, Arc::clone(&identity), &log_key, context(&terms));
    keys.rotate().await?;
    let node = card.node(&keys.told());
    let (proposed, proposals) = mpsc::channel(4 * limits.in_flight);
    let (deployment, link_life) = (config.deployment.clone(), config.link_life()?);
    let (context, patience) = (terms, limits.patience);
    let accept_store = config.accept_store;
    let own = Own { party: config.party, deployment, identity, context, node, link_life, patience, accept_store };
    let peers = Peers::new(own, remotes(config)?, proposed, ground.settle(), Arc::clone(&clocks));
    let parts = ground.start(&peers)?;
    Ok(Setup { parts, keys, peers, store, log, log_key, proposals, clocks, card, witness, made })
}

/// Equal at all three nodes, or they do not connect; clients are told it.
fn context(terms: &Terms) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(b"tumar context v1");
    hash.update(&terms.policy);
    hash.update(&terms.models);
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

fn remotes(config: &Config) -> Result<[Remote; 2], NodeError> {
    let mut remotes = Vec::with_capacity(2);
    for peer in &config.peers {
        remotes.push(Remote {
            party: peer.party,
            address: peer.address.clone(),
            certificate: pinned(config, &peer.certificate)?,
            identity: peer.identity().ok_or(NodeError::Peers)?,
        });
    }
    remotes.sort_by_key(|remote| remote.party);
    let others: Vec<Party> = Party::ALL.into_iter().filter(|&party| party != config.party).collect();
    if remotes.iter().map(|remote| remote.party).ne(others) {
        return Err(NodeError::Peers);
    }
    remotes.try_into().map_err(|_| NodeError::Peers)
}

fn pinned(config: &Config, path: &std::path::Path) -> Result<Pinned, NodeError> {
    let pem = config.bytes(path)?;
    Pinned::from_pem(&pem).map_err(|error| NodeError::Certificate(config.path(path), error))
}

async fn listen(address: &str) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|error| NodeError::Listen(address.to_owned(), error))
}

fn bound(listener: &TcpListener, address: &str) -> Result<SocketAddr, NodeError> {
    listener.local_addr().map_err(|error| NodeError::Listen(address.to_owned(), error))
}

fn serve(server: impl Future<Output = Result<(), tonic::transport::Error>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "a server task ended");
        }
    })
}

/// A peer has shown who it is: nobody takes its place.
fn kept(mut stream: Secured) -> Secured {
    stream.get_mut().0.keep();
    stream
}

/// Keeps this process out of core dumps, and its memory from other processes of the same user.
///
/// Says so where the system does not allow it; a node then runs all the same.
pub fn harden_process() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let core = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    if dumpable.is_err() || core.is_err() {
        tracing::warn!("core dumps could not be turned off");
    }
}
