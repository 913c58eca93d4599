//! What an evaluation found, for people and for programs: one HTML file, one JSON object, plots, and a part of a table of models.

use std::fmt::Write as _;

use serde::Serialize;

use super::curve::{Curve, NoTemplate, Point, Resampling};
use super::groups::Groups;
use super::plot::{det, histogram, per_cent};
use super::rates::TARGETS;
use super::search::Searches;
use super::text::{in_per_cent, sign};
use super::wolves::Wolves;
use crate::drawing::page::{self, table};
use crate::drawing::svg::escape;

/// An evaluation of one comparator or of several on the same people.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// A headline.
    pub title: String,
    /// When it was made, as the one who ran it says; a report without it is the same at every run.
    pub date: Option<String>,
    /// What was compared and how, one sentence each.
    pub method: Vec<String>,
    /// How intervals were found.
    pub resampling: Resampling,
    /// Samples that gave no template.
    pub failures: Vec<NoTemplate>,
    /// Comparators, side by side.
    pub curves: Vec<Curve>,
    /// Decisions that are made of two: false match and false non-match rate of each.
    pub rules: Vec<Rule>,
    /// Searches of a gallery, for comparators of vectors.
    pub searches: Vec<Searches>,
    /// The rates of each demographic group, where the labels have any.
    pub groups: Option<Groups>,
    /// What one probe matches at worst, if it was asked for.
    pub wolves: Option<Wolves>,
    /// The comparison on shares, if it was asked for.
    pub shared: Option<Shared>,
    /// Thresholds for a table of models.
    pub models_toml: String,
}

/// A decision made of two comparators, each at its own threshold.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Which: `any of the two, each at its threshold for FMR 1e-3`.
    pub name: String,
    /// False match rate.
    pub fmr: f64,
    /// False non-match rate.
    pub fnmr: f64,
}

/// Pairs that three parties compared on shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// How many, half of them genuine as far as there are so many.
    pub pairs: usize,
    /// How many bits were not those of the plain path. Must be 0.
    pub disagreements: usize,
    /// How many of the pairs matched.
    pub matches: usize,
    /// Rounds of the run's longest batch.
    pub rounds: u64,
}

/// A file of the report.
#[derive(Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What every report says of its method.
#[must_use]
pub fn common_method(resampling: Resampling) -> Vec<String> {
    let Resampling { replicates, seed } = resampling;
    vec![
        "Every score is that of the quantised templates, a whole number: the one that the nodes compute on shares.".into(),
        "Terms are those of ISO/IEC 19795-1. FMR: share of impostor comparisons at or above the threshold. FNMR: share of \
         genuine comparisons below it. FTE: share of samples that gave no template; other rates do not count them."
            .into(),
        "At FMR x means: at the least threshold whose FMR is at most x. The EER is the mean of FMR and FNMR \
         where they are nearest to each other."
            .into(),
        format!(
            "Intervals are 95 % percentile intervals of {replicates} bootstrap replicates with seed {seed}: people are \
             drawn with replacement within their database, and each pair counts as often as its people were drawn. The interval \
             of FNMR lets each replicate set its own threshold; that of FMR holds the threshold fixed. Where no error was seen, \
             the upper end is 3 / n (rule of 3), for n people with two samples or more, or for FMR n pairs of people."
        ),
        "A target with fewer than 30 expected false matches is marked \u{2020}, with fewer than 3 \u{2021} (rules of 30 and of 3, \
         for independent comparisons; those of one person are not independent, so the marks are lenient)."
            .into(),
    ]
}

impl Report {
    /// Head and rows of the main table: one row a curve, FNMR at each target.
    #[must_use]
    pub fn overview(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut head = vec!["comparator".to_owned(), "EER".to_owned()];
        head.extend(TARGETS.map(|target| format!("FNMR at FMR {target:e}")));
        let row = |curve: &Curve| {
            let mut row = vec![curve.name.clone(), curve.eer.map_or_else(|| "-".to_owned(), in_per_cent)];
            row.extend(TARGETS.map(|target| {
                let point = curve.points.iter().find(|point| point.target.total_cmp(&target).is_eq());
                point.map_or_else(|| "-".to_owned(), |p| format!("{}{}", in_per_cent(p.fnmr), sign(p.support)))
            }));
            row
        };
        (head, self.curves.iter().map(row).collect())
    }

    /// Head and rows of a curve's thresholds.
    #[must_use]
    pub fn thresholds(curve: &Curve) -> (Vec<String>, Vec<Vec<String>>) {
        let head = ["target FMR", "threshold", "level", "FMR there", "FNMR there"].map(str::to_owned).to_vec();
        let row = |point: &Point| {
            vec![
                format!("{:e}{}", point.target, sign(point.support)),
                format!("{} {}", curve.unit, point.threshold),
                point.level.to_string(),
                in_per_cent(point.fmr),
                in_per_cent(point.fnmr),
            ]
        };
        (head, curve.points.iter().map(row).collect())
    }

