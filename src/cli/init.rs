//! `tumar init`: everything that three nodes, two banks and an auditor need to try it, on one machine or on three.
//!
//! ```text
//! a/ b/ c/      a node each: its configuration, keys, store and log      policy.toml  models.toml  of all three
//! client/       bank b17: its client     issuer/  the key of its tokens     officers/  its officers, and the list of all banks' officers
//! b19/          bank b19: a folder client/, issuer/ and officers/ of its own
//! auditor/      the regulator: whom it believes, its key, and in issuer/ the key of its tokens
//! ```
//!
//! Each issuer speaks for its own relying party and for no other.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, value_parser};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use tumar::audit::Pins;
use tumar::audit::pins::NodePin;
use tumar::form;
use tumar::hex::hex;
use tumar::log::cosign::{CosignerKey, witness_name};
use tumar::log::note::{SigningKey as NoteKey, VerifierKey, log_name};
use tumar::name::{ClientName, Deployment, GalleryName, NameError, RelyingParty};
use tumar::party::Party;
use tumar::template::model::{self, Models};
use tumar::token::{Algorithm, Issuer, Officer, Policy, ProofKey, SigningKey, policy};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::ports::{AUDIT_PORTS, LAST_PORT, PEER_PORTS};
use super::{files, issuer, print_json};

/// The relying party of the auditor that is written.
pub(super) const AUDITOR: &str = "auditors/regulator";

/// The relying party of the client that commands use.
pub(super) const RELYING_PARTY: &str = "banks/b17";

/// Name and role of an officer.
type Post = (&'static str, &'static str);

/// A bank that is written: its folder under that of the installation, its relying party, and its officers.
struct BankPlan {
    folder: &'static str,
    relying_party: &'static str,
    officers: [Post; 2],
}

/// The last part of the name of the gallery in which `tumar load` searches.
const LOAD: &str = "load";

/// Where `tumar load` searches.
pub(super) fn load_gallery(relying_party: &RelyingParty) -> Result<GalleryName, NameError> {
    format!("{relying_party}/{LOAD}").parse()
}

/// The officers of the bank that commands use.
const OFFICERS: [Post; 2] = [("aida", "fraud-analyst"), ("bolat", "privacy-officer")];

/// Two, so that what one must not do to the other can be tried.
const BANKS: [BankPlan; 2] = [
    BankPlan { folder: ".", relying_party: RELYING_PARTY, officers: OFFICERS },
    BankPlan {
        folder: "b19",
        relying_party: "banks/b19",
        officers: [("dana", "fraud-analyst"), ("erlan", "privacy-officer")],
    },
];

/// Arguments of `tumar init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// A new or empty folder
    dir: PathBuf,
    /// Name of the deployment; tokens and envelopes are valid for it only
    #[arg(long, default_value = "dev")]
    deployment: Deployment,
    /// The host at which the nodes listen and are called
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port for clients of node A; B and C have the next two, the two banks' token services those after; peers call 100 above, and
    /// auditors 200
    #[arg(long, default_value_t = 7400, value_parser = value_parser!(u16).range(1..=i64::from(u16::MAX - LAST_PORT)))]
    base_port: u16,
}

