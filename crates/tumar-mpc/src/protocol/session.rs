//! One run's links with the two peers: numbered, tagged, in step, in time, or not at all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::{Instant, timeout_at};
use zeroize::{Zeroize, Zeroizing};

use super::ProtocolError;
use crate::net::{Cause, Frame, Lost, Pipe, SessionId, Step};
use crate::party::Party;
use crate::prss::SessionKeys;

/// What a session cost this party. Shared with whoever wants to know, also after the session's end.
#[derive(Debug, Default)]
pub struct Meter {
    rounds: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// Rounds begun: steps at which every party may wait for messages of the step before.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Bytes of message bodies sent to both peers, without frames around them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One round: what is sent, and how much must come. An empty body is not sent, and nothing is waited for where 0 bytes are due.
#[derive(Default)]
pub struct Round {
    /// For the next party.
    pub to_next: Vec<u8>,
    /// For the previous party.
    pub to_prev: Vec<u8>,
    /// Exact length of what the next party sends.
    pub from_next: usize,
    /// Exact length of what the previous party sends.
    pub from_prev: usize,
}

/// Prints sizes only.
impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to_next, to_prev, from_next, from_prev } = self;
        write!(f, "Round(to [{}] [{}], from [{from_next}] [{from_prev}])", to_next.len(), to_prev.len())
    }
}

/// What came in a round. Wiped when dropped: with the own shares it tells more than noise.
pub struct Came {
    /// From the next party.
    pub next: Zeroizing<Vec<u8>>,
    /// From the previous party.
    pub prev: Zeroizing<Vec<u8>>,
}

/// Prints sizes only.
impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Came([{}] [{}])", self.next.len(), self.prev.len())
    }
}

struct Link {
    peer: Party,
    pipe: Pipe,
    sent: u64,
    received: u64,
}

/// One party's side of one run.
///
/// A session serves one run, which takes it by value. The first fault ends it: both peers are told, every later call is
/// [`Lost::Over`], and nothing brings it back, since its randomness is spent. Dropping it before its end tells the peers too.
pub struct Session {
    keys: SessionKeys,
    next: Link,
    prev: Link,
    patience: Duration,
    meter: Arc<Meter>,
    /// A round was begun and is not complete: if its future was dropped, what peers hold of it is not known.
    midway: bool,
    over: bool,
}

impl Session {
    /// With links to the next and the previous party, and how long to wait for a message of a round.
    #[must_use]
    pub fn new(keys: SessionKeys, next: Pipe, prev: Pipe, patience: Duration) -> Self {
        let link = |peer, pipe| Link { peer, pipe, sent: 0, received: 0 };
        let own = keys.own();
        Self {
            next: link(own.next(), next),
            prev: link(own.prev(), prev),
            keys,
            patience,
            meter: Arc::default(),
            midway: false,
            over: false,
        }
    }

    /// Which party this is.
    #[must_use]
    pub const fn own(&self) -> Party {
        self.keys.own()
    }

    /// Which run this is.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.keys.id()
    }

    /// The session's randomness.
    pub const fn keys(&mut self) -> &mut SessionKeys {
        &mut self.keys
    }

    /// What it has cost so far; goes on counting.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Sends and receives the messages of one step.
    ///
    /// Assume what is sent known to its receiver, even if this returns an error or is dropped.
    ///
    /// # Errors
    /// [`Lost`], after which the session is over at this party and both peers have been told. A session whose last round was
    /// dropped midway is over too.
    pub async fn exchange(&mut self, step: Step, round: Round) -> Result<Came, Lost> {
        if self.over || std::mem::replace(&mut self.midway, true) {
            self.abort(Cause::Cancelled);
            return Err(Lost::Over { step });
        }
        let outcome = self.try_exchange(step, round).await;
        self.midway = false;
        if let Err(lost) = &outcome {
            self.abort(lost.cause());
        }
        outcome
    }

    async fn try_exchange(&mut self, step: Step, round: Round) -> Result<Came, Lost> {
        let Round { to_next, to_prev, from_next, from_prev } = round;
        self.meter.rounds.fetch_add(1, Ordering::Relaxed);
        self.meter.bytes.fetch_add((to_next.len() + to_prev.len()) as u64, Ordering::Relaxed);
        let deadline = Instant::now() + self.patience;
        self.next.send(&self.keys, step, to_next, self.patience).await?;
        self.prev.send(&self.keys, step, to_prev, self.patience).await?;
        // Both at once, so that the word of a peer that gave up is heard while the other is waited for.
        let (next, prev) = tokio::try_join!(
            self.next.receive(&self.keys, step, from_next, deadline),
            self.prev.receive(&self.keys, step, from_prev, deadline),
        )?;
        Ok(Came { next, prev })
    }

    /// Ends the session for a fault and tells both peers, once. Never waits: a peer whose pipe is full finds it closed.
    pub fn abort(&mut self, cause: Cause) {
        if !std::mem::replace(&mut self.over, true) {
            for link in [&mut self.next, &mut self.prev] {
                let frame = link.frame(&self.keys, Step::Abort, vec![cause.code()]);
                // A peer that is gone needs no telling.
                drop(link.pipe.to.try_send(frame));
            }
        }
    }

    /// Ends the session for `error`, tells both peers, and gives the error back.
    pub fn fail(&mut self, error: impl Into<ProtocolError>) -> ProtocolError {
        let error = error.into();
        self.abort(error.cause());
        error
    }

    /// The run's end, good or bad: after an outcome, what still comes in goes nowhere; after an error, both peers are told.
    ///
    /// # Errors
    /// The run's own.
    pub fn settle<T>(mut self, outcome: Result<T, ProtocolError>) -> Result<T, ProtocolError> {
        if let Err(error) = &outcome {
            self.abort(error.cause());
        }
        self.over = true;
        outcome
    }
}

