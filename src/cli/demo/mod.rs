//! `tumar demo`: all of it in one process, in a few seconds, from enrolment to three logs that agree; or three nodes that stay up.

mod leak_check;
mod protections;
mod report;
mod rounds;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::logs;
use super::people::People;
use super::world::World;
use report::Report;

/// Name of the demo's deployment.
const DEPLOYMENT: &str = "demo";

/// Arguments of `tumar demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// A folder with `faces/lfw_dev_fr512.npy` and `faces/lfw_dev_labels.csv`, and `fingers/index.csv` with its records; made-up people
    /// if not given
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many people are enrolled
    #[arg(long, default_value_t = 20)]
    people: usize,
    /// How many attempts the people make, and how many others make in their names
    #[arg(long, default_value_t = 100)]
    attempts: usize,
    /// Run three nodes in this process until SIGINT or SIGTERM, for clients of your own: a new folder for all that they need, or one
    /// that was served before
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "people", "attempts"])]
    serve: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        if let Some(folder) = &self.serve {
            return serve::run(folder, json).await;
        }
        if !(2..=1000).contains(&self.people) || !(1..=100_000).contains(&self.attempts) {
            return Err(Failure::Size);
        }
        let people = match &self.data {
            Some(folder) => People::of_sets(folder, self.people)?,
            None => People::synthetic(self.people)?,
        };
        let world = Box::pin(World::start(DEPLOYMENT)).await?;
        let mut rounds = rounds::run(&world, &people, self.attempts).await?;
        let protections = protections::run(&world, &people, &mut rounds).await?;
        let runs = world.protocol_runs();
        let stopped = world.stop().await?;
        let sights = leak_check::of(&stopped, &rounds.sent, runs).await?;
        let logs = logs::compare(stopped.folder(), &stopped.pins, &rounds.answered);
        let report =
            Report { people: &people, rounds: &rounds, protections: &protections, sights: &sights, logs: &logs };
        if json {
            report.print_json();
        } else {
            report.print();
        }
        Ok(if report.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
