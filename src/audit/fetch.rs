//! From a node's web site into the mirror: nothing is kept that does not lead to a checkpoint that the node signed, and no checkpoint
//! is accepted that does not continue all that were accepted before.
//!
//! ```text
//! checkpoint --signature--> right edge of the tiles --root--> tiles of the last one accepted --its root--> all other tiles,
//!      each by the hash above it --> bundles, each entry by its leaf --> accepted, with its cosignatures
//! ```
//!
//! So it can be cut off anywhere and goes on where it stopped: what stands in the mirror was verified.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use serde::Deserialize;

use super::finding::{Finding, Rule};
use super::hashes::{Hashes, edge};
use super::mirror::{Mirror, Place, hashes};
use super::pins::{NodePin, Pins};
use crate::log::merkle::leaf_hash;
use crate::log::note::Checkpoint;
use crate::log::shard::Shard;
use crate::log::tiles::{Span, WIDTH, levels, unbundle};
use crate::party::Party;
use crate::web::{HttpClient, WebError};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a log could not be fetched. What is wrong with what came is a [`Finding`].
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody there, or not the one that was pinned.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The pinned certificate, or the mirror.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pinned certificate that is none.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: WebError,
    },
    /// The mirror can not be read or written.
    #[error("the mirror can not be read or written: {0}")]
    Mirror(#[from] io::Error),
    /// `/logs.json` does not say which logs there are.
    #[error("logs.json of node {0} is missing or not valid")]
    Index(Party),
    /// The node does not serve entries to this token, or to nobody without one.
    #[error("node {0} refused the token, or requires one")]
    Token(Party),
    /// An answer that is neither a file nor that there is none.
    #[error("node {node} answers {status} for {path}")]
    Status {
        /// Which.
        node: Party,
        /// What it was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
    },
}

/// How far a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tiles of hashes.
    Hashes {
        /// So many are there.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Entries.
    Entries {
        /// So many are there.
        done: u64,
        /// Of so many.
        total: u64,
    },
}

/// Mirrors logs.
#[derive(Debug)]
pub struct Fetcher<'a> {
    /// Whom to ask and believe.
    pub pins: &'a Pins,
    /// Where to.
    pub mirror: &'a Mirror,
    /// The auditor's token, without which there are hashes but no entries.
    pub token: Option<&'a str>,
    /// How often to look again for a checkpoint that was cosigned.
    pub looks: u32,
    /// How long to wait before each.
    pub pause: Duration,
}

/// What came of one tile or bundle.
enum Got {
    /// It is there, and right.
    There,
    /// The node does not have it.
    Gone,
    /// It is not what was signed.
    False,
}

/// Why a checkpoint is not accepted.
enum Stop {
    Error(FetchError),
    Found(Finding),
}

impl<E: Into<FetchError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// What was accepted, and what is worth a word all the same.
struct Accepted {
    covered: bool,
    finding: Option<Finding>,
}

impl Fetcher<'_> {
    /// Mirrors all logs of one node, from its own site. `now` is in unix seconds.
    ///
    /// # Errors
    /// [`FetchError`]; what was fetched by then stays.
    pub fn node(
        &self,
        party: Party,
        now: u64,
        progress: &mut dyn FnMut(&Place, Step),
    ) -> Result<Vec<Finding>, FetchError> {
        let site = site(self.pins.node(party))?;
        let mut halves = self.mirror.halves(party)?;
        let served = served(&site, party)?;
        halves.extend(&served);
        halves.sort_unstable();
        halves.dedup();
        let mut findings = Vec::new();
        for half in halves {
            let place = self.mirror.place(party, half);
            // A whole log may be gone once all of it is old; never the newest.
            let may_be_gone = served.iter().max().is_some_and(|newest| half < *newest);
            let one = One { fetcher: self, site: &site, place: &place, now };
            for look in 0..=self.looks {
                match one.fetch(may_be_gone, progress) {
                    Ok(Accepted { covered, finding }) => {
                        findings.extend(finding);
                        if covered || look == self.looks {
                            break;
                        }
                    }
                    Err(Stop::Found(finding)) => {
                        findings.push(finding);
                        break;
                    }
                    Err(Stop::Error(error)) => return Err(error),
                }
                std::thread::sleep(self.pause);
            }
        }
        Ok(findings)
    }
}

