//! A leader that checks nothing: node A's own keys and certificate, and none of its code but the links.
#![allow(clippy::wildcard_enum_match_arm, reason = "a mailbox keeps every other note")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tumar::clocks::Clocks;
use tumar::handshake::Context;
use tumar::log::continuity::Gap;
use tumar::log::note::{NoteSigner, log_name};
use tumar::node::{Keys, PeerConfig};
use tumar::party::Party;
use tumar::peer::{BatchMessage, LinkError, Mailbox, Own, PeerUnavailable, Peers, Proposed, Remote, Settle};
use tumar::seal::{PrivateKey, SUITE};
use tumar::store::Stand;
use tumar::template::model::Models;
use tumar::tls::{Pinned, TlsIdentity};
use tumar::token::Policy;
use tumar::wire::peer::v1::frame::Kind;
use tumar::wire::peer::v1::{Decision, Ending, Message, Proposal, Ready, Relayed, Verdict};
use tumar::wire::{sha256, sign_node, v1};

use super::wired::{Installation, clock};

/// Rogue A's share of every session id.
const NONCE: [u8; 16] = [7; 16];

const PATIENCE: Duration = Duration::from_secs(20);

/// It decided nothing, ever.
struct Forgetful;

#[tonic::async_trait]
impl Settle for Forgetful {
    async fn undecided(&self) -> Result<Vec<[u8; 32]>, LinkError> {
        Ok(Vec::new())
    }

    async fn decide(&self, changes: &[[u8; 32]]) -> Result<Vec<bool>, LinkError> {
        Ok(vec![false; changes.len()])
    }

    async fn conclude(&self, _: &[[u8; 32]], _: &[bool]) -> Result<(), LinkError> {
        Ok(())
    }

    async fn cosigned(&self, _: Party) -> Result<Vec<String>, LinkError> {
        Ok(Vec::new())
    }

    async fn continues(&self, _: Vec<String>) -> Result<Option<Gap>, LinkError> {
        Ok(None)
    }

    async fn rest(&self) {}

    /// It has lost nothing, and nobody has lost what it has.
    fn stand(&self) -> Stand {
        Stand { made: 0, prepared: u64::MAX }
    }

    async fn catch_up(&self, _: u64) -> bool {
        true
    }
}

/// A rogue leader that is linked to both helpers.
pub(crate) struct Rogue {
    peers: Arc<Peers>,
    /// Helpers propose nothing; the links want somewhere to put it all the same.
    _proposals: mpsc::Receiver<Proposed>,
}

impl Rogue {
    /// Takes A's place: A must not run.
    pub(crate) async fn link(installation: &Installation) -> Self {
        let (files, config) = (&installation.files, installation.config(Party::A));
        let text = |path: &std::path::Path| std::fs::read_to_string(files.node(Party::A).join(path)).unwrap();
        let models = Models::parse(&text(&config.models)).unwrap();
        let policy = Policy::parse(&text(&config.policy), &models).unwrap();
        let context = sha256(&[b"tumar context v1".as_slice(), policy.digest(), models.digest()].concat());
        let keys = Keys::read(&files.node(Party::A).join(&config.keys)).unwrap();
        let signer = NoteSigner::new(log_name(&config.deployment, Party::A), keys.log);
        let envelope_key = PrivateKey::generate().unwrap();
        let envelope_key = envelope_key.public();
        let mut node = v1::Node {
            party: v1::Party::A.into(),
            identity_key: keys.identity.public().to_vec(),
            log_key: signer.verifier().to_string(),
            envelope_keys: vec![v1::EnvelopeKey {
                id: envelope_key.id().as_bytes().to_vec(),
                public_key: envelope_key.as_bytes().to_vec(),
                until: u64::MAX,
            }],
            suite: SUITE.to_owned(),
            context_digest: context.to_vec(),
            signature: Vec::new(),
        };
        sign_node(&mut node, &config.deployment, &keys.identity);
        let identity = Arc::new(keys.identity);
        let own = Own {
            party: Party::A,
            deployment: config.deployment.clone(),
            identity,
            context: Context { policy: *policy.digest(), models: *models.digest() },
            node,
            link_life: Duration::from_hours(1),
            patience: PATIENCE,
            accept_store: false,
        };
        let remote = |peer: &PeerConfig| Remote {
            party: peer.party,
            address: peer.address.clone(),
            certificate: Pinned::from_pem(text(&peer.certificate).as_bytes()).unwrap(),
            identity: std::array::from_fn(|place| {
                u8::from_str_radix(&peer.identity[2 * place..2 * place + 2], 16).unwrap()
            }),
        };
        let [b, c] = [Party::B, Party::C].map(|party| config.peers.iter().find(|peer| peer.party == party).unwrap());
        let (proposed, proposals) = mpsc::channel(1);
        let clocks = Arc::new(Clocks::new(Party::A, Arc::new(clock), 0));
        let peers = Peers::new(own, [remote(b), remote(c)], proposed, Arc::new(Forgetful), clocks);
        let pem = |name: &str| std::fs::read(files.node(Party::A).join("keys").join(name)).unwrap();
        let certificate = TlsIdentity::from_pem(&pem("peer.crt"), &pem("peer.key")).unwrap();
        Arc::clone(&peers).dial(&certificate).unwrap();
        peers.ready().await;
        Self { peers, _proposals: proposals }
    }

