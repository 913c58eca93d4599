//! `tumar audit`: what an auditor does, from mirroring logs to raising the alarm.

mod page;
mod watch;

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tumar::audit::fetch::{FetchError, Fetcher, Step};
use tumar::audit::mirror::{Hold, Place, Use};
use tumar::audit::pins::PinsError;
use tumar::audit::report::{Report, findings, logs_json};
use tumar::audit::{Audit, Finding, Mirror, Pins, Verdict};
use tumar::party::Party;

use super::failure::Failure;
use super::token::claims_of;
use super::{clock, files, print_json};

const EXIT_CODES: &str = "Exit codes:
  0  nothing is wrong; there may be warnings
  1  a rule is broken: the findings say at which node, at which entry, and which
  2  wrong usage, or files that can not be read
  3  a node does not accept the token
  4  a node could not be reached, or the mirror lacks entries; nothing is wrong with what there is
  5  a fork, a log that was set back, or a signature that does not hold";

/// Arguments of `tumar audit`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(super) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Mirror the logs of all three nodes into a folder; what is there is not fetched again
    #[command(after_help = EXIT_CODES)]
    Fetch(Fetch),
    /// Check each mirrored log by itself: signatures, cosignatures, root, what was seen before, schema and policy
    #[command(after_help = EXIT_CODES)]
    Verify(Look),
    /// Compare the three mirrored logs: requests that are missing, extra, different or late
    #[command(after_help = EXIT_CODES)]
    Reconcile(Look),
    /// Count the requests by relying party and purpose, and show the days that stand out
    #[command(after_help = EXIT_CODES)]
    Report(Tell),
    /// Put the auditors' page into the folder: a browser opens its index.html without any server
    Page(page::Page),
    /// Fetch and check repeatedly; end with an alarm at the first broken rule
    #[command(after_help = EXIT_CODES)]
    Watch(watch::Watch),
}

/// Whom to believe, and where the logs are.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The pinned keys: auditor.toml
    #[arg(long, default_value = "auditor.toml")]
    pins: PathBuf,
    /// Folder of the mirrored logs
    #[arg(long)]
    mirror: PathBuf,
}

impl Where {
    pub(super) fn open(&self) -> Result<(Pins, Mirror), Failure> {
        let pins = Pins::read(&self.pins).map_err(|error| match error {
            PinsError::File { path, source } if path == self.pins && source.kind() == ErrorKind::NotFound => {
                Failure::NoPins(path)
            }
            error @ (PinsError::File { .. }
            | PinsError::Form { .. }
            | PinsError::Nodes
            | PinsError::Cosignatures(_)
            | PinsError::At { .. }
            | PinsError::Policy { .. }) => error.into(),
        })?;
        Ok((pins, Mirror::new(&self.mirror)))
    }

    /// The same for what is not fetched anew: a folder that is not there is a slip of the pen, and not a log without entries.
    pub(super) fn open_there(&self) -> Result<(Pins, Mirror), Failure> {
        let opened = self.open()?;
        let fault = |source| Failure::File { path: self.mirror.clone(), source };
        if !fs::metadata(&self.mirror).map_err(fault)?.is_dir() {
            return Err(fault(ErrorKind::NotADirectory.into()));
        }
        Ok(opened)
    }

    /// Waits until no other command uses the mirror in a way that this one could not stand, and says so if that takes a second.
    pub(super) fn hold(&self, mirror: &Mirror, how: Use) -> Result<Hold, Failure> {
        let (held, waits) = mpsc::channel::<()>();
        let text = format!("waiting: another command is using {}", self.mirror.display());
        let waiting = || {
            thread::spawn(move || {
                if waits.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                    eprintln!("tumar: {text}");
                }
            });
        };
        let locked = mirror.hold(how, waiting).map_err(Failure::Mirror);
        drop(held);
        locked
    }
}

/// How logs are fetched.
#[derive(Debug, Args)]
struct Source {
    #[command(flatten)]
    at: Where,
    /// File with the auditor's token (`-` for standard input), which `watch` reads again for each look; without it hashes are
    /// fetched, and no entries
    #[arg(long)]
    token: Option<PathBuf>,
    /// How often to look again, half a second apart, for a checkpoint that enough witnesses cosigned
    #[arg(long, default_value_t = 4)]
    looks: u32,
}

