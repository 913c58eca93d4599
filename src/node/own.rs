//! What a check finds wrong with a node's own folders: keys that are another node's, or open to others; data that can not be written.

use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::{Config, Keys, NodeError, keys, pinned};
use crate::log::cosign::CosignerKey;
use crate::log::note::{SigningKey, VerifierKey};
use crate::log::tiles;
use crate::party::Party;

/// As much as a store wants free before it begins anything.
const ROOM: u64 = 4 << 20;

/// What one node is known by: what each thing is, and its bytes.
type Known = Vec<(&'static str, Vec<u8>)>;

/// What is this node's own, and pinned for another; or pinned for both others.
pub(super) fn mistaken(config: &Config, own: &Keys) -> Result<Option<String>, NodeError> {
    let own = known_of(config, own)?;
    let mut peers = Vec::new();
    for peer in &config.peers {
        peers.push((peer.party, pins(config, peer)?));
    }
    Ok(told(&own, &peers))
}

fn known_of(config: &Config, own: &Keys) -> Result<Known, NodeError> {
    let folder = config.path(&config.keys);
    let witness = if config.audit.is_some() { Some(keys::signing(&folder.join("witness.pk8"))?) } else { None };
    let mut known = vec![("identity.pk8", own.identity.public().to_vec()), ("log.pk8", own.log.public().to_vec())];
    known.extend(witness.as_ref().map(SigningKey::public).map(|key| ("witness.pk8", key.to_vec())));
    for (name, what) in [("peer", "peer.crt"), ("tls", "tls.crt")] {
        known.push((what, keys::tls(&folder, name)?.shown().to_vec()));
    }
    Ok(known)
}

fn pins(config: &Config, peer: &super::PeerConfig) -> Result<Known, NodeError> {
    let mut known = vec![("peer.crt", pinned(config, &peer.certificate)?.shown().to_vec())];
    known.extend(peer.identity().map(|key| ("identity.pk8", key.to_vec())));
    if let Some(seen) = &peer.audit {
        let log: Option<VerifierKey> = seen.log_key.parse().ok();
        let cosigner: Option<CosignerKey> = seen.cosigner.parse().ok();
        known.extend(log.map(|key| ("log.pk8", key.public().to_vec())));
        known.extend(cosigner.map(|key| ("witness.pk8", key.public().to_vec())));
        if let Some(path) = &seen.certificate {
            known.push(("tls.crt", pinned(config, path)?.shown().to_vec()));
        }
    }
    Ok(known)
}

fn told(own: &Known, peers: &[(Party, Known)]) -> Option<String> {
    let mut wrong = Vec::new();
    for (party, pins) in peers {
        for (what, _) in own.iter().filter(|one| pins.contains(one)) {
            wrong.push(format!("{what} is node {party}'s, as node.toml has it"));
        }
    }
    if let [(first, one), (second, other)] = peers {
        for (what, _) in one.iter().filter(|pin| other.contains(pin)) {
            wrong.push(format!("node.toml has the same {what} for node {first} and node {second}"));
        }
    }
    if wrong.is_empty() { None } else { Some(wrong.join("; ")) }
}

/// Why a node could not write its store, its log, or what it cosigned.
pub(super) fn unwritable_in(data: &Path) -> Option<String> {
    let log = data.join("log");
    let newest = tiles::halves(&log).ok().and_then(|halves| halves.last().map(|half| log.join(half.to_string())));
    let all = [Some(data.to_owned()), Some(log), newest, Some(data.join("witness"))];
    all.into_iter().flatten().find_map(|folder| unwritable(&folder))
}

/// Why a node could not write into its data: it is asked for the nearest folder that is there.
fn unwritable(data: &Path) -> Option<String> {
    let folder = data.ancestors().find(|folder| folder.exists()).filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    if !folder.is_dir() {
        return Some(format!("{}: this is no folder", folder.display()));
    }
    if let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        return Some(format!("{} can not be written: {}", folder.display(), std::io::Error::from(error)));
    }
    let room = statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    (room < ROOM).then(|| format!("{}: {} KiB are free, and a node needs {}", folder.display(), room >> 10, ROOM >> 10))
}

/// Private keys that others can read.
pub(super) fn open_to_others(config: &Config) -> Option<String> {
    let folder = config.path(&config.keys);
    let open = keys::open_to_others(&folder);
    (!open.is_empty()).then(|| format!("{}: others than the owner can read {}", folder.display(), open.join(", ")))
}

/// What the peers would say of the certificate that is shown to them.
pub(super) fn refused(config: &Config) -> Option<String> {
    let folder = config.path(&config.keys);
    let identity = keys::tls(&folder, "peer").ok()?;
    let fault = identity.refused_as(&crate::peer::tls_name(config.party)).ok()??;
    Some(format!("{}: the two other nodes refuse it: {fault}", folder.join("peer.crt").display()))
}

/// What clients and auditors would say of the certificate that is shown to them: of its time alone, since they know by which name they
/// call.
pub(super) fn outlived(config: &Config) -> Option<String> {
    let folder = config.path(&config.keys);
    let fault = keys::tls(&folder, "tls").ok()?.refused_as("localhost").ok()??;
    fault.is_of_time().then(|| format!("{}: clients and auditors refuse it: {fault}", folder.join("tls.crt").display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_nodes_or_pinned_twice_is_told() {
        let of = |key: u8, certificate: u8| vec![("log.pk8", vec![key]), ("peer.crt", vec![certificate])];
        let peers = |b, c| [(Party::B, b), (Party::C, c)];
        assert_eq!(told(&of(1, 1), &peers(of(2, 2), of(3, 3))), None);
        let said = told(&of(3, 1), &peers(of(2, 2), of(3, 2))).unwrap();
        assert_eq!(
            said,
            "log.pk8 is node C's, as node.toml has it; node.toml has the same peer.crt for node B and node C"
        );
    }

    #[test]
    fn data_that_is_no_folder_or_not_there_is_told_from_one_that_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unwritable(&folder.path().join("data")), None, "it is made");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(unwritable(&file).unwrap().contains("this is no folder"));
        assert!(unwritable(Path::new("/proc")).is_some());
        assert_eq!(unwritable_in(folder.path()), None);
        std::fs::create_dir_all(folder.path().join("log")).unwrap();
        std::fs::write(folder.path().join("log/2026h2"), "").unwrap();
        assert!(unwritable_in(folder.path()).unwrap().contains("log/2026h2: this is no folder"));
    }
}