fn site(pin: &NodePin) -> Result<HttpClient, FetchError> {
    let certificate = match &pin.certificate {
        Some(path) => Some(fs::read(path).map_err(|source| FetchError::File { path: path.clone(), source })?),
        None => None,
    };
    HttpClient::new(&pin.url, certificate.as_deref(), PATIENCE).map_err(|error| match (error, &pin.certificate) {
        (source @ WebError::Certificate, Some(path)) => FetchError::Certificate { path: path.clone(), source },
        (error, _) => error.into(),
    })
}

#[derive(Deserialize)]
struct Index {
    nodes: Vec<IndexNode>,
}

#[derive(Deserialize)]
struct IndexNode {
    party: Party,
    halves: Vec<String>,
}

/// Which logs a node says it has. Of its keys nothing is read: those are pinned.
fn served(site: &HttpClient, party: Party) -> Result<Vec<Shard>, FetchError> {
    let wrong = FetchError::Index(party);
    let answer = site.get("/logs.json", None)?;
    let index: Option<Index> = (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    let node = index.and_then(|index| index.nodes.into_iter().find(|node| node.party == party));
    let Some(node) = node else { return Err(wrong) };
    node.halves.iter().map(|half| half.parse()).collect::<Result<_, _>>().map_err(|_| wrong)
}

/// One log of half a year.
struct One<'a> {
    fetcher: &'a Fetcher<'a>,
    site: &'a HttpClient,
    place: &'a Place,
    now: u64,
}

