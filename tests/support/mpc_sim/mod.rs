//! Three parties in one process: what the tests and benches of the protocol run in. Public API only.
//!
//! A world has a seed and prints it when a test fails; it stands in for the handshakes and for the network between the nodes, and
//! lets a test see, change, hold back or swallow every message.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::cast_precision_loss, clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, unreachable_pub)]

pub mod data;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use crate::support::rng::Dice;
use tokio::sync::mpsc;
use tumar::net::{Frame, Pipe, SessionId};
use tumar::party::Party;
use tumar::protocol::{
    FusionRule, Invalid, Meter, ModalityInput, ProtocolError, ReferenceInput, Session, VerifyInput, enrol_intake,
    verify,
};
use tumar::prss::{Epoch, PairSeed, SessionKeys};
use tumar::share::{InputShares, Masks, PointShare, split};
use tumar::template::face::quantise;
use tumar::template::finger::direction;
use tumar::template::model::{Model, Models};
use tumar::template::{Levels, SURROUNDINGS, Shape};
use zeroize::Zeroizing;

/// How long a party of a world waits.
pub const PATIENCE: Duration = Duration::from_secs(5);

impl Dice {
    /// Roughly normal: enough to make embeddings of.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.word() >> 40) as f32 / 16_777_216.0).sum::<f32>() - 6.0
    }

    pub fn embedding(&mut self, dimension: usize) -> Vec<f32> {
        (0..dimension).map(|_| self.normal()).collect()
    }

    /// The three parties' shares of a packed vector, honest or not.
    pub fn split(&mut self, packed: &[u8]) -> [InputShares; 3] {
        self.split_shape(Shape::vector(2 * packed.len()).unwrap(), packed)
    }

    /// The three parties' shares of any packed template.
    pub fn split_shape(&mut self, shape: Shape, packed: &[u8]) -> [InputShares; 3] {
        split(shape, packed, Masks::from_random(Zeroizing::new(self.bytes(2 * packed.len())))).unwrap()
    }

    /// Packed rows, all honest: some of them near rows of `like`, where there are any, and the rest near nobody's. All point nearly the
    /// same way, so that directions keep nobody apart.
    pub fn packed_set(&mut self, rows: usize, like: &[Vec<f32>]) -> (Vec<Vec<f32>>, Vec<u8>) {
        let model = model_of(SURROUNDINGS);
        let mut floats = Vec::new();
        let mut packed = Vec::new();
        for _ in 0..rows {
            let mut row = self.embedding(SURROUNDINGS);
            if !like.is_empty() && self.below(2) == 0 {
                // Cosines from near nothing to almost one.
                let strength = 0.25 * self.below(16) as f32;
                let near = &like[self.below(like.len())];
                row.iter_mut().zip(near).for_each(|(x, near)| *x += strength * near);
            }
            packed.extend_from_slice(&quantise(&row, &model).unwrap().pack());
            packed.extend(pack(&direction(self.byte() % 16)));
            floats.push(row);
        }
        (floats, packed)
    }

    /// A packed honest vector.
    pub fn packed(&mut self, model: &Model) -> Vec<u8> {
        quantise(&self.embedding(model.dimension()), model).unwrap().pack().to_vec()
    }
}

/// Two components a byte.
pub fn pack(components: &[i8]) -> Vec<u8> {
    let nibble = |component: i8| component.cast_unsigned() & 15;
    components.chunks(2).map(|two| nibble(two[0]) | nibble(two[1]) << 4).collect()
}

/// What a test does with a message on its way.
pub enum Passage {
    /// Goes on as it is, or as it was changed.
    On(Frame),
    /// Never arrives.
    Dropped,
    /// Arrives twice.
    Twice(Frame),
    /// Arrives after the next one of the same direction, if there is one.
    AfterNext(Frame),
    /// Arrives after this long.
    Late(Frame, Duration),
}

/// Where a message is, for a test that looks at it.
pub struct Message<'a> {
    pub from: Party,
    pub to: Party,
    pub frame: Frame,
    /// The sender's keys of this session: with them a test can play a party that deviates and signs what it sends.
    pub keys: &'a SessionKeys,
}

impl Message<'_> {
    /// The frame with the sender's own tag over what it now says.
    pub fn signed(mut self) -> Frame {
        self.frame.tag = self.keys.tag(self.to, self.frame.number, self.frame.step, &self.frame.body);
        self.frame
    }
}

