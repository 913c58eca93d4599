//! `tumar eval`: how well a model tells the people of a labelled set apart, and which thresholds follow from it.

mod load;
mod site;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tumar::eval::crowd::Crowd;
use tumar::eval::curve::{Curve, Resampling};
use tumar::eval::fused::{Chimeras, fusion_toml};
use tumar::eval::independent::Independent;
use tumar::eval::report::{Report, Shared, common_method, fte};
use tumar::eval::samples::{Samples, model_toml};
use tumar::eval::shared::{self, Comparison};
use tumar::eval::wolves::Wolves;
use tumar::name::{Modality, ModelId};
use tumar::template::model::{Encoding, Fusion, Models};

use super::captures::{ROWS, Table};
use super::failure::Failure;
use super::{files, print_json, table};
use load::{FaceFiles, FingerFiles};

/// Arguments of `tumar eval`.
#[derive(Debug, Args)]
pub(super) struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A face model, on embeddings with labels
    Faces {
        #[command(flatten)]
        faces: FaceFiles,
        /// The extractor of the embeddings
        #[arg(long, default_value = "sface128")]
        model: ModelId,
        #[command(flatten)]
        how: How,
    },
    /// A finger model, on minutiae records with an index
    Fingers {
        #[command(flatten)]
        fingers: FingerFiles,
        /// The extractor of the minutiae, and what is made of them; leader-rows-3 if not given
        #[arg(long)]
        model: Option<ModelId>,
        /// Set a site's thresholds for these false match rates, 1e-2 to 1e-5, on strangers of its sensor, and nothing else
        #[arg(long, value_name = "FMR,..", value_delimiter = ',', value_parser = site::target)]
        set_thresholds: Vec<f64>,
        #[command(flatten)]
        how: How,
    },
    /// A face and a finger in one score, on chimeric people: the i-th face with the i-th finger
    Fused {
        #[command(flatten)]
        faces: FaceFiles,
        #[command(flatten)]
        fingers: FingerFiles,
        /// The extractor of the embeddings
        #[arg(long, default_value = "sface128")]
        face_model: ModelId,
        /// The extractor of the minutiae, and what is made of them; leader-rows-3 if not given
        #[arg(long)]
        finger_model: Option<ModelId>,
        /// Choose the finger's weight on these very people, in-sample
        #[arg(long)]
        fit: bool,
        #[command(flatten)]
        how: How,
    },
}

/// How it is evaluated, and where the report goes.
#[derive(Debug, Args)]
struct How {
    /// A new or empty folder for the report
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    table: Table,
    /// How often people are resampled for the confidence intervals
    #[arg(long, default_value_t = 1000)]
    replicates: usize,
    /// Seed of all random choices; the same seed gives the same report
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How hard to look for probes that match many strangers: 0 not at all, 2 twice as many starts as 1
    #[arg(long, default_value_t = 1, value_name = "EFFORT", value_parser = clap::value_parser!(u8).range(0..=20))]
    wolves: u8,
    /// Compare this many random pairs on shares too, among three parties in this process
    #[arg(long, default_value_t = 0, value_name = "PAIRS")]
    shared: usize,
    /// A date or another line for the report's head
    #[arg(long)]
    date: Option<String>,
}

impl Eval {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        match self.what {
            What::Faces { faces, model, how } => {
                let samples = faces.load(&how.models()?.0, &model)?;
                how.single("Faces", &samples, json)
            }
            What::Fingers { fingers, model, set_thresholds, how } => {
                let (models, own) = how.models()?;
                let model = or_own(model, own);
                if set_thresholds.is_empty() {
                    how.single("Fingers", &fingers.load(&models, &model)?, json)
                } else {
                    how.site(&fingers.load_strangers(&models, &model)?, &set_thresholds, json)
                }
            }
            What::Fused { faces, fingers, face_model, finger_model, fit, how } => {
                let (models, own) = how.models()?;
                let finger_model = or_own(finger_model, own);
                let (faces, fingers) = (faces.load(&models, &face_model)?, fingers.load(&models, &finger_model)?);
                how.fused(&models, &faces, &fingers, fit, json)
            }
        }
    }
}

impl How {
    /// The table, and the model of `--model-folder`.
    fn models(&self) -> Result<(Models, Option<ModelId>), Failure> {
        if !files::is_empty(&self.out)? {
            return Err(Failure::NotEmpty(self.out.clone()));
        }
        self.table.read()
    }

