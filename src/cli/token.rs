//! `tumar token`: gives out an access token with the development issuer's key.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tumar::client::ClientConfig;
use tumar::name::{Deployment, GalleryName, Modality, PurposeName, RelyingParty};
use tumar::request::Method;
use tumar::token::details::DetailsType;
use tumar::token::jws::from_base64;
use tumar::token::{Action, Details, Issuer, ProofKey, SigningKey, TokenRequest};

use super::failure::Failure;
use super::{clock, files, init, print_json};

/// What a token allows: by the same arguments, an approval is of the same.
#[derive(Debug, Args)]
pub(super) struct Allows {
    /// A purpose of the policy
    #[arg(long)]
    purpose: PurposeName,
    /// What it allows: enroll, verify, erase, lock, unlock, search, `list_uses`; for an auditor `read_log`, `open_evidence`
    #[arg(long, value_delimiter = ',', required = true, value_parser = action)]
    action: Vec<Method>,
    /// The galleries; the relying party's `customers` if not given
    #[arg(long, value_delimiter = ',')]
    gallery: Vec<GalleryName>,
    /// The modalities: face, finger; both if not given, where the action takes samples
    #[arg(long, value_delimiter = ',', value_parser = modality)]
    modality: Vec<Modality>,
    /// How many requests it allows
    #[arg(long, default_value_t = 1)]
    max_uses: u32,
}

impl Allows {
    /// The same, as tokens and approvals spell it.
    pub(super) fn details(self, owner: &RelyingParty) -> Result<Details, Failure> {
        let galleries = if self.gallery.is_empty() { vec![customers(owner)?] } else { self.gallery };
        let details = details(owner, self.purpose, &self.action, galleries, self.max_uses);
        Ok(if self.modality.is_empty() { details } else { Details { modalities: self.modality, ..details } })
    }
}

/// Arguments of `tumar token`.
#[derive(Debug, Args)]
pub(super) struct Give {
    /// The folder that `tumar init` wrote, for bank b17; its folder `b19` for that bank
    #[arg(long)]
    dir: PathBuf,
    /// For the auditor whose folder `tumar init` wrote, and not for the bank
    #[arg(long)]
    auditor: bool,
    #[command(flatten)]
    allows: Allows,
    /// Evidence of other factors: `mobile_auth`, `registry_check`, `pin`
    #[arg(long, value_delimiter = ',')]
    amr: Vec<String>,
    /// Lifetime in seconds; by default the most that nodes accept: 300; 120 with the action search; 3600 for `read_log` alone
    #[arg(long)]
    lifetime: Option<u64>,
    /// A new file to write it to, instead of standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

fn action(text: &str) -> Result<Method, &'static str> {
    Method::ALL
        .into_iter()
        .find(|method| method.action() == text)
        .ok_or("an action is enroll, verify, erase, lock, unlock, search, list_uses, read_log or open_evidence")
}

fn modality(text: &str) -> Result<Modality, &'static str> {
    [Modality::Face, Modality::Finger]
        .into_iter()
        .find(|modality| modality.as_str() == text)
        .ok_or("a modality is face or finger")
}

/// The gallery that commands use if none is named.
pub(super) fn customers(owner: &RelyingParty) -> Result<GalleryName, Failure> {
    Ok(format!("{owner}/customers").parse()?)
}

/// The issuer whose key `tumar init` wrote into a bank's folder, or into the auditor's: it speaks for that relying party alone.
pub(super) fn read_issuer(dir: &Path, deployment: &Deployment, owner: &RelyingParty) -> Result<Issuer, Failure> {
    let key = files::read_key(&dir.join("issuer").join("issuer.pk8"), SigningKey::from_pkcs8)?;
    Ok(Issuer::new(init::issuer_name(deployment, owner), key))
}

/// What a token for this client is to say.
pub(super) fn request(config: &ClientConfig, details: Details, amr: Vec<String>, lifetime: u64) -> TokenRequest {
    TokenRequest {
        deployment: config.deployment.clone(),
        client: config.client.to_string(),
        jkt: config.proof_key.thumbprint(),
        certificate: None,
        details,
        amr,
        lifetime,
    }
}

/// What a token allows. Modalities are named only where samples are taken.
pub(super) fn details(
    owner: &RelyingParty,
    purpose: PurposeName,
    methods: &[Method],
    galleries: Vec<GalleryName>,
    max_uses: u32,
) -> Details {
    let takes_samples = methods.iter().any(|method| matches!(method, Method::Enroll | Method::Verify | Method::Search));
    Details {
        kind: DetailsType,
        purpose,
        actions: methods.iter().map(|method| Action(*method)).collect(),
        relying_party: owner.clone(),
        galleries,
        modalities: if takes_samples { vec![Modality::Face, Modality::Finger] } else { Vec::new() },
        max_uses,
        legal_basis: None,
    }
}

impl Give {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = ClientConfig::read(&init::client_config(&self.dir))?;
        let auditor = self.dir.join("auditor");
        let (folder, owner) =
            if self.auditor { (&auditor, init::AUDITOR.parse()?) } else { (&self.dir, config.relying_party.clone()) };
        let issuer = read_issuer(folder, &config.deployment, &owner)?;
        let details = self.allows.details(&owner)?;
        let lifetime = self.lifetime.unwrap_or_else(|| details.longest_life());
        let mut asked = request(&config, details, self.amr, lifetime);
        if self.auditor {
            let key = files::read_key(&auditor.join("proof.pk8"), ProofKey::from_pkcs8)?;
            asked.client = format!("{owner}/desk");
            asked.jkt = key.thumbprint();
        }
        let token = issuer.issue(&asked, clock::now())?;
        if let Some(out) = &self.out {
            files::write_secret(out, token.as_bytes())?;
        }
        match (&self.out, json) {
            (Some(out), true) => print_json(&json!({ "token_file": out, "claims": claims_of(&token) })),
            (Some(out), false) => println!("{}", out.display()),
            (None, true) => print_json(&json!({ "token": token, "claims": claims_of(&token) })),
            (None, false) => println!("{token}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What the token or approval just made says.
pub(super) fn claims_of(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).and_then(|part| from_base64(part).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}
