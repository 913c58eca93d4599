//! The demo on one screen, or as one JSON object.

use std::time::Duration;

use serde_json::json;

use super::leak_check::LeakCheck;
use super::protections::Protection;
use super::rounds::{Rounds, Tally};
use crate::cli::logs::{LogFault, Logs};
use crate::cli::people::{By, People};
use crate::cli::table;

/// Everything that the demo found.
pub(super) struct Report<'a> {
    pub(super) people: &'a People,
    pub(super) rounds: &'a Rounds,
    pub(super) protections: &'a [Protection],
    pub(super) sights: &'a [LeakCheck],
    pub(super) logs: &'a Result<Logs, LogFault>,
}

fn sum(tallies: &[Tally]) -> Tally {
    tallies.iter().fold(Tally::default(), |sum, tally| Tally {
        attempts: sum.attempts + tally.attempts,
        matches: sum.matches + tally.matches,
    })
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

impl Report<'_> {
    /// Whether no bit was wrong, each protection gave its reason, nothing looked like anything, and the logs agree.
    pub(super) fn all_well(&self) -> bool {
        self.rounds.wrong_bits == 0
            && self.protections.iter().all(|protection| protection.ok)
            && self.sights.iter().all(LeakCheck::is_noise)
            && self.logs_agree()
    }

    fn logs_agree(&self) -> bool {
        self.logs.as_ref().is_ok_and(|logs| logs.agree)
    }

    pub(super) fn print_json(&self) {
        let tally = |tally: Tally| json!({ "attempts": tally.attempts, "matches": tally.matches });
        let latency = |per_cent| milliseconds(self.rounds.percentile_of_all(per_cent));
        let decision = |by: By| {
            json!({
                "decision": by.as_str(),
                "genuine": tally(self.rounds.genuine[by as usize]),
                "impostor": tally(self.rounds.impostor[by as usize]),
                "p50_ms": milliseconds(self.rounds.percentile(by, 50)),
                "p90_ms": milliseconds(self.rounds.percentile(by, 90)),
            })
        };
        let protection = |protection: &Protection| {
            json!({
                "name": protection.name,
                "reason": protection.reason,
                "node": protection.node,
                "ok": protection.ok,
            })
        };
        let sight = |sight: &LeakCheck| {
            json!({
                "node": sight.party,
                "share_bytes_sent": sight.sent,
                "share_bytes_stored": sight.stored,
                "chi_squared": (sight.chi_squared * 10.0).round() / 10.0,
                "uniform": sight.is_noise(),
                "protocol_runs": sight.runs,
            })
        };
        crate::cli::print_json(&json!({
            "data": self.people.source,
            "people": self.people.count(),
            "genuine": tally(sum(&self.rounds.genuine)),
            "impostor": tally(sum(&self.rounds.impostor)),
            "decisions": By::ALL.map(decision),
            "wrong_bits": self.rounds.wrong_bits,
            "latency_ms": { "p50": latency(50), "p90": latency(90), "p99": latency(99) },
            "protections": self.protections.iter().map(protection).collect::<Vec<_>>(),
            "seen": self.sights.iter().map(sight).collect::<Vec<_>>(),
            "logs_agree": self.logs_agree(),
        }));
    }

    pub(super) fn print(&self) {
        println!(
            "Tumar: three nodes in this process, over TLS 1.3 and gRPC on loopback. None ever holds a face or a finger."
        );
        self.print_rounds();
        self.print_protections();
        self.print_sights();
        self.print_logs();
        println!();
        println!("{}", if self.all_well() { "All checks passed." } else { "SOME CHECKS FAILED." });
    }

    fn print_rounds(&self) {
        let rounds = self.rounds;
        let people = match self.people.source {
            "synthetic" => "made-up faces and fingers (--data DIR takes real ones)".to_owned(),
            sets => format!("{sets}; each a face and a finger of two strangers, paired"),
        };
        println!("\nPeople: {people}");
        let enrolled = milliseconds(rounds.enrolled_in / u32::try_from(self.people.count()).unwrap_or(u32::MAX));
        println!(
            "  {} enrolled by a face and two impressions of a finger, in {enrolled:.1} ms each",
            self.people.count()
        );
        let mut table = table(&["by", "genuine", "matched", "impostor", "matched", "p50 ms", "p90 ms"]);
        for by in By::ALL {
            let [genuine, impostor] = [rounds.genuine, rounds.impostor].map(|tallies| tallies[by as usize]);
            let [p50, p90] = [50, 90].map(|per_cent| format!("{:.1}", milliseconds(rounds.percentile(by, per_cent))));
            let counts = [genuine.attempts, genuine.matches, impostor.attempts, impostor.matches];
            let counts = counts.map(|count| count.to_string());
            table.add_row(std::iter::once(by.as_str().to_owned()).chain(counts).chain([p50, p90]));
        }
        println!("{table}");
        println!("  {} wrong bits, against the plain comparison of integers", rounds.wrong_bits);
        println!("  Times are a client's: split, seal, prove, compare, check three receipts.");
    }

    fn print_protections(&self) {
        println!("\nProtections: what was tried, and the error that the client received");
        let mut table = table(&["protection", "tried", "refused by", "reason", ""]);
        for protection in self.protections {
            table.add_row([
                protection.name.replace('_', " "),
                protection.tried.to_owned(),
                protection.node.map_or_else(|| "-".to_owned(), |node| format!("node {node}")),
                protection.reason.clone().unwrap_or_else(|| "NOT REFUSED".to_owned()),
                if protection.ok { "ok" } else { "UNEXPECTED" }.to_owned(),
            ]);
        }
        println!("{table}");
    }

    fn print_sights(&self) {
        println!(
            "\nWhat a thief of one node holds, with all of its keys: the bytes of every share it was sent and keeps"
        );
        let mut table = table(&["node", "sent", "stored", "chi-squared (random: 255)", "runs, no score in any"]);
        for sight in self.sights {
            let verdict = if sight.is_noise() { "random" } else { "NOT RANDOM" };
            table.add_row([
                sight.party.to_string(),
                sight.sent.to_string(),
                sight.stored.to_string(),
                format!("{:.0}: {verdict}", sight.chi_squared),
                sight.runs.to_string(),
            ]);
        }
        println!("{table}");
    }

    fn print_logs(&self) {
        println!("\nThe three access logs, compared");
        match self.logs {
            Ok(logs) => {
                let [a, b, c] = logs.entries;
                let verdict = if logs.agree { "the same" } else { "NOT THE SAME" };
                println!(
                    "  {a}, {b} and {c} entries under signed checkpoints; {verdict} {} requests in each",
                    logs.requests
                );
            }
            Err(fault) => println!("  NOT AS SIGNED: {fault}"),
        }
    }
}
