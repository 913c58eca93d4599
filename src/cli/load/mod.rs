//! `tumar load`: calls the nodes at a rate that does not wait for them, checks every answer, and measures.

mod aftermath;
mod calls;
mod document;
mod figures;
mod local;
mod mix;
mod open_loop;
mod page;
mod ramp;
mod report;
mod schedule;
mod search;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, sleep_until};
use tumar::hex::hex;
use tumar::party::Party;

use super::bank::Bank;
use super::failure::Failure;
use super::people::{By, People};
use super::{files, init};
use aftermath::Aftermath;
use calls::Calls;
use figures::{Figures, Window};
use local::{Local, Memory};
use mix::{Action, Mix};
use open_loop::{Arrivals, Schedule};
use ramp::Ramp;
use report::{Report, Step};
use search::Searches;

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
    /// What is asked for, in parts: verify=PARTS,enroll=PARTS,search=PARTS; searches are by face, among the people enrolled before
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
    /// Kill a node of --local at half time, and start it again; errors are then expected, and wrong answers are not
    #[arg(long, value_name = "NODE", requires = "local", conflicts_with_all = ["ramp", "client"], value_parser = mix::party)]
    restart: Option<Party>,
    /// A new file for the report, one HTML page
    #[arg(long)]
    out: Option<PathBuf>,
    /// A new file for the report in Markdown
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// A new file for a picture, SVG, that the report in Markdown shows
    #[arg(long)]
    picture: Option<PathBuf>,
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
    /// The folder with the officers' keys that `tumar init` wrote, for searches; the issuer folder's `officers` if not given
    #[arg(long)]
    officers: Option<PathBuf>,
    /// Start three nodes on this machine, without the policy's limit of requests a second, and look into their logs afterwards
    #[arg(long, conflicts_with_all = ["client", "issuer", "officers"])]
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
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Connections, and what comes with them.
struct Connected {
    local: Option<Local>,
    banks: Vec<Bank>,
    searches: Option<Searches>,
}

impl Target {
    /// Connects to nodes, or starts them first.
    async fn connect(&self, mix: Mix, is_killed: bool) -> Result<Connected, Failure> {
        let local = if self.local { Some(Local::start(DEPLOYMENT).await?) } else { None };
        let (client, issuer): (PathBuf, &Path) = match (&local, &self.client, &self.issuer) {
            (Some(local), ..) => (init::client_config(local.folder()), local.folder()),
            (None, Some(client), Some(issuer)) => (client.clone(), issuer),
            (None, ..) => unreachable!("clap asks for both, or for --local"),
        };
        // Handles of this run alone: whoever was enrolled before stays as they are.
        let mut tag = [0; 6];
        SystemRandom::new().fill(&mut tag).map_err(|_| Failure::Randomness)?;
        let tag = format!("load-{}", hex(&tag));
        let mut banks = Vec::with_capacity(usize::from(self.connections));
        for _ in 0..self.connections {
            let mut config = super::files::client_config(&client)?;
            if is_killed {
                // What the nodes say meanwhile is what is counted.
                config.retry = Duration::ZERO;
            }
            banks.push(Bank::connect(config, issuer, &tag).await?);
        }
        let officers = self.officers.clone().unwrap_or_else(|| issuer.join("officers"));
        let searches = if mix.has(Action::Search) { Some(Searches::new(&banks[0], &officers)?) } else { None };
        Ok(Connected { local, banks, searches })
    }
}

/// What was measured.
struct Measured {
    figures: Figures,
    /// Once a second.
    memory: Vec<Memory>,
    /// When a node was killed, since the warm-up.
    killed: Option<Duration>,
}

