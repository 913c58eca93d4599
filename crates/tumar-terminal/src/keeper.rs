//! What a terminal holds for its caller, behind numbers: nothing is freed twice, and nothing is found once it is freed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tumar_client::name::ModelId;
use tumar_client::prepare::{Committee, Prepared, SubjectKey};
use tumar_client::seal::random;
use tumar_client::share::InputShares;
use tumar_client::template::Template;

use crate::fault::Fault;
use crate::layout::{Handle, TUMAR_MOST_HANDLES};
use crate::pinned::Pinned;

/// What an open terminal begins with: a pointer to something else rarely does.
const OPEN: u64 = 0x7475_6d61_7220_7631;

/// A template, and the model that made it.
pub(crate) struct Made {
    pub(crate) model: ModelId,
    pub(crate) template: Template,
}

/// Something that is held. Whatever is secret in it wipes itself when the last user has gone.
#[derive(Clone)]
enum Thing {
    Committee(Arc<Committee>),
    Template(Arc<Made>),
    Shares(Arc<[InputShares; 3]>),
    PersonKey(Arc<SubjectKey>),
    Request(Arc<Prepared>),
}

impl Thing {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Committee(_) => "a committee",
            Self::Template(_) => "a template",
            Self::Shares(_) => "shares",
            Self::PersonKey(_) => "a person's key",
            Self::Request(_) => "a request",
        }
    }
}

/// A kind of thing that is held.
pub(crate) trait Held: Sized {
    /// As errors name it.
    const WHAT: &'static str;

    fn shelve(it: Arc<Self>) -> Shelved;
    fn taken(from: Shelved) -> Option<Arc<Self>>;
}

/// Something on its way into a terminal, or out of it.
pub(crate) struct Shelved(Thing);

macro_rules! held {
    ($type:ty, $kind:ident, $what:literal) => {
        impl Held for $type {
            const WHAT: &'static str = $what;

            fn shelve(it: Arc<Self>) -> Shelved {
                Shelved(Thing::$kind(it))
            }

            fn taken(from: Shelved) -> Option<Arc<Self>> {
                if let Thing::$kind(it) = from.0 { Some(it) } else { None }
            }
        }
    };
}

held!(Committee, Committee, "committee");
held!(Made, Template, "template");
held!([InputShares; 3], Shares, "shares");
held!(SubjectKey, PersonKey, "person_key");
held!(Prepared, Request, "request");

/// An open terminal. What it holds is wiped and freed with it.
pub struct Terminal {
    open: AtomicU64,
    pub(crate) pinned: Pinned,
    /// The upper half of all its handles: those of another terminal are told apart by it.
    tag: u32,
    kept: Mutex<Kept>,
}

struct Kept {
    next: u32,
    things: BTreeMap<Handle, Thing>,
}

/// Prints that it is one.
impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terminal(..)")
    }
}

impl Terminal {
    pub(crate) fn new(pinned: Pinned) -> Result<Self, Fault> {
        // No handle is 0.
        let tag = u32::from_ne_bytes(*random()?) | 1;
        let kept = Mutex::new(Kept { next: 0, things: BTreeMap::new() });
        Ok(Self { open: AtomicU64::new(OPEN), pinned, tag, kept })
    }

    /// Whether it is one, and open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) == OPEN
    }

    /// Marks it as closed. True for one caller alone.
    pub(crate) fn end(&self) -> bool {
        self.open.compare_exchange(OPEN, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What panicked while it looked here has changed nothing halfway.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something in.
    pub(crate) fn keep<T: Held>(&self, it: T) -> Result<Handle, Fault> {
        let mut kept = self.kept();
        if kept.things.len() >= TUMAR_MOST_HANDLES {
            return Err(Fault::Crowded(kept.things.len()));
        }
        let number = kept.next;
        kept.next = number.checked_add(1).ok_or(Fault::Crowded(kept.things.len()))?;
        let handle = u64::from(self.tag) << 32 | u64::from(number);
        let Shelved(thing) = T::shelve(Arc::new(it));
        kept.things.insert(handle, thing);
        Ok(handle)
    }

    /// What was taken in.
    pub(crate) fn find<T: Held>(&self, handle: Handle) -> Result<Arc<T>, Fault> {
        let found = self.kept().things.get(&handle).cloned();
        let thing = found.ok_or(Fault::Handle { what: T::WHAT })?;
        let kind = thing.kind();
        T::taken(Shelved(thing)).ok_or(Fault::Kind { what: T::WHAT, found: kind })
    }

    /// Lets something go, whatever it is.
    pub(crate) fn release(&self, handle: Handle) -> Result<(), Fault> {
        let gone = self.kept().things.remove(&handle);
        gone.map(drop).ok_or(Fault::Handle { what: "handle" })
    }
}
