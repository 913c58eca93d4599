//! Whom an auditor believes: `auditor.toml`, and the policies beside it.
//!
//! ```toml
//! deployment = "kz-demo"
//! cosignatures = 2                # by how many others an entry must be covered, five minutes after it was written
//! policies = "policies"           # folder of policy.toml files, each identified by its SHA-256
//!
//! [[node]]                        # three: A, B, C
//! party = "A"
//! log_key = "log.a.kz-demo.tumar.internal+1b0c5a4e+AQ.."        # without half-year
//! cosigner = "witness.a.kz-demo.tumar.internal+9e0d7b11+BA.."   # with which A witnesses the other two
//! url = "https://a.example:8443"
//! certificate = "a.crt"           # optional: PEM that the site's certificate must lead to
//!
//! [[witness]]                     # any number; believed beside the two other nodes
//! key = "witness.example+0f1e2d3c+BA.."
//! ```
//!
//! Paths are relative to the file's folder. Take the keys from somewhere else than the node: it could give you any.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use crate::form::{self, FormError};
use crate::log::cosign::CosignerKey;
use crate::log::note::VerifierKey;
use crate::name::{Deployment, Modality, ModelId};
use crate::party::Party;
use crate::token::policy::{Policy, PolicyError, Thresholds};

/// Why an auditor's configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// A file or folder that can not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not TOML of the required form; an unknown key is one reason, and a key of a node or witness that is none.
    #[error("{}: {source}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: FormError,
    },
    /// Not one `[[node]]` for each of A, B and C, in this order.
    #[error("[[node]] must stand three times, for A, B and C in this order")]
    Nodes,
    /// More cosignatures than anybody could give.
    #[error("cosignatures must be at most {0}: the two other nodes, and the witnesses")]
    Cosignatures(usize),
    /// One of the two above, of a file.
    #[error("{}: {source}", path.display())]
    At {
        /// Which.
        path: PathBuf,
        /// What.
        source: Box<PinsError>,
    },
    /// A policy that is none.
    #[error("{}: {source}", path.display())]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
}

/// One node as it is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePin {
    /// Which.
    pub party: Party,
    /// The key of its log, under the name without a half-year.
    pub log: VerifierKey,
    /// The key with which it witnesses the others' logs.
    pub cosigner: CosignerKey,
    /// Where its log is served, and those of the other two: `https://host:port`.
    pub url: String,
    /// A file, PEM, that the site's certificate must lead to; without it, an authority that browsers believe.
    pub certificate: Option<PathBuf>,
}

/// Everything that an auditor takes on trust.
#[derive(Clone, Debug)]
pub struct Pins {
    /// Which installation.
    pub deployment: Deployment,
    /// A, B, C.
    pub nodes: [NodePin; 3],
    /// Others who witness.
    pub witnesses: Vec<CosignerKey>,
    /// By how many others an entry must be covered.
    pub cosignatures: usize,
    /// The policies, where they are kept.
    pub folder: PathBuf,
    policies: HashMap<[u8; 32], Policy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    deployment: Deployment,
    #[serde(default = "two")]
    cosignatures: usize,
    policies: PathBuf,
    node: Vec<FileNode>,
    #[serde(default)]
    witness: Vec<FileWitness>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    party: Party,
    #[serde(deserialize_with = "form::read_as")]
    log_key: VerifierKey,
    #[serde(deserialize_with = "form::read_as")]
    cosigner: CosignerKey,
    #[serde(deserialize_with = "form::url")]
    url: String,
    certificate: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWitness {
    #[serde(deserialize_with = "form::read_as")]
    key: CosignerKey,
}

const fn two() -> usize {
    2
}

impl Pins {
    /// From what is known; it has no policies yet.
    ///
    /// # Errors
    /// [`PinsError::Nodes`] unless the nodes are A, B and C; [`PinsError::Cosignatures`].
    pub fn new(
        deployment: Deployment,
        nodes: [NodePin; 3],
        witnesses: Vec<CosignerKey>,
        cosignatures: usize,
    ) -> Result<Self, PinsError> {
        if nodes.iter().map(|node| node.party).ne(Party::ALL) {
            return Err(PinsError::Nodes);
        }
        if cosignatures > 2 + witnesses.len() {
            return Err(PinsError::Cosignatures(2 + witnesses.len()));
        }
        let folder = PathBuf::from("policies");
        Ok(Self { deployment, nodes, witnesses, cosignatures, folder, policies: HashMap::new() })
    }

