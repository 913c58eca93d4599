//! Commands, one file each; what they share stands in `output`, `failure`, `files` and `clock`.

#[macro_use]
mod output;

mod approve;
mod audit;
mod backup;
mod bank;
mod call;
mod captures;
mod clock;
mod demo;
mod eval;
mod failure;
mod files;
mod health;
mod init;
mod issuer;
mod kept;
mod lines;
mod load;
mod logs;
mod node;
mod npy;
mod npy_error;
mod people;
mod ports;
mod quiet;
mod search;
mod subject;
mod synthetic;
mod token;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use comfy_table::{LineStyle, TableStyle};
use tokio::signal::unix::{SignalKind, signal};

use failure::Failure;

/// A file would grow beyond the process's limit (`setrlimit(2)`, `RLIMIT_FSIZE`); its number on Linux, MIPS aside.
const SIGXFSZ: i32 = 25;

const EXIT_CODES: &str = "Exit codes:
  0  done; for verify: the probe matches; for search: whether or not anybody does
  1  verify: it does not match; audit: a rule is broken; demo, eval, load: a check failed
  2  wrong usage, or files and arguments that do not fit; standard output could not be written, as on a full disk
  3  refused by a node, with a reason code
  4  nobody answered, or the service can not answer now: try again
  5  not trusted: keys, receipts or a certificate do not verify; audit: a fork; node, restore: an older log than was cosigned
130  ended by SIGINT: a search, at the nodes as well; enroll and erase can be resumed with --resume
141  the reader of standard output has gone, as with `| head`";

/// Matches faces and fingerprints among three nodes of which none ever holds a template.
#[derive(Debug, Parser)]
#[command(name = "tumar", version, about, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write keys, development certificates and configurations for three nodes, a token issuer and a client
    Init(init::Init),
    /// Run one node until SIGTERM or SIGINT
    Node(node::Run),
    /// Copy what a node keeps, while it runs or not; the keys are not included
    Backup(backup::Backup),
    /// Restore a backup, unless that would fork the node's log
    Restore(backup::Restore),
    /// Issue an access token, as a bank's authorisation server would
    Token(token::Give),
    /// Serve a bank's tokens over HTTPS: client credentials with `private_key_jwt`, `DPoP` and `authorization_details`
    Issuer(issuer::Serve),
    /// Approve a search in a case, as an officer of a bank; it takes two
    Approve(approve::Approve),
    /// Enrol a person by references: faces, fingers or both
    Enroll(call::Enroll),
    /// Compare a face, a finger or both with a person's references
    Verify(call::Verify),
    /// Search a gallery by a face, a finger or both; two officers must have approved it
    Search(search::Find),
    /// Destroy a person's references, and keep the certificate
    Erase(call::Erase),
    /// Check a certificate of erasure, offline
    Certificate(call::Certificate),
    /// Lock a subject: stop every use of its references
    Lock(call::Lock),
    /// Unlock a subject
    Unlock(call::Lock),
    /// Show the nodes' keys, verified with the pinned ones
    Committee(call::ShowCommittee),
    /// Ask each node whether it serves; the exit code is 0 only if all three do, and else 4
    Health(health::Health),
    /// Mirror, verify and compare the three access logs, report and watch
    Audit(audit::Command),
    /// Show a person's own log entries
    Subject(subject::Command),
    /// Measure how well a model tells labelled people apart, and write a report with thresholds
    Eval(eval::Eval),
    /// Call nodes at a given rate, check every answer, and report latencies, throughput and errors
    Load(load::Load),
    /// Start three nodes here, enrol and verify people, and show each protection at work
    Demo(demo::Demo),
}

/// Runs what the arguments say.
pub(crate) fn run() -> ExitCode {
    let Arguments { command, json } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return shown(&told),
    };
    outlive_limits();
    let outcome = match command {
        Command::Init(init) => init.run(json),
        Command::Token(give) => give.run(json),
        Command::Issuer(issuer) => wait(issuer.run(json)),
        Command::Approve(approve) => approve.run(json),
        Command::Certificate(certificate) => certificate.run(json),
        Command::Audit(audit) => audit.run(json),
        Command::Subject(subject) => wait(subject.run(json)),
        Command::Eval(eval) => eval.run(json),
        Command::Node(node) => wait(node.run(json)),
        Command::Backup(backup) => wait(backup.run(json)),
        Command::Restore(restore) => wait(restore.run(json)),
        Command::Enroll(enroll) => wait(enroll.run(json)),
        Command::Verify(verify) => wait(verify.run(json)),
        Command::Search(find) => wait(find.run(json)),
        Command::Erase(erase) => wait(erase.run(json)),
        Command::Lock(lock) => wait(lock.run(call::Turn::Lock, json)),
        Command::Unlock(lock) => wait(lock.run(call::Turn::Unlock, json)),
        Command::Committee(show) => wait(show.run(json)),
        Command::Health(health) => wait(health.run(json)),
        Command::Load(load) => wait(load.run(json)),
        Command::Demo(demo) => wait(demo.run(json)),
    };
    output::end(outcome.unwrap_or_else(|failure| {
        eprintln!("tumar: {failure}");
        failure.exit_code()
    }))
}

/// Help that was asked for, or what is wrong with the arguments.
fn shown(told: &clap::Error) -> ExitCode {
    match told.print() {
        Err(error) if !told.use_stderr() => output::lose(error),
        Ok(()) | Err(_) => {}
    }
    output::end(if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// A file that reaches a limit on the size of files fails to be written, and ends no command before it has said so.
fn outlive_limits() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // What is once registered stays. Without it, the system's own way is left.
    let _ = runtime.map(|runtime| runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)).map(drop) }));
}

/// Runs a command that calls or listens.
fn wait(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?.block_on(work)
}

/// Prints one JSON object.
fn print_json(value: &serde_json::Value) {
    println!("{value:#}");
}

/// A table with this head, and one line below it: rows must fit a screen.
fn table(head: &[&str]) -> comfy_table::Table {
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = comfy_table::Table::new();
    table.load_style(TableStyle::new().header_separator(line)).set_header(head.iter().copied());
    table
}
