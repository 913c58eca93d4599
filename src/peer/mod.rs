//! The links to the two other nodes: one gRPC stream for each pair, over mutual TLS with pinned certificates.
//!
//! ```text
//! dial or accept --> certificate is the peer's --> Hello, Finish (fresh keys, signed) --> each log continues what the other
//! cosigned of it --> missed decisions settled --> up
//!
//! up:  protocol messages  --by session id-->  the Pipe of that run        (connection.rs)
//!      Ready Vote ..      --by batch id---->  the Mailbox of that batch   (mailroom.rs)
//!      Proposal           ----------------->  the engine
//! ```
//!
//! Each end says every second what its clock says. A node is ready while all three links are up and all three clocks agree.
//!
//! A stream that breaks ends every run on it; the next connect has new keys, and no run is resumed.

mod certificates;
mod connection;
mod continuity;
mod cosign;
mod deliver;
mod explain;
mod fitness;
mod inbox;
mod leaving;
mod links;
mod listener;
mod ready;
mod renewal;
mod step;
mod told;
mod trust;
mod unavailable;
mod why;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};
use tokio_stream::StreamExt as _;

pub use connection::Connection;
pub use cosign::Cosigner;
pub use inbox::{BatchMessage, Mailbox};
pub use links::{BatchId, Links};
pub use listener::Listener;
pub use renewal::RECONNECT;
pub use trust::{Breaks, MOST_BREAKS};
pub use unavailable::PeerUnavailable;
pub use why::{Behind, Check, LinkError, Parted};

use crate::clocks::Clocks;
use crate::handshake::{Context, Ends, Established, Start};
use crate::log::continuity::Gap;
use crate::log::note::SigningKey;
use crate::log::trouble::Trouble;
use crate::name::Deployment;
use crate::party::Party;
use crate::store::Stand;
use crate::tls::{Dialler, Pinned};
use crate::wire::peer::v1 as wire;
use crate::wire::v1::Node;
use certificates::Certificates;
use connection::Outbound;
use cosign::Cosigning;
use explain::next;
use inbox::BatchInbox;
use renewal::Renewals;
use step::Word;
use trust::Trust;
use why::Why;
use wire::frame::Kind;
use wire::peer_service_client::PeerServiceClient;

/// Largest frame that a peer may send, in bytes: a batch of requests, or a round of a large run.
pub const MAX_FRAME: usize = 16 << 20;

/// Frames that may wait for a peer before its sender is made to wait as well.
const QUEUE: usize = 256;

/// What the links need of the engine when a pair connects: no batch runs while a change is in doubt.
#[tonic::async_trait]
pub trait Settle: Send + Sync + 'static {
    /// At a helper: names of the changes that stand prepared and undecided.
    async fn undecided(&self) -> Result<Vec<[u8; 32]>, LinkError>;
    /// At the leader: whether each was committed. From this answer on, one that was not never will be.
    async fn decide(&self, changes: &[[u8; 32]]) -> Result<Vec<bool>, LinkError>;
    /// At a helper: ends each as the leader said.
    async fn conclude(&self, changes: &[[u8; 32]], commit: &[bool]) -> Result<(), LinkError>;
    /// The last checkpoints of a peer's log that this node cosigned, one a half-year.
    async fn cosigned(&self, peer: Party) -> Result<Vec<String>, LinkError>;
    /// Whether this node's log continues these checkpoints of it, or what of it is missing.
    async fn continues(&self, checkpoints: Vec<String>) -> Result<Option<Gap>, LinkError>;
    /// At the leader: returns once no batch is under way.
    async fn rest(&self);
    /// How far the store is.
    fn stand(&self) -> Stand;
    /// Takes as lost what the store lacks of so many changes. False if that could not be written.
    async fn catch_up(&self, made: u64) -> bool;
}

/// A batch that the leader asks this node to check and run.
pub struct Proposed {
    /// The link to the leader.
    pub leader: Arc<Connection>,
    /// What it asks.
    pub proposal: wire::Proposal,
}

/// One peer, as configured.
pub struct Remote {
    /// Which party.
    pub party: Party,
    /// `host:port` of its peer listener.
    pub address: String,
    /// Its certificate for mutual TLS.
    pub certificate: Pinned,
    /// Its Ed25519 identity key.
    pub identity: [u8; 32],
}

