//! What came of it, on one screen or as one JSON object.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tumar::party::Party;

use super::aftermath::Aftermath;
use super::figures::{Bin, Counts, Figures, Latencies, Phases, Tally, float};
use super::local::Memory;
use super::mix::Action;
use super::{Arrivals, Load, Measured};
use crate::cli::table;

/// The latencies that are told: name, and part that stays within.
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// One rate that was tried.
pub(super) struct Step {
    rate: f64,
    achieved: f64,
    p99: Option<f64>,
    errors: u64,
    /// Errors by reason.
    reasons: BTreeMap<String, u64>,
    holds: bool,
}

impl Step {
    pub(super) fn of(rate: f64, holds: bool, figures: &Figures) -> Self {
        let p99 = figures.all.latencies.quantile(0.99);
        Self {
            rate,
            achieved: figures.achieved(None),
            p99,
            errors: figures.all.errors,
            reasons: figures.reasons.clone(),
            holds,
        }
    }

    pub(super) fn in_words(&self, bound: Duration) -> String {
        let verdict = if self.holds { "holds" } else { "does not hold" };
        format!(
            "  {:.1} a second: {:.1} answered, p99 {} ms, {} errors{}: {verdict} ({} ms)",
            self.rate,
            self.achieved,
            number(self.p99),
            self.errors,
            self.reasons.iter().fold(String::new(), |text, (reason, count)| format!("{text}, {reason} {count}")),
            bound.as_millis()
        )
    }

    fn cells(&self) -> Vec<String> {
        let verdict = if self.holds { "yes" } else { "no" };
        vec![
            format!("{:.1}", self.rate),
            format!("{:.1}", self.achieved),
            number(self.p99),
            self.errors.to_string(),
            verdict.to_owned(),
        ]
    }
}

/// Milliseconds, or a dash where there is nothing.
fn number(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |milliseconds| format!("{milliseconds:.1}"))
}

/// The same, to the microsecond: phases are short.
fn fine(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |milliseconds| format!("{milliseconds:.3}"))
}

/// From KiB.
pub(super) fn mebibytes(kib: u64) -> f64 {
    float(kib) / 1024.0
}

/// The line that is shown while it runs.
pub(super) fn so_far(figures: &Figures, rate: f64, now: Duration) -> String {
    if now < figures.window.warm_up {
        return "warming up".to_owned();
    }
    let under_way = figures.all.offered - figures.all.answered - figures.all.errors;
    format!(
        "{:.1} of {rate:.1} a second, p99 {} ms, {under_way} under way, {} errors, {} wrong, {} s",
        figures.achieved(Some(now)),
        number(figures.all.latencies.quantile(0.99)),
        figures.all.errors,
        figures.wrong(),
        now.as_secs()
    )
}

/// Everything that is told.
pub(super) struct Report<'a> {
    pub(super) load: &'a Load,
    /// Whose faces and fingers.
    pub(super) source: &'static str,
    /// Of a search for the highest rate.
    pub(super) steps: &'a [Step],
    pub(super) measured: &'a Measured,
    /// Of nodes that were started for it.
    pub(super) aftermath: Option<&'a Aftermath>,
}

/// Head and rows of a table.
pub(super) type Table = (Vec<String>, Vec<Vec<String>>);