type Tamper = dyn FnMut(Message<'_>) -> Passage + Send;

/// The three epochs of one set of connections.
pub struct World {
    epochs: [Epoch; 3],
    /// The same seeds again, for the tests that tag what they changed.
    shadows: [Epoch; 3],
    pub dice: Dice,
    /// How long each party waits.
    pub patience: [Duration; 3],
    seed: u64,
}

impl World {
    /// With a seed of one's own, or from `TUMAR_SEED`.
    pub fn new(seed: u64) -> Self {
        let seed = std::env::var("TUMAR_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(seed);
        let mut dice = Dice(seed);
        let seeds: [Vec<u8>; 3] = [(); 3].map(|()| dice.bytes(32));
        let seed_of = |slot: Party| {
            let bytes: [u8; 32] = seeds[slot.index()].as_slice().try_into().unwrap();
            PairSeed::from_handshake(&Zeroizing::new(bytes))
        };
        let epochs = || Party::ALL.map(|own| Epoch::new(own, seed_of(own.next()), seed_of(own)));
        Self { epochs: epochs(), shadows: epochs(), dice, patience: [PATIENCE; 3], seed }
    }

    fn keys(&mut self) -> ([SessionKeys; 3], [SessionKeys; 3]) {
        let mut id = [0; 16];
        id.copy_from_slice(&self.dice.bytes(16));
        let id = SessionId(id);
        let open = |epochs: &mut [Epoch; 3]| epochs.each_mut().map(|epoch| epoch.session(id).unwrap());
        (open(&mut self.epochs), open(&mut self.shadows))
    }

    /// A session with nothing between the parties.
    pub fn sessions(&mut self) -> [Session; 3] {
        let [(ab, ba), (bc, cb), (ca, ac)] = [Pipe::pair(), Pipe::pair(), Pipe::pair()];
        let ([a, b, c], _) = self.keys();
        [(a, ab, ac), (b, bc, ba), (c, ca, cb)].map(|(keys, next, prev)| {
            let patience = self.patience[keys.own().index()];
            Session::new(keys, next, prev, patience)
        })
    }

    /// A session whose every message passes through `tamper`.
    pub fn tampered(&mut self, tamper: impl FnMut(Message<'_>) -> Passage + Send + 'static) -> [Session; 3] {
        let (keys, shadows) = self.keys();
        let shadows = Arc::new(shadows);
        let tamper: Arc<Mutex<Tamper>> = Arc::new(Mutex::new(tamper));
        // Indexed by sender, then by whether it sends to the next party (0) or the previous one (1).
        let mut outs = Vec::new();
        let mut ins = Vec::new();
        for from in Party::ALL {
            for to in [from.next(), from.prev()] {
                let (out, taken) = mpsc::channel(8);
                let (given, arrived) = mpsc::channel(64);
                outs.push(Some(out));
                ins.push(Some(arrived));
                tokio::spawn(carry(from, to, taken, given, Arc::clone(&shadows), Arc::clone(&tamper)));
            }
        }
        let mut pipe = |own: Party, peer: Party| {
            let place = |from: Party, to: Party| 2 * from.index() + usize::from(to != from.next());
            Pipe { to: outs[place(own, peer)].take().unwrap(), from: ins[place(peer, own)].take().unwrap() }
        };
        keys.map(|keys| {
            let own = keys.own();
            let (next, prev) = (pipe(own, own.next()), pipe(own, own.prev()));
            Session::new(keys, next, prev, self.patience[own.index()])
        })
    }

    /// Runs the three parties side by side.
    pub async fn run<T, F: Future<Output = T>>(sessions: [Session; 3], mut party: impl FnMut(Session) -> F) -> [T; 3] {
        let [a, b, c] = sessions.map(|session| Box::pin(party(session)));
        let (a, b, c) = tokio::join!(a, b, c);
        [a, b, c]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the world's seed was TUMAR_SEED={}", self.seed);
        }
    }
}

/// A face model of any dimension, for tests that need a small one.
pub fn model_of(dimension: usize) -> Model {
    let table = format!(
        "[[model]]\nid = \"test\"\nmodality = \"face\"\ndimension = {dimension}\n\
         thresholds = {{ \"1e-3\" = 0.3, \"1e-4\" = 0.4, \"1e-5\" = 0.5 }}\n"
    );
    Models::parse(&table).unwrap().iter().next().unwrap().clone()
}

/// What each party is sent of a batch: the three parties' parts of many triples, turned into one list a party.
pub fn by_party(triples: Vec<[InputShares; 3]>) -> [Vec<InputShares>; 3] {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for triple in triples {
        for (list, summands) in lists.iter_mut().zip(triple) {
            list.push(summands);
        }
    }
    lists
}

/// Takes a batch of references in, each a request of its own.
pub async fn enrol_all(
    sessions: [Session; 3],
    references: Vec<[InputShares; 3]>,
) -> [Result<Vec<Result<PointShare, Invalid>>, ProtocolError>; 3] {
    let mut lists = by_party(references).map(Some);
    World::run(sessions, |session| {
        let batch = lists[session.own().index()].take().unwrap();
        let one = |points: Result<Vec<PointShare>, Invalid>| points.map(|mut points| points.pop().unwrap());
        async move {
            let requests = batch.into_iter().map(|summands| vec![summands]).collect();
            enrol_intake(session, requests).await.map(|taken| taken.into_iter().map(one).collect())
        }
    })
    .await
}

/// Takes honest vectors in through the protocol: three parties' points of each.
pub async fn enrol(world: &mut World, packed: &[Vec<u8>]) -> [Vec<PointShare>; 3] {
    let vector = |packed: &Vec<u8>| (Shape::vector(2 * packed.len()).unwrap(), packed.clone());
    enrol_shapes(world, &packed.iter().map(vector).collect::<Vec<_>>()).await
}

/// Takes honest templates in through the protocol: three parties' points of each.
pub async fn enrol_shapes(world: &mut World, packed: &[(Shape, Vec<u8>)]) -> [Vec<PointShare>; 3] {
    let triples = packed.iter().map(|(shape, packed)| world.dice.split_shape(*shape, packed)).collect();
    let points = enrol_all(world.sessions(), triples).await;
    points.map(|points| points.unwrap().into_iter().map(Result::unwrap).collect())
}

/// One modality of a request: a probe's shares, and the places of its references with threshold and weight.
pub struct Trial {
    pub probe: [InputShares; 3],
    pub against: Vec<(usize, i16, u16)>,
}

/// Runs a batch of requests against the points `references`.
pub async fn verify_trials(
    sessions: [Session; 3],
    requests: Vec<(Vec<Trial>, FusionRule)>,
    references: &[Vec<PointShare>; 3],
) -> [Result<Vec<Result<bool, Invalid>>, ProtocolError>; 3] {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for (trials, joint) in requests {
        let mut sides = [Vec::new(), Vec::new(), Vec::new()];
        for Trial { probe, against } in trials {
            for ((party, sides), probe) in Party::ALL.into_iter().zip(&mut sides).zip(probe) {
                let against = against.iter().map(|&(row, threshold, weight)| {
                    let point = &references[party.index()][row];
                    ReferenceInput {
                        shape: point.shape(),
                        words: point.words(),
                        threshold,
                        weight,
                        levels: Levels::default(),
                    }
                });
                sides.push(ModalityInput { probe, references: against.collect() });
            }
        }
        for (list, sides) in lists.iter_mut().zip(sides) {
            list.push(VerifyInput { sides, joint });
        }
    }
    let mut lists = lists.map(Some);
    World::run(sessions, |session| {
        let batch = lists[session.own().index()].take().unwrap();
        verify(session, batch)
    })
    .await
}

/// Runs a batch of comparisons: item `i` is `probes[i]` against the points `references[.][rows[i]]`.
pub async fn verify_all(
    sessions: [Session; 3],
    probes: Vec<[InputShares; 3]>,
    references: &[Vec<PointShare>; 3],
    rows: &[usize],
    thresholds: &[i16],
) -> [Result<Vec<Result<bool, Invalid>>, ProtocolError>; 3] {
    let requests = probes.into_iter().zip(rows).zip(thresholds);
    let requests = requests.map(|((probe, &row), &threshold)| {
        (vec![Trial { probe, against: vec![(row, threshold, 1)] }], FusionRule::Any)
    });
    verify_trials(sessions, requests.collect(), references).await
}

/// The meters of three sessions.
pub fn meters(sessions: &[Session; 3]) -> [Arc<Meter>; 3] {
    sessions.each_ref().map(Session::meter)
}

async fn carry(
    from: Party,
    to: Party,
    mut taken: mpsc::Receiver<Frame>,
    given: mpsc::Sender<Frame>,
    shadows: Arc<[SessionKeys; 3]>,
    tamper: Arc<Mutex<Tamper>>,
) {
    let mut held = None;
    while let Some(frame) = taken.recv().await {
        let keys = &shadows[from.index()];
        let passage = tamper.lock().unwrap()(Message { from, to, frame, keys });
        let (first, second) = match passage {
            Passage::On(frame) => (Some(frame), held.take()),
            Passage::Dropped => (None, None),
            Passage::Twice(frame) => (Some(frame.clone()), Some(frame)),
            Passage::AfterNext(frame) => {
                held = Some(frame);
                (None, None)
            }
            Passage::Late(frame, by) => {
                tokio::time::sleep(by).await;
                (Some(frame), None)
            }
        };
        for frame in [first, second].into_iter().flatten() {
            // A receiver that has ended takes nothing; its peers must not notice that from the world.
            drop(given.send(frame).await);
        }
    }
}
