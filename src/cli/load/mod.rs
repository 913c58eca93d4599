//! `tumar load`: calls the nodes at a rate that does not wait for them, checks every answer, and measures.

mod calls;
mod desk;
mod figures;
mod mix;
mod open_loop;
mod page;
mod ramp;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::Instant;

use super::bank::Bank;
use super::failure::Failure;
use super::people::{By, People};
use super::world::{Rate, World};
use super::{files, init};
use calls::Calls;
use desk::Desk;
use figures::{Figures, Window};
use mix::Mix;
use open_loop::{Arrivals, Schedule};
use ramp::Ramp;
use report::{Report, Step};

/// Calls under way, at most.
const UNDER_WAY: usize = 10_000;
/// Name of the deployment that `--local` starts.
const DEPLOYMENT: &str = "load";

/// Arguments of `tumar load`.
#[derive(Debug, Args)]
pub(super) struct Load {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    plan: Plan,
    /// What is asked for, in parts: verify=PARTS,enroll=PARTS
    #[arg(long, default_value = "verify=90,enroll=10")]
    mix: Mix,
    /// By what people are compared: face, finger or both
    #[arg(long, default_value = "face", value_parser = mix::by)]
    by: By,
    /// How many people are enrolled before; of each, at most three comparisons are under way at a time
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=1000))]
    people: u16,
    /// A folder with `faces/` and `fingers/`, as `tumar demo` takes it; made-up people if not given
    #[arg(long)]
    data: Option<PathBuf>,
    /// Find the highest rate at which 99 % are answered within so many milliseconds: --rate is where to begin, --duration one step
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    ramp: Option<u64>,
    /// A new file for the report, one HTML page
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Whom to call.
#[derive(Debug, Args)]
struct Target {
    /// The client's configuration, which names the leader's address: DIR/client/client.toml
    #[arg(long, required_unless_present = "local", requires = "issuer")]
    client: Option<PathBuf>,
    /// The folder with the token issuer's key that `tumar init` wrote, as `tumar token --dir` takes it
    #[arg(long, requires = "client")]
    issuer: Option<PathBuf>,
    /// Start three nodes in this process, without the policy's limit of requests a second
    #[arg(long, conflicts_with_all = ["client", "issuer"])]
    local: bool,
    /// Connections to the leader
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
}

/// When arrivals are due.
#[derive(Clone, Copy, Debug, Args)]
struct Plan {
    /// Arrivals a second
    #[arg(long, value_parser = mix::rate)]
    rate: f64,
    /// How long is measured: seconds, or with ms, s, m, h
    #[arg(long, value_parser = mix::span)]
    duration: Duration,
    /// How long before that arrivals are not counted
    #[arg(long, default_value = "1", value_parser = mix::span)]
    warm_up: Duration,
    /// How arrivals are spread
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    arrivals: Arrivals,
    /// Where all random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Target {
    /// Connects to nodes, or starts them first.
    async fn connect(&self) -> Result<(Option<World>, Vec<Bank>), Failure> {
        let world = if self.local { Some(Box::pin(World::start(DEPLOYMENT, Rate::Lifted)).await?) } else { None };
        let (client, issuer): (PathBuf, &Path) = match (&world, &self.client, &self.issuer) {
            (Some(world), ..) => (init::client_config(world.folder()), world.folder()),
            (None, Some(client), Some(issuer)) => (client.clone(), issuer),
            (None, ..) => unreachable!("clap asks for both, or for --local"),
        };
        // Handles of this run alone: whoever was enrolled before stays as they are.
        let mut tag = [0; 6];
        SystemRandom::new().fill(&mut tag).map_err(|_| Failure::Randomness)?;
        let tag = tag.iter().fold("load-".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let mut banks = Vec::with_capacity(usize::from(self.connections));
        for _ in 0..self.connections {
            banks.push(Bank::connect(&client, issuer, &tag).await?);
        }
        Ok((world, banks))
    }
}

impl Load {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        // Found out now, not after an hour.
        if let Some(path) = self.out.as_ref().filter(|path| path.exists()) {
            return Err(Failure::File { path: path.clone(), source: std::io::ErrorKind::AlreadyExists.into() });
        }
        let count = usize::from(self.people);
        let people = match &self.data {
            Some(folder) => People::of_sets(folder, count)?,
            None => People::synthetic(count)?,
        };
        let desk = Desk::new(&people, self.by, self.plan.seed);
        let (world, banks) = self.target.connect().await?;
        let calls = Arc::new(Calls::new(banks, people, desk, self.by, self.mix, self.plan.seed));
        let bar = live("enrol");
        bar.set_length(u64::from(self.people));
        calls.enrol_all(&bar).await?;
        bar.finish_and_clear();
        let (steps, figures) = match self.ramp {
            None => (Vec::new(), measure(&calls, self.plan).await),
            Some(bound) => climb(&calls, self.plan, Duration::from_millis(bound)).await,
        };
        let report = Report { load: &self, source: calls.people().source, steps: &steps, figures: &figures };
        if let Some(out) = &self.out {
            files::write(out, page::html(&report).as_bytes())?;
        }
        if json {
            crate::cli::print_json(&report.to_json());
        } else {
            report.print();
        }
        let well = report.all_well();
        // Connections first, so that the nodes have nothing to drain.
        drop(calls);
        if let Some(world) = world {
            world.stop().await?;
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs one plan to its end.
async fn measure(calls: &Arc<Calls>, plan: Plan) -> Figures {
    let Plan { rate, duration, warm_up, arrivals, seed } = plan;
    calls.begin(Window { warm_up, length: duration });
    let schedule = Schedule::new(arrivals, rate, warm_up + duration, seed);
    let bar = live("load");
    let begin = Instant::now();
    let run = open_loop::run(schedule, UNDER_WAY, calls);
    tokio::pin!(run);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = &mut run => break,
            _ = seconds.tick() => {
                bar.set_message(calls.look(|figures| report::so_far(figures, rate, begin.elapsed())));
                bar.tick();
            }
        }
    }
    bar.finish_and_clear();
    calls.look(Clone::clone)
}

/// Finds the highest rate that holds: the steps, and the figures of the highest that did, or of the last if none did.
async fn climb(calls: &Arc<Calls>, plan: Plan, bound: Duration) -> (Vec<Step>, Figures) {
    let (mut ramp, mut steps, mut best) = (Ramp::from(plan.rate), Vec::new(), None);
    let mut wrong_bits = 0;
    while let Some(rate) = ramp.next() {
        let figures = measure(calls, Plan { rate, ..plan }).await;
        let holds = figures.holds(bound);
        wrong_bits += figures.wrong_bits;
        let step = Step::of(rate, holds, &figures);
        eprintln!("{}", step.in_words(bound));
        steps.push(step);
        ramp.tried(rate, holds);
        if best.is_none() || ramp.found() == Some(rate) {
            best = Some(figures);
        }
        // Nothing slower is looked for after a wrong answer.
        if wrong_bits > 0 {
            break;
        }
    }
    let mut figures = best.unwrap_or_else(|| Figures::new(Window { warm_up: plan.warm_up, length: plan.duration }));
    figures.wrong_bits = wrong_bits;
    (steps, figures)
}

/// On standard error, and only if that is a terminal.
fn live(what: &'static str) -> ProgressBar {
    let style = if what == "load" { "{prefix:>7} {msg}" } else { "{prefix:>7} {wide_bar} {pos}/{len}" };
    let style = ProgressStyle::with_template(style).expect("the templates are constants that were tried");
    ProgressBar::new_spinner().with_style(style).with_prefix(what)
}
