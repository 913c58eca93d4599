//! How much of what was done, for whoever has a minute: tables, JSON, CSV, and one page with plots.
//!
//! Counts of one to four are withheld, as `<5`: so few point at somebody. Of sums, only what cannot be taken apart again is shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::counts::{Count, Day, Use, time};
use super::finding::Finding;
use super::outliers::Outlier;
use super::run::Audit;
use crate::clocks::date;
use crate::drawing::page::{table, whole};
use crate::drawing::svg::{Anchor, Axis, COLOURS, Svg, escape};
use crate::drawing::{BOTTOM, LEFT, RIGHT, SIZE, TOP, frame, pixels};
use crate::hex::hex;
use crate::name::{Deployment, RelyingParty};

/// Counts below it, but for 0, are withheld.
const SMALL: u64 = 5;

/// Findings that a table or page lists; JSON has all.
const LISTED: usize = 200;

/// A count as it may be shown.
#[must_use]
pub fn shown(count: u64) -> String {
    if (1..SMALL).contains(&count) { format!("<{SMALL}") } else { count.to_string() }
}

/// A sum as it may be shown beside its parts: a part that is withheld must not follow from it. `120+` is 120 and what is withheld.
#[must_use]
pub fn total(parts: impl Iterator<Item = u64> + Clone) -> String {
    let sum: u64 = parts.clone().filter(|part| *part >= SMALL).sum();
    let withheld: u64 = parts.filter(|part| *part < SMALL).sum();
    match (sum, withheld) {
        (sum, 0) => sum.to_string(),
        (0, withheld) if withheld < SMALL => format!("<{SMALL}"),
        (0, _) => format!("{SMALL}+"),
        (sum, _) => format!("{sum}+"),
    }
}

fn to_json(count: u64) -> Value {
    if (1..SMALL).contains(&count) { shown(count).into() } else { count.into() }
}

/// A head and rows.
pub type Table = (Vec<String>, Vec<Vec<String>>);

/// A report of an audit.
#[derive(Debug)]
pub struct Report<'a> {
    audit: &'a Audit,
    deployment: &'a Deployment,
    outliers: Vec<Outlier>,
}

impl<'a> Report<'a> {
    /// Of this audit.
    #[must_use]
    pub fn new(audit: &'a Audit, deployment: &'a Deployment) -> Self {
        Self { audit, deployment, outliers: audit.outliers() }
    }

