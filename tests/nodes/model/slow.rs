//! Steps that stop, kill and start nodes, or turn their clocks.

use std::sync::Arc;
use std::time::Duration;

use tumar::party::Party;

use super::people::Who;
use super::run::{Must, Run, since};
use super::steps::{End, Wish};
use super::{clocks, stores};

impl Run {
    /// Stops all nodes, and holds their stores against each other.
    pub(crate) fn rest(&mut self) -> Result<(), String> {
        self.desks.clear();
        self.nodes.stop_all()?;
        let folders = Party::ALL.map(|party| self.nodes.files.node(party));
        self.runtime.block_on(stores::check(&folders, &self.people, clocks::now()))
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> Result<(), String> {
        self.rest()?;
        clocks::pass(seconds);
        self.nodes.start_all()?;
        self.connect()
    }

    /// What was answered a moment ago may not be known to a leader that was killed.
    fn kill(&mut self, party: Party) {
        self.killed[party.index()] = true;
        self.nodes.kill(party);
        if party == Party::LEADER {
            self.desks.clear();
            let now = clocks::now();
            self.sent
                .iter_mut()
                .filter(|sent| sent.answer.is_some() && sent.at + 2 >= now)
                .for_each(|sent| sent.unsure = true);
        }
    }

    pub(crate) fn restart(&mut self, party: Party, end: End) -> Result<(), String> {
        match end {
            End::Killed => self.kill(party),
            End::Stopped => {
                if party == Party::LEADER {
                    self.desks.clear();
                }
                self.nodes.stop(party)?;
            }
        }
        self.start_again(party)
    }

    fn start_again(&mut self, party: Party) -> Result<(), String> {
        self.nodes.start(party)?;
        self.nodes.ready()?;
        if self.desks.is_empty() { self.connect() } else { Ok(()) }
    }

    pub(crate) fn crash(&mut self, party: Party, after: Duration, who: Who, wish: Wish) -> Result<(), String> {
        let (desk, op) = (self.desk_of(who, 0), self.op(who, wish));
        let made = self.make(desk, who, op);
        let (asking, begin) = (Arc::clone(&self.desks[desk]), clocks::now());
        let (prepared, token, proof) = made.clone();
        let call = self.runtime.spawn(async move { asking.send(&token, &proof, &prepared).await });
        // Not to wait for anything: the moment of the crash is what was drawn.
        std::thread::sleep(after);
        self.kill(party);
        let came = self.runtime.block_on(call).unwrap();
        self.remember((desk, who, op), made, &came, begin);
        self.judge(who, op, &came, since(begin), Must::BeSafe)?;
        self.start_again(party)?;
        // One call tells whether the three agree.
        self.ask(self.desk_of(who, 0), who, Wish::VerifyRight, Must::Right)
    }

    pub(crate) fn wrong_clock(
        &mut self,
        party: Party,
        by: i64,
        at_start: bool,
        asked: &[(Who, Wish)],
    ) -> Result<(), String> {
        if at_start && party == Party::LEADER {
            self.desks.clear();
        }
        if at_start {
            self.nodes.stop(party)?;
        }
        clocks::set_wrong(party, by);
        if at_start {
            self.nodes.start(party)?;
        }
        // A leader that does not serve lets no client in, and then nothing can be asked.
        if self.desks.is_empty() && self.connect().is_err() {
            self.desks.clear();
        }
        for (who, wish) in asked.iter().filter(|_| !self.desks.is_empty()).copied().collect::<Vec<_>>() {
            self.ask(self.desk_of(who, 0), who, wish, Must::BeSafe)?;
        }
        clocks::set_wrong(party, 0);
        self.nodes.ready()?;
        if self.desks.is_empty() { self.connect() } else { Ok(()) }
    }
}
