//! `tumar health`: whether each of the three nodes serves.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tumar::client::is_serving;
use tumar::party::Party;

use super::failure::{Failure, with_causes};
use super::{files, print_json};

/// Arguments of `tumar health`.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// The client's configuration, with the addresses of all three nodes: DIR/client/client.toml
    #[arg(long)]
    client: PathBuf,
}

impl Health {
    /// Ends with 0 only if all three say that they serve.
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = files::client_config(&self.client)?;
        let [a, b, c] = Party::ALL;
        let (a, b, c) = tokio::join!(is_serving(&config, a), is_serving(&config, b), is_serving(&config, c));
        let told = [a, b, c].map(|said| match said {
            Ok(true) => ("SERVING", String::new()),
            Ok(false) => ("NOT_SERVING", "see its log".to_owned()),
            Err(error) => ("UNKNOWN", with_causes(&error)),
        });
        let is_well = told.iter().all(|(status, _)| *status == "SERVING");
        let nodes = || Party::ALL.iter().zip(&told);
        if json {
            let nodes: Vec<_> = nodes()
                .map(|(party, (status, why))| json!({ "party": party, "status": status, "told": why }))
                .collect();
            print_json(&json!({ "serving": is_well, "nodes": nodes }));
        } else {
            for (party, (status, why)) in nodes() {
                println!("{party} {status}{}{why}", if why.is_empty() { "" } else { ": " });
            }
        }
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(4) })
    }
}
