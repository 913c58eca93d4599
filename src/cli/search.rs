//! `tumar search`: looks for a face, a finger or both among everybody in a gallery.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tumar::client::{Search, Searched};
use tumar::name::PurposeName;
use tumar::request::{Case, Progress};
use tumar::token::approval::case_digest;

use super::call::{Caller, indices, places, places_in_words};
use super::captures::{Captures, VECTOR};
use super::failure::Failure;
use super::{files, print_json};

/// Arguments of `tumar search`.
#[derive(Debug, Args)]
pub(super) struct Find {
    #[command(flatten)]
    caller: Caller,
    /// The case file; its SHA-256 is sent to the nodes
    #[arg(long)]
    case: PathBuf,
    /// File with an officer's approval; a search takes two
    #[arg(long)]
    approval: Vec<PathBuf>,
    /// Maximum number of people named: 1 to 32, and at most what the policy allows
    #[arg(long, default_value_t = 8)]
    max: u32,
    /// A purpose of the policy that allows it
    #[arg(long, default_value = "case_search")]
    purpose: PurposeName,
    #[command(flatten)]
    captures: Captures,
}

impl Find {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let read = self.captures.read(&[VECTOR])?;
        let case = Case {
            digest: case_digest(&files::read(&self.case)?),
            most: self.max,
            approvals: self.approval.iter().map(|path| files::read_text(path)).collect::<Result<_, _>>()?,
        };
        let (client, token, gallery) = self.caller.connect().await?;
        let search = Search { gallery, purpose: self.purpose, case };
        let bar = bar();
        let mut watch = |Progress { blocks_done, blocks }| {
            bar.set_length(blocks.into());
            bar.set_position(blocks_done.into());
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
        let captures = read.captures();
        let searched = tokio::select! {
            searched = client.search(&token, &search, &captures, &mut watch) => Some(searched),
            // What is dropped here ends at the nodes as well.
            _ = interrupt.recv() => None,
        };
        bar.finish_and_clear();
        let Searched { found, receipts, .. } = searched.ok_or(Failure::Interrupted)??;
        if json {
            print_json(&json!({
                "outcome": "searched",
                "gallery": search.gallery,
                "candidates": found.candidates,
                "truncated": found.truncated,
                "receipts": places(&receipts),
            }));
        } else {
            found.candidates.iter().for_each(|candidate| println!("{candidate}"));
            // Beside the names, which a script reads.
            eprintln!(
                "{} named{}. Receipts checked; log places {}.",
                found.candidates.len(),
                if found.truncated { ", and there may be more" } else { "" },
                places_in_words(indices(&receipts))
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// On standard error, and only where that is a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("Searching {wide_bar} {pos} of {len} blocks, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(1).with_style(style)
}