impl One<'_> {
    fn fetch(&self, may_be_gone: bool, progress: &mut dyn FnMut(&Place, Step)) -> Result<Accepted, Stop> {
        let pins = self.fetcher.pins;
        let key = pins.node(self.place.party).log.of_half(self.place.half);
        let Some(bytes) = self.get("checkpoint", None)? else {
            let gone = || self.finding(None, Rule::Gap, "the node has no checkpoint of this log".to_owned());
            return if may_be_gone { Ok(Accepted { covered: true, finding: None }) } else { Err(Stop::Found(gone())) };
        };
        let note = String::from_utf8_lossy(&bytes).into_owned();
        let checkpoint = match Checkpoint::open(&note, &key) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return self.refuse(&note, None, Rule::BadSignature, format!("the checkpoint: {error}")),
        };
        let last = self.place.seen()?.pop().and_then(|(_, note)| Some((Checkpoint::open(&note, &key).ok()?, note)));
        let size = checkpoint.size;
        if let Some((before, known)) = &last {
            if size < before.size {
                let text = format!("a checkpoint of {} entries was accepted, and now there are {size}", before.size);
                return self.refuse(&note, Some(size), Rule::Rewound, text);
            }
            let same = size == before.size;
            if same && checkpoint.root != before.root {
                let text = format!("two signed checkpoints of {size} entries have different roots");
                return self.refuse(&note, None, Rule::Fork, text);
            }
            if same && self.place.is_whole(size, self.fetcher.token.is_some())? && self.place.checkpoint()?.is_some() {
                let party = self.place.party;
                let better = pins.cosigned(party, &note) > pins.cosigned(party, known);
                return self.accept(size, size, if better { &note } else { known }, None);
            }
        }
        let mut tiles = Tiles { one: self, hashes: Hashes::new(size), held: Some(Vec::new()) };
        self.root(&mut tiles, &checkpoint, &note)?;
        let finding = match &last {
            Some((before, _)) => self.continues(&mut tiles, before, size, &note)?,
            None => None,
        };
        tiles.keep_held()?;
        self.tiles(&mut tiles, size, progress)?;
        if self.fetcher.token.is_some() {
            self.entries(&tiles.hashes, size, progress)?;
        }
        self.accept(last.map_or(0, |(before, _)| before.size), size, &note, finding)
    }

    /// The tiles at the right edge lead to the signed root.
    fn root(&self, tiles: &mut Tiles<'_>, checkpoint: &Checkpoint, note: &str) -> Result<(), Stop> {
        for (level, span) in edge(checkpoint.size) {
            if let Got::Gone = tiles.tile(level, span)? {
                let at = span.range().start << (8 * level);
                let text = format!(
                    "tile {} of level {level}, of a log of {} entries, is not served",
                    span.index, checkpoint.size
                );
                return Err(Stop::Found(self.finding(Some(at), Rule::Gap, text)));
            }
        }
        if tiles.hashes.root(checkpoint.size) == Some(checkpoint.root) {
            return Ok(());
        }
        let pins = self.fetcher.pins;
        let cosigned = pins.cosigned(self.place.party, note);
        if cosigned >= pins.cosignatures && cosigned > 0 {
            let text = format!(
                "the tiles at the end of {} entries do not lead to the signed root, which {cosigned} witnesses cosigned: the node's files \
                 are damaged",
                checkpoint.size
            );
            return Err(Stop::Found(self.finding(None, Rule::Damaged, text)));
        }
        let text = "the tiles do not lead to the signed root, and too few witnesses cosigned it to tell damaged files from a forged root";
        self.refuse(note, None, Rule::Root, text.to_owned())
    }

    /// The last checkpoint that was accepted is of the first of these entries.
    fn continues(
        &self,
        tiles: &mut Tiles<'_>,
        before: &Checkpoint,
        size: u64,
        note: &str,
    ) -> Result<Option<Finding>, Stop> {
        for (level, old) in edge(before.size) {
            let span = Span::of(old.index, size >> (8 * level));
            match tiles.tile(level, span)? {
                Got::There => {}
                Got::Gone => {
                    let text =
                        format!("the checkpoint of {} entries can not be compared with a pruned log", before.size);
                    return Ok(Some(self.finding(None, Rule::Unproven, text)));
                }
                Got::False => return self.false_tile(level, span),
            }
        }
        if tiles.hashes.root(before.size) == Some(before.root) {
            return Ok(None);
        }
        let text = format!("the checkpoint of {size} entries does not continue that of {}", before.size);
        self.refuse(note, None, Rule::Fork, text)
    }

    /// All other tiles, from the top down: each is checked by the one above it. From the right: what was pruned is the left side, so
    /// the first that is gone is the last that is asked for, however large the log says that it is.
    fn tiles(&self, tiles: &mut Tiles<'_>, size: u64, progress: &mut dyn FnMut(&Place, Step)) -> Result<(), Stop> {
        let all: Vec<_> = levels(size).collect();
        let total = all.iter().map(|(_, count)| count.div_ceil(WIDTH)).sum();
        let mut done = 0;
        for &(level, count) in all.iter().rev() {
            for span in Span::changed(0, count).rev() {
                match tiles.tile(level, span)? {
                    Got::There => {}
                    Got::Gone => break,
                    Got::False => return self.false_tile(level, span),
                }
                done += 1;
                progress(self.place, Step::Hashes { done, total });
            }
        }
        Ok(())
    }

    fn false_tile<T>(&self, level: u32, span: Span) -> Result<T, Stop> {
        let path = span.path(&level.to_string());
        let text = format!("{path} is not the file that the signed root proves: it is damaged at the node");
        Err(Stop::Found(self.finding(Some(span.range().start << (8 * level)), Rule::Damaged, text)))
    }

    /// All bundles that are not there yet, from the right as well.
    fn entries(&self, hashes: &Hashes, size: u64, progress: &mut dyn FnMut(&Place, Step)) -> Result<(), Stop> {
        let mut first = self.place.first()?;
        for span in Span::changed(0, size).rev().take_while(|span| span.range().end > first) {
            if self.place.bundle(span)?.is_none() {
                match self.bundle(hashes, span)? {
                    Ok(()) => {}
                    // Those before the first that is served were pruned. Whether they were old enough is seen by its minute.
                    Err(Got::Gone) if span.range().end < size => {
                        first = span.range().end;
                        break;
                    }
                    Err(Got::Gone) => {
                        let text = "the newest entries are not served".to_owned();
                        return Err(Stop::Found(self.finding(Some(span.range().start), Rule::Gap, text)));
                    }
                    Err(_) => {
                        let path = span.path("entries");
                        let text =
                            format!("{path} is not the file that the signed root proves: it is damaged at the node");
                        return Err(Stop::Found(self.finding(Some(span.range().start), Rule::Damaged, text)));
                    }
                }
            }
            progress(self.place, Step::Entries { done: size - span.range().start, total: size });
        }
        if first > self.place.first()? {
            self.place.set_first(first)?;
        }
        Ok(())
    }

    /// Fetches one bundle and keeps it, if each entry is the one that was signed.
    fn bundle(&self, hashes: &Hashes, span: Span) -> Result<Result<(), Got>, Stop> {
        let Some((bytes, width)) = self.file("entries", span, self.fetcher.token)? else { return Ok(Err(Got::Gone)) };
        let Some(mut entries) = unbundle(&bytes, width) else { return Ok(Err(Got::False)) };
        entries.truncate(usize::try_from(span.width).expect("at most 256"));
        if span.range().zip(&entries).any(|(index, entry)| hashes.leaf(index) != Some(leaf_hash(entry))) {
            return Ok(Err(Got::False));
        }
        let length = |entry: &Vec<u8>| u16::try_from(entry.len()).expect("it had two bytes of length").to_be_bytes();
        let bundle = entries.iter().flat_map(|entry| length(entry).into_iter().chain(entry.iter().copied()));
        self.place.keep(&span.path("entries"), &bundle.collect::<Vec<u8>>())?;
        Ok(Ok(()))
    }

    /// A file as wide as asked for, or the full one, in which the partial one has gone up meanwhile.
    fn file(&self, what: &str, span: Span, token: Option<&str>) -> Result<Option<(Vec<u8>, u64)>, FetchError> {
        if let Some(bytes) = self.get(&span.path(what), token)? {
            return Ok(Some((bytes, span.width)));
        }
        if span.width == WIDTH {
            return Ok(None);
        }
        let full = Span { width: WIDTH, ..span };
        Ok(self.get(&full.path(what), token)?.map(|bytes| (bytes, WIDTH)))
    }

    fn get(&self, path: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, FetchError> {
        let node = self.place.party;
        let path = format!("/{}/{}/{path}", node.letter(), self.place.half);
        let answer = self.site.get(&path, token)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 | 410 => Ok(None),
            401 | 403 => Err(FetchError::Token(node)),
            status => Err(FetchError::Status { node, path, status }),
        }
    }

    fn accept(&self, before: u64, size: u64, note: &str, finding: Option<Finding>) -> Result<Accepted, Stop> {
        self.place.accept(size, note)?;
        self.place.set_fetched(self.now)?;
        self.place.tidy(before, size)?;
        let pins = self.fetcher.pins;
        Ok(Accepted { covered: pins.cosigned(self.place.party, note) >= pins.cosignatures, finding })
    }

    fn refuse<T>(&self, note: &str, index: Option<u64>, rule: Rule, text: String) -> Result<T, Stop> {
        self.place.refuse(note)?;
        Err(Stop::Found(self.finding(index, rule, text)))
    }

    fn finding(&self, index: Option<u64>, rule: Rule, text: String) -> Finding {
        Finding::new(self.place.party, Some(self.place.half), index, rule, text)
    }
}