    /// Head and rows of the decisions made of two.
    #[must_use]
    pub fn rule_table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let row = |rule: &Rule| vec![rule.name.clone(), per_cent(rule.fmr), per_cent(rule.fnmr)];
        (["rule", "FMR", "FNMR"].map(str::to_owned).to_vec(), self.rules.iter().map(row).collect())
    }

    /// Head and rows of the searches: one row for each threshold.
    #[must_use]
    pub fn search_table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let head = ["comparator", "threshold", "FNIR", "FPIR", "false candidates a search"];
        let of = |searches: &Searches| {
            let name = |threshold: String| vec![searches.name.clone(), threshold];
            let by_rank = name("none: the highest score".to_owned()).into_iter();
            let by_rank = by_rank.chain([per_cent(1.0 - searches.rank_one), "-".into(), "-".into()]).collect();
            let by_fpir = searches.at_fpir.iter().map(|at| {
                let cells = [per_cent(at.fnir), format!("at most {}", per_cent(at.fpir)), "-".into()];
                name(at.level.to_string()).into_iter().chain(cells).collect()
            });
            let by_fmr = searches.at_fmr.iter().map(|at| {
                let cells = [per_cent(at.fnir), per_cent(at.fpir), format!("{:.4}", at.false_candidates)];
                name(format!("{}, for FMR {:e}", at.level, at.fmr)).into_iter().chain(cells).collect()
            });
            std::iter::once(by_rank).chain(by_fpir).chain(by_fmr).collect::<Vec<Vec<String>>>()
        };
        (head.map(str::to_owned).to_vec(), self.searches.iter().flat_map(of).collect())
    }

    /// What the searches are of, in one sentence.
    #[must_use]
    pub fn search_note(&self) -> Option<String> {
        let Searches { gallery, searches, .. } = self.searches.first()?;
        Some(format!(
            "{gallery} people were enrolled with their first sample, and {searches} other samples searched for: once with their \
             person enrolled (FNIR: the search does not name the person), once without (FPIR: it names anybody)."
        ))
    }

    /// Everything, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("numbers and text only")
    }

    /// All files of the report.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        let mut files = vec![
            File { name: "report.html".to_owned(), text: self.html() },
            File { name: "det.svg".to_owned(), text: det("det", &self.curves) },
            File { name: "models.toml".to_owned(), text: self.models_toml.clone() },
        ];
        files.push(File { name: "eval.json".to_owned(), text: format!("{:#}\n", self.to_json()) });
        for curve in &self.curves {
            let name =
                if self.curves.len() == 1 { "histogram".to_owned() } else { format!("histogram-{}", curve.name) };
            files.push(File { text: histogram(&name, curve), name: format!("{name}.svg") });
        }
        files
    }

    /// The report on one page, without a script and without anything from elsewhere.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = String::new();
        if let Some(date) = &self.date {
            // Writing to a string does not fail.
            let _ = writeln!(page, "<p>{}</p>", escape(date));
        }
        let (head, rows) = self.overview();
        page.push_str(&table(&head, &rows));
        let _ = writeln!(page, "<figure>{}</figure>", det("det", &self.curves));
        for (place, curve) in self.curves.iter().enumerate() {
            page.push_str(&section(curve, place));
        }
        if !self.failures.is_empty() {
            page.push_str("<h2>Samples without a template</h2>\n<ul>\n");
            for NoTemplate { sample, why } in &self.failures {
                let _ = writeln!(page, "<li>{}: {}</li>", escape(sample), escape(why));
            }
            page.push_str("</ul>\n");
        }
        if !self.rules.is_empty() {
            let (head, rows) = self.rule_table();
            page.push_str("<h2>Decisions made of two</h2>\n");
            page.push_str(&table(&head, &rows));
        }
        if let Some(note) = self.search_note() {
            let (head, rows) = self.search_table();
            let _ = writeln!(page, "<h2>As a search</h2>\n<p>{}</p>\n{}", escape(&note), table(&head, &rows));
        }
        if let Some(groups) = &self.groups {
            let (head, rows) = groups.table();
            let _ = writeln!(page, "<h2>By group</h2>\n<p>{}</p>\n{}", escape(&groups.note()), table(&head, &rows));
        }
        if let Some(wolves) = &self.wolves {
            let (head, rows) = wolves.table();
            let _ = writeln!(page, "<h2>Wolves</h2>\n<p>{}</p>\n{}", escape(&wolves.note()), table(&head, &rows));
        }
        if let Some(Shared { pairs, disagreements, matches, rounds }) = self.shared {
            let _ = writeln!(
                page,
                "<h2>On shares</h2>\n<p>{pairs} random pairs, half of them genuine as far as there are so many, were compared by three parties on shares, in \
                 {rounds} rounds a batch: {matches} matched, and {disagreements} bits were not those of the plain path.</p>"
            );
        }
        let _ = writeln!(page, "<h2>For the table of models</h2>\n<pre>{}</pre>", escape(&self.models_toml));
        page.push_str("<h2>Method</h2>\n<ul>\n");
        for sentence in &self.method {
            let _ = writeln!(page, "<li>{}</li>", escape(sentence));
        }
        page.push_str("</ul>\n");
        page::whole(&self.title, &page)
    }
}

