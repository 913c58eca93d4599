//! What is read again while a node runs (SIGHUP): whose tokens are believed, officers, certificates.
//!
//! All of it is read and checked first, and taken together then. A file that does not hold what it should changes nothing.

use std::path::Path;
use std::sync::Arc;

use toml::Value;

use super::{Config, NodeError, keys, pinned, remotes, verifier};
use crate::engine::Authorizer;
use crate::peer::Peers;
use crate::seal::sha256;
use crate::tls::{Acceptor, WebTls};

/// Keys of `node.toml` that are taken at once. All others are read at a start.
const TAKEN: [&str; 4] = ["bases", "clients", "issuers", "officers"];

/// What can be replaced in a node that runs.
pub(super) struct Reload {
    /// As it was read at the start.
    pub(super) config: Config,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) peers: Arc<Peers>,
    /// The public port's.
    pub(super) public: Acceptor,
    /// The port's for peers.
    pub(super) links: Acceptor,
    /// The port's for auditors, unless it has none or is plain.
    pub(super) web: Option<WebTls>,
}

/// What was read, for the line that tells of it.
pub(super) struct Reloaded {
    issuers: usize,
    /// Beyond what is taken at once: what in the files is another than what is in force.
    waits: Vec<String>,
}

impl Reload {
    /// Reads everything again, takes it, and says so; or says what is wrong, and that all stays as it was.
    pub(super) fn run(&self) {
        match self.read() {
            Ok(Reloaded { issuers, waits }) => {
                tracing::info!(issuers, "reloaded: issuers' keys, officers and certificates are in force");
                for what in waits {
                    tracing::warn!("{what} has changed: takes effect at the next start");
                }
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "reload failed: issuers' keys, officers and certificates are unchanged"
            ),
        }
    }

    fn read(&self) -> Result<Reloaded, NodeError> {
        let config = self.config.read_again()?;
        let folder = config.path(&config.keys);
        let believed = verifier(&config)?;
        let callers = config.clients.iter().map(|path| pinned(&config, path)).collect::<Result<Vec<_>, _>>()?;
        let shown = keys::tls(&folder, "tls")?;
        let public = crate::tls::open_server(&shown, &callers)?;
        let web = WebTls::new(&shown)?;
        let own = keys::peer(&folder, config.party)?;
        let pins = remotes(&config)?.map(|remote| remote.certificate);
        let links = crate::tls::pinned_server(&own, &pins)?;
        // From here on nothing fails but this, which changes nothing then.
        self.peers.certify(&own, pins)?;
        self.links.become_like(&links);
        self.public.become_like(&public);
        if let Some(port) = &self.web {
            port.become_like(&web);
        }
        self.authorizer.believe(believed);
        Ok(Reloaded { issuers: config.issuers.len(), waits: self.waits(&config) })
    }

    /// What the files say otherwise, and is taken at a start alone.
    fn waits(&self, now: &Config) -> Vec<String> {
        let (before, after) = (table(&self.config), table(now));
        let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut waits: Vec<String> = keys
            .into_iter()
            .filter(|key| !TAKEN.contains(&key.as_str()) && before.get(*key) != after.get(*key))
            .map(|key| format!("{key} in {}", now.file().display()))
            .collect();
        let digests =
            [(&now.policy, self.authorizer.policy().digest()), (&now.models, self.authorizer.models().digest())];
        let is_other =
            |path: &Path, digest: &[u8; 32]| now.text(path).map_or(true, |text| sha256(text.as_bytes()) != *digest);
        let of_all = digests.into_iter().filter(|(path, digest)| is_other(path, digest));
        waits.extend(of_all.map(|(path, _)| now.path(path).display().to_string()));
        waits
    }
}

fn table(config: &Config) -> toml::Table {
    match Value::try_from(config) {
        Ok(Value::Table(table)) => table,
        // It was read as one.
        Ok(_) | Err(_) => toml::Table::new(),
    }
}