    /// Proposes requests to these helpers, and hears what each one's own checks say.
    pub(crate) async fn propose(&self, helpers: &[Party], requests: &[Relayed]) -> Round<'_> {
        let same: Vec<_> = helpers.iter().map(|&helper| (helper, requests)).collect();
        self.propose_each(&same).await
    }

    /// Proposes to each helper what is meant for it, under one name.
    pub(crate) async fn propose_each(&self, proposals: &[(Party, &[Relayed])]) -> Round<'_> {
        let batch: [u8; 16] = rand();
        let mut mail = self.peers.mailbox(batch, &self.peers.links().unwrap());
        for &(helper, requests) in proposals {
            let proposal = Proposal { batch: batch.to_vec(), requests: requests.to_vec() };
            self.peers.link(helper).unwrap().say(Kind::Proposal(proposal)).await.unwrap();
        }
        let (mut verdicts, mut said) = (BTreeMap::new(), BTreeMap::new());
        for &(helper, _) in proposals {
            let ready = mail.take((helper, None), PATIENCE, |note| match note {
                BatchMessage::Ready(ready) => Ok(ready),
                other => Err(other),
            });
            let ready = ready.await.unwrap();
            said.insert(helper, (ready.nonce, ready.now));
            verdicts.insert(helper, ready.verdicts);
        }
        Round { peers: &self.peers, batch, mail, verdicts, said }
    }

    /// Returns once a helper has hung up.
    pub(crate) async fn dropped_by(&self, helper: Party) {
        let dropped = async {
            while self.peers.link(helper).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, dropped).await.expect("the helper hangs up");
    }

    /// Goes away.
    pub(crate) fn close(self) {
        self.peers.close();
    }
}

/// A proposal whose verdicts were heard.
pub(crate) struct Round<'r> {
    peers: &'r Peers,
    batch: [u8; 16],
    mail: Mailbox,
    /// Each helper's own.
    pub(crate) verdicts: BTreeMap<Party, Vec<Verdict>>,
    /// Each helper's nonce and clock.
    said: BTreeMap<Party, (Vec<u8>, u64)>,
}

impl Round<'_> {
    /// The reason codes in one helper's verdicts; empty where it helps.
    pub(crate) fn refusals(&self, helper: Party) -> Vec<&str> {
        self.verdicts[&helper].iter().map(|verdict| verdict.refusal.as_str()).collect()
    }

    /// Says that all is well at A: just what the helpers say of rows, and no refusal.
    pub(crate) async fn agree(&self) {
        for (&helper, verdicts) in &self.verdicts {
            let well = verdicts.iter().map(|verdict| Verdict { refusal: String::new(), ..verdict.clone() });
            self.claim(helper, well.collect()).await;
        }
    }

    /// Says this of A's own checks.
    pub(crate) async fn claim(&self, helper: Party, verdicts: Vec<Verdict>) {
        let ready = Ready { batch: self.batch.to_vec(), nonce: NONCE.to_vec(), verdicts, now: clock() };
        self.peers.link(helper).unwrap().say(Kind::Ready(ready)).await.unwrap();
    }

    /// The session in which these requests run, of which those that are none were not admitted, if A is heard as in `claim`.
    fn session(&self, requests: &[Option<[u8; 32]>]) -> [u8; 16] {
        let mut text = [b"tumar session v2".as_slice(), &self.batch, &NONCE, &clock().to_be_bytes()].concat();
        for (nonce, now) in self.said.values() {
            text.extend([nonce.as_slice(), &now.to_be_bytes()].concat());
        }
        for request in requests {
            text.extend([request.unwrap_or_default().as_slice(), &[0; 4], &[u8::from(request.is_some())]].concat());
        }
        *sha256(&text).first_chunk().unwrap()
    }

    /// Sends one helper a first message of the run that is none.
    pub(crate) async fn send_nonsense(&self, helper: Party, requests: &[Option<[u8; 32]>]) {
        let session = self.session(requests).to_vec();
        let nonsense = Message { session, number: 0, step: 1, body: vec![1; 32], tag: vec![1; 16] };
        self.peers.link(helper).unwrap().say(Kind::Message(nonsense)).await.unwrap();
    }

    /// Waits for the helpers' votes on changes: all of them stand prepared.
    pub(crate) async fn all_vote_for_it(&mut self) {
        for helper in self.verdicts.keys() {
            let vote = self.mail.take((*helper, None), PATIENCE, |note| match note {
                BatchMessage::Vote(vote) => Ok(vote),
                other => Err(other),
            });
            assert!(vote.await.unwrap().iter().all(|&prepared| prepared), "{helper} is not prepared");
        }
    }

    /// Decides against every change, whatever the votes are.
    pub(crate) async fn decide_against(&self) {
        for (&helper, verdicts) in &self.verdicts {
            let decision = Decision { batch: self.batch.to_vec(), commit: vec![false; verdicts.len()] };
            self.peers.link(helper).unwrap().say(Kind::Decision(decision)).await.unwrap();
        }
    }

    /// How it all ended at one helper.
    pub(crate) async fn endings(&mut self, helper: Party) -> Vec<Ending> {
        let outcomes = async {
            loop {
                let outcomes = self.mail.take((helper, None), PATIENCE, |note| match note {
                    BatchMessage::Outcomes(endings) => Ok(endings),
                    other => Err(other),
                });
                match outcomes.await {
                    // One that has left the batch says how it ended there all the same.
                    Err(PeerUnavailable::Left(_)) => tokio::task::yield_now().await,
                    outcomes => return outcomes.unwrap(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, outcomes).await.expect("the helper says how it ended")
    }

    /// The reason codes of the ends at one helper, none of which may bring a receipt.
    pub(crate) async fn failures(&mut self, helper: Party) -> Vec<String> {
        let endings = self.endings(helper).await;
        assert!(endings.iter().all(|ending| ending.receipt.is_none()), "{helper} signed");
        endings.into_iter().map(|ending| ending.failure).collect()
    }
}

fn rand<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