impl Report<'_> {
    /// What was counted.
    pub(super) const fn figures(&self) -> &Figures {
        &self.measured.figures
    }

    /// Whether every answer was right, something was answered, a rate that was looked for was found, and nothing is lost.
    pub(super) fn all_well(&self) -> bool {
        let found = self.load.ramp.is_none() || self.highest().is_some();
        let kept = self.aftermath.is_none_or(Aftermath::all_well);
        self.figures().wrong() == 0 && self.figures().all.answered > 0 && found && kept
    }

    /// The highest rate that held.
    fn highest(&self) -> Option<f64> {
        self.steps.iter().filter(|step| step.holds).map(|step| step.rate).reduce(f64::max)
    }

    /// The rate that the figures are of.
    fn rate(&self) -> f64 {
        self.highest().or_else(|| self.steps.first().map(|step| step.rate)).unwrap_or(self.load.plan.rate)
    }

    /// What was done, one sentence each.
    pub(super) fn sentences(&self) -> Vec<String> {
        let Load { plan, target, mix, by, people, .. } = self.load;
        let spread = match plan.arrivals {
            Arrivals::Even => "evenly spaced",
            Arrivals::Poisson => "at random (Poisson)",
        };
        let nodes = if target.local {
            "Three nodes, each a process of its own, share the cores of one machine with the load. The policy's limit of requests a second \
             is lifted."
        } else {
            "The nodes that the client's configuration names, under their own policy."
        };
        let whose = if self.source == "synthetic" { "made up" } else { self.source };
        let mut sentences = vec![
            nodes.to_owned(),
            format!("{people} people ({whose}), enrolled before; mix {mix}; compared by {}.", by.as_str()),
            format!(
                "{:.1} arrivals a second, {spread}, for {:.1} s after {:.1} s that are not counted; seed {}.",
                self.rate(),
                plan.duration.as_secs_f64(),
                plan.warm_up.as_secs_f64(),
                plan.seed
            ),
            "Arrivals never wait for answers. A latency runs from when an arrival was due until its answer and three receipts \
             were checked: token, split, seal and proof are in it. Latencies are those of answers; errors are counted by reason."
                .to_owned(),
            "Phases are measured by the leader, and told with each answer; what is left of a latency is elsewhere: the client and the \
             way there and back."
                .to_owned(),
        ];
        if mix.has(Action::Search) {
            sentences.push(format!(
                "Searches are by face among the {people} people, each in a case of its own with two officers' approvals; exactly those must \
                 be named whom the plain comparison finds."
            ));
        }
        if let Some((party, killed)) = self.load.restart.zip(self.measured.killed) {
            sentences.push(format!(
                "Node {party} was killed (SIGKILL) {:.1} s after the warm-up, and started again at once. Errors are expected then.",
                killed.as_secs_f64()
            ));
        }
        if self.aftermath.is_some() {
            sentences.push(
                "Afterwards the people whose enrolment was acknowledged are asked for again, at most 500 of them; the nodes are stopped, \
                 and their logs are audited and held against all answers."
                    .to_owned(),
            );
        }
        sentences
    }

    /// One line of results each.
    pub(super) fn results(&self) -> Vec<String> {
        let figures = self.figures();
        let Counts { offered, answered, errors, .. } = figures.all;
        let tally = |tally: Tally| format!("{} of {} matched", tally.matches, tally.answered);
        let mut lines = vec![
            format!(
                "Offered {offered}, answered {answered}, errors {errors}; {:.1} answers a second.",
                figures.achieved(None)
            ),
            format!(
                "{} wrong bits against the plain comparison of integers; genuine {}, impostors {}.",
                figures.wrong_bits,
                tally(figures.genuine),
                tally(figures.impostor)
            ),
        ];
        if self.load.mix.has(Action::Search) {
            lines.push(format!("{} searches named others than the plain comparison.", figures.wrong_searches));
        }
        lines.extend(self.aftermath.into_iter().flat_map(Aftermath::results));
        if let Some(bound) = self.load.ramp {
            let found = self.highest().map_or_else(|| "none".to_owned(), |rate| format!("{rate:.1} a second"));
            lines.push(format!("Highest rate tried with 99 % of arrivals answered within {bound} ms: {found}."));
        }
        lines
    }

    /// Head and rows: one row an action, milliseconds.
    pub(super) fn overview(&self) -> Table {
        let mut head = ["action", "offered", "answered", "errors"].map(str::to_owned).to_vec();
        head.extend(QUANTILES.map(|(name, _)| format!("{name} ms")));
        let row = |name: &str, counts: &Counts| {
            let mut row = vec![name.to_owned()];
            row.extend([counts.offered, counts.answered, counts.errors].map(|count| count.to_string()));
            row.extend(QUANTILES.map(|(_, part)| number(counts.latencies.quantile(part))));
            row
        };
        let mut rows: Vec<Vec<String>> = Action::ALL
            .iter()
            .zip(&self.figures().actions)
            .filter(|(action, _)| self.load.mix.has(**action))
            .map(|(action, counts)| row(action.as_str(), counts))
            .collect();
        rows.push(row("all", &self.figures().all));
        (head, rows)
    }

    /// Head and rows: one row a phase of each action, milliseconds.
    pub(super) fn phases(&self) -> Table {
        let mut head = ["action", "phase"].map(str::to_owned).to_vec();
        head.extend(QUANTILES.map(|(name, _)| format!("{name} ms")));
        let mut rows = Vec::new();
        for (action, phases) in Action::ALL.iter().zip(&self.figures().phases) {
            for (phase, latencies) in phases.iter() {
                let mut row = vec![action.as_str().to_owned(), phase.to_owned()];
                row.extend(QUANTILES.map(|(_, part)| fine(latencies.quantile(part))));
                rows.push(row);
            }
        }
        (head, rows)
    }

    /// Head and rows: what each node's process held in memory, MiB.
    pub(super) fn memory(&self) -> Table {
        let head = ["node", "at the start MiB", "at the end MiB", "at most MiB"].map(str::to_owned).to_vec();
        let mut rows = Vec::new();
        for party in Party::ALL {
            let kib: Vec<u64> = self.measured.memory.iter().filter_map(|memory| memory.kib[party.index()]).collect();
            if let (Some(first), Some(last), Some(most)) = (kib.first(), kib.last(), kib.iter().max()) {
                let mut row = vec![party.to_string()];
                row.extend([first, last, most].map(|kib| format!("{:.1}", mebibytes(*kib))));
                rows.push(row);
            }
        }
        (head, rows)
    }

    /// All tables that have rows, with their titles.
    pub(super) fn tables(&self) -> Vec<(&'static str, Table)> {
        let tables = [
            ("Latency", self.overview()),
            ("Where the time goes, by the leader's account", self.phases()),
            ("Errors by reason", self.reasons()),
            ("Rates that were tried", self.tried()),
            ("Memory of the nodes' processes", self.memory()),
        ];
        tables.into_iter().filter(|(_, (_, rows))| !rows.is_empty()).collect()
    }

    /// Head and rows: errors by reason.
    pub(super) fn reasons(&self) -> Table {
        let rows = self.figures().reasons.iter().map(|(reason, count)| vec![reason.clone(), count.to_string()]);
        (["reason", "errors"].map(str::to_owned).to_vec(), rows.collect())
    }

    /// Head and rows: the rates that were tried.
    pub(super) fn tried(&self) -> Table {
        let head = ["offered a second", "answered a second", "p99 ms", "errors", "holds"].map(str::to_owned).to_vec();
        (head, self.steps.iter().map(Step::cells).collect())
    }

    pub(super) fn print(&self) {
        for sentence in self.sentences() {
            println!("{sentence}");
        }
        for (title, table) in self.tables() {
            println!("\n{title}");
            print_table(&table);
        }
        println!();
        for line in self.results() {
            println!("{line}");
        }
        for out in [&self.load.out, &self.load.markdown, &self.load.picture].into_iter().flatten() {
            println!("The report: {}", out.display());
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let (figures, plan) = (self.figures(), self.load.plan);
        let tally = |tally: Tally| json!({ "answered": tally.answered, "matches": tally.matches });
        let action = |((action, counts), phases): ((&Action, &Counts), &Phases)| {
            let mut value = of_counts(counts);
            value["action"] = action.as_str().into();
            value["phases_ms"] =
                phases.iter().map(|(phase, latencies)| (phase.to_owned(), of_latencies(latencies))).collect();
            value
        };
        let mut value = of_counts(&figures.all);
        let more = json!({
            "local": self.load.target.local,
            "people": self.load.people,
            "data": self.source,
            "by": self.load.by.as_str(),
            "mix": self.load.mix.to_string(),
            "arrivals": if plan.arrivals == Arrivals::Even { "even" } else { "poisson" },
            "seed": plan.seed,
            "rate": self.rate(),
            "duration_s": plan.duration.as_secs_f64(),
            "warm_up_s": plan.warm_up.as_secs_f64(),
            "achieved_per_second": figures.achieved(None),
            "reasons": figures.reasons,
            "wrong_bits": figures.wrong_bits,
            "wrong_searches": figures.wrong_searches,
            "genuine": tally(figures.genuine),
            "impostor": tally(figures.impostor),
            "actions": Action::ALL.iter().zip(&figures.actions).zip(&figures.phases).map(action).collect::<Vec<_>>(),
            "bin_s": figures.window.bin().as_secs(),
            "bins": figures.bins.iter().map(of_bin).collect::<Vec<_>>(),
            "restart": self.load.restart.zip(self.measured.killed).map(|(party, killed)| json!({
                "node": party,
                "killed_s": killed.as_secs_f64(),
            })),
            "memory": self.measured.memory.iter().map(|Memory { at, kib }| json!({
                "at_s": at.as_secs_f64(),
                "kib": kib,
            })).collect::<Vec<_>>(),
            "aftermath": self.aftermath.map(Aftermath::to_json),
            "ramp": self.load.ramp.map(|bound| json!({
                "bound_ms": bound,
                "highest_rate": self.highest(),
                "steps": self.steps.iter().map(|step| json!({
                    "rate": step.rate,
                    "achieved_per_second": step.achieved,
                    "p99_ms": step.p99,
                    "errors": step.errors,
                    "reasons": step.reasons,
                    "holds": step.holds,
                })).collect::<Vec<_>>(),
            })),
        });
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        value
    }
}

fn of_latencies(latencies: &Latencies) -> Value {
    QUANTILES.iter().map(|(name, part)| (name.replace('.', "_"), json!(latencies.quantile(*part)))).collect()
}

fn of_counts(counts: &Counts) -> Value {
    json!({
        "offered": counts.offered,
        "answered": counts.answered,
        "errors": counts.errors,
        "latency_ms": of_latencies(&counts.latencies),
    })
}

fn of_bin(bin: &Bin) -> Value {
    let mut value = of_counts(&bin.counts);
    value["came"] = bin.came.into();
    value
}

/// A count as a rate: so many in so long.
pub(super) fn a_second(count: u64, time: Duration) -> f64 {
    float(count) / time.as_secs_f64()
}

fn print_table((head, rows): &Table) {
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = table(&head);
    for row in rows {
        table.add_row(row.clone());
    }
    println!("{table}");
}