impl Source {
    fn token(&self) -> Result<Option<String>, Failure> {
        self.token.as_deref().map(files::read_token).transpose()
    }

    /// Whether it may be another one the next time, because somebody renews it.
    fn is_renewed(&self) -> bool {
        self.token.as_deref().is_some_and(|path| path != Path::new("-"))
    }
}

/// Why nothing came of a node, and of a token that is too old, that it is.
fn failed(error: FetchError, token: Option<&str>) -> Failure {
    let FetchError::Token(node) = error else { return error.into() };
    let expired = token.and_then(|token| claims_of(token)["exp"].as_u64()).filter(|&exp| exp <= clock::now());
    expired.map_or(Failure::Fetch(error), |at| Failure::TokenExpired { node, at })
}

/// Arguments of `tumar audit fetch`.
#[derive(Debug, Args)]
struct Fetch {
    #[command(flatten)]
    source: Source,
}

/// Arguments of `tumar audit verify` and `reconcile`.
#[derive(Debug, Args)]
struct Look {
    #[command(flatten)]
    at: Where,
    /// A signed checkpoint that was seen elsewhere: in a receipt, or in another auditor's mirror; may be given again
    #[arg(long)]
    seen: Vec<PathBuf>,
}

/// Arguments of `tumar audit report`.
#[derive(Debug, Args)]
struct Tell {
    #[command(flatten)]
    look: Look,
    /// Write one HTML file with plots
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write the uses by day as comma-separated values
    #[arg(long)]
    csv: Option<PathBuf>,
    /// How many days the tables show
    #[arg(long, default_value_t = 14)]
    days: usize,
}

impl Command {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.what {
            What::Fetch(fetch) => fetch.run(json),
            What::Verify(look) => look.run(json, &|audit| audit.findings.iter().collect()),
            What::Reconcile(look) => look.run(json, &reconciled),
            What::Report(tell) => tell.run(json),
            What::Page(page) => page.run(json),
            What::Watch(watch) => watch.run(json),
        }
    }
}

/// Where the logs do not agree; and before that, what of them could not be compared.
fn reconciled(audit: &Audit) -> Vec<&Finding> {
    audit.findings.iter().filter(|finding| finding.rule.is_of_log()).chain(&audit.pairs).collect()
}

/// What all nodes were asked for.
struct Fetched {
    findings: Vec<Finding>,
    failures: Vec<(Party, FetchError)>,
}

/// Asks all three, also if one does not answer.
fn fetch(fetcher: &Fetcher<'_>, bars: &Bars) -> Fetched {
    let mut told = Fetched { findings: Vec::new(), failures: Vec::new() };
    let mut shown = HashMap::new();
    for party in Party::ALL {
        let result = fetcher.node(party, clock::now(), &mut |place, step| bars.show(&mut shown, place, step));
        match result {
            Ok(findings) => told.findings.extend(findings),
            Err(error) => told.failures.push((party, error)),
        }
    }
    clear(shown);
    told
}

impl Fetch {
    fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, mirror) = self.source.at.open()?;
        let token = self.source.token()?;
        let pause = Duration::from_millis(500);
        let fetcher =
            Fetcher { pins: &pins, mirror: &mirror, token: token.as_deref(), looks: self.source.looks, pause };
        let alone = self.source.at.hold(&mirror, Use::Alone)?;
        let Fetched { findings: found, failures } = fetch(&fetcher, &Bars::new());
        drop(alone);
        let verdict = Verdict::of(&found);
        if json {
            let failures: Vec<Value> = failures
                .iter()
                .map(|(party, error)| json!({"node": party.as_str(), "error": error.to_string()}))
                .collect();
            print_json(&json!({
                "verdict": verdict.as_str(), "failures": failures, "hashes_only": token.is_none(),
                "findings": found.iter().map(Finding::to_json).collect::<Vec<_>>(),
            }));
        } else {
            print_table("Findings", findings(found.iter()));
            if failures.is_empty() && verdict == Verdict::Clean {
                let what = if token.is_none() { " (hashes only: entries need a token)" } else { "" };
                println!("The mirror is up to date{what}. Now: tumar audit verify");
            }
        }
        // A fork outweighs a node that does not answer.
        match failures.into_iter().next() {
            Some((_, error)) if verdict <= Verdict::Incomplete => Err(failed(error, token.as_deref())),
            _ => Ok(verdict.code().into()),
        }
    }
}

