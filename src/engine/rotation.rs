//! Envelope keys that die by themselves: what was recorded on its way can be opened for two of their lives, and by nobody after that.
//!
//! ```text
//! made ---------- life ---------> next one is drawn ---------- life ---------> until: told no more --grace--> destroyed
//!        current, clients seal to it                 previous, still taken
//! ```
//!
//! The times go by this node's clock, and nothing happens while that is in doubt. A key that ends early is no loss but of time: what was
//! on its way is refused, and the client seals it anew to the key that is told then. A key that was drawn in what is now the future is
//! replaced.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::clocks::Clocks;
use crate::seal::{EnvelopeKeys, KeyId, PrivateKey, PublicKey};
use crate::store::{KeptKey, Store, StoreError};

/// Seconds for which a key may be newer than now before the clock is held to have been set back.
const AHEAD_SECONDS: u64 = 300;

/// Most seconds for which a key is taken after it is told no more: for what was sealed in its last moment.
const GRACE_SECONDS: u64 = 60;

/// A key that clients may seal to, and until when, in unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldKey {
    /// The public key.
    pub key: PublicKey,
    /// Unix seconds until which envelopes to it are taken.
    pub until: u64,
}

/// One key's times.
#[derive(Clone, Copy)]
struct Span {
    id: KeyId,
    made: u64,
    until: u64,
}

/// The node's envelope keys and their times.
pub(super) struct Ring {
    keys: EnvelopeKeys,
    current: Span,
    previous: Option<Span>,
    /// Those that were told last.
    told: Vec<(KeyId, u64)>,
}

/// Seconds for which each key is current.
#[derive(Clone, Copy)]
struct Life(u64);

impl Life {
    /// At least a second.
    fn new(seconds: u64) -> Self {
        Self(seconds.max(1))
    }

    fn grace(self) -> u64 {
        GRACE_SECONDS.min(self.0 / 24)
    }

    /// Whether it is time for the next key.
    fn is_due(self, current: Span, now: u64) -> bool {
        now >= current.made.saturating_add(self.0) || current.made > now.saturating_add(AHEAD_SECONDS)
    }

    /// A new key, kept.
    async fn draw(self, store: &Store, now: u64) -> Result<(PrivateKey, Span), StoreError> {
        let key = PrivateKey::generate()?;
        let span = Span { id: *key.public().id(), made: now, until: now.saturating_add(self.0).saturating_add(self.0) };
        let kept = KeptKey { key, made: span.made, until: span.until };
        store.keep_envelope_key(&kept).await?;
        Ok((kept.key, span))
    }
}

impl Ring {
    /// The keys that the store holds; a first one is drawn for a new store.
    async fn open(store: &Store, life: Life, now: u64) -> Result<Self, StoreError> {
        let mut kept = store.envelope_keys().await?.into_iter().map(|KeptKey { key, made, until }| {
            let span = Span { id: *key.public().id(), made, until };
            (key, span)
        });
        let (current, span) = match kept.next() {
            Some(newest) => newest,
            None => life.draw(store, now).await?,
        };
        let (previous, before) = kept.next().unzip();
        // What a crash in the middle of a rotation left.
        for (_, span) in kept {
            store.destroy_envelope_key(&span.id).await?;
        }
        Ok(Self { keys: EnvelopeKeys::new(current, previous), current: span, previous: before, told: Vec::new() })
    }

    pub(super) const fn keys(&self) -> &EnvelopeKeys {
        &self.keys
    }

    /// Those that clients may seal to now, the current one first.
    fn told_at(&self, now: u64) -> Vec<ToldKey> {
        let spans = std::iter::once(self.current).chain(self.previous.filter(|span| now < span.until));
        let told = self.keys.public().zip(spans).map(|(key, span)| ToldKey { key: key.clone(), until: span.until });
        told.collect()
    }
}

/// A node's envelope keys, in memory and in the store. They end and begin by its clock.
pub struct KeyRing {
    ring: RwLock<Ring>,
    life: Life,
    store: Store,
    clocks: Arc<Clocks>,
}

impl KeyRing {
    /// The keys that the store holds, each current for this long, to the second; it is taken for as long again.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn open(store: Store, life: Duration, clocks: Arc<Clocks>) -> Result<Self, StoreError> {
        let life = Life::new(life.as_secs());
        let ring = Box::pin(Ring::open(&store, life, clocks.known())).await?;
        Ok(Self { ring: RwLock::new(ring), life, store, clocks })
    }

    pub(super) fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The envelope keys that clients may seal to now, the current one first.
    #[must_use]
    pub fn told(&self) -> Vec<ToldKey> {
        self.ring().told_at(self.clocks.known())
    }

    /// Destroys the envelope key whose time has passed, and draws the next one where it is time. True if clients must be told of other
    /// keys than before. To be called often, by one task.
    ///
    /// # Errors
    /// [`StoreError`]; the next call takes up what is left.
    pub async fn rotate(&self) -> Result<bool, StoreError> {
        // By a clock that is in doubt no key ends, and none begins.
        let Ok(now) = self.clocks.now() else { return Ok(false) };
        let life = self.life;
        let (current, previous) = {
            let ring = self.ring();
            (ring.current, ring.previous)
        };
        let due = life.is_due(current, now);
        if let Some(span) = previous {
            if due || now >= span.until.saturating_add(life.grace()) {
                self.destroy(span.id).await?;
            } else if span.until > now.saturating_add(life.0) {
                // The clock was ahead when its end was set.
                self.end_previous(span, now.saturating_add(life.0)).await?;
            }
        }
        if due {
            let (key, span) = life.draw(&self.store, now).await?;
            let until = current.until.min(now.saturating_add(life.0));
            self.store.end_envelope_key(&current.id, until).await?;
            tracing::info!(key = %span.id, "envelope key created");
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.keys.rotate(key);
            ring.previous = Some(Span { until, ..ring.current });
            ring.current = span;
        }
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<_> = ring.told_at(now).into_iter().map(|told| (*told.key.id(), told.until)).collect();
        Ok(std::mem::replace(&mut ring.told, told) != ring.told)
    }

    /// Out of the store first: a crash in between leaves nothing to be opened.
    async fn destroy(&self, id: KeyId) -> Result<(), StoreError> {
        self.store.destroy_envelope_key(&id).await?;
        tracing::info!(key = %id, "envelope key destroyed");
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.keys.forget_previous();
        ring.previous = None;
        Ok(())
    }

    async fn end_previous(&self, span: Span, until: u64) -> Result<(), StoreError> {
        self.store.end_envelope_key(&span.id, until).await?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.previous = Some(Span { until, ..span });
        Ok(())
    }
}