/// Tiles under way.
struct Tiles<'a> {
    one: &'a One<'a>,
    hashes: Hashes,
    /// What is not kept before it is known that the log continues the one before.
    held: Option<Vec<(String, Vec<u8>)>>,
}

impl Tiles<'_> {
    /// A tile from the mirror, or from the node. A full one that is gone was pruned.
    fn tile(&mut self, level: u32, span: Span) -> Result<Got, FetchError> {
        if let Some(tile) = self.one.place.tile(level, span)?
            && self.hashes.insert(level, span, &tile).is_ok()
        {
            return Ok(Got::There);
        }
        if self.hashes.has(level, span) {
            return Ok(Got::There);
        }
        let what = level.to_string();
        let Some((bytes, width)) = self.one.file(&what, span, None)? else { return Ok(Got::Gone) };
        let Some(tile) = hashes(&bytes, width, span.width) else { return Ok(Got::False) };
        if self.hashes.insert(level, span, &tile).is_err() {
            return Ok(Got::False);
        }
        let file = (span.path(&what), tile.as_flattened().to_vec());
        match &mut self.held {
            Some(held) => held.push(file),
            None => self.one.place.keep(&file.0, &file.1)?,
        }
        Ok(Got::There)
    }

    fn keep_held(&mut self) -> io::Result<()> {
        for (path, bytes) in self.held.take().unwrap_or_default() {
            self.one.place.keep(&path, &bytes)?;
        }
        Ok(())
    }
}
