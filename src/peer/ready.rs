//! Whether all three nodes can work together: links, clocks, and peers that break no runs.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::step::Word;
use super::trust::{Breaks, MOST_BREAKS};
use super::{Check, Connection, Peers};
use crate::party::Party;
use crate::protocol::ProtocolError;
use crate::wire::peer::v1 as wire;
use wire::frame::Kind;

/// How often a node says what its clock says.
const CLOCK: Duration = Duration::from_secs(1);

/// Clock words that must be missing before a peer is silent, however little patience calls have.
const MISSING: u32 = 3;

impl Peers {
    /// Whether all three links are up and the clocks agree.
    pub fn is_ready(&self) -> bool {
        *self.whole.borrow()
    }

    /// Waits until all three links are up, both of this node and by their word that between the two others, and the clocks agree.
    pub async fn ready(&self) {
        // The sender lives as long as self.
        let _ = self.whole.subscribe().wait_for(|whole| *whole).await;
    }

    /// Looks anew whether all three links are up, and the clocks agree.
    pub(super) fn judge(&self) {
        self.compare_stores();
        self.together.send_if_modified(|together| {
            let now = Party::ALL.map(|party| party != self.own.party && self.clocks.agrees_with(party));
            std::mem::replace(together, now) != now
        });
        // Asked in any case: that is when the operator is told of a doubt.
        let agreed = self.clocks.least().is_ok();
        self.whole.send_if_modified(|whole| {
            let is_up = |party| self.staying(party).is_ok_and(|link| link.third().is_ok() && link.step().compared);
            let linked = self.remotes.iter().all(|remote| is_up(remote.party)) && self.step.borrow().compared;
            let now = linked && agreed && self.may_write().is_ok();
            let changed = std::mem::replace(whole, now) != now;
            if changed {
                *self.parted.lock().unwrap_or_else(PoisonError::into_inner) = (!now).then(Instant::now);
            }
            changed
        });
        let fit = *self.whole.borrow() && self.behind().is_none();
        self.fit.send_if_modified(|before| std::mem::replace(before, fit) != fit);
        self.explain_links();
    }

    /// Tells a peer how the link to the third party is, whenever that changes, and all the while what this node's clock says; ends
    /// with the link.
    pub(super) async fn tell(&self, connection: &Connection) {
        let third = self.remotes.iter().map(|remote| remote.party).find(|&party| party != connection.peer);
        let Some(third) = third else { return };
        let (mut link, mut together) = (self.up[third.index()].subscribe(), self.together.subscribe());
        let mut trouble = self.trouble.subscribe();
        trouble.mark_changed();
        let mut step = self.step.subscribe();
        let mut ticks = tokio::time::interval(CLOCK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            link.mark_unchanged();
            together.mark_unchanged();
            let failed = self.check_with(third);
            let now = (failed, *step.borrow_and_update());
            let (check, Word { compared, lacks }) = (failed.map_or("", Check::name).to_owned(), now.1);
            let said = wire::Third { up: failed.is_none(), check, compared, lacks };
            if told != Some(now) && connection.say(Kind::Third(said)).await.is_err() {
                return;
            }
            told = Some(now);
            let goes_on = tokio::select! {
                changed = link.changed() => changed.is_ok(),
                changed = together.changed() => changed.is_ok(),
                changed = trouble.changed() => {
                    let word = super::fitness::word(*trouble.borrow_and_update());
                    changed.is_ok() && connection.say(Kind::Fitness(word)).await.is_ok()
                }
                changed = step.changed() => changed.is_ok(),
                _ = ticks.tick() => {
                    self.judge();
                    let (now, steady) = self.clocks.word();
                    let changes = self.settle.stand().made;
                    connection.say(Kind::Clock(wire::Clock { now, steady, changes })).await.is_ok()
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Whether nothing at all has come over a link for as long as a call would wait for a word: a peer that stands still, or a way that
    /// swallows everything. It is not waited for until something comes.
    pub(super) fn is_silent(&self, link: &Connection) -> bool {
        link.silence() >= self.own.patience.max(MISSING * CLOCK)
    }

    /// A run over the links came to its end.
    pub fn ended(&self) {
        self.trust.ended();
    }

    /// A run over the links broke. A peer that has broken too many is not linked with any more, and is given back: what ends with it
    /// says so in the log.
    pub fn broke(&self, error: &ProtocolError) -> Option<Party> {
        let distrusted = self.trust.broke(self.own.party, error, Instant::now());
        for &peer in &distrusted {
            tracing::error!(
                %peer, %error,
                "node {peer} broke {MOST_BREAKS} runs: no requests are served with it. Find out why with its operator, \
                 then start this node again"
            );
            if let Some(link) = self.up[peer.index()].borrow().clone() {
                link.hang_up();
            }
        }
        self.judge();
        distrusted.first().copied()
    }

    /// What a peer did to runs, since this node started.
    pub fn breaks(&self, peer: Party) -> Breaks {
        self.trust.of(peer)
    }
}