fn section(curve: &Curve, place: usize) -> String {
    let (head, rows) = Report::thresholds(curve);
    let samples = curve.samples + curve.failures;
    let sets = if curve.sets > 1 { format!(" in {} databases", curve.sets) } else { String::new() };
    format!(
        "<h2>{}</h2>\n<p>{} people{sets}, {samples} samples, {} of them without a template (FTE {}). {} genuine and {} \
         impostor comparisons.</p>\n{}<figure>{}</figure>\n",
        escape(&curve.name),
        curve.people,
        curve.failures,
        fte(curve),
        curve.genuine,
        curve.impostor,
        table(&head, &rows),
        histogram(&format!("histogram{place}"), curve),
    )
}

/// Share of samples that gave no template.
#[must_use]
pub fn fte(curve: &Curve) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of samples")]
    let share = curve.failures as f64 / (curve.samples + curve.failures).max(1) as f64;
    per_cent(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::crowd::Crowd;
    use crate::eval::scores::{Scores, Unit};

    fn report() -> Report {
        let resampling = Resampling { replicates: 40, seed: 1 };
        let labels: Vec<String> = (0..80).map(|sample| (sample / 4).to_string()).collect();
        let crowd = Crowd::of(labels.iter().map(|label| ("", label.as_str())));
        let level = |a: usize, b: usize| {
            let spread = i32::try_from((a * 37 + b * 101) % 89).unwrap();
            if a / 4 == b / 4 { 70 + spread } else { spread }
        };
        let scores = Scores::of_all_pairs(crowd, level, |_| ());
        let curve = Curve::measure("a & b", Unit { name: "cosine", levels: 200.0 }, &scores, 2, resampling);
        Report {
            title: "Faces <here>".to_owned(),
            date: None,
            method: common_method(resampling),
            resampling,
            failures: [("a.fmr", "cut off"), ("b&.fmr", "no view")]
                .map(|(sample, why)| NoTemplate { sample: sample.to_owned(), why: why.to_owned() })
                .into(),
            curves: vec![curve],
            rules: vec![Rule { name: "any".to_owned(), fmr: 0.001, fnmr: 0.01 }],
            searches: vec![Searches::measure("a & b", scores.crowd(), [60, 70, 80], level)],
            groups: None,
            wolves: None,
            shared: Some(Shared { pairs: 10, disagreements: 0, matches: 5, rounds: 11 }),
            models_toml: "id = \"x\"\n".to_owned(),
        }
    }

    #[test]
    fn a_report_is_the_same_at_every_run_and_needs_nothing_from_elsewhere() {
        let (one, two) = (report().html(), report().html());
        assert_eq!(one, two);
        for outside in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!one.contains(outside), "{outside}");
        }
        assert!(one.contains("Faces &lt;here&gt;") && one.contains("a &amp; b") && !one.contains("a & b"));
        assert!(one.contains("2 of them without a template (FTE 2.44 %)"));
        assert!(one.contains("<li>a.fmr: cut off</li>\n<li>b&amp;.fmr: no view</li>"));
    }

    #[test]
    fn the_json_has_every_number_of_the_table() {
        let report = report();
        let names: Vec<String> = report.files().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["report.html", "det.svg", "models.toml", "eval.json", "histogram.svg"]);
        let json = report.to_json();
        let curve = &json["curves"][0];
        assert_eq!((curve["genuine"].as_u64(), curve["failures"].as_u64()), (Some(120), Some(2)));
        assert_eq!(json["failures"][0], serde_json::json!({ "sample": "a.fmr", "why": "cut off" }));
        assert_eq!(curve["points"].as_array().unwrap().len(), 4);
        assert_eq!(curve["points"][3]["support"], "unsupported");
        assert!(curve["eer"]["interval"]["low"].as_f64() <= curve["eer"]["value"].as_f64());
        assert_eq!(
            (json["searches"][0]["gallery"].as_u64(), json["searches"][0]["searches"].as_u64()),
            (Some(20), Some(60))
        );
        let (head, rows) = report.search_table();
        assert_eq!((rows.len(), rows.iter().all(|row| row.len() == head.len())), (1 + 2 + 3, true));
        let (head, rows) = report.overview();
        assert_eq!((head.len(), rows.len(), rows[0].len()), (6, 1, 6));
    }
}
