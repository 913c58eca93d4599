//! Who may be connected: so many in all, so many of one address; and who goes when there is no room left.
//!
//! ```text
//! Room --seat--> a descriptor is free --enter--> Guest          stranger --known--> one who has shown who it is
//!                                                  |            idle <--Busy--> something is under way
//!          a newcomer without room <--leave--------+
//! ```
//!
//! A newcomer is let in at the cost of whoever matters least: a stranger before one who is known, who does nothing before who does
//! something, and of those one of the address that holds most, for whom nothing happened for longest. Who is known and has something
//! under way is never sent away; if there is nobody else, the newcomer is.
//!
//! No socket is touched here: whoever holds a [`Guest`] hangs up when [`Guest::told_to_leave`] says so. Calls whose body has not come yet
//! have a room of their own, by the address of their connection.

mod held;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub use held::Held;

/// Those who were told to leave and have not closed yet take so large a part of all seats, and at least one.
const LEAVING: usize = 16;

/// Whose connections are counted together: an address, or of IPv6 the network of 64 bits that one customer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(u128);

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u128::from(address.to_bits())),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    known: bool,
    busy: usize,
    /// Whether it ever asked for anything.
    asked: bool,
    /// When it came, or when the last thing that it asked for ended.
    since: Instant,
    leave: Arc<Notify>,
}

/// Room for so many connections.
#[derive(Debug)]
pub struct Room {
    most: usize,
    of_one: usize,
    seats: Arc<Semaphore>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    guests: BTreeMap<u64, Entry>,
}

/// A descriptor that is free for a connection.
#[derive(Debug)]
pub struct Seat {
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// Room for `most` connections, at least two, of which one address has at most `of_one`.
    #[must_use]
    pub fn new(most: usize, of_one: usize) -> Arc<Self> {
        let most = most.max(2);
        let seats = Arc::new(Semaphore::new(most));
        Arc::new(Self { most: most - (most / LEAVING).max(1), of_one: of_one.max(1), seats, inside: Mutex::default() })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free seat, as soon as there is one: those who were told to leave take a moment.
    pub async fn seat(&self) -> Seat {
        let permit = Arc::clone(&self.seats).acquire_owned().await;
        Seat { _permit: permit.expect("nobody closes the semaphore") }
    }

    /// Lets in who connects from an address, at the cost of others if need be. None if nobody can be sent away for it.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr, seat: Seat) -> Option<Guest> {
        self.admit(Origin::of(address), seat)
    }

    /// Lets in what comes from the same address as a guest of another room, as [`enter`](Self::enter) does.
    #[must_use = "futures do nothing unless polled"]
    pub async fn enter_from(self: &Arc<Self>, origin: Origin) -> Option<Guest> {
        let seat = self.seat().await;
        self.admit(origin, seat)
    }

    fn admit(self: &Arc<Self>, origin: Origin, seat: Seat) -> Option<Guest> {
        let mut inside = self.inside();
        let own = inside.guests.values().filter(|entry| entry.origin == origin).count();
        if own >= self.of_one && !inside.send_away(|entry| entry.origin == origin) {
            return None;
        }
        if inside.guests.len() >= self.most && !inside.send_away(|_| true) {
            return None;
        }
        let id = inside.next;
        inside.next += 1;
        let leave = Arc::new(Notify::new());
        let entry =
            Entry { origin, known: false, busy: 0, asked: false, since: Instant::now(), leave: Arc::clone(&leave) };
        inside.guests.insert(id, entry);
        drop(inside);
        Some(Guest(Arc::new(Place {
            room: Arc::clone(self),
            id,
            origin,
            leave,
            was_known: AtomicBool::new(false),
            _seat: seat,
        })))
    }

    /// Sends somebody away, if anybody can be: the system has no descriptor left, although there are seats.
    pub fn make_way(&self) {
        self.inside().send_away(|_| true);
    }

    /// Connections that are open, but those that were told to close.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inside().guests.len()
    }
}

impl Inside {
    /// Tells whoever of these matters least to leave.
    fn send_away(&mut self, may: impl Fn(&Entry) -> bool) -> bool {
        let mut held: HashMap<Origin, usize> = HashMap::new();
        for entry in self.guests.values() {
            *held.entry(entry.origin).or_default() += 1;
        }
        let least = self.guests.iter().filter(|(_, entry)| may(entry) && !(entry.known && entry.busy > 0));
        let least = least.min_by_key(|(_, entry)| {
            (entry.known, entry.busy > 0, Reverse(held.get(&entry.origin).copied()), entry.since)
        });
        let Some(id) = least.map(|(id, _)| *id) else { return false };
        if let Some(entry) = self.guests.remove(&id) {
            // Kept until somebody waits for it.
            entry.leave.notify_one();
        }
        true
    }
}

#[derive(Debug)]
struct Place {
    room: Arc<Room>,
    id: u64,
    origin: Origin,
    leave: Arc<Notify>,
    /// For when it was told to leave.
    was_known: AtomicBool,
    _seat: Seat,
}

impl Place {
    fn with(&self, change: impl FnOnce(&mut Entry)) {
        // Who was told to leave is not counted any more.
        if let Some(entry) = self.room.inside().guests.get_mut(&self.id) {
            change(entry);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.inside().guests.remove(&self.id);
    }
}

/// One who is connected. The seat is free again when all clones are gone.
#[derive(Clone, Debug)]
pub struct Guest(Arc<Place>);

impl Guest {
    /// Where it connects from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// It has shown who it is.
    pub fn set_known(&self) {
        self.0.was_known.store(true, Ordering::Relaxed);
        self.0.with(|entry| entry.known = true);
    }

