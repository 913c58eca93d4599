//! Where each frame of a link that is up goes.

use std::sync::Arc;

use super::connection::Connection;
use super::step::Word;
use super::{BatchMessage, Check, LinkError, Peers, Proposed, fitness, renewal};
use crate::party::Party;
use crate::wire::peer::v1::frame::Kind;
use crate::wire::peer::v1::{Proposal, Third};
use crate::wire::v1::Node;

impl Peers {
    /// What moves a batch on, or a link.
    pub(super) fn deliver(&self, from: &Arc<Connection>, kind: Kind) -> Result<(), LinkError> {
        let peer = from.peer;
        match kind {
            Kind::Message(message) => from.deliver(message)?,
            Kind::Proposal(proposal) if peer == Party::LEADER => self.take_proposal(from, proposal),
            Kind::Ready(ready) => self.mailroom.post(peer, &ready.batch.clone(), BatchMessage::Ready(ready))?,
            Kind::Vote(vote) if self.own.party == Party::LEADER => {
                self.mailroom.post(peer, &vote.batch.clone(), BatchMessage::Vote(vote.prepared))?;
            }
            Kind::Outcomes(outcomes) if self.own.party == Party::LEADER => {
                self.mailroom.post(peer, &outcomes.batch.clone(), BatchMessage::Outcomes(outcomes.endings))?;
            }
            Kind::Decision(decision) if peer == Party::LEADER => {
                self.mailroom.post(peer, &decision.batch.clone(), BatchMessage::Decision(decision.commit))?;
            }
            Kind::Renew(_) if peer == Party::LEADER && self.own.party == renewal::BETWEEN_HELPERS => {
                self.renewals.ask();
            }
            Kind::Renewed(_) if peer == renewal::BETWEEN_HELPERS && self.own.party == Party::LEADER => {
                self.renewals.tell();
            }
            Kind::Leaving(_) if self.own.party == Party::LEADER => self.let_go(from),
            Kind::Released(_) if peer == Party::LEADER => from.release(),
            Kind::Fitness(fitness) => {
                from.set_trouble(fitness::heard(peer, &fitness));
                self.judge();
            }
            Kind::Third(third) => self.hear_of_third(from, &third),
            Kind::Refused(refused) => return Err(LinkError::RefusedBy(Check::named(&refused.check))),
            Kind::Clock(clock) => {
                self.hear_of_store(peer, clock.changes);
                self.clocks.hear(peer, clock.now, clock.steady);
                self.judge();
            }
            Kind::Node(node) => self.hear_of_node(from, node)?,
            Kind::Left(left) => self.mailroom.post(peer, &left.batch, BatchMessage::Left)?,
            Kind::Roll(roll) => self.mailroom.post(peer, &roll.batch.clone(), BatchMessage::Roll(roll))?,
            Kind::Eligible(eligible) => {
                self.mailroom.post(peer, &eligible.batch.clone(), BatchMessage::Eligible(eligible.searches))?;
            }
            Kind::Cosign(asked) => self.cosign(from, asked),
            Kind::Cosigned(answer) => self.cosigned(peer, answer),
            Kind::Hello(_)
            | Kind::Finish(_)
            | Kind::Proposal(_)
            | Kind::Vote(_)
            | Kind::Outcomes(_)
            | Kind::Decision(_)
            | Kind::Undecided(_)
            | Kind::Renew(_)
            | Kind::Renewed(_)
            | Kind::Leaving(_)
            | Kind::Released(_)
            | Kind::Remembered(_)
            | Kind::Continued(_)
            | Kind::Decided(_) => return Err(LinkError::OutOfPlace),
        }
        Ok(())
    }

    /// A leader that proposes more than this node takes is not waited for: its batch runs out of time.
    fn take_proposal(&self, leader: &Arc<Connection>, proposal: Proposal) {
        if self.proposals.try_send(Proposed { leader: Arc::clone(leader), proposal }).is_err() {
            tracing::warn!("a proposal was dropped: too many at once");
        }
    }

    /// How the peer stands with the third node, and its store with the others'.
    fn hear_of_third(&self, from: &Connection, third: &Third) {
        from.set_third((!third.up).then(|| Check::named(&third.check)));
        let step = Word { compared: third.compared, lacks: third.lacks };
        Self::hear_of_step(from.peer, from.set_step(step), step);
        self.judge();
    }

    /// What the peer says of itself for clients: its envelope keys begin and end.
    fn hear_of_node(&self, from: &Connection, node: Node) -> Result<(), LinkError> {
        let remote = self.remotes.iter().find(|remote| remote.party == from.peer).ok_or(LinkError::OutOfPlace)?;
        self.believe(&node, remote)?;
        from.set_node(node);
        self.told.notify_waiters();
        Ok(())
    }
}