    const fn resampling(&self) -> Resampling {
        Resampling { replicates: self.replicates, seed: self.seed }
    }

    fn single(&self, what: &str, samples: &Samples, json: bool) -> Result<ExitCode, Failure> {
        let pairs = bar("pairs", samples.crowd().pairs());
        let curve = samples.measure(self.resampling(), |done| pairs.inc(done));
        pairs.finish_and_clear();
        let shared = self.on_shares(&samples.crowd(), |pairs| samples.comparisons(pairs))?;
        let mut method = vec![match samples.model.modality() {
            Modality::Face => "All pairs of images: genuine of one identity, impostors of two.".to_owned(),
            Modality::Finger => "Genuine: every two impressions of one finger. Impostors: every two impressions of different \
                                 fingers of one database. The earlier in the index is the reference, the later the probe."
                .to_owned(),
        }];
        method.extend(common_method(self.resampling()));
        let report = Report {
            title: format!("{what}: {}", samples.model.id()),
            date: self.date.clone(),
            method,
            resampling: self.resampling(),
            failures: samples.failures.clone(),
            rules: Vec::new(),
            searches: samples.searches().into_iter().collect(),
            groups: samples.groups(&curve, self.resampling()),
            wolves: self.wolves(samples, &curve),
            shared,
            models_toml: model_toml(&samples.model, &curve),
            curves: vec![curve],
        };
        self.finish(&report, json)
    }

    fn fused(
        &self,
        models: &Models,
        faces: &Samples,
        fingers: &Samples,
        fit: bool,
        json: bool,
    ) -> Result<ExitCode, Failure> {
        let mut fusion = models.fusion(faces.model.id(), fingers.model.id()).ok_or(Failure::Fusion)?.clone();
        let chimeras = Chimeras::of(faces, fingers);
        let pairs = bar("pairs", chimeras.crowd().pairs());
        let shared = self.on_shares(chimeras.crowd(), |pairs| chimeras.comparisons(&fusion, pairs))?;
        let compared = chimeras.compare(|done| pairs.inc(done));
        pairs.finish_and_clear();
        let independent = independent(faces, fingers);
        if fit {
            fusion = independent.fit(&fusion, [&faces.model, &fingers.model]);
        }
        let curves = compared.measure(&fusion, self.resampling());
        let (mut rules, weights) = (compared.rules(), [fusion.face_weight(), fusion.finger_weight_of_one()]);
        rules.extend(independent.rules(weights));
        let thresholds = independent.thresholds_toml(weights);
        let report = Report {
            title: format!("Faces and fingers: {} with {}", faces.model.id(), fingers.model.id()),
            date: self.date.clone(),
            method: self.method_of_two(faces, fingers, fit.then_some(&fusion)),
            resampling: self.resampling(),
            failures: [faces.failures.as_slice(), &fingers.failures].concat(),
            curves: curves.into(),
            rules,
            searches: compared.searches(&fusion),
            // Nobody has both, and so no group.
            groups: None,
            wolves: self.wolves_of_two(faces, fingers, &fusion),
            shared,
            models_toml: fusion_toml(&fusion, &thresholds),
        };
        self.finish(&report, json)
    }

    /// How two modalities were evaluated; `fitted` if the weights were chosen on these samples.
    fn method_of_two(&self, faces: &Samples, fingers: &Samples, fitted: Option<&Fusion>) -> Vec<String> {
        let mut method = vec![
            "The people are chimeric: the i-th face identity is joined with the i-th finger, each counted among those with two \
             samples or more, and the k-th image with the k-th impression. Nobody has both."
                .to_owned(),
            "Impostors are of one finger database. All comparators see the same pairs.".to_owned(),
            format!(
                "{} face and {} finger samples gave no template and were left out.",
                faces.failures.len(),
                fingers.failures.len()
            ),
        ];
        method.extend(fitted.map(|fusion| {
            let (face, finger) = (fusion.face_weight(), fusion.finger_weight_of_one());
            format!(
                "The weights, {face} of the face and {finger} of the finger, were chosen on these very samples for the lowest FNMR at \
                 FMR 1e-5: the fused rates are in-sample, and better than those of other people will be."
            )
        }));
        method.extend(common_method(self.resampling()));
        method.push(
            "Rates of all faces with all fingers, and the thresholds for the table of models, are those of the convolution of both \
             score distributions over all pairs of either set: of every pair of faces with every pair of fingers, as if a face said \
             nothing of a finger."
                .to_owned(),
        );
        if fingers.model.encoding() == Encoding::Rows {
            method.push(
                "In it the scores of strangers' rows are raised where this set's thresholds are below the table's, as they are if the \
                 encoder was learned on these fingers: FMR and thresholds are those of strangers whom it never saw, FNMR is not."
                    .to_owned(),
            );
        }
        method
    }