/// A session that is dropped in the middle of its run must not leave the peers waiting.
impl Drop for Session {
    fn drop(&mut self) {
        self.abort(Cause::Cancelled);
    }
}

/// Prints which party's and which run's it is.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}, {})", self.own(), self.id())
    }
}

impl Link {
    fn frame(&mut self, keys: &SessionKeys, step: Step, body: Vec<u8>) -> Frame {
        let number = self.sent;
        self.sent += 1;
        let tag = keys.tag(self.peer, number, step, &body);
        Frame { session: keys.id(), number, step, body, tag }
    }

    async fn send(&mut self, keys: &SessionKeys, step: Step, body: Vec<u8>, patience: Duration) -> Result<(), Lost> {
        if body.is_empty() {
            return Ok(());
        }
        let frame = self.frame(keys, step, body);
        let peer = self.peer;
        match self.pipe.to.send_timeout(frame, patience).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(_)) => Err(Lost::Silent { step, peer }),
            // A peer that gave up may have said why before it went.
            Err(SendTimeoutError::Closed(_)) => Err(self.farewell(keys, step)),
        }
    }

    /// Why the peer went, if it said so.
    fn farewell(&mut self, keys: &SessionKeys, step: Step) -> Lost {
        let peer = self.peer;
        while let Ok(frame) = self.pipe.from.try_recv() {
            match self.check(keys, step, &frame) {
                Ok(()) => {}
                Err(lost) => return lost,
            }
        }
        Lost::Closed { step, peer }
    }

    async fn receive(
        &mut self,
        keys: &SessionKeys,
        step: Step,
        length: usize,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Lost> {
        if length == 0 {
            return Ok(Zeroizing::default());
        }
        let peer = self.peer;
        let mut frame = timeout_at(deadline, self.pipe.from.recv())
            .await
            .map_err(|_| Lost::Silent { step, peer })?
            .ok_or(Lost::Closed { step, peer })?;
        let checked = self.check(keys, step, &frame).and_then(|()| match frame.body.len() {
            _ if frame.step != step => Err(Lost::Step { step, peer, found: frame.step }),
            found if found != length => Err(Lost::Length { step, peer, expected: length, found }),
            _ => Ok(()),
        });
        match checked {
            Ok(()) => Ok(Zeroizing::new(frame.body)),
            Err(lost) => {
                frame.body.zeroize();
                Err(lost)
            }
        }
    }

    /// Whether this is the peer's next message of this session, and not its last word.
    fn check(&mut self, keys: &SessionKeys, step: Step, frame: &Frame) -> Result<(), Lost> {
        let peer = self.peer;
        if frame.session != keys.id() || !keys.is_tag(peer, frame.number, frame.step, &frame.body, &frame.tag) {
            return Err(Lost::Altered { step, peer });
        }
        if frame.number != self.received {
            return Err(Lost::Order { step, peer, expected: self.received, found: frame.number });
        }
        self.received += 1;
        if frame.step == Step::Abort {
            let cause = frame.body.first().copied().and_then(Cause::from_code).unwrap_or(Cause::Unknown);
            return Err(Lost::Aborted { step, peer, cause });
        }
        Ok(())
    }
}