/// Who this node is on every link.
pub struct Own {
    /// Which party.
    pub party: Party,
    /// The installation.
    pub deployment: Deployment,
    /// Signs the key agreements.
    pub identity: Arc<SigningKey>,
    /// Policy and models: nodes that differ do not connect.
    pub context: Context,
    /// Keys for clients, signed; others follow by [`Peers::announce`].
    pub node: Node,
    /// For how long a link stays up before it is shaken anew.
    pub link_life: Duration,
    /// How long a call waits for a peer's word. Who has said nothing at all for so long is not waited for.
    pub patience: Duration,
    /// The operator says that what the own store lacks is lost.
    pub accept_store: bool,
}

/// Both links of a node.
pub struct Peers {
    own: Own,
    /// This node's keys for clients, as they are told now.
    node: watch::Sender<Node>,
    /// Some node, this one or a peer, told of other keys for clients.
    told: Notify,
    remotes: [Remote; 2],
    certificates: RwLock<Certificates>,
    up: [watch::Sender<Option<Arc<Connection>>>; 3],
    mailroom: Arc<BatchInbox>,
    proposals: mpsc::Sender<Proposed>,
    settle: Arc<dyn Settle>,
    epoch: Mutex<Option<Links>>,
    whole: watch::Sender<bool>,
    clocks: Arc<Clocks>,
    trust: Trust,
    why: Why,
    /// Which peers' clocks go with this node's.
    together: watch::Sender<[bool; 3]>,
    /// Since when not all three links are up.
    parted: Mutex<Option<Instant>>,
    renewals: Renewals,
    cosigning: Cosigning,
    /// What is wrong with this node's log.
    trouble: watch::Sender<Option<Trouble>>,
    /// What a peer cosigned and this node's log does not have.
    fallen: watch::Sender<Option<Behind>>,
    /// How many changes the others' stores have made, as each told last.
    made: Mutex<[Option<u64>; 3]>,
    /// How the own store stands.
    step: watch::Sender<Word>,
    /// All three can work together, and their stores are in step.
    fit: watch::Sender<bool>,
    catching_up: AtomicBool,
    closed: watch::Sender<bool>,
}

impl Peers {
    /// Links that are down. Proposals from the leader go to `proposals`.
    pub fn new(
        own: Own,
        remotes: [Remote; 2],
        proposals: mpsc::Sender<Proposed>,
        settle: Arc<dyn Settle>,
        clocks: Arc<Clocks>,
    ) -> Arc<Self> {
        let up = Party::ALL.map(|_| watch::Sender::new(None));
        let pins = remotes.each_ref().map(|remote| remote.certificate.clone());
        let certificates = Certificates { pins, diallers: [None, None] };
        let (whole, closed) = (watch::Sender::new(false), watch::Sender::new(false));
        let (mailroom, epoch) = (Arc::default(), Mutex::default());
        let (together, node) = (watch::Sender::new([false; 3]), watch::Sender::new(own.node.clone()));
        Arc::new(Self {
            own,
            node,
            told: Notify::new(),
            certificates: RwLock::new(certificates),
            remotes,
            up,
            mailroom,
            proposals,
            settle,
            epoch,
            whole,
            clocks,
            trust: Trust::default(),
            why: Why::default(),
            together,
            parted: Mutex::new(Some(Instant::now())),
            renewals: Renewals::default(),
            cosigning: Cosigning::default(),
            trouble: watch::Sender::new(None),
            fallen: watch::Sender::new(None),
            made: Mutex::default(),
            step: watch::Sender::default(),
            fit: watch::Sender::new(false),
            catching_up: AtomicBool::new(false),
            closed,
        })
    }

    /// The link to a party.
    ///
    /// # Errors
    /// [`PeerUnavailable::Gone`] while it is down, [`PeerUnavailable::Silent`] while nothing at all is heard on it,
    /// [`PeerUnavailable::Unfit`] while the party can not write its log, [`PeerUnavailable::Distrusted`] if that stays so.
    pub fn link(&self, party: Party) -> Result<Arc<Connection>, PeerUnavailable> {
        if !self.trust.is_trusted(party) {
            return Err(PeerUnavailable::Distrusted(party));
        }
        let link = self.up[party.index()].borrow().clone().ok_or(PeerUnavailable::Gone(party))?;
        if self.is_silent(&link) {
            return Err(PeerUnavailable::Silent(party));
        }
        link.trouble().map_or(Ok(link), |trouble| Err(PeerUnavailable::Unfit(party, trouble)))
    }

