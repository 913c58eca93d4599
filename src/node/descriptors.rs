//! How many files and connections the system lets this process have, and who gets how many of them.
//!
//! ```text
//! limit --> 192 for log, store and files that are read    64 for peers    a quarter of the rest for auditors    clients
//! ```

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Config, NodeError};
use crate::guests::Room;

/// Descriptors for store, log, witnesses that are asked, and files that are read for auditors.
const OWN: usize = 192;

/// Connections of peers, and of whoever tries to be one.
const PEERS: usize = 64;

/// More connections than this are not for one process.
const MOST: usize = 8192;

/// The same of auditors.
const MOST_AUDITORS: usize = 256;

/// No node starts with fewer.
pub const LEAST: usize = OWN + PEERS + 128;

/// Allows this process as many descriptors as the system lets it allow itself.
///
/// Says so where that fails; the node then lives with those that it has.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Room for the connections of each port.
pub(super) struct Rooms {
    pub(super) clients: Arc<Room>,
    pub(super) auditors: Arc<Room>,
    pub(super) peers: Arc<Room>,
}

/// Connections of each port, and of one address at it.
#[derive(Debug, PartialEq, Eq)]
struct Shares {
    clients: usize,
    clients_of_one: usize,
    auditors: usize,
    auditors_of_one: usize,
}

pub(super) fn rooms(config: &Config) -> Result<Rooms, NodeError> {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let shares = shares(limit.unwrap_or(usize::MAX), config)?;
    Ok(Rooms {
        clients: Room::new(shares.clients, shares.clients_of_one),
        auditors: Room::new(shares.auditors, shares.auditors_of_one),
        peers: Room::new(PEERS, PEERS),
    })
}

fn shares(limit: usize, config: &Config) -> Result<Shares, NodeError> {
    if limit < LEAST {
        return Err(NodeError::Descriptors { limit });
    }
    let (rest, told) = (limit - OWN - PEERS, config.limits.as_ref());
    let within = |key, told: Option<usize>, most: usize| match told {
        Some(told) if !(8..=most).contains(&told) => Err(NodeError::Connections { key, most, limit }),
        told => Ok(told),
    };
    let auditors = within("auditor_connections", told.and_then(|told| told.auditor_connections), rest / 2)?;
    let auditors = auditors.unwrap_or((rest / 4).min(MOST_AUDITORS));
    let clients = within("client_connections", told.and_then(|told| told.client_connections), rest - auditors)?;
    let clients = clients.unwrap_or((rest - auditors).min(MOST));
    let of_one = within("connections_per_address", told.and_then(|told| told.connections_per_address), clients)?;
    // A proxy in front of the port for auditors is all of them.
    let behind_proxy = config.audit.as_ref().is_some_and(|audit| audit.plain);
    let auditors_of_one = if behind_proxy { auditors } else { of_one.unwrap_or(auditors / 4).min(auditors) };
    Ok(Shares { clients, clients_of_one: of_one.unwrap_or(clients / 2), auditors, auditors_of_one })
}

#[cfg(test)]
mod tests {
    use super::super::LimitsConfig;
    use super::*;

    fn config(limits: Option<LimitsConfig>) -> Config {
        let text = "party = \"A\"\ndeployment = \"kz-demo\"\npublic = \"127.0.0.1:1\"\npeer = \"127.0.0.1:2\"\n\
                    policy = \"p\"\nmodels = \"m\"\ndata = \"d\"\nkeys = \"k\"\nbases = [\"https://a.example\"]\n\
                    issuers = []\npeers = []\n";
        let mut config: Config = crate::form::parse(text).unwrap();
        config.limits = limits;
        config
    }

    fn told(auditors: Option<usize>, clients: Option<usize>, of_one: Option<usize>) -> Config {
        let text = toml::from_str::<LimitsConfig>("").unwrap();
        config(Some(LimitsConfig {
            auditor_connections: auditors,
            client_connections: clients,
            connections_per_address: of_one,
            ..text
        }))
    }

    #[test]
    fn what_is_given_out_and_what_is_kept_are_the_limit() {
        for limit in [LEAST, 1024, 4096, 1 << 20, usize::MAX] {
            let shares = shares(limit, &config(None)).unwrap();
            assert!(shares.clients + shares.auditors + PEERS + OWN <= limit, "{limit}: {shares:?}");
            assert!(shares.clients >= 96 && shares.auditors >= 32, "{limit}: {shares:?}");
            assert!(shares.clients <= MOST && shares.auditors <= MOST_AUDITORS, "{limit}: {shares:?}");
        }
        let shares = shares(1024, &config(None)).unwrap();
        assert_eq!(shares, Shares { clients: 576, clients_of_one: 288, auditors: 192, auditors_of_one: 48 });
    }

    #[test]
    fn more_than_there_are_can_not_be_given_out() {
        assert!(
            matches!(shares(LEAST - 1, &config(None)), Err(NodeError::Descriptors { limit }) if limit == LEAST - 1)
        );
        let key = |config| match shares(1024, &config) {
            Err(NodeError::Connections { key, most, limit: 1024 }) => Some((key, most)),
            _ => None,
        };
        assert_eq!(key(told(Some(385), None, None)), Some(("auditor_connections", 384)));
        assert_eq!(key(told(Some(7), None, None)), Some(("auditor_connections", 384)));
        assert_eq!(key(told(Some(384), Some(385), None)), Some(("client_connections", 384)));
        assert_eq!(key(told(None, Some(100), Some(101))), Some(("connections_per_address", 100)));
        let shares = shares(1024, &told(Some(100), Some(600), Some(10))).unwrap();
        assert_eq!(shares, Shares { clients: 600, clients_of_one: 10, auditors: 100, auditors_of_one: 10 });
    }
}