    /// What it comes to, in sentences; the first is the verdict.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let Audit { entries, admitted, counts, .. } = self.audit;
        let found = self.audit.all().count();
        let mut sentences = vec![
            format!(
                "{}: {} finding{}.",
                self.audit.verdict().as_str().to_uppercase(),
                found,
                if found == 1 { "" } else { "s" }
            ),
            format!("{entries} entries were read; {admitted} requests were admitted in all three logs."),
        ];
        if let Some((first, last)) = counts.days() {
            sentences.push(format!(
                "They are of {} to {} (UTC). Uses are counted by the log of node {}. Counts of 1 to 4 are withheld.",
                date(first),
                date(last),
                counts.source()
            ));
        }
        sentences
    }

    /// All tables with their titles; of days, the last `days`.
    #[must_use]
    pub fn tables(&self, days: usize) -> Vec<(&'static str, Table)> {
        vec![
            ("Logs", self.logs()),
            ("Uses", self.uses()),
            ("Uses by day", self.by_day(days)),
            ("Refusals and failures, by reason, in each node's log", self.reasons()),
            ("Days that stand out against the bank's own others", self.outliers()),
            ("Findings", findings(self.audit.all())),
        ]
    }

    fn logs(&self) -> Table {
        let head = ["node", "half", "entries", "from", "root", "cosignatures", "newest", "looked at"];
        let rows = self.audit.logs.iter().map(|log| {
            vec![
                log.party.to_string(),
                log.half.to_string(),
                log.size.to_string(),
                log.first.to_string(),
                hex(&log.root[..8]),
                log.cosignatures.to_string(),
                log.newest.map_or_else(|| "-".to_owned(), |minute| time(minute.begins())),
                log.fetched.map_or_else(|| "-".to_owned(), time),
            ]
        });
        (owned(&head), rows.collect())
    }

    fn uses(&self) -> Table {
        let head = ["relying party", "purpose", "let in", "refused", "people named"];
        let rows = self.audit.counts.daily().iter().map(|(used, days)| {
            let of = |count: fn(&Count) -> u64| total(days.values().map(count));
            vec![
                used.relying_party.to_string(),
                used.purpose.to_string(),
                of(|count| count.admitted),
                of(|count| count.denied),
                of(|count| count.candidates),
            ]
        });
        (owned(&head), rows.collect())
    }

    /// Newest first.
    fn by_day(&self, days: usize) -> Table {
        let head = ["day", "relying party", "purpose", "let in", "refused", "people named"];
        let mut rows: Vec<(Day, &Use, &Count)> = self.days().collect();
        rows.sort_by_key(|(day, used, _)| (std::cmp::Reverse(*day), *used));
        let last = rows.first().map_or(0, |(day, ..)| *day);
        let within = |day: Day| usize::try_from(last - day).is_ok_and(|ago| ago < days);
        let rows = rows.into_iter().take_while(|(day, ..)| within(*day)).map(|(day, used, count)| {
            vec![
                date(day),
                used.relying_party.to_string(),
                used.purpose.to_string(),
                shown(count.admitted),
                shown(count.denied),
                shown(count.candidates),
            ]
        });
        (owned(&head), rows.collect())
    }

    fn days(&self) -> impl Iterator<Item = (Day, &Use, &Count)> {
        let daily = self.audit.counts.daily().iter();
        daily.flat_map(|(used, days)| days.iter().map(move |(day, count)| (*day, used, count)))
    }

    fn reasons(&self) -> Table {
        let head = ["relying party", "purpose", "result", "A", "B", "C"];
        let rows = self.audit.counts.reasons().iter().map(|((used, reason), nodes)| {
            let mut row = vec![used.relying_party.to_string(), used.purpose.to_string(), reason.clone()];
            row.extend(nodes.map(shown));
            row
        });
        (owned(&head), rows.collect())
    }

    fn outliers(&self) -> Table {
        let head = ["day", "relying party", "purpose", "let in", "median", "score"];
        let rows = self.outliers.iter().map(|outlier| {
            vec![
                date(outlier.day),
                outlier.used.relying_party.to_string(),
                outlier.used.purpose.to_string(),
                shown(outlier.admitted),
                format!("{:.1}", outlier.median),
                format!("{:+.1}", outlier.score),
            ]
        });
        (owned(&head), rows.collect())
    }

    /// One object: `deployment`, `verdict`, `code`, `logs`, `uses`, `reasons`, `outliers`, `findings`. What is withheld is the text `<5`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Audit { entries, admitted, counts, .. } = self.audit;
        let day = |(day, count): (&Day, &Count)| {
            json!({
                "day": date(*day), "admitted": to_json(count.admitted), "denied": to_json(count.denied),
                "candidates": to_json(count.candidates),
            })
        };
        let uses = counts.daily().iter().map(|(used, days)| {
            json!({
                "relying_party": used.relying_party, "purpose": used.purpose,
                "days": days.iter().map(day).collect::<Vec<_>>(),
            })
        });
        let reasons = counts.reasons().iter().map(|((used, reason), nodes)| {
            let [a, b, c] = nodes.map(to_json);
            json!({
                "relying_party": used.relying_party, "purpose": used.purpose, "result": reason,
                "A": a, "B": b, "C": c,
            })
        });
        let outliers = self.outliers.iter().map(|outlier| {
            json!({
                "day": date(outlier.day), "relying_party": outlier.used.relying_party, "purpose": outlier.used.purpose,
                "admitted": to_json(outlier.admitted), "median": outlier.median, "score": outlier.score,
            })
        });
        json!({
            "deployment": self.deployment,
            "verdict": self.audit.verdict().as_str(),
            "code": self.audit.verdict().code(),
            "entries": entries,
            "admitted_by_all": admitted,
            "counted_by": counts.source().as_str(),
            "logs": logs_json(self.audit),
            "uses": uses.collect::<Vec<_>>(),
            "reasons": reasons.collect::<Vec<_>>(),
            "outliers": outliers.collect::<Vec<_>>(),
            "findings": self.audit.all().map(Finding::to_json).collect::<Vec<_>>(),
        })
    }

    /// Uses by day, oldest first: `day,relying_party,purpose,admitted,denied,candidates`. No cell needs quotes.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut rows: Vec<(Day, &Use, &Count)> = self.days().collect();
        rows.sort_by_key(|(day, used, _)| (*day, *used));
        let mut text = "day,relying_party,purpose,admitted,denied,candidates\n".to_owned();
        for (day, Use { relying_party, purpose }, count) in rows {
            let [admitted, denied, candidates] = [count.admitted, count.denied, count.candidates].map(shown);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{},{relying_party},{purpose},{admitted},{denied},{candidates}", date(day));
        }
        text
    }

    /// One page with everything in it.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = String::new();
        for (place, sentence) in self.sentences().iter().enumerate() {
            let sentence = escape(sentence);
            // Writing to a string does not fail.
            let _ = if place == 0 {
                writeln!(body, "<p role=\"status\"><strong>{sentence}</strong></p>")
            } else {
                writeln!(body, "<p>{sentence}</p>")
            };
        }
        body.push_str("<h2>Over time</h2>\n");
        for plot in self.plots() {
            let _ = writeln!(body, "<figure>{plot}</figure>");
        }
        for (title, (head, rows)) in self.tables(usize::MAX) {
            let _ = if rows.is_empty() {
                writeln!(body, "<h2>{title}</h2>\n<p>None.</p>")
            } else {
                writeln!(body, "<h2>{title}</h2>\n{}", table(&head, &rows))
            };
        }
        whole(&format!("Access logs of {}", self.deployment), &body)
    }

    /// For each relying party, what was let in by purpose; and for all, what was refused.
    fn plots(&self) -> Vec<String> {
        let Some((first, last)) = self.audit.counts.days() else { return Vec::new() };
        let daily = self.audit.counts.daily();
        let mut banks: Vec<&RelyingParty> = daily.keys().map(|used| &used.relying_party).collect();
        banks.dedup();
        let line = |name: &str, uses: &[&Use], count: fn(&Count) -> u64| Line {
            name: name.to_owned(),
            points: (first..=last)
                .map(|day| uses.iter().filter_map(|used| daily[*used].get(&day)).map(count).sum())
                .zip(first..=last)
                .map(|(count, day): (u64, Day)| (day, count))
                .collect(),
        };
        let of_bank =
            |bank: &RelyingParty| -> Vec<&Use> { daily.keys().filter(|used| used.relying_party == *bank).collect() };
        let mut plots = Vec::new();
        for (place, bank) in banks.iter().enumerate() {
            let lines: Vec<Line> = of_bank(bank)
                .into_iter()
                .map(|used| line(used.purpose.as_str(), &[used], |count| count.admitted))
                .collect();
            plots.push(draw(&format!("bank{place}"), &format!("Requests of {bank} that were let in, a day"), &lines));
        }
        let refused: Vec<Line> =
            banks.iter().map(|bank| line(bank.as_str(), &of_bank(bank), |count| count.denied)).collect();
        plots.push(draw("refused", "Requests that were refused, a day", &refused));
        plots
    }
}

