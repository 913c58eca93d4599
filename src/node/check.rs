//! Says what is wrong with a node before it is started: nothing is served, written or changed, but that a store which a crash left is
//! read as SQLite reads it.

use std::path::Path;

use super::causes::with_causes;
use super::control::{Running, Runs, who_runs};
use super::peers::{self, Asked, Told, Unheard};
use super::{Config, Keys, NodeError, audit, keys, listen, own, pinned, remotes, verifier};
use crate::clocks::{APART, Clock, Utc};
use crate::log::access::LogError;
use crate::log::continuity::ContinuityError;
use crate::log::copy::LogCopy;
use crate::log::note::{VerifierKey, log_name};
use crate::log::tiles;
use crate::store::{Store, StoreError};
use crate::template::model::Models;
use crate::tls::{DialError, Dialler};
use crate::token::Policy;

/// How one thing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well, and how it was seen.
    Ok(String),
    /// It could not be looked at: why, and what to do.
    Unseen(String, &'static str),
    /// It is not known, and that does not count: why, and what to do.
    Unknown(String, &'static str),
    /// What is wrong, and what to do.
    Wrong(String, &'static str),
    /// The log is not the one that was cosigned: what is wrong, and what to do.
    Forked(String, &'static str),
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which: `configuration`, `keys`, `data`, `store`, `log`, `clock`, `addresses`, `peer A` to `peer C`, `terms`.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
}

/// What a look at the store gave.
enum Seen {
    /// All of the log, and the latest time that was acted on.
    Whole(LogCopy, u64),
    /// A running node has it.
    InUse,
    /// There is none, or it can not be read: that is told by then.
    Nothing,
}

/// Looks at everything that a start needs, in this order.
pub async fn check(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.tell(
        "configuration",
        configuration(config).map_err(|error| error.of(config.file())),
        "correct the named file",
    );
    let keys = Keys::read(&config.path(&config.keys));
    let key =
        keys.as_ref().ok().map(|keys| VerifierKey::new(log_name(&config.deployment, config.party), keys.log.public()));
    let certificates = keys
        .as_ref()
        .map_err(|error| with_causes(error))
        .and_then(|_| certificates(config).map_err(|error| with_causes(&error)));
    findings.tell_text(
        "keys",
        certificates,
        "put the file back from where the keys are kept: nothing else opens the store or signs the log",
    );
    if let Ok(keys) = &keys {
        findings.own(config, keys);
    }
    let seen = match (keys, &key) {
        (Ok(keys), Some(key)) => store_and_log(config, keys, key, &mut findings).await,
        _ => Seen::Nothing,
    };
    let told = peers::ask(config).await.unwrap_or_default();
    clocks(clock(), &seen, &told, &mut findings);
    if matches!(seen, Seen::InUse) {
        findings.push("addresses", taken(config).await);
    } else {
        findings.tell_text(
            "addresses",
            addresses(config).await,
            "stop the process that listens there, or configure other addresses",
        );
    }
    for Asked { party, answer } in told {
        let linked = dial(config, party).await;
        findings.peer(party.as_str(), linked.and(answer), &seen);
    }
    for peer in config.peers.iter().filter(|peer| peer.audit.is_none()) {
        let linked = dial(config, peer.party).await;
        findings.unasked(peer.party.as_str(), linked);
    }
    let why = "whether the peers have the same policy and models, and the identities that are pinned here, and pin this node's, can not be asked";
    findings.push(
        "terms",
        Verdict::Unknown(why.to_owned(), "see the node's log after the start: links come up if they do"),
    );
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, what: &str, verdict: Verdict) {
        self.0.push(Finding { what: what.to_owned(), verdict });
    }

    fn ok(&mut self, what: &str, how: impl Into<String>) {
        self.push(what, Verdict::Ok(how.into()));
    }

    fn tell(&mut self, what: &str, looked: Result<String, NodeError>, to_do: &'static str) {
        self.tell_text(what, looked.map_err(|error| with_causes(&error)), to_do);
    }

    fn tell_text(&mut self, what: &str, looked: Result<String, String>, to_do: &'static str) {
        self.push(what, looked.map_or_else(|wrong| Verdict::Wrong(wrong, to_do), Verdict::Ok));
    }

    /// What is wrong with what is the node's own, a line each.
    fn own(&mut self, config: &Config, keys: &Keys) {
        let mut wrong = |what: &str, why: Option<String>, to_do| {
            if let Some(why) = why {
                self.push(what, Verdict::Wrong(why, to_do));
            }
        };
        let mistaken = own::mistaken(config, keys).unwrap_or_default();
        wrong("keys", mistaken, "put this node's own file there, or mend the peer's entry in node.toml");
        wrong("keys", own::open_to_others(config), "chmod 600");
        let to_do = "make another, and give it to the two other operators: openssl req -x509 .. -addext basicConstraints=critical,CA:FALSE";
        wrong("keys", own::refused(config), to_do);
        let to_do =
            "make another, and give it to all who have it pinned, clients, auditors and the two other operators";
        wrong("keys", own::outlived(config), to_do);
        let to_do = "make room, give the folder to the node's user, or mount its volume for writing";
        wrong("data", own::unwritable_in(&config.path(&config.data)), to_do);
    }

    /// A folder that a node has which runs: this one, or another.
    fn running(&mut self, config: &Config, data: &Path, node: Option<&Running>) -> Seen {
        let file = data.join("store.sqlite");
        match node {
            None => {
                let why = format!("{}: in use by another process, which does not say which node it is", file.display());
                self.push("store", Verdict::Unseen(why, "stop that process, and check again"));
                Seen::Nothing
            }
            Some(node) if node.party == config.party && node.deployment == config.deployment => {
                self.ok("store", format!("{}: in use by a running node, not checked", file.display()));
                Seen::InUse
            }
            Some(Running { party, deployment }) => {
                let why = format!("{}: in use by node {party} of {deployment}, which is running", data.display());
                self.push("data", Verdict::Wrong(why, "name this node's own folder by data in node.toml"));
                Seen::Nothing
            }
        }
    }

    /// A peer of which the configuration does not say where it could be asked.
    fn unasked(&mut self, party: &str, linked: Result<(), Unheard>) {
        let why = "it answers; without [peers.audit] in node.toml the log is not compared with what it cosigned, here and at a start";
        let to_do =
            "add the tables [audit] and [peers.audit] to node.toml: an older copy of the store is not noticed without";
        let verdict = linked.map_or_else(Unheard::verdict, |()| Verdict::Unknown(why.to_owned(), to_do));
        self.push(&format!("peer {party}"), verdict);
    }

    /// What a peer says, and whether the log that was seen continues what it cosigned.
    fn peer(&mut self, party: &str, told: Result<Told, Unheard>, seen: &Seen) {
        let what = format!("peer {party}");
        let told = match told {
            Ok(told) => told,
            Err(unheard) => return self.push(&what, unheard.verdict()),
        };
        if let Some(other) = &told.other {
            let to_do = "ask its operator which key is the right one, and mend [peers.audit] in node.toml";
            self.push(&what, Verdict::Wrong(other.clone(), to_do));
        }
        let Seen::Whole(log, _) = seen else {
            return self.ok(&what, "it answers; the log was not compared with what it cosigned");
        };
        match log.continues(&told.checkpoints) {
            Ok(()) if told.checkpoints.is_empty() => {
                self.ok(&what, "it answers, and has cosigned nothing of this log yet");
            }
            Ok(()) => self.ok(&what, "it answers, and the log continues what it cosigned"),
            Err(error @ ContinuityError::Gap(_)) => self.push(
                &what,
                Verdict::Forked(
                    error.to_string(),
                    "do not start this node; put the newest store back, or see docs/backup.md",
                ),
            ),
            Err(error) => {
                self.push(&what, Verdict::Wrong(with_causes(&error), "ask its operator which key of this log it has"));
            }
        }
    }
}

impl Unheard {
    fn verdict(self) -> Verdict {
        if self.untrusted {
            let to_do =
                "ask its operator which certificate is the right one, and mend the one that is pinned in node.toml";
            return Verdict::Wrong(self.why, to_do);
        }
        Verdict::Unseen(self.why, "start that node, or correct its address and certificate in node.toml")
    }
}

/// All that is parsed.
fn configuration(config: &Config) -> Result<String, NodeError> {
    let models = Models::parse(&config.text(&config.models)?)
        .map_err(|error| NodeError::Models(config.path(&config.models), error))?;
    Policy::parse(&config.text(&config.policy)?, &models)
        .map_err(|error| NodeError::Policy(config.path(&config.policy), error))?;
    verifier(config)?;
    remotes(config)?;
    config.apart()?;
    config.envelope_life()?;
    config.link_life()?;
    for peer in &config.peers {
        if let Some(seen) = &peer.audit {
            audit::site(config, &seen.url, seen.certificate.as_ref())?;
        }
    }
    Ok(format!("node {} of {}; policy, models, issuers, officers and peers are valid", config.party, config.deployment))
}

fn certificates(config: &Config) -> Result<String, NodeError> {
    let folder = config.path(&config.keys);
    keys::tls(&folder, "peer")?;
    keys::tls(&folder, "tls")?;
    config.clients.iter().try_for_each(|path| pinned(config, path).map(drop))?;
    audit::witness(config)?;
    Ok(format!("{}: identity, log, store, witness and certificates are valid", folder.display()))
}

/// Whether a start in this folder makes a new store.
///
/// # Errors
/// [`NodeError::NoStore`] if there is a published log, which a new store would fork.
pub(super) fn is_new(data: &Path) -> Result<bool, NodeError> {
    let (store, log) = (data.join("store.sqlite"), data.join("log"));
    if store.exists() {
        return Ok(false);
    }
    let halves = tiles::halves(&log).map_err(|error| NodeError::File(log.clone(), error))?;
    let published = halves.iter().any(|half| log.join(half.to_string()).join("checkpoint").exists());
    if published { Err(NodeError::NoStore { store, log }) } else { Ok(true) }
}

async fn store_and_log(config: &Config, keys: Keys, key: &VerifierKey, findings: &mut Findings) -> Seen {
    let data = config.path(&config.data);
    let file = data.join("store.sqlite");
    let to_do = "put back the store of this node and version, or restore a backup: see docs/backup.md";
    match who_runs(&data) {
        Runs::Nobody => {}
        Runs::Somebody => return findings.running(config, &data, None),
        Runs::Node(node) => return findings.running(config, &data, Some(&node)),
    }
    match is_new(&data) {
        Ok(false) => {}
        Ok(true) => {
            findings.ok("store", format!("{} will be created at the first start", file.display()));
            return Seen::Whole(LogCopy::empty(key.clone()), 0);
        }
        Err(NodeError::NoStore { store, log }) => {
            let why = format!("{} is not there, and {} holds a published log", store.display(), log.display());
            let to_do =
                "is the volume of data mounted? Put the newest store back, or restore a backup: see docs/backup.md";
            findings.push("store", Verdict::Forked(why, to_do));
            return Seen::Nothing;
        }
        Err(error) => {
            findings.push("store", Verdict::Wrong(with_causes(&error), to_do));
            return Seen::Nothing;
        }
    }
    match Store::open(&file, config.deployment.clone(), config.party, keys.store).await {
        Ok(store) => read(store, (&file, &data.join("log")), key, findings).await,
        Err(StoreError::InUse) => findings.running(config, &data, None),
        Err(error) => {
            let why = format!("{}: {}", file.display(), with_causes(&error));
            // A store that can not be opened for want of room or of a right is the right one.
            let can_not = own::unwritable_in(&data).is_some();
            let to_do = if can_not { "do first what the line about data says, and check again" } else { to_do };
            findings.push("store", Verdict::Wrong(why, to_do));
            Seen::Nothing
        }
    }
}

/// All of an opened store, and of the log beside it.
async fn read(mut store: Store, (file, folder): (&Path, &Path), key: &VerifierKey, findings: &mut Findings) -> Seen {
    let mut people = 0_u64;
    let loaded = match store.load(0, |_| people += 1).await {
        // Sealed with the same key, and there before anybody is enrolled.
        Ok(_) => store.envelope_keys().await.map(drop),
        Err(error) => Err(error),
    };
    let loaded = loaded.map_err(|error| format!("{}: {}", file.display(), with_causes(&error)));
    let whole = loaded.is_ok();
    let persons = if people == 1 { "person" } else { "people" };
    let to_do = "is keys/store.key the one that the store was written with? Else restore a backup: see docs/backup.md";
    findings.tell_text("store", loaded.map(|()| format!("{}: {people} {persons}", file.display())), to_do);
    let acted = store.acted();
    let log = LogCopy::read(&mut store, folder, key).await;
    let _ = store.close().await;
    match log {
        Ok(log) => {
            let sizes: Vec<_> = log.sizes().map(|(half, size)| format!("{half} {size}")).collect();
            findings.ok(
                "log",
                format!("{}: the store continues what is published ({})", folder.display(), sizes.join(", ")),
            );
            if whole { Seen::Whole(log, acted) } else { Seen::Nothing }
        }
        Err(error) => {
            findings.push("log", unusable(folder, &error));
            Seen::Nothing
        }
    }
}

fn unusable(folder: &Path, error: &LogError) -> Verdict {
    let to_do = "put the newest store and log back, or restore a backup: see docs/backup.md";
    let at = folder.display();
    if let LogError::Lost { published, durable } = error {
        // The error's own text says what to do as well.
        let why = format!(
            "{published} entries were published, and the store holds {durable}: it is an older copy, or it lost some"
        );
        return Verdict::Forked(format!("{at}: {why}"), to_do);
    }
    let why = format!("{at}: {}", with_causes(error));
    if matches!(error, LogError::Forked { .. }) { Verdict::Forked(why, to_do) } else { Verdict::Wrong(why, to_do) }
}

fn clocks(now: u64, seen: &Seen, told: &[Asked], findings: &mut Findings) {
    let mut wrong = Vec::new();
    if let Seen::Whole(_, acted) = seen
        && now + APART < *acted
    {
        wrong.push(format!("it is {}, but this node has already acted at {}", Utc(now), Utc(*acted)));
    }
    let heard: Vec<_> = told.iter().filter_map(|asked| Some((asked.party, asked.answer.as_ref().ok()?.now?))).collect();
    for (party, theirs) in &heard {
        if now.abs_diff(*theirs) > APART {
            wrong.push(format!("it is {}, that of node {party} is {}", Utc(now), Utc(*theirs)));
        }
    }
    if wrong.is_empty() && heard.is_empty() {
        // A node whose clock differs from another's does not say what it is.
        let in_doubt: Vec<_> = told.iter().filter(|asked| asked.answer.is_ok()).map(|asked| asked.party).collect();
        let (reason, to_do) = match in_doubt.as_slice() {
            [] => ("no peer answered".to_owned(), "start a peer, and check again"),
            [one] => (format!("node {one} answered, and its clock is in doubt"), "see the log of that node"),
            [first, ..] => {
                (format!("node {first} and the other answered, and their clocks are in doubt"), "see their logs")
            }
        };
        let why = format!("{}, compared with no other clock: {reason}", Utc(now));
        findings.push("clock", Verdict::Unknown(why, to_do));
    } else if wrong.is_empty() {
        let with = heard.iter().map(|(party, _)| format!("node {party}'s")).collect::<Vec<_>>().join(" and ");
        findings.ok("clock", format!("{}, compared with {with}", Utc(now)));
    } else {
        let to_do = "correct the wrong clock; if this node acted at a wrong time, start it once with --accept-clock";
        findings.push("clock", Verdict::Wrong(wrong.join("; "), to_do));
    }
}

fn listens(config: &Config) -> Vec<&String> {
    let audit = config.audit.as_ref().map(|audit| &audit.address);
    [&config.public, &config.peer].into_iter().chain(audit).collect()
}

/// Whether somebody listens at the addresses of a node that runs.
async fn taken(config: &Config) -> Verdict {
    let mut free = Vec::new();
    for address in listens(config) {
        if listen(address).await.is_ok() {
            free.push(address.as_str());
        }
    }
    if free.is_empty() {
        return Verdict::Ok("in use, as they are while the node runs".to_owned());
    }
    let why = format!("nobody listens at {}, although the node runs", free.join(", "));
    Verdict::Unknown(why, "the running node has other addresses: it takes those of node.toml at its next start")
}

async fn addresses(config: &Config) -> Result<String, String> {
    let all = listens(config);
    for address in &all {
        listen(address).await.map_err(|error| with_causes(&error))?;
    }
    Ok(format!("{} are free", all.iter().map(|address| address.as_str()).collect::<Vec<_>>().join(", ")))
}

/// Whether somebody with the pinned certificate listens for this node, and takes this node's certificate.
async fn dial(config: &Config, party: crate::party::Party) -> Result<(), Unheard> {
    let identity = keys::tls(&config.path(&config.keys), "peer").map_err(|error| with_causes(&error))?;
    let remotes = remotes(config).map_err(|error| with_causes(&error))?;
    let Some(remote) = remotes.iter().find(|remote| remote.party == party) else { return Ok(()) };
    let dialler = Dialler::new(Some(&identity), &remote.certificate, &crate::peer::tls_name(party))
        .map_err(|error| with_causes(&error))?;
    dialler.dial(&remote.address).await.map(drop).map_err(|error| Unheard {
        untrusted: matches!(error, DialError::Untrusted { .. }),
        why: format!("{}: {}", remote.address, with_causes(&error)),
    })
}

/// The worst of all, as a number that commands end with: 0, 4 for what could not be seen, 2 for what is wrong, 5 for a log that would
/// be forked.
#[must_use]
pub fn worst(findings: &[Finding]) -> u8 {
    let of = |finding: &Finding| match finding.verdict {
        Verdict::Ok(_) | Verdict::Unknown(..) => (0, 0),
        Verdict::Unseen(..) => (1, 4),
        Verdict::Wrong(..) => (2, 2),
        Verdict::Forked(..) => (3, 5),
    };
    findings.iter().map(of).max().map_or(0, |(_, code)| code)
}