    /// Reads `auditor.toml` and the policies in the folder that it names.
    ///
    /// # Errors
    /// [`PinsError`], with the file or node at fault.
    pub fn read(path: &Path) -> Result<Self, PinsError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = text_of(path)?;
        let file: File = form::parse(&text).map_err(|source| PinsError::Form { path: path.to_owned(), source })?;
        let nodes: Vec<_> = file.node.into_iter().map(|node| pin(node, folder)).collect();
        let at = |source| PinsError::At { path: path.to_owned(), source: Box::new(source) };
        let nodes = nodes.try_into().map_err(|_| at(PinsError::Nodes))?;
        let witnesses = file.witness.into_iter().map(|witness| witness.key).collect();
        let mut pins = Self::new(file.deployment, nodes, witnesses, file.cosignatures).map_err(at)?;
        pins.folder = file.policies;
        pins.read_policies(&folder.join(&pins.folder))?;
        Ok(pins)
    }

    fn read_policies(&mut self, folder: &Path) -> Result<(), PinsError> {
        let at = |source| PinsError::File { path: folder.to_owned(), source };
        for entry in fs::read_dir(folder).map_err(at)? {
            let path = entry.map_err(at)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = text_of(&path)?;
                self.add_policy(&text).map_err(|source| PinsError::Policy { path, source: Box::new(source) })?;
            }
        }
        Ok(())
    }

    /// One more policy that is known.
    ///
    /// # Errors
    /// [`PolicyError`] if the text is none.
    pub fn add_policy(&mut self, text: &str) -> Result<(), PolicyError> {
        let policy = Policy::parse(text, &AnyModel)?;
        self.policies.insert(*policy.digest(), policy);
        Ok(())
    }

    /// The policy with this SHA-256, if it is known.
    #[must_use]
    pub fn policy(&self, digest: &[u8; 32]) -> Option<&Policy> {
        self.policies.get(digest)
    }

    /// The most days that any known policy keeps logs; 0 if none is known.
    #[must_use]
    pub fn retention_days(&self) -> u32 {
        self.policies.values().map(|policy| policy.limits().log_retention_days).max().unwrap_or(0)
    }

    /// The pin of one node.
    #[must_use]
    pub const fn node(&self, party: Party) -> &NodePin {
        &self.nodes[party.index()]
    }

    /// How many of those who may witness a node's log cosigned this note: the other two nodes and the witnesses. A cosignature that
    /// does not hold counts as none.
    #[must_use]
    pub fn cosigned(&self, party: Party, note: &str) -> usize {
        let others = self.nodes.iter().filter(|node| node.party != party).map(|node| &node.cosigner);
        // Whoever is named twice is one witness.
        let outside =
            self.witnesses.iter().filter(|key| self.nodes.iter().all(|node| node.cosigner.public() != key.public()));
        others.chain(outside).filter(|key| key.verify(note).is_ok()).count()
    }

    /// The text of `auditor.toml`, as [`read`](Self::read) reads it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!(
            "# The keys that an auditor pins. Relative paths are relative to this file.\n\
             deployment = \"{}\"\n\
             cosignatures = {}                # by how many others an entry must be covered\n\
             policies = {}           # policy.toml files, each identified by its SHA-256\n",
            self.deployment,
            self.cosignatures,
            quoted(&self.folder.to_string_lossy())
        );
        for NodePin { party, log, cosigner, url, certificate } in &self.nodes {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "\n[[node]]\nparty = \"{party}\"\nlog_key = \"{log}\"\ncosigner = \"{cosigner}\"\nurl = {}\n",
                quoted(url)
            );
            if let Some(certificate) = certificate {
                let _ = writeln!(text, "certificate = {}", quoted(&certificate.to_string_lossy()));
            }
        }
        for witness in &self.witnesses {
            let _ = write!(text, "\n[[witness]]\nkey = \"{witness}\"\n");
        }
        text
    }
}

fn pin(node: FileNode, folder: &Path) -> NodePin {
    NodePin {
        party: node.party,
        log: node.log_key,
        cosigner: node.cosigner,
        url: node.url,
        certificate: node.certificate.map(|path| folder.join(path)),
    }
}

/// As TOML writes text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn text_of(path: &Path) -> Result<String, PinsError> {
    fs::read_to_string(path).map_err(|source| PinsError::File { path: path.to_owned(), source })
}

/// An auditor serves no models: a policy is read for nodes that serve all.
struct AnyModel;

impl Thresholds for AnyModel {
    fn modality(&self, _: &ModelId) -> Option<Modality> {
        None
    }

    fn verifies(&self, _: Modality) -> bool {
        true
    }

