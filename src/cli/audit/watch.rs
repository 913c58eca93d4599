//! `tumar audit watch`: looks again and again, until something is wrong.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tumar::audit::counts::time;
use tumar::audit::fetch::{FetchError, Fetcher};
use tumar::audit::mirror::Use;
use tumar::audit::report::logs_json;
use tumar::audit::{Audit, Finding, Severity, Verdict};
use tumar::web::WebError;

use super::super::failure::Failure;
use super::super::{clock, output, print_json};
use super::{Bars, Fetched, Source, Where, failed, fetch};

/// Arguments of `tumar audit watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    source: Source,
    /// Seconds from one look to the next
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// End after so many looks, with the last one's exit code
    #[arg(long)]
    rounds: Option<u64>,
    /// Looks in a row without an answer of a node after which it is an alarm (exit code 4)
    #[arg(long, default_value_t = 3)]
    patience: u32,
}

impl Watch {
    pub(super) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, mirror) = self.source.at.open()?;
        let mut token = self.source.token()?;
        let (mut told, mut silent) = (BTreeSet::new(), [0; 3]);
        for round in 1.. {
            let pause = Duration::from_millis(500);
            let fetcher =
                Fetcher { pins: &pins, mirror: &mirror, token: token.as_deref(), looks: self.source.looks, pause };
            let look = Round::look(&fetcher, &self.source.at)?;
            look.tell(&mut told, json);
            if look.verdict >= Verdict::Broken {
                look.alarm();
                return Ok(look.verdict.code().into());
            }
            let mut unheard = None;
            for (party, error) in look.fetched.failures {
                let may_pass = self.may_pass(&error, round);
                let failure = failed(error, token.as_deref());
                if !may_pass {
                    return Err(failure);
                }
                silent[party.index()] += 1;
                eprintln!("tumar: node {party}: {failure}");
                if silent[party.index()] >= self.patience {
                    eprintln!("ALARM: reading the log of node {party} failed {} times in a row", self.patience);
                    return Err(failure);
                }
                unheard = Some(failure);
            }
            for party in look.answered {
                silent[party] = 0;
            }
            if output::is_lost() || self.rounds.is_some_and(|rounds| round >= rounds) {
                // What the last look did not see is not well.
                return unheard.map_or_else(|| Ok(look.verdict.code().into()), Err);
            }
            std::thread::sleep(Duration::from_secs(self.interval));
            if self.source.is_renewed() {
                // Whoever renews it may be at it: the one before is good for as long as it is.
                match self.source.token() {
                    Ok(renewed) => token = renewed,
                    Err(failure) => eprintln!("tumar: {failure}"),
                }
            }
        }
        unreachable!("rounds are counted without end")
    }

    /// Only who does not answer may answer the next time, and a token that was good may be renewed.
    fn may_pass(&self, error: &FetchError, round: u64) -> bool {
        match error {
            FetchError::Token(_) => round > 1 && self.source.is_renewed(),
            FetchError::Web(WebError::Untrusted(..))
            | FetchError::Certificate { .. }
            | FetchError::File { .. }
            | FetchError::Mirror(_) => false,
            FetchError::Web(_) | FetchError::Index(_) | FetchError::Status { .. } => true,
        }
    }
}

/// One look.
struct Round {
    now: u64,
    fetched: Fetched,
    /// Indices of the nodes that did.
    answered: Vec<usize>,
    audit: Audit,
    verdict: Verdict,
}

impl Round {
    fn look(fetcher: &Fetcher<'_>, at: &Where) -> Result<Self, Failure> {
        let Fetcher { pins, mirror, .. } = fetcher;
        let alone = at.hold(mirror, Use::Alone)?;
        let now = clock::now();
        let told = fetch(fetcher, &Bars::new());
        drop(alone);
        let _shared = at.hold(mirror, Use::Shared)?;
        let answered = (0..3).filter(|node| told.failures.iter().all(|(party, _)| party.index() != *node)).collect();
        let audit = Audit::of(mirror, pins, &[], &mut |_, _, _, _| {}).map_err(Failure::Mirror)?;
        let verdict = Verdict::of(told.findings.iter().chain(audit.all()));
        Ok(Self { now, fetched: told, answered, audit, verdict })
    }

    fn all(&self) -> impl Iterator<Item = &Finding> {
        self.fetched.findings.iter().chain(self.audit.all())
    }

    /// One line a look; each finding once.
    fn tell(&self, told: &mut BTreeSet<String>, json: bool) {
        let new: Vec<&Finding> = self.all().filter(|finding| told.insert(finding.to_string())).collect();
        if json {
            let findings: Vec<_> = new.into_iter().map(Finding::to_json).collect();
            print_json(&json!({
                "time": self.now, "verdict": self.verdict.as_str(), "entries": self.audit.entries,
                "logs": logs_json(&self.audit), "findings": findings,
            }));
            return;
        }
        let sizes: Vec<String> =
            self.audit.logs.iter().map(|log| format!("{} {} {}", log.party, log.half, log.size)).collect();
        println!("{} {}: {}", time(self.now), self.verdict.as_str(), sizes.join(", "));
        for finding in new {
            println!("  {finding}");
        }
    }

    fn alarm(&self) {
        for finding in self.all().filter(|finding| finding.severity >= Severity::Broken) {
            eprintln!("ALARM: {finding}");
        }
    }
}
