//! `tumar issuer`: a bank's token service, over HTTPS.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tumar::audit_server::Server;
use tumar::form;
use tumar::guests::Room;
use tumar::issuer::http::router;
use tumar::issuer::rules::Rules;
use tumar::issuer::{Audit, TokenService};
use tumar::name::{ClientName, Deployment, GalleryName, RelyingParty};
use tumar::request::Method;
use tumar::tls::{TlsIdentity, WebTls};
use tumar::token::{Issuer, Policy, SigningKey};

use super::failure::Failure;
use super::{clock, files, node, output};

/// Connections at a time, and of one address.
const CALLERS: [usize; 2] = [256, 64];

/// Arguments of `tumar issuer`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// What the service is and which client may ask for what: DIR/issuer/issuer.toml
    #[arg(long)]
    config: PathBuf,
    /// Read the configuration and the keys, print what is wrong, and exit
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        // Dropped at the end, when all has been said.
        let _lines = node::say(json)?;
        let folder = self.config.parent().unwrap_or(Path::new("."));
        let text = form::text(files::read(&self.config)?)
            .map_err(|source| Failure::File { path: self.config.clone(), source })?;
        let rules = Rules::parse(&text, folder)
            .map_err(|source| Failure::IssuerRules { path: self.config.clone(), source: Box::new(source) })?;
        let key = files::read_key(&rules.signing_key, SigningKey::from_pkcs8)?;
        let tls = identity(&rules)?;
        if self.check {
            println!("{}: well-formed; the keys it names can be read", self.config.display());
            return Ok(ExitCode::SUCCESS);
        }
        let audit = audit_of(rules.audit_log.as_deref())?;
        let (address, endpoint) = (rules.listen.clone(), rules.endpoint());
        let listener =
            TcpListener::bind(&address).await.map_err(|source| Failure::Listen { address: address.clone(), source })?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
        let issuer = Issuer::new(rules.issuer.clone(), key);
        let service = Arc::new(TokenService::new(rules, issuer, Arc::new(clock::now), audit));
        tracing::info!(%address, %endpoint, "listening");
        let [most, of_one] = CALLERS;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Server::of(router(service), Room::new(most, of_one)).serve(listener, Some(tls), stop).await;
        Ok(ExitCode::SUCCESS)
    }
}

fn identity(rules: &Rules) -> Result<WebTls, Failure> {
    let certificate = files::read(&rules.certificate)?;
    let key = zeroize::Zeroizing::new(files::read(&rules.certificate_key)?);
    files::tell_if_open(&rules.certificate_key)?;
    TlsIdentity::from_pem(&certificate, &key)
        .and_then(|own| WebTls::new(&own))
        .map_err(|source| Failure::IssuerTls { path: rules.certificate.clone(), source })
}

/// Lines go to a file, each on the disk before its token is given; or to standard output.
fn audit_of(path: Option<&Path>) -> Result<Audit, Failure> {
    let Some(path) = path else {
        return Ok(Box::new(|line| output::write(&format!("{line}\n"))));
    };
    let wrong = |source| Failure::File { path: path.to_owned(), source };
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(wrong)?;
    let file = Mutex::new(file);
    Ok(Box::new(move |line| append(&file.lock().unwrap_or_else(PoisonError::into_inner), line)))
}

fn append(mut file: &File, line: &str) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// A bank's token service in a new installation.
pub(super) struct Plan<'a> {
    /// The `iss` of its tokens.
    pub(super) name: &'a str,
    pub(super) deployment: &'a Deployment,
    pub(super) relying_party: &'a RelyingParty,
    /// Where its one workload may ask for tokens.
    pub(super) gallery: &'a GalleryName,
    pub(super) workload: &'a ClientName,
    /// Verifies the workload's assertions.
    pub(super) jwk: &'a Value,
    pub(super) port: u16,
}

/// Its `issuer.toml`: the workload may ask for whatever the policy has for banks.
pub(super) fn rules_of(plan: &Plan<'_>, policy: &Policy) -> String {
    let Plan { name, deployment, relying_party, gallery, workload, jwk, port } = plan;
    let mut text = format!(
        "# The bank's token service: tumar issuer --config THIS. Relative paths are relative to this file.\n\
         issuer = \"{name}\"    # name of an [[issuers]] of the nodes\n\
         deployment = \"{deployment}\"\n\
         base = \"https://localhost:{port}\"    # POST BASE/token\n\
         listen = \"127.0.0.1:{port}\"\n\
         certificate = \"tls.crt\"\n\
         certificate_key = \"tls.key\"\n\
         signing_key = \"issuer.pk8\"\n\
         # audit_log = \"tokens.log\"    # a line for each token; standard output if absent\n\
         \n[[client]]\nid = \"{workload}\"\nrelying_party = \"{relying_party}\"\n\
         jwk = {}    # verifies its assertions\n\
         # proof_keys = []    # thumbprints of the keys that its tokens may be bound to; any if absent\n",
        inline(jwk),
    );
    for (purpose_name, purpose) in policy.purposes() {
        let of_auditor = |method: &Method| matches!(method, Method::ReadLog | Method::OpenEvidence);
        let methods = purpose.actions.iter().map(|action| action.0);
        let actions: Vec<&str> = methods.filter(|method| !of_auditor(method)).map(Method::action).collect();
        if actions.is_empty() {
            continue;
        }
        let modalities: Vec<&str> = purpose.modalities.iter().map(|modality| modality.as_str()).collect();
        let _ = write!(
            text,
            "\n[[client.allow]]\npurpose = \"{purpose_name}\"\nactions = {actions:?}\ngalleries = [\"{gallery}\"]\nmodalities = {modalities:?}\n\
             amr = [\"mobile_auth\", \"registry_check\", \"pin\"]\nmax_uses = 1\n"
        );
    }
    text
}

/// A JWK as TOML's inline table.
fn inline(jwk: &Value) -> String {
    let members = jwk.as_object().into_iter().flatten();
    let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}