impl Init {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let public = [0, 1, 2].map(|place| self.base_port + place);
        let plan = Plan {
            deployment: self.deployment,
            host: self.host,
            policy: policy::DEFAULT.to_owned(),
            public,
            peer: public.map(|port| port + PEER_PORTS),
            audit: public.map(|port| port + AUDIT_PORTS),
        };
        plan.write(&self.dir)?;
        let nodes = Party::ALL.map(|party| node_config(&self.dir, party));
        let (client, issuer) = (client_config(&self.dir), self.dir.join("issuer"));
        let officers = self.dir.join("officers");
        if json {
            print_json(&json!({
                "deployment": plan.deployment,
                "nodes": nodes.iter().zip(Party::ALL).map(|(config, party)| json!({
                    "party": party,
                    "config": config,
                    "public": plan.at(plan.public[party.index()]),
                    "peer": plan.at(plan.peer[party.index()]),
                })).collect::<Vec<_>>(),
                "client": client,
                "issuer": issuer,
                "officers": officers,
                "banks": BANKS.iter().map(|bank| json!({
                    "relying_party": bank.relying_party,
                    "client": client_config(&bank.at(&self.dir)),
                    "issuer": bank.at(&self.dir).join("issuer"),
                    "officers": bank.at(&self.dir).join("officers"),
                })).collect::<Vec<_>>(),
            }));
        } else {
            println!(
                "Wrote deployment {} into {}. Start the nodes, each in a terminal of its own:",
                plan.deployment,
                self.dir.display()
            );
            for config in &nodes {
                println!("  tumar node --config {}", config.display());
            }
            println!("then show their keys:");
            println!("  tumar committee --client {}", client.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The configuration of a node under a folder that `init` wrote.
pub(super) fn node_config(dir: &Path, party: Party) -> PathBuf {
    dir.join(party.letter()).join("node.toml")
}

/// The configuration of the client under such a folder.
pub(super) fn client_config(dir: &Path) -> PathBuf {
    dir.join("client").join("client.toml")
}

/// The `iss` of the tokens that `tumar token` gives to a relying party.
pub(super) fn issuer_name(deployment: &Deployment, relying_party: &RelyingParty) -> String {
    let name = relying_party.as_str().rsplit('/').next().expect("a text has a last part");
    format!("https://issuer.{name}.{deployment}.tumar.internal")
}

impl BankPlan {
    /// Its folder.
    fn at(&self, dir: &Path) -> PathBuf {
        if self.folder == "." { dir.to_owned() } else { dir.join(self.folder) }
    }
}

/// What proofs say of a node at a port, by the name in its certificate.
fn base(port: u16) -> String {
    format!("https://localhost:{port}")
}

/// What is to be written.
pub(super) struct Plan {
    /// Name of the installation.
    pub(super) deployment: Deployment,
    /// Where the nodes listen.
    pub(super) host: String,
    /// The table of what is allowed.
    pub(super) policy: String,
    /// Ports for clients: A's, B's, C's.
    pub(super) public: [u16; 3],
    /// Ports for peers.
    pub(super) peer: [u16; 3],
    /// Ports for auditors.
    pub(super) audit: [u16; 3],
}

/// What others must know of a node.
struct NodePublic {
    identity: String,
    log_key: VerifierKey,
    cosigner: CosignerKey,
}

impl Plan {
    /// Writes all folders.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        if self.host.parse::<IpAddr>().is_err() && !form::is_host_name(&self.host) {
            return Err(Failure::Host);
        }
        if !files::is_empty(dir)? {
            return Err(Failure::NotEmpty(dir.to_owned()));
        }
        files::make_folder(dir)?;
        files::write(&dir.join("policy.toml"), self.policy.as_bytes())?;
        files::write(&dir.join("models.toml"), model::BUILT_IN.as_bytes())?;
        for bank in &BANKS {
            files::make_folder(&bank.at(dir))?;
            self.write_issuer(&bank.at(dir).join("issuer"), &bank.relying_party.parse()?)?;
        }
        write_officers(dir)?;
        let [a, b, c] = Party::ALL.map(|party| self.write_keys(dir, party));
        let nodes = [a?, b?, c?];
        for party in Party::ALL {
            files::write(&node_config(dir, party), self.node_toml(party, &nodes).as_bytes())?;
        }
        for bank in &BANKS {
            self.write_client(dir, bank, &nodes)?;
        }
        self.write_auditor(dir, nodes)
    }

    fn audit_url(&self, party: Party) -> String {
        format!("https://{}", self.at(self.audit[party.index()]))
    }

    /// `host:port`.
    fn at(&self, port: u16) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, port).to_string(),
            Err(_) => format!("{}:{port}", self.host),
        }
    }

    fn leader_base(&self) -> String {
        base(self.public[Party::LEADER.index()])
    }

    fn write_issuer(&self, folder: &Path, relying_party: &RelyingParty) -> Result<(), Failure> {
        files::make_folder(folder)?;
        let (key, pkcs8) = SigningKey::generate(Algorithm::EdDsa)?;
        files::write_secret(&folder.join("issuer.pk8"), &pkcs8)?;
        let issuer = Issuer::new(issuer_name(&self.deployment, relying_party), key);
        files::write(&folder.join("jwks.json"), issuer.jwks().as_bytes())
    }

    /// A token service for the bank's workload, whose assertions the proof key signs as well; it runs only if it is started.
    fn write_token_service(
        &self,
        dir: &Path,
        bank: &BankPlan,
        workload: &ClientName,
        jwk: &Value,
    ) -> Result<(), Failure> {
        let folder = bank.at(dir).join("issuer");
        write_certificate(&folder, "tls", vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()])?;
        let place = BANKS.iter().position(|other| other.folder == bank.folder).unwrap_or_default();
        let port = self.public[2] + 1 + u16::try_from(place).unwrap_or_default();
        let policy = Policy::parse(&self.policy, &Models::built_in()).expect("the policy of a new installation");
        let relying_party: RelyingParty = bank.relying_party.parse()?;
        let plan = issuer::Plan {
            name: &issuer_name(&self.deployment, &relying_party),
            deployment: &self.deployment,
            relying_party: &relying_party,
            gallery: &format!("{relying_party}/customers").parse()?,
            workload,
            jwk,
            port,
        };
        let text = issuer::rules_of(&plan, &policy);
        files::write(&folder.join("issuer.toml"), text.as_bytes())
    }

    fn write_keys(&self, dir: &Path, party: Party) -> Result<NodePublic, Failure> {
        let keys = dir.join(party.letter()).join("keys");
        files::make_folder(&keys)?;
        files::make_folder(&dir.join(party.letter()).join("data"))?;
        let identity = write_ed25519(&keys.join("identity.pk8"))?;
        let log = write_ed25519(&keys.join("log.pk8"))?;
        let witness = write_ed25519(&keys.join("witness.pk8"))?;
        files::write_secret(&keys.join("store.key"), &*random()?)?;
        write_certificate(&keys, "peer", vec![format!("node-{}.tumar.internal", party.letter())])?;
        let loopback = Ipv4Addr::LOCALHOST.to_string();
        let mut names = vec!["localhost".to_owned(), loopback];
        if !names.contains(&self.host) {
            names.push(self.host.clone());
        }
        write_certificate(&keys, "tls", names)?;
        Ok(NodePublic {
            identity: hex(&identity),
            log_key: VerifierKey::new(log_name(&self.deployment, party), log),
            cosigner: CosignerKey::new(witness_name(&self.deployment, party), witness),
        })
    }

    fn node_toml(&self, party: Party, nodes: &[NodePublic; 3]) -> String {
        let peer = |other: Party| {
            let (letter, address) = (other.letter(), self.at(self.peer[other.index()]));
            let NodePublic { identity, log_key, cosigner } = &nodes[other.index()];
            let url = self.audit_url(other);
            format!(
                "\n[[peers]]\nparty = \"{other}\"\naddress = \"{address}\"\ncertificate = \"../{letter}/keys/peer.crt\"\n\
                 identity = \"{identity}\"\n\
                 [peers.audit]\n\
                 log_key = \"{log_key}\"\ncosigner = \"{cosigner}\"\nurl = \"{url}\"\n\
                 certificate = \"../{letter}/keys/tls.crt\"\n"
            )
        };
        format!(
            "# Node {party}. Relative paths are relative to this file.\n\
             party = \"{party}\"\n\
             deployment = \"{deployment}\"\n\
             public = \"{public}\"             # for clients\n\
             peer = \"{own_peer}\"               # for the two other nodes\n\
             policy = \"../policy.toml\"\n\
             models = \"../models.toml\"\n\
             data = \"data\"\n\
             keys = \"keys\"\n\
             officers = \"../officers/officers.toml\"    # who may approve searches\n\
             # What proofs may name as the address of a call: the leader, and this node for calls about its own log.\n\
             bases = [{bases}]\n\
             {issuers}\
             \n\
             # For auditors: the access log over HTTPS, a page, and a witness of the other two logs.\n\
             [audit]\n\
             address = \"{audit}\"\n\
             {next}{prev}",
            deployment = self.deployment,
            public = self.at(self.public[party.index()]),
            own_peer = self.at(self.peer[party.index()]),
            audit = self.at(self.audit[party.index()]),
            bases = self.bases(party),
            issuers = self.issuers(),
            next = peer(party.next().min(party.prev())),
            prev = peer(party.next().max(party.prev())),
        )
    }

    /// Who gives tokens to whom.
    fn issuers(&self) -> String {
        let banks = BANKS.iter().map(|bank| (bank.folder, bank.relying_party));
        let mut text =
            "\n# Who gives out tokens, and in whose name: an issuer is believed of nobody else. People are enrolled into the galleries \
             that stand here, and into no others.\n"
                .to_owned();
        for (folder, relying_party) in banks.chain([("auditor", AUDITOR)]) {
            // An auditor has no gallery.
            let galleries = match relying_party {
                AUDITOR => String::new(),
                bank => format!("galleries = [\"{bank}/customers\", \"{bank}/{LOAD}\"]\n"),
            };
            let name = issuer_name(&self.deployment, &relying_party.parse().expect("these are names"));
            let path = Path::new("..").join(folder).join("issuer").join("jwks.json");
            let _ = write!(
                text,
                "[[issuers]]\nname = \"{name}\"\njwks = \"{}\"\nrelying_parties = [\"{relying_party}\"]\n{galleries}",
                path.display()
            );
        }
        text
    }

    /// The leader's and the node's own, each by the certificate's name and by the host's.
    fn bases(&self, party: Party) -> String {
        let mut ports = vec![self.public[Party::LEADER.index()], self.public[party.index()]];
        ports.dedup();
        let both = |port: u16| format!("\"{}\", \"https://{}\"", base(port), self.at(port));
        ports.into_iter().map(both).collect::<Vec<_>>().join(", ")
    }

    fn write_client(&self, dir: &Path, bank: &BankPlan, nodes: &[NodePublic; 3]) -> Result<(), Failure> {
        let client = bank.at(dir).join("client");
        // From there to the folder of the installation.
        let up = if bank.folder == "." { ".." } else { "../.." };
        files::make_folder(&client)?;
        let (proof_key, pkcs8) = ProofKey::generate(Algorithm::EdDsa)?;
        files::write_secret(&client.join("proof.pk8"), &pkcs8)?;
        // Checked as what it is: a relying party's name.
        let relying_party: RelyingParty = bank.relying_party.parse()?;
        // The workload that its tokens name.
        let workload: ClientName = format!("{relying_party}/atm-backend").parse()?;
        self.write_token_service(dir, bank, &workload, &proof_key.jwk())?;
        let mut text = format!(
            "# A relying party's client. Relative paths are relative to this file.\n\
             deployment = \"{deployment}\"\n\
             relying_party = \"{relying_party}\"\n\
             client = \"{workload}\"    # client_id of its tokens\n\
             address = \"{address}\"\n\
             server_name = \"localhost\"               # in the leader's certificate\n\
             base = \"{base}\"         # the leader's address in proofs\n\
             certificate = \"{up}/a/keys/tls.crt\"\n\
             proof_key = \"proof.pk8\"\n",
            deployment = self.deployment,
            address = self.at(self.public[Party::LEADER.index()]),
            base = self.leader_base(),
        );
        for (party, NodePublic { identity, log_key, .. }) in Party::ALL.into_iter().zip(nodes) {
            let (letter, port) = (party.letter(), self.public[party.index()]);
            let _ = write!(
                text,
                "\n[[node]]\nparty = \"{party}\"\nidentity = \"{identity}\"\nlog_key = \"{log_key}\"\n\
                 # Its address for calls about its own log.\n\
                 address = \"{address}\"\nbase = \"{base}\"\ncertificate = \"{up}/{letter}/keys/tls.crt\"\n",
                address = self.at(port),
                base = base(port),
            );
        }
        files::write(&client_config(&bank.at(dir)), text.as_bytes())
    }
}