    /// Whether it ever has: then it is owed a word when it must go.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.was_known.load(Ordering::Relaxed)
    }

    /// Something is under way for it, until what is returned is dropped.
    #[must_use]
    pub fn busy(&self) -> Busy {
        self.0.with(|entry| {
            entry.busy += 1;
            entry.asked = true;
        });
        Busy(self.clone())
    }

    /// Returns when it must go.
    pub async fn told_to_leave(&self) {
        self.0.leave.notified().await;
    }

    /// Returns when nothing was under way for `silence`, or for `first` if nothing ever was.
    pub async fn idle_for(&self, first: Duration, silence: Duration) {
        loop {
            let mut until = None;
            self.0.with(|entry| {
                let patience = if entry.asked { silence } else { first };
                until = (entry.busy == 0).then_some(entry.since + patience);
            });
            match until {
                Some(until) if until <= Instant::now() => return,
                Some(until) => tokio::time::sleep_until(until).await,
                // Whatever ends meanwhile is at most this long ago when it is looked at again.
                None => tokio::time::sleep(silence).await,
            }
        }
    }
}

/// Something under way for a guest.
#[derive(Debug)]
pub struct Busy(Guest);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.with(|entry| {
            entry.busy -= 1;
            entry.since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    async fn enter(room: &Arc<Room>, last: u8) -> Option<Guest> {
        let guest = room.enter(address(last), room.seat().await);
        tokio::time::advance(Duration::from_millis(1)).await;
        guest
    }

    /// Whether it was told to leave by now.
    async fn left(guest: &Guest) -> bool {
        tokio::time::timeout(Duration::ZERO, guest.told_to_leave()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_idles_longest_goes_and_who_is_known_stays_as_long_as_there_are_strangers() {
        let room = Room::new(4, 4);
        let (known, idle, busy) = (enter(&room, 1).await, enter(&room, 2).await, enter(&room, 3).await);
        let [known, idle, busy] = [known, idle, busy].map(Option::unwrap);
        known.set_known();
        let under_way = busy.busy();
        // Three are in, and the fourth seat is for who leaves.
        let first = enter(&room, 4).await.unwrap();
        assert!(left(&idle).await && !left(&known).await && !left(&busy).await);
        drop(idle);
        let second = enter(&room, 5).await.unwrap();
        assert!(left(&first).await && !left(&known).await);
        drop((first, under_way));
        second.set_known();
        let _second_works = second.busy();
        let third = enter(&room, 6).await.unwrap();
        assert!(left(&busy).await, "of what it asked for, nothing is under way any more");
        let busy_was_known = busy.is_known();
        drop(busy);
        third.set_known();
        let _third_works = third.busy();
        let fourth = enter(&room, 7).await.unwrap();
        assert!(left(&known).await, "nobody is left who would matter less");
        fourth.set_known();
        let _fourth_works = fourth.busy();
        assert!(known.is_known() && !busy_was_known);
        drop(known);
        assert!(enter(&room, 8).await.is_none(), "who is known and busy is never sent away");
        assert_eq!(room.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_holds_as_many_as_it_may_pays_itself_for_one_more() {
        let room = Room::new(64, 2);
        let other = enter(&room, 1).await.unwrap();
        let [first, second] = [enter(&room, 9).await.unwrap(), enter(&room, 9).await.unwrap()];
        let third = enter(&room, 9).await.unwrap();
        assert!(left(&first).await && !left(&second).await && !left(&other).await);
        third.set_known();
        second.set_known();
        let _works = (second.busy(), third.busy());
        assert!(enter(&room, 9).await.is_none());
        assert!(enter(&room, 10).await.is_some());
        // The same customer's network.
        let room = Room::new(64, 1);
        let seat = room.seat().await;
        let one = room.enter("2001:db8:1:2::1".parse().unwrap(), seat).unwrap();
        let seat = room.seat().await;
        let _two = room.enter("2001:db8:1:2:ffff::2".parse().unwrap(), seat).unwrap();
        assert!(left(&one).await);
    }

    #[tokio::test(start_paused = true)]
    async fn when_it_is_full_the_address_that_holds_most_pays() {
        let room = Room::new(6, 4);
        let oldest = enter(&room, 1).await.unwrap();
        let crowd = [enter(&room, 2).await.unwrap(), enter(&room, 2).await.unwrap(), enter(&room, 2).await.unwrap()];
        let last = enter(&room, 3).await.unwrap();
        let _next = enter(&room, 4).await.unwrap();
        assert!(left(&crowd[0]).await && !left(&oldest).await && !left(&last).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_is_free_when_the_guest_and_what_is_under_way_for_it_are_gone() {
        let room = Room::new(2, 2);
        let guest = enter(&room, 1).await.unwrap();
        let (under_way, second) = (guest.busy(), room.seat().await);
        drop(guest);
        let waits = tokio::time::timeout(Duration::from_secs(1), room.seat()).await;
        assert!(waits.is_err());
        drop((under_way, second));
        let _both = (room.seat().await, room.seat().await);
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_counts_from_the_end_of_the_last_thing_under_way() {
        let room = Room::new(2, 2);
        let guest = enter(&room, 1).await.unwrap();
        let (first, silence) = (Duration::from_secs(10), Duration::from_mins(5));
        let began = Instant::now();
        guest.idle_for(first, silence).await;
        assert_eq!(began.elapsed().as_secs(), 10 - 1, "of the ten seconds, a millisecond had passed");
        let (began, under_way) = (Instant::now(), guest.busy());
        let ends = async {
            tokio::time::sleep(2 * silence).await;
            drop(under_way);
        };
        tokio::join!(guest.idle_for(first, silence), ends);
        assert!(began.elapsed() >= 3 * silence);
    }
}
