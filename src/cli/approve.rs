//! `tumar approve`: signs, with an officer's key, that a search in a case is wanted. Two officers must.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tumar::name::{Deployment, RelyingParty};
use tumar::token::approval::case_digest;
use tumar::token::{Officer, SigningKey};

use super::failure::Failure;
use super::token::{Allows, claims_of};
use super::{clock, files, print_json};

/// Arguments of `tumar approve`.
#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The officer's private key, PKCS#8 in DER or PEM
    #[arg(long)]
    key: PathBuf,
    /// The officer's name, as in the nodes' lists of officers
    #[arg(long)]
    name: String,
    /// The officer's role, as in the nodes' lists of officers
    #[arg(long)]
    role: String,
    /// The bank that the officer works for
    #[arg(long)]
    relying_party: RelyingParty,
    /// Name of the deployment
    #[arg(long, default_value = "dev")]
    deployment: Deployment,
    #[command(flatten)]
    allows: Allows,
    /// The case file; its SHA-256 is sent to the nodes
    #[arg(long)]
    case: PathBuf,
}

impl Approve {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let key = files::read_key(&self.key, SigningKey::from_pkcs8)?;
        let officer = Officer::new(self.name, self.role, key)?;
        let details = self.allows.details(&self.relying_party)?;
        let case = case_digest(&files::read(&self.case)?);
        let approval = officer.approve(&self.deployment, &details, &case, clock::now())?;
        if json {
            print_json(&json!({ "approval": approval, "claims": claims_of(&approval) }));
        } else {
            println!("{approval}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