    fn fuses(&self, _: &ModelId, _: &ModelId) -> bool {
        true
    }

    fn fuses_any(&self) -> bool {
        true
    }

    fn searches(&self, _: &[&ModelId]) -> bool {
        true
    }

    fn compares(&self, _: &ModelId) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::cosign::{Cosigner, witness_name};
    use crate::log::note::{Checkpoint, NoteSigner, SigningKey, log_name};
    use crate::token::policy::DEFAULT;

    fn pins() -> Pins {
        let deployment: Deployment = "kz-demo".parse().unwrap();
        let nodes = Party::ALL.map(|party| NodePin {
            party,
            log: VerifierKey::new(log_name(&deployment, party), [7; 32]),
            cosigner: cosigner(party).verifier().clone(),
            url: format!("https://{party}.example:1"),
            certificate: (party == Party::B).then(|| PathBuf::from("b \"x\".crt")),
        });
        Pins::new(deployment, nodes, vec![cosigner(Party::A).verifier().clone()], 3).unwrap()
    }

    fn cosigner(party: Party) -> Cosigner {
        let seed = [party.as_str().as_bytes()[0]; 32];
        Cosigner::new(witness_name(&"kz-demo".parse().unwrap(), party), SigningKey::from_seed(&seed))
    }

    #[test]
    fn what_is_written_is_read_with_its_policies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditor.toml");
        fs::write(&path, pins().to_toml()).unwrap();
        assert!(matches!(Pins::read(&path), Err(PinsError::File { .. })), "there is no folder of policies");
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/one.toml"), DEFAULT).unwrap();
        fs::write(folder.path().join("policies/notes.txt"), "no policy").unwrap();
        let read = Pins::read(&path).unwrap();
        let mut expected = pins().nodes;
        expected[1].certificate = Some(folder.path().join("b \"x\".crt"));
        assert_eq!(read.nodes, expected);
        assert_eq!((read.witnesses.len(), read.cosignatures, read.retention_days()), (1, 3, 180));
        assert!(read.policy(&crate::token::jws::sha256(DEFAULT.as_bytes())).is_some());
        fs::write(folder.path().join("policies/two.toml"), "").unwrap();
        assert!(matches!(Pins::read(&path), Err(PinsError::Policy { .. })));
    }

    #[test]
    fn each_fault_of_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditor.toml");
        let good = pins().to_toml();
        let refused = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            fs::write(&path, good.replacen(from, to, 1)).unwrap();
            Pins::read(&path).unwrap_err()
        };
        for (from, to, says) in [
            ("party = \"A\"", "party = \"B\"", "[[node]] must stand three times, for A, B and C in this order"),
            ("cosignatures = 3", "cosignatures = 4", "cosignatures must be at most 3"),
        ] {
            let told = refused(from, to).to_string();
            assert!(told.starts_with(&format!("{}: {says}", path.display())), "{told}");
        }
        for (from, to) in [
            ("log_key = \"log.b", "log_key = \"log.x"),
            ("cosigner = \"witness.c", "cosigner = \"x"),
            ("key = \"witness.a", "key = \"x"),
            ("url = \"https://B", "url = \"B"),
            ("deployment", "installation"),
        ] {
            let PinsError::Form { path: at, source } = refused(from, to) else { panic!("{to}") };
            let line = good.lines().position(|line| line.contains(from)).map(|line| line + 1);
            assert_eq!((at, source.line()), (path.clone(), line), "{to}: {source}");
        }
    }

    #[test]
    fn a_node_does_not_witness_itself_and_a_false_cosignature_counts_as_none() {
        let pins = pins();
        let key = NoteSigner::new("log.example/2026h2".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let checkpoint = Checkpoint { origin: key.verifier().name().clone(), size: 3, root: [5; 32] };
        let other = Checkpoint { size: 4, ..checkpoint.clone() };
        let mut note = checkpoint.sign(&key).unwrap();
        assert_eq!(pins.cosigned(Party::A, &note), 0);
        for party in Party::ALL {
            note = crate::log::cosign::add(&note, &cosigner(party).sign(&checkpoint, 1_790_000_000)).unwrap();
        }
        assert_eq!(Party::ALL.map(|party| pins.cosigned(party, &note)), [2, 2, 2]);
        let line = cosigner(Party::B).sign(&other, 1_790_000_000);
        let false_note = crate::log::cosign::add(&checkpoint.sign(&key).unwrap(), &line).unwrap();
        assert_eq!(pins.cosigned(Party::A, &false_note), 0);
    }
}