/// Whom an auditor believes, and the key that its tokens are bound to.
impl Plan {
    fn write_auditor(&self, dir: &Path, nodes: [NodePublic; 3]) -> Result<(), Failure> {
        let auditor = dir.join("auditor");
        files::make_folder(&auditor)?;
        files::make_folder(&auditor.join("policies"))?;
        files::write(&auditor.join("policies/policy.toml"), self.policy.as_bytes())?;
        let (_, pkcs8) = ProofKey::generate(Algorithm::EdDsa)?;
        files::write_secret(&auditor.join("proof.pk8"), &pkcs8)?;
        self.write_issuer(&auditor.join("issuer"), &AUDITOR.parse()?)?;
        let mut parties = Party::ALL.into_iter();
        let pin = |NodePublic { log_key, cosigner, .. }| {
            let party = parties.next().expect("three nodes for three parties");
            let certificate = Some(PathBuf::from(format!("../{}/keys/tls.crt", party.letter())));
            NodePin { party, log: log_key, cosigner, url: self.audit_url(party), certificate }
        };
        let pins = Pins::new(self.deployment.clone(), nodes.map(pin), Vec::new(), 2)?;
        files::write(&auditor.join("auditor.toml"), pins.to_toml().as_bytes())
    }
}

/// Officers of each bank: a key each, in their bank's folder, and the list of all that the nodes read.
fn write_officers(dir: &Path) -> Result<(), Failure> {
    let mut text =
        "# Who may approve the searches of their bank. Two of them must, of different names, roles and keys.\n"
            .to_owned();
    for bank in &BANKS {
        let relying_party: RelyingParty = bank.relying_party.parse()?;
        let folder = bank.at(dir).join("officers");
        files::make_folder(&folder)?;
        for (name, role) in bank.officers {
            let (key, pkcs8) = SigningKey::generate(Algorithm::EdDsa)?;
            files::write_secret(&folder.join(format!("{name}.pk8")), &pkcs8)?;
            let _ = write!(text, "\n{}", Officer::new(name, role, key)?.entry(&relying_party));
        }
    }
    files::write(&dir.join("officers").join("officers.toml"), text.as_bytes())
}