/// Each log that was read, as JSON objects.
#[must_use]
pub fn logs_json(audit: &Audit) -> Vec<Value> {
    let log = |log: &super::run::LogState| {
        json!({
            "node": log.party.as_str(), "half": log.half.to_string(), "size": log.size, "first": log.first,
            "root": hex(&log.root), "cosignatures": log.cosignatures, "cosigned": log.cosigned,
            "fetched": log.fetched, "newest": log.newest.map(crate::log::entry::Minute::begins),
        })
    };
    audit.logs.iter().map(log).collect()
}

/// What was found, the worst first.
#[must_use]
pub fn findings<'f>(found: impl IntoIterator<Item = &'f Finding>) -> Table {
    let mut found: Vec<&Finding> = found.into_iter().collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let more = found.len().saturating_sub(LISTED);
    let mut rows: Vec<Vec<String>> = found
        .into_iter()
        .take(LISTED)
        .map(|finding| {
            vec![
                finding.severity.as_str().to_owned(),
                finding.rule.code().to_owned(),
                finding.node.to_string(),
                finding.half.map_or_else(String::new, |half| half.to_string()),
                finding.index.map_or_else(String::new, |index| index.to_string()),
                finding.text.clone(),
            ]
        })
        .collect();
    if more > 0 {
        let mut row = vec![String::new(); 5];
        row.push(format!("and {more} more; JSON has all"));
        rows.push(row);
    }
    (owned(&["weight", "rule", "node", "half", "entry", "what"]), rows)
}