impl Load {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        // Found out now, not after an hour.
        if let Some(path) = [&self.out, &self.markdown, &self.picture].into_iter().flatten().find(|path| path.exists())
        {
            return Err(Failure::File { path: path.clone(), source: std::io::ErrorKind::AlreadyExists.into() });
        }
        let count = usize::from(self.people);
        let people = match &self.data {
            Some(folder) => People::of_sets(folder, count)?,
            None => People::synthetic(count)?,
        };
        let Connected { mut local, banks, searches } =
            Box::pin(self.target.connect(self.mix, self.restart.is_some())).await?;
        let bar = live("enrol");
        bar.set_length(u64::from(self.people) * if searches.is_some() { 2 } else { 1 });
        let calls = Arc::new(Calls::new(banks, people, (self.by, self.mix), searches, self.plan.seed));
        calls.enrol_all(&bar).await?;
        bar.finish_and_clear();
        let (steps, measured) = match self.ramp {
            None => (Vec::new(), measure(&calls, self.plan, local.as_mut(), self.restart).await?),
            Some(bound) => climb(&calls, self.plan, Duration::from_millis(bound)).await?,
        };
        if local.is_none() {
            let bar = live("erase");
            bar.set_length(self.people.into());
            calls.erase_for_searches(&bar).await?;
            bar.finish_and_clear();
        }
        let source = calls.people().source;
        let aftermath = match local {
            Some(local) => Some(self.look_back(calls, local).await?),
            None => None,
        };
        let report = Report { load: &self, source, steps: &steps, measured: &measured, aftermath: aftermath.as_ref() };
        self.write(&report)?;
        if json {
            crate::cli::print_json(&report.to_json());
        } else {
            report.print();
        }
        Ok(if report.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Asks once more for those who were enrolled, stops the nodes, and reads their logs.
    async fn look_back(&self, calls: Arc<Calls>, mut local: Local) -> Result<Aftermath, Failure> {
        local.linked().await?;
        let bar = live("check");
        let people = aftermath::ask_again(&calls, &bar).await?;
        bar.finish_and_clear();
        let promised = calls.promised();
        // Connections first, so that the nodes have nothing to drain.
        drop(calls);
        local.stop().await?;
        Aftermath::of(&local, people, &promised, self.restart)
    }

    fn write(&self, report: &Report<'_>) -> Result<(), Failure> {
        if let Some(out) = &self.out {
            files::write(out, page::html(report).as_bytes())?;
        }
        if let Some(path) = &self.picture {
            files::write(path, page::picture(report).as_bytes())?;
        }
        if let Some(path) = &self.markdown {
            files::write(path, document::markdown(report, self.picture.as_deref()).as_bytes())?;
        }
        Ok(())
    }
}

/// Runs one plan to its end; with a node that is killed in the middle of it, and started again.
async fn measure(
    calls: &Arc<Calls>,
    plan: Plan,
    mut local: Option<&mut Local>,
    restart: Option<Party>,
) -> Result<Measured, Failure> {
    let Plan { rate, duration, warm_up, arrivals, seed } = plan;
    calls.begin(Window { warm_up, length: duration });
    let schedule = Schedule::new(arrivals, rate, warm_up + duration, seed);
    let bar = live("load");
    let begin = Instant::now();
    let run = open_loop::run(schedule, UNDER_WAY, calls);
    tokio::pin!(run);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let (mut memory, mut killed) = (Vec::new(), None);
    loop {
        tokio::select! {
            () = &mut run => break,
            () = sleep_until(begin + warm_up + duration / 2), if restart.is_some() && killed.is_none() => {
                if let (Some(local), Some(party)) = (&mut local, restart) {
                    killed = Some(begin.elapsed().saturating_sub(warm_up));
                    local.restart(party)?;
                }
            }
            _ = seconds.tick() => {
                memory.extend(local.as_ref().map(|local| local.memory(begin.elapsed())));
                bar.set_message(calls.look(|figures| report::so_far(figures, rate, begin.elapsed())));
                bar.tick();
            }
        }
    }
    bar.finish_and_clear();
    memory.extend(local.as_ref().map(|local| local.memory(begin.elapsed())));
    Ok(Measured { figures: calls.look(Clone::clone), memory, killed })
}

/// Finds the highest rate that holds: the steps, and the figures of the highest that did, or of the last if none did.
async fn climb(calls: &Arc<Calls>, plan: Plan, bound: Duration) -> Result<(Vec<Step>, Measured), Failure> {
    let (mut ramp, mut steps, mut best) = (Ramp::from(plan.rate), Vec::new(), None);
    let (mut wrong_bits, mut wrong_searches) = (0, 0);
    while let Some(rate) = ramp.next() {
        let measured = measure(calls, Plan { rate, ..plan }, None, None).await?;
        let holds = measured.figures.holds(bound);
        wrong_bits += measured.figures.wrong_bits;
        wrong_searches += measured.figures.wrong_searches;
        let step = Step::of(rate, holds, &measured.figures);
        eprintln!("{}", step.in_words(bound));
        steps.push(step);
        ramp.tried(rate, holds);
        if best.is_none() || ramp.found() == Some(rate) {
            best = Some(measured);
        }
        // Nothing slower is looked for after a wrong answer.
        if wrong_bits + wrong_searches > 0 {
            break;
        }
    }
    let mut measured = best.unwrap_or_else(|| Measured {
        figures: Figures::new(Window { warm_up: plan.warm_up, length: plan.duration }),
        memory: Vec::new(),
        killed: None,
    });
    measured.figures.wrong_bits = wrong_bits;
    measured.figures.wrong_searches = wrong_searches;
    Ok((steps, measured))
}

/// On standard error, and only if that is a terminal.
fn live(what: &'static str) -> ProgressBar {
    let style = if what == "load" { "{prefix:>7} {msg}" } else { "{prefix:>7} {wide_bar} {pos}/{len}" };
    let style = ProgressStyle::with_template(style).expect("the templates are constants that were tried");
    ProgressBar::new_spinner().with_style(style).with_prefix(what)
}
