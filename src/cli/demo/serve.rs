//! `tumar demo --serve`: three nodes that stay up, with everything that a client of another program needs in one folder.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tumar::node;
use tumar::party::Party;

use super::super::failure::Failure;
use super::super::world::{self, Rate};
use super::super::{init, print_json};

/// As `tumar init` names it: what the documents show works here too.
const DEPLOYMENT: &str = "dev";

/// Writes the folder if it is new, runs its three nodes in this process until SIGINT or SIGTERM, and leaves it as it is then.
pub(super) async fn run(folder: &Path, json: bool) -> Result<ExitCode, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    node::harden_process();
    node::raise_descriptors();
    if !init::node_config(folder, Party::LEADER).exists() {
        world::plan(DEPLOYMENT, Rate::OfThePolicy)?.write(folder)?;
    }
    let nodes = tokio::select! {
        nodes = world::nodes_of(folder) => nodes?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    tell(folder, json);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // One after the other, as a rolling restart does: each waits for what is under way.
    for node in nodes {
        node.stop().await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a client is given, and a first call.
fn tell(folder: &Path, json: bool) {
    let (client, issuer, officers) = (init::client_config(folder), folder.join("issuer"), folder.join("officers"));
    if json {
        print_json(&json!({ "client": client, "issuer": issuer, "officers": officers }));
        return;
    }
    println!(
        "Three nodes run in this process until Ctrl-C. The same command starts them again, with the people who are enrolled."
    );
    println!("  client's configuration  {}", client.display());
    println!("  key of the tokens       {}", issuer.join("issuer.pk8").display());
    println!("  officers' keys          {}", officers.display());
    println!("Show the nodes' keys, from another terminal:");
    println!("  tumar committee --client {}", client.display());
    println!("Then enrol and verify somebody: \"By hand\" in docs/quickstart.md, or clients/python/README.md.");
}