/// The officers that `init` wrote into a folder.
pub(super) fn read_officers(folder: &Path) -> Result<[Officer; 2], Failure> {
    let officer = |(name, role): (&str, &str)| -> Result<Officer, Failure> {
        let key = files::read_key(&folder.join(format!("{name}.pk8")), SigningKey::from_pkcs8)?;
        Ok(Officer::new(name, role, key)?)
    };
    let [one, other] = OFFICERS.map(officer);
    Ok([one?, other?])
}

/// A new Ed25519 key into a file; its public half.
fn write_ed25519(path: &Path) -> Result<[u8; 32], Failure> {
    let (_, pkcs8) = SigningKey::generate(Algorithm::EdDsa)?;
    files::write_secret(path, &pkcs8)?;
    Ok(NoteKey::from_pkcs8(&pkcs8).expect("an Ed25519 key was made").public())
}

/// A self-signed certificate and its key. It is pinned, not chained, so that it does not run out.
fn write_certificate(keys: &Path, name: &str, names: Vec<String>) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(names)?;
    files::write(&keys.join(format!("{name}.crt")), made.cert.pem().as_bytes())?;
    let key = Zeroizing::new(made.signing_key.serialize_pem());
    files::write_secret(&keys.join(format!("{name}.key")), key.as_bytes())
}

fn random() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| Failure::Randomness)?;
    Ok(bytes)
}