    /// Both links as they are now, with the randomness that belongs to them, for one run.
    ///
    /// # Errors
    /// [`PeerUnavailable::Gone`] while one is down, [`PeerUnavailable::Leaving`] if it will be in a moment, [`PeerUnavailable::Distrusted`]
    /// if that stays so.
    pub fn links(&self) -> Result<Links, PeerUnavailable> {
        self.may_write()?;
        let (next, prev) = (self.staying(self.own.party.next())?, self.staying(self.own.party.prev())?);
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        match &*epoch {
            Some(links) if Arc::ptr_eq(&links.next, &next) && Arc::ptr_eq(&links.prev, &prev) => Ok(links.clone()),
            Some(_) | None => Ok(epoch.insert(Links::new(self.own.party, next, prev)).clone()),
        }
    }

    /// Ends both links for good; what runs on them ends with them.
    pub fn close(&self) {
        // First: a link that comes up from now on goes down by itself, and none is dialled again.
        self.closed.send_replace(true);
        self.hang_up();
    }

    /// Ends both links; they are dialled anew.
    fn hang_up(&self) {
        for slot in &self.up {
            if let Some(link) = &*slot.borrow() {
                link.hang_up();
            }
        }
    }

    /// Waits until no link is to be up any more.
    async fn closed(&self) {
        // The sender lives as long as self.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// A mailbox for the notes of one batch that runs over these links.
    pub fn mailbox(&self, batch: BatchId, links: &Links) -> Mailbox {
        let mut mailbox = BatchInbox::open(&self.mailroom, batch);
        for link in [&links.next, &links.prev] {
            // It may have ended before there was a box to tell.
            if link.is_over() {
                mailbox.know(link.peer, BatchMessage::Gone);
            }
        }
        mailbox
    }

    /// Dials the peers that come after this party, until closed: a link that breaks is dialled again.
    ///
    /// # Errors
    /// [`TlsError`](crate::tls::TlsError) if a certificate is not one.
    pub fn dial(self: Arc<Self>, own: &crate::tls::TlsIdentity) -> Result<(), crate::tls::TlsError> {
        self.certify(own, self.remotes.each_ref().map(|remote| remote.certificate.clone()))?;
        for place in 0..self.remotes.len() {
            if self.remotes[place].party > self.own.party {
                tokio::spawn(Self::keep_up(Arc::clone(&self), place));
            }
        }
        if self.own.party == renewal::BETWEEN_HELPERS {
            tokio::spawn(Self::renew_when_asked(self));
        }
        Ok(())
    }

    async fn keep_up(self: Arc<Self>, place: usize) {
        let peer = self.remotes[place].party;
        let mut wait = Duration::from_millis(50);
        while !*self.closed.borrow() && self.trust.is_trusted(peer) {
            let Some(dialler) = self.dialler(place) else { return };
            match self.dial_once(&self.remotes[place], &dialler).await {
                Ok(()) => wait = Duration::from_millis(50),
                Err(error) => {
                    self.explain(&self.remotes[place], &self.remotes[place].address, &error);
                    wait = (wait * 2).min(Duration::from_secs(2));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closed() => return,
            }
        }
    }

    /// Connects, and stays until the link breaks.
    async fn dial_once(&self, remote: &Remote, dialler: &Dialler) -> Result<(), LinkError> {
        let channel = dialler.dial(&remote.address).await?;
        let mut client = PeerServiceClient::new(channel).max_decoding_message_size(MAX_FRAME);
        let (out, frames) = connection::outbound();
        let frames = frames.map(|frame| wire::ConnectRequest { frame: Some(frame) });
        let inbound = client.connect(frames).await.map_err(Box::new)?.into_inner();
        let inbound = inbound.filter_map(|message| message.ok()?.frame?.kind);
        self.run((remote, &remote.address), inbound, out).await
    }

    /// Opens the link, serves it until it breaks, and takes it down again.
    async fn run<S>(&self, (remote, address): (&Remote, &str), mut inbound: S, out: Outbound) -> Result<(), LinkError>
    where
        S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
    {
        let mut told = self.node.subscribe();
        let own = told.borrow_and_update().clone();
        let (established, node) = self.opened(remote, own, &mut inbound, &out).await?;
        let connection = Arc::new(Connection::new(remote.party, &established, node, out));
        let slot = &self.up[remote.party.index()];
        slot.send_replace(Some(Arc::clone(&connection)));
        // In the place of one that is broken and was not known to be, this one has not spoken yet.
        self.judge();
        tracing::info!(peer = %remote.party, "link up");
        let aged = self.aged(&connection);
        let (telling, telling_keys) = (self.tell(&connection), Self::tell_of_keys(&connection, told));
        tokio::pin!(telling, telling_keys, aged);
        loop {
            let kind = tokio::select! {
                kind = inbound.next() => kind,
                () = connection.hung_up() => None,
                () = self.closed() => None,
                () = &mut telling => None,
                () = &mut telling_keys => None,
                () = &mut aged => None,
            };
            let Some(kind) = kind else { break };
            connection.hear();
            if let Err(error) = self.deliver(&connection, kind) {
                self.explain(remote, address, &error);
                break;
            }
        }
        connection.hang_up();
        slot.send_if_modified(|up| {
            let ours = up.as_ref().is_some_and(|now| Arc::ptr_eq(now, &connection));
            if ours {
                *up = None;
                self.clocks.lose(remote.party);
            }
            ours
        });
        self.judge();
        self.left(&connection);
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        // Else it would hold the stream's sending end, and the stream would not end.
        epoch.take_if(|links| Arc::ptr_eq(links.to(remote.party), &connection));
        drop(epoch);
        self.mailroom.gone(remote.party);
        self.cosigning.gone(remote.party);
        tracing::info!(peer = %remote.party, "link down");
        Ok(())
    }

    async fn open<S>(
        &self,
        remote: &Remote,
        own: Node,
        inbound: &mut S,
        out: &Outbound,
    ) -> Result<(Established, Node), LinkError>
    where
        S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
    {
        if !self.trust.is_trusted(remote.party) {
            return Err(LinkError::Distrusted);
        }
        let Own { party, deployment, context, .. } = &self.own;
        let (start, hello) = Start::new(&Ends { own: *party, peer: remote.party, deployment, context })?;
        out.say(Kind::Hello(wire::Hello { hello: hello.into_vec(), node: Some(own) })).await?;
        let Kind::Hello(theirs) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
        let (waiting, finish) = start.hello(&theirs.hello, &self.own.identity)?;
        out.say(Kind::Finish(wire::Finish { finish: finish.into_vec() })).await?;
        let Kind::Finish(finish) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
        let established = waiting.finish(&finish.finish, &remote.identity)?;
        let node = theirs.node.ok_or(LinkError::Node)?;
        self.believe(&node, remote)?;
        // First: an older copy of a store knows nothing of what was decided since.
        self.compare_logs(remote.party, inbound, out).await?;
        self.settle(remote.party, inbound, out).await?;
        Ok((established, node))
    }

    /// Helpers ask the leader what became of the changes that they were left with; nothing runs on the link before that.
    async fn settle<S>(&self, peer: Party, inbound: &mut S, out: &Outbound) -> Result<(), LinkError>
    where
        S: tokio_stream::Stream<Item = Kind> + Send + Unpin,
    {
        if peer == Party::LEADER {
            let changes = self.settle.undecided().await?;
            out.say(Kind::Undecided(wire::Undecided { changes: changes.iter().map(|c| c.to_vec()).collect() })).await?;
            let Kind::Decided(decided) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
            if decided.commit.len() != changes.len() {
                return Err(LinkError::OutOfPlace);
            }
            self.settle.conclude(&changes, &decided.commit).await
        } else if self.own.party == Party::LEADER {
            let Kind::Undecided(asked) = next(inbound).await? else { return Err(LinkError::OutOfPlace) };
            let changes: Result<Vec<[u8; 32]>, _> = asked.changes.into_iter().map(<[u8; 32]>::try_from).collect();
            let commit = self.settle.decide(&changes.map_err(|_| LinkError::OutOfPlace)?).await?;
            out.say(Kind::Decided(wire::Decided { commit })).await
        } else {
            Ok(())
        }
    }
}

/// The name in a node's certificate for its peers.
#[must_use]
pub fn tls_name(party: Party) -> String {
    format!("node-{}.tumar.internal", party.letter())
}