impl Look {
    fn audit(&self) -> Result<(Pins, Audit), Failure> {
        let (pins, mirror) = self.at.open()?;
        let elsewhere = self.seen.iter().map(|path| text_of(path)).collect::<Result<Vec<_>, _>>()?;
        let _shared = self.at.hold(&mirror, Use::Shared)?;
        let bars = Bars::new();
        let mut shown = HashMap::new();
        let audit = Audit::of(&mirror, &pins, &elsewhere, &mut |party, half, done, total| {
            bars.show(&mut shown, &mirror.place(party, half), Step::Entries { done, total });
        });
        clear(shown);
        Ok((pins, audit.map_err(Failure::Mirror)?))
    }

    fn run(&self, json: bool, of: &dyn Fn(&Audit) -> Vec<&Finding>) -> Result<ExitCode, Failure> {
        let (pins, audit) = self.audit()?;
        let found = of(&audit);
        // Logs that can not be believed, or are not there, do not agree either.
        let also = audit.findings.iter().filter(|finding| Verdict::of([*finding]) != Verdict::Broken);
        let verdict = Verdict::of(found.iter().copied().chain(also));
        if json {
            print_json(&json!({
                "deployment": pins.deployment, "verdict": verdict.as_str(), "code": verdict.code(),
                "entries": audit.entries, "admitted_by_all": audit.admitted, "logs": logs_json(&audit),
                "findings": found.iter().map(|finding| finding.to_json()).collect::<Vec<_>>(),
            }));
            return Ok(verdict.code().into());
        }
        let report = Report::new(&audit, &pins.deployment);
        let mut tables = report.tables(0).into_iter();
        if let Some((title, logs)) = tables.next() {
            print_table(title, logs);
        }
        print_table("Findings", findings(found.iter().copied()));
        println!(
            "{}: {} entries, {} requests admitted in all three logs, {} findings",
            verdict.as_str().to_uppercase(),
            audit.entries,
            audit.admitted,
            found.len()
        );
        Ok(verdict.code().into())
    }
}

impl Tell {
    fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, audit) = self.look.audit()?;
        let report = Report::new(&audit, &pins.deployment);
        if let Some(path) = &self.html {
            replace(path, &report.to_html())?;
        }
        if let Some(path) = &self.csv {
            replace(path, &report.to_csv())?;
        }
        if json {
            print_json(&report.to_json());
        } else {
            for (title, table) in report.tables(self.days) {
                print_table(title, table);
            }
            report.sentences().iter().for_each(|sentence| println!("{sentence}"));
        }
        Ok(audit.verdict().code().into())
    }
}

/// A report may be written over an earlier one.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// A note ends with its last line end: it is read as it stands.
fn text_of(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&files::read(path)?).into_owned())
}

/// Nothing of an empty one.
fn print_table(title: &str, (head, rows): (Vec<String>, Vec<Vec<String>>)) {
    if rows.is_empty() {
        return;
    }
    let mut table = super::table(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    println!("{title}\n{table}\n");
}

/// Nothing of the progress stays.
fn clear(shown: HashMap<String, ProgressBar>) {
    for bar in shown.into_values() {
        bar.finish_and_clear();
    }
}

/// Progress on the terminal, a line for each log; none where nobody looks.
struct Bars {
    all: Option<MultiProgress>,
}

impl Bars {
    fn new() -> Self {
        Self { all: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    fn show(&self, shown: &mut HashMap<String, ProgressBar>, place: &Place, step: Step) {
        let Some(all) = &self.all else { return };
        let (what, done, total) = match step {
            Step::Hashes { done, total } => ("hashes", done, total),
            Step::Entries { done, total } => ("entries", done, total),
        };
        let bar = shown.entry(format!("{} {}", place.party, place.half)).or_insert_with_key(|name| {
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}")
                .expect("the template is a constant that was tried");
            all.add(ProgressBar::new(total).with_style(style).with_prefix(name.clone()))
        });
        bar.set_message(what);
        bar.set_length(total);
        bar.set_position(done);
    }
}