    fn wolves(&self, samples: &Samples, curve: &Curve) -> Option<Wolves> {
        if self.wolves == 0 {
            return None;
        }
        let steps = bar("wolves", Wolves::steps(samples.list.len()));
        let wolves = samples.wolves(curve, self.wolves.into(), self.seed, |done| steps.inc(done));
        steps.finish_and_clear();
        wolves
    }

    fn wolves_of_two(&self, faces: &Samples, fingers: &Samples, fusion: &Fusion) -> Option<Wolves> {
        if self.wolves == 0 {
            return None;
        }
        let waiting = bar("wolves", 1);
        let wolves = faces.wolves_with(fingers, fusion, self.wolves.into(), self.seed);
        waiting.finish_and_clear();
        wolves
    }

    fn on_shares<'a>(
        &self,
        crowd: &Crowd,
        comparisons: impl FnOnce(&[(usize, usize)]) -> Vec<Comparison<'a>>,
    ) -> Result<Option<Shared>, Failure> {
        if self.shared == 0 {
            return Ok(None);
        }
        let pairs = shared::choose(crowd, self.shared, self.seed);
        let done = bar("on shares", pairs.len() as u64);
        let shared = shared::compare(&comparisons(&pairs), self.seed, |pairs| done.inc(pairs))?;
        done.finish_and_clear();
        Ok(Some(shared))
    }

    fn finish(&self, report: &Report, json: bool) -> Result<ExitCode, Failure> {
        files::make_folder(&self.out)?;
        for file in report.files() {
            files::write(&self.out.join(file.name), file.text.as_bytes())?;
        }
        if json {
            print_json(&report.to_json());
        } else {
            print(report);
            println!("\nThe report: {}", self.out.join("report.html").display());
        }
        let agree = report.shared.is_none_or(|shared| shared.disagreements == 0);
        Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What is named, or else the folder's, or else the one that is built in.
fn or_own(named: Option<ModelId>, own: Option<ModelId>) -> ModelId {
    named.or(own).unwrap_or_else(|| ROWS.parse().expect("a model of the built-in table"))
}

/// All pairs of either set.
fn independent(faces: &Samples, fingers: &Samples) -> Independent {
    let pairs = bar("all pairs", faces.crowd().pairs() + fingers.crowd().pairs());
    let [of_faces, of_fingers] = [faces, fingers].map(|samples| samples.scores(|done| pairs.inc(done)));
    pairs.finish_and_clear();
    Independent::of(&of_faces, &of_fingers, &fingers.model)
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>9} {wide_bar} {percent} %, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_prefix(what)
}

fn print(report: &Report) {
    println!("{}", report.title);
    for curve in &report.curves {
        println!(
            "{}: {} people, {} samples, FTE {}; {} genuine and {} impostor comparisons",
            curve.name,
            curve.people,
            curve.samples,
            fte(curve),
            curve.genuine,
            curve.impostor
        );
    }
    print_table(&report.overview());
    for curve in &report.curves {
        println!("\nThresholds of {}", curve.name);
        print_table(&Report::thresholds(curve));
    }
    if !report.rules.is_empty() {
        println!("\nDecisions made of two");
        print_table(&report.rule_table());
    }
    if let Some(note) = report.search_note() {
        println!("\nAs a search. {note}");
        print_table(&report.search_table());
    }
    if let Some(groups) = &report.groups {
        println!("\nBy group. {}", groups.note());
        print_table(&groups.table());
    }
    if let Some(wolves) = &report.wolves {
        println!("\nWolves. {}", wolves.note());
        print_table(&wolves.table());
    }
    if let Some(Shared { pairs, disagreements, matches, rounds }) = report.shared {
        println!("\nOn shares: {pairs} pairs, {matches} matches, {rounds} rounds, {disagreements} wrong bits");
    }
    println!("\nFor the table of models:\n{}", report.models_toml.trim_end());
}

fn print_table((head, rows): &(Vec<String>, Vec<Vec<String>>)) {
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = table(&head);
    for row in rows {
        table.add_row(row.clone());
    }
    println!("{table}");
}