fn owned(head: &[&str]) -> Vec<String> {
    head.iter().map(|&cell| cell.to_owned()).collect()
}

/// Counts over days.
struct Line {
    name: String,
    points: Vec<(Day, u64)>,
}

/// A plot over days; those with withheld counts are not drawn.
fn draw(name: &str, title: &str, lines: &[Line]) -> String {
    let greatest = |line: &Line| line.points.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let words: Vec<String> =
        lines.iter().map(|line| format!("{}: at most {} a day", line.name, shown(greatest(line)))).collect();
    let mut svg = Svg::new(name, SIZE, title, &format!("{}. Days with 1 to 4 are not drawn.", words.join(", ")));
    frame(&mut svg, title, "Day (UTC)", "Requests a day");
    let days = || lines.iter().flat_map(|line| line.points.iter().map(|(day, _)| f64::from(*day)));
    let (from, to) = days().fold((f64::INFINITY, 0.0_f64), |(from, to), day| (from.min(day), to.max(day)));
    let (from, to) = if from <= to { (from, to) } else { (0.0, 0.0) };
    let across = Axis { values: [from - 0.5, to + 0.5], pixels: pixels(true), scale: |value| value };
    let most = lines.iter().map(greatest).max().unwrap_or(0);
    let up = Axis { values: [0.0, (float(most) * 1.1).max(10.0)], pixels: pixels(false), scale: |value| value };
    for mark in up.ticks(8) {
        svg.line("grid", [LEFT, up.at(mark)], [RIGHT, up.at(mark)]);
        svg.text("small", Anchor::End, [LEFT - 8.0, up.at(mark) + 4.0], &format!("{mark:.0}"));
    }
    for mark in across.ticks(6).into_iter().filter(|mark| mark.fract() == 0.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a day between two others")]
        let day = mark as Day;
        svg.text("small", Anchor::Middle, [across.at(mark), BOTTOM + 18.0], &date(day));
    }
    for (place, line) in lines.iter().enumerate() {
        let colour = place % COLOURS;
        let drawn = |(_, count): &(Day, u64)| !(1..SMALL).contains(count);
        for run in line.points.chunk_by(|one, next| drawn(one) && drawn(next)).filter(|run| drawn(&run[0])) {
            let at = |&(day, count): &(Day, u64)| [across.at(f64::from(day)), up.at(float(count))];
            match run {
                [only] => svg.circle(&format!("dot c{colour}"), at(only)),
                _ => svg.path(&format!("curve c{colour}"), run.iter().map(at)),
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a few lines")]
        let y = TOP + 14.0 + 18.0 * place as f64;
        svg.line(&format!("curve c{colour}"), [RIGHT - 230.0, y - 4.0], [RIGHT - 204.0, y - 4.0]);
        svg.text("", Anchor::Start, [RIGHT - 196.0, y], &line.name);
    }
    svg.finish()
}

#[expect(clippy::cast_precision_loss, reason = "requests of a day are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_withheld_and_do_not_follow_from_sums() {
        assert_eq!([0, 1, 4, 5, 70].map(shown), ["0", "<5", "<5", "5", "70"]);
        let sum = |parts: &[u64]| total(parts.iter().copied());
        assert_eq!([sum(&[]), sum(&[0, 7, 5]), sum(&[120, 3]), sum(&[120, 1, 4])], ["0", "12", "120+", "120+"]);
        assert_eq!([sum(&[1, 3]), sum(&[3, 3, 4]), sum(&[0, 0])], ["<5", "5+", "0"]);
    }

    #[test]
    fn plots_of_nothing_and_of_one_day_are_plots() {
        for points in [vec![], vec![(20_000, 7)], vec![(20_000, 0), (20_001, 3), (20_002, 9)]] {
            let plot = draw("x", "A title", &[Line { name: "p".to_owned(), points }]);
            assert!(!plot.contains("NaN") && !plot.contains("inf") && plot.ends_with("</svg>\n"), "{plot}");
        }
        assert!(!draw("x", "t", &[]).contains("NaN"));
    }
}
