//! One link that is up.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use zeroize::Zeroizing;

use super::step::Word;
use super::unavailable::PeerUnavailable;
use super::{Check, LinkError, QUEUE};
use crate::handshake::Established;
use crate::log::trouble::Trouble;
use crate::net::{Frame, PIPE_DEPTH, Pipe, SessionId, Step};
use crate::party::Party;
use crate::prss::PairSeed;
use crate::wire::peer::v1 as wire;
use crate::wire::v1::Node;
use wire::frame::Kind;

/// Messages of runs that have not begun here yet: a peer is ahead by a message or two at most.
const EARLY: usize = 256;

/// The sending ends of a link.
pub(super) struct Outbound {
    notes: mpsc::Sender<Kind>,
    messages: mpsc::Sender<Frame>,
}

impl Outbound {
    pub(super) async fn say(&self, kind: Kind) -> Result<(), LinkError> {
        self.notes.send(kind).await.map_err(|_| LinkError::Gone)
    }

    /// Says it if that takes no waiting.
    fn try_say(&self, kind: Kind) {
        drop(self.notes.try_send(kind));
    }
}

/// The two queues of a link, and the one stream that carries both.
pub(super) fn outbound() -> (Outbound, impl Stream<Item = wire::Frame> + Send + 'static) {
    let (notes, waiting_notes) = mpsc::channel(QUEUE);
    let (messages, waiting_messages) = mpsc::channel(QUEUE);
    let messages_out = ReceiverStream::new(waiting_messages).map(|frame: Frame| {
        Kind::Message(wire::Message {
            session: frame.session.0.to_vec(),
            number: frame.number,
            step: u32::from(frame.step.code()),
            body: frame.body,
            tag: frame.tag.to_vec(),
        })
    });
    let frames = ReceiverStream::new(waiting_notes).merge(messages_out).map(|kind| wire::Frame { kind: Some(kind) });
    (Outbound { notes, messages }, frames)
}

#[derive(Default)]
struct Runs {
    open: HashMap<SessionId, mpsc::Sender<Frame>>,
    early: VecDeque<Frame>,
    /// The link has ended: a run that begins now hears nothing.
    over: bool,
}

/// One link that is up.
pub struct Connection {
    /// Who is at the other end.
    pub peer: Party,
    /// Its keys for clients, as it told of them last.
    node: Mutex<Node>,
    seed: Zeroizing<[u8; 32]>,
    out: Outbound,
    runs: Mutex<Runs>,
    /// That its link to the third party is up, or why not if it has said so.
    third: Mutex<Result<(), Option<Check>>>,
    /// When anything came from it last.
    heard: Mutex<Instant>,
    /// What the peer says is wrong with its log.
    trouble: Mutex<Option<Trouble>>,
    leaving: AtomicBool,
    /// What the peer says of its store.
    step: Mutex<Word>,
    released: Notify,
    hung_up: Notify,
}

impl Connection {
    pub(super) fn new(peer: Party, established: &Established, node: Node, out: Outbound) -> Self {
        let seed = Zeroizing::new(*established.seed);
        let (node, third, heard) = (Mutex::new(node), Mutex::new(Err(None)), Mutex::new(Instant::now()));
        let (leaving, released, hung_up) = (AtomicBool::new(false), Notify::new(), Notify::new());
        let (runs, trouble, step) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { peer, node, seed, out, runs, third, heard, trouble, leaving, step, released, hung_up }
    }

    /// Its keys for clients, as it told of them last.
    pub(super) fn node(&self) -> Node {
        self.node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it tells of them now.
    pub(super) fn set_node(&self, node: Node) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
    }

    /// What the pair agreed on when it connected.
    pub(super) fn seed(&self) -> PairSeed {
        PairSeed::from_handshake(&self.seed)
    }

    /// Says one thing to the peer.
    ///
    /// # Errors
    /// [`PeerUnavailable::Gone`] if the link is down.
    pub async fn say(&self, kind: Kind) -> Result<(), PeerUnavailable> {
        self.out.say(kind).await.map_err(|_| PeerUnavailable::Gone(self.peer))
    }

