//! What the two others say on their ports for auditors, to a node that does not run: what they cosigned of its log, and their clocks.

use serde::Deserialize;

use super::{Config, NodeError, audit};
use crate::party::Party;
use crate::web::{Answer, HttpClient, WebError};

/// What a peer says.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    /// Its clock, in unix seconds; none while it doubts it.
    pub(super) now: Option<u64>,
    /// The last checkpoint of each half-year of this node's log that it cosigned.
    pub(super) checkpoints: Vec<String>,
    /// Which of its keys are not the ones that are pinned.
    #[serde(skip)]
    pub(super) other: Option<String>,
}

/// Where a node says which keys its log and its cosignatures have.
#[derive(Deserialize)]
struct Index {
    nodes: Vec<Shows>,
}

#[derive(Deserialize)]
struct Shows {
    party: Party,
    log: String,
    cosigner: String,
}

/// One peer's answer, or why there is none.
pub(super) struct Asked {
    pub(super) party: Party,
    pub(super) answer: Result<Told, Unheard>,
}

/// Why there is no answer of a peer.
pub(super) struct Unheard {
    pub(super) why: String,
    /// Somebody is there, and not who should be.
    pub(super) untrusted: bool,
}

impl From<String> for Unheard {
    fn from(why: String) -> Self {
        Self { why, untrusted: false }
    }
}

/// Asks both. A peer of which the configuration does not say where its port is, is left out.
pub(super) async fn ask(config: &Config) -> Result<Vec<Asked>, NodeError> {
    let mut asked = Vec::new();
    for peer in &config.peers {
        let Some(seen) = &peer.audit else { continue };
        let site = audit::site(config, &seen.url, seen.certificate.as_ref())?;
        let path = format!("/cosigned/{}", config.party.letter());
        let (party, log_key, cosigner) = (peer.party, seen.log_key.clone(), seen.cosigner.clone());
        let answer = tokio::task::spawn_blocking(move || match site.get(&path, None) {
            Ok(Answer { status: 200, body }) => serde_json::from_slice(&body)
                .map(|told: Told| Told { other: other(&site, party, (&log_key, &cosigner)), ..told })
                .map_err(|_| format!("{}: the list of what it cosigned is not valid", site.base()).into()),
            Ok(Answer { status, .. }) => Err(format!("{} answered with status {status}", site.base()).into()),
            Err(error) => {
                let untrusted = matches!(error, WebError::Untrusted(..));
                Err(Unheard { why: super::causes::with_causes(&error), untrusted })
            }
        });
        let answer = answer.await.unwrap_or_else(|error| Err(error.to_string().into()));
        asked.push(Asked { party: peer.party, answer });
    }
    Ok(asked)
}

/// Which of a peer's keys are not the pinned ones. One that does not say which it has is believed by its signatures alone.
fn other(site: &HttpClient, party: Party, (log, cosigner): (&str, &str)) -> Option<String> {
    let answer = site.get("/logs.json", None).ok().filter(|answer| answer.status == 200)?;
    let index: Index = serde_json::from_slice(&answer.body).ok()?;
    let shows = index.nodes.into_iter().find(|shows| shows.party == party)?;
    let wrong = [("log_key", shows.log != log), ("cosigner", shows.cosigner != cosigner)];
    let wrong: Vec<_> = wrong.into_iter().filter_map(|(key, is_wrong)| is_wrong.then_some(key)).collect();
    (!wrong.is_empty())
        .then(|| format!("{} in node.toml is not the one that it shows at {}", wrong.join(" and "), site.base()))
}