    /// The same, unless the link takes nothing for too long.
    ///
    /// # Errors
    /// [`PeerUnavailable::Gone`] if the link is down, [`PeerUnavailable::Silent`] if it takes nothing.
    pub(super) async fn say_within(&self, kind: Kind, patience: Duration) -> Result<(), PeerUnavailable> {
        tokio::time::timeout(patience, self.say(kind)).await.unwrap_or(Err(PeerUnavailable::Silent(self.peer)))
    }

    /// Says what the peer may go without, if that takes no waiting.
    pub(super) fn try_say(&self, kind: Kind) {
        self.out.try_say(kind);
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the peer says that its link to the third party is up.
    ///
    /// # Errors
    /// Which check it says has failed, if it has said anything.
    pub(super) fn third(&self) -> Result<(), Option<Check>> {
        *self.third.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the peer says of it now: that it is up, or which check failed.
    pub(super) fn set_third(&self, failed: Option<Check>) {
        let third = failed.map_or(Ok(()), |check| Err(Some(check)));
        *self.third.lock().unwrap_or_else(PoisonError::into_inner) = third;
    }

    /// Something came from the peer.
    pub(super) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long nothing has come from it.
    pub(super) fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// What is wrong with the peer's log, as it said last.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// What the peer says of its store.
    pub(super) fn step(&self) -> Word {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It says this now; what it said before.
    pub(super) fn set_step(&self, step: Word) -> Word {
        std::mem::replace(&mut *self.step.lock().unwrap_or_else(PoisonError::into_inner), step)
    }

    /// Whether the peer has said that it is being stopped.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// It says so.
    pub(super) fn set_leaving(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// The leader lets this node go.
    pub(super) fn release(&self) {
        self.released.notify_one();
    }

    /// Returns once the leader has let this node go.
    pub(super) async fn released(&self) {
        self.released.notified().await;
    }

    /// This link's end of a run.
    pub(super) fn pipe(&self, id: SessionId) -> Pipe {
        let (arrived, from) = mpsc::channel(PIPE_DEPTH);
        let mut runs = self.runs();
        if runs.over {
            return Pipe { to: self.out.messages.clone(), from };
        }
        // Runs that are over have dropped their receiving end.
        runs.open.retain(|_, run| !run.is_closed());
        let (ours, others) = std::mem::take(&mut runs.early).into_iter().partition(|frame| frame.session == id);
        runs.early = others;
        let ours: VecDeque<Frame> = ours;
        for frame in ours {
            // A peer that sends more than a pipe holds before the run began is no peer: the run will miss a message.
            let _ = arrived.try_send(frame);
        }
        runs.open.insert(id, arrived);
        Pipe { to: self.out.messages.clone(), from }
    }

    /// Brings a message to its run.
    pub(super) fn deliver(&self, message: wire::Message) -> Result<(), LinkError> {
        let frame = frame(message).ok_or(LinkError::OutOfPlace)?;
        let mut runs = self.runs();
        if let Some(run) = runs.open.get(&frame.session) {
            let id = frame.session;
            if run.try_send(frame).is_err() {
                // Over, or overrun: in lockstep, no honest peer gets that far ahead. The run ends; the link stays.
                runs.open.remove(&id);
            }
        } else {
            if runs.early.len() == EARLY {
                runs.early.pop_front();
            }
            runs.early.push_back(frame);
        }
        Ok(())
    }

    /// Whether a run is on it.
    pub(super) fn is_busy(&self) -> bool {
        self.runs().open.values().any(|run| !run.is_closed())
    }

    /// Ends one run at this side: the peer has left its batch, and sends nothing in it any more.
    pub(super) fn end(&self, run: SessionId) {
        self.runs().open.remove(&run);
    }

    /// Whether the link has ended.
    pub(super) fn is_over(&self) -> bool {
        self.runs().over
    }

    /// Ends the link; both sides connect anew.
    pub fn hang_up(&self) {
        let mut runs = self.runs();
        runs.over = true;
        runs.open.clear();
        drop(runs);
        self.hung_up.notify_one();
    }

    /// Returns once this side has hung up.
    pub(super) async fn hung_up(&self) {
        self.hung_up.notified().await;
    }
}

fn frame(message: wire::Message) -> Option<Frame> {
    Some(Frame {
        session: SessionId(message.session.try_into().ok()?),
        number: message.number,
        step: Step::from_code(u8::try_from(message.step).ok()?)?,
        body: message.body,
        tag: message.tag.try_into().ok()?,
    })
}
