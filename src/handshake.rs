//! Two nodes agree on a fresh seed at every connect: authenticated, post-quantum, no I/O of its own.
//!
//! ```text
//! low  -> high   Hello(low)       version, party, deployment, nonce, ephemeral X-Wing key, digests of policy and models
//! high -> low    Hello(high)      the same; the two cross on the wire, neither waits for the other
//! low  -> high   Finish(low)      a secret encapsulated to the peer's ephemeral key, and an Ed25519 signature
//! high -> low    Finish(high)     the same
//! seed = HKDF-SHA256(salt = SHA-256(all four messages less the signatures), ikm = secret(low) || secret(high))
//! ```
//!
//! "Low" is the earlier of the two in the order A, B, C. Each side signs, with its node's identity key, both hellos and
//! its own encapsulated secret; the other checks the signature against the identity that it has pinned. Both sides put
//! in a nonce, an ephemeral key and a secret of their own, so the seed is fresh if either side's randomness is, and a
//! recording of an earlier run proves nothing: no mask is ever used twice because a node restarted.
//!
//! # What it buys
//! Every protocol message between two nodes is masked with keys from this seed, so what they send each other stays
//! confidential against a quantum computer that comes later, although the TLS around it is classical. The signature
//! is classical too: it must hold today, not later. The ephemeral keys are gone once the seed is there, so a node's
//! identity key, stolen afterwards, opens no past session.
//!
//! An [`Established`] on one side does not say that the peer got this side's [`Start::hello`] answer: its first message
//! under the seed does.

use std::fmt;

use ring::hkdf::{HKDF_SHA256, Salt};
use ring::signature::{ED25519, UnparsedPublicKey};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::hex::hex;
use crate::log::note::SigningKey;
use crate::name::Deployment;
use crate::party::Party;
use crate::seal::{
    ENCAPSULATED, Encapsulation, NoRandomness, PUBLIC_KEY, PrivateKey, PublicKey, framed, random, sha256,
};

/// The version in every hello. Another one is refused: there is nothing to negotiate.
pub const VERSION: u16 = 2;

/// Bytes of a finish: the X-Wing ciphertext, then the Ed25519 signature.
pub const FINISH: usize = ENCAPSULATED + SIGNATURE;

const SIGNATURE: usize = 64;
const NONCE: usize = 32;
const DIGEST: usize = 32;

/// Bytes of a digest that are shown to operators.
const SHOWN: usize = 8;

/// Bytes of a hello, less the deployment's name: version (2, big-endian), party (1), length of the name (1), the name,
/// nonce (32), X-Wing public key (1216), SHA-256 of the policy (32), SHA-256 of the models (32).
const HELLO_LESS_NAME: usize = 4 + NONCE + PUBLIC_KEY + 2 * DIGEST;

/// Most bytes that a hello can have.
pub const HELLO_MAX: usize = HELLO_LESS_NAME + 64;

/// Why two nodes did not agree. Nothing was established; the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Our own bug or configuration: a node does not connect to itself.
    #[error("handshake with a node of the same party")]
    Itself,
    /// The system gave no random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The peer's hello has the wrong length for what it says it is.
    #[error("a hello of {got} bytes is too short or too long")]
    HelloLength {
        /// How many bytes came.
        got: usize,
    },
    /// The peer speaks another version.
    #[error(
        "the peer speaks version {0} of the handshake, and this node version {VERSION}: the older of the two must be updated"
    )]
    Version(u16),
    /// The peer belongs to another installation.
    #[error("the peer belongs to another deployment")]
    Deployment,
    /// Someone else answered where this party was expected.
    #[error("the peer identified itself as another party than {expected}")]
    Party {
        /// Whom we called, or who was to call us.
        expected: Party,
    },
    /// The peer runs under another policy: the operators must agree first.
    #[error(
        "the peer runs under another policy, its SHA-256 begins with {}, and this node's with {}: the same policy.toml must be at all \
         three",
        hex(theirs),
        hex(own)
    )]
    Policy {
        /// First bytes of the digest of this node's.
        own: [u8; SHOWN],
        /// Those of the peer's.
        theirs: [u8; SHOWN],
    },
    /// The peer has other models: the operators must agree first.
    #[error(
        "the peer has other models, the SHA-256 of its table begins with {}, and that of this node's with {}: the same models.toml must \
         be at all three",
        hex(theirs),
        hex(own)
    )]
    Models {
        /// First bytes of the digest of this node's.
        own: [u8; SHOWN],
        /// Those of the peer's.
        theirs: [u8; SHOWN],
    },
    /// The peer's ephemeral key is not an X-Wing public key.
    #[error("the peer's ephemeral key is not a valid X-Wing key")]
    EphemeralKey,
    /// The peer's finish has the wrong length.
    #[error("a finish must have {FINISH} bytes, found {got}")]
    FinishLength {
        /// How many bytes came.
        got: usize,
    },
    /// The signature does not verify: not the pinned identity, not this run, or changed on the way.
    #[error("the peer's signature is not by the identity key that the configuration has for it")]
    Identity,
}

/// What a node runs under: the same at both ends, or there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// SHA-256 of the policy file.
    pub policy: [u8; DIGEST],
    /// SHA-256 of the table of models.
    pub models: [u8; DIGEST],
}

/// Who shakes hands, and under what.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// This node.
    pub own: Party,
    /// The node at the other end.
    pub peer: Party,
    /// The installation that both belong to.
    pub deployment: &'a Deployment,
    /// What this node runs under.
    pub context: &'a Context,
}

/// Our hello is out, the peer's not yet in.
///
/// Used up by [`Start::hello`]: an ephemeral key serves one run.
#[must_use = "the peer waits for the rest of the handshake"]
pub struct Start {
    own: Party,
    peer: Party,
    hello: Box<[u8]>,
    ephemeral: PrivateKey,
}

impl Start {
    /// Draws nonce and ephemeral key; gives the hello to send.
    ///
    /// # Errors
    /// [`HandshakeError::Itself`], [`HandshakeError::Randomness`].
    pub fn new(ends: &Ends<'_>) -> Result<(Self, Box<[u8]>), HandshakeError> {
        if ends.own == ends.peer {
            return Err(HandshakeError::Itself);
        }
        let nonce = random::<NONCE>()?;
        let ephemeral = PrivateKey::generate()?;
        let name = ends.deployment.as_str().as_bytes();
        let mut hello = header(ends.own, name);
        hello.extend_from_slice(nonce.as_slice());
        hello.extend_from_slice(ephemeral.public().as_bytes());
        hello.extend_from_slice(&ends.context.policy);
        hello.extend_from_slice(&ends.context.models);
        let hello = hello.into_boxed_slice();
        Ok((Self { own: ends.own, peer: ends.peer, hello: hello.clone(), ephemeral }, hello))
    }

    /// Takes the peer's hello; gives the finish to send, signed with this node's identity.
    ///
    /// # Errors
    /// What is wrong with the hello, in this order: length, version, deployment, party, policy, models, ephemeral key; or
    /// [`HandshakeError::Randomness`].
    pub fn hello(self, peer_hello: &[u8], identity: &SigningKey) -> Result<(Waiting, Box<[u8]>), HandshakeError> {
        let peer_key = self.check(peer_hello)?;
        let Self { own, peer, hello, ephemeral } = self;
        let hellos = Hellos::new(own, hello, peer_hello.into(), peer);
        let drawn = peer_key.encapsulate(&hellos.info(own))?;
        let signature = identity.sign(&hellos.signed(own, &drawn.bytes));
        let finish = [drawn.bytes.as_slice(), signature.as_ref()].concat().into_boxed_slice();
        Ok((Waiting { own, peer, hellos, ephemeral, drawn }, finish))
    }

    fn check(&self, peer_hello: &[u8]) -> Result<PublicKey, HandshakeError> {
        let length = HandshakeError::HelloLength { got: peer_hello.len() };
        // Our own hello tells the form of the peer's: all of it but party, nonce and key must be the same.
        let (version, rest) = peer_hello.split_first_chunk::<2>().ok_or(length)?;
        let (&[party, name_length], rest) = rest.split_first_chunk::<2>().ok_or(length)?;
        let version = u16::from_be_bytes(*version);
        if version != VERSION {
            return Err(HandshakeError::Version(version));
        }
        if peer_hello.len() != HELLO_LESS_NAME + usize::from(name_length) {
            return Err(length);
        }
        let (name, rest) = rest.split_at(name_length.into());
        let (key, context) = rest[NONCE..].split_at(PUBLIC_KEY);
        let own_name = &self.hello[4..self.hello.len() - (HELLO_LESS_NAME - 4)];
        if name != own_name {
            return Err(HandshakeError::Deployment);
        }
        if party != code(self.peer) {
            return Err(HandshakeError::Party { expected: self.peer });
        }
        let ((own_policy, own_models), (policy, models)) = (digests(&self.hello), digests(context));
        if policy != own_policy {
            return Err(HandshakeError::Policy { own: shown(own_policy), theirs: shown(policy) });
        }
        if models != own_models {
            return Err(HandshakeError::Models { own: shown(own_models), theirs: shown(models) });
        }
        PublicKey::parse(key).map_err(|_| HandshakeError::EphemeralKey)
    }
}

/// Prints the two parties.
impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Start({} to {})", self.own, self.peer)
    }
}

/// Our finish is out, the peer's not yet in.
#[must_use = "nothing is agreed until the peer's finish is checked"]
pub struct Waiting {
    own: Party,
    peer: Party,
    hellos: Hellos,
    ephemeral: PrivateKey,
    drawn: Encapsulation,
}

impl Waiting {
    /// Takes the peer's finish and checks it against the peer's pinned Ed25519 identity.
    ///
    /// # Errors
    /// [`HandshakeError::FinishLength`], [`HandshakeError::Identity`].
    pub fn finish(self, peer_finish: &[u8], peer_identity: &[u8; 32]) -> Result<Established, HandshakeError> {
        let length = HandshakeError::FinishLength { got: peer_finish.len() };
        let (theirs, signature) = peer_finish.split_first_chunk::<ENCAPSULATED>().ok_or(length)?;
        if signature.len() != SIGNATURE {
            return Err(length);
        }
        // First the signature: nobody but the pinned node gets the ephemeral key to work on a ciphertext.
        UnparsedPublicKey::new(&ED25519, peer_identity)
            .verify(&self.hellos.signed(self.peer, theirs), signature)
            .map_err(|_| HandshakeError::Identity)?;
        let their_secret = self.ephemeral.decapsulate(theirs, &self.hellos.info(self.peer));
        let (own, peer) = ((&*self.drawn.bytes, &self.drawn.secret), (theirs, &their_secret));
        let (low, high) = if self.own < self.peer { (own, peer) } else { (peer, own) };
        let salt = self.hellos.transcript(low.0, high.0);
        Ok(Established { seed: seed(&salt, low.1, high.1), peer: self.peer })
    }
}

/// Prints the two parties.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiting({} for {})", self.own, self.peer)
    }
}

/// Both proved who they are in this run, and hold the same seed.
pub struct Established {
    /// The seed of this pair of nodes until they disconnect: for key derivation only.
    pub seed: Zeroizing<[u8; 32]>,
    /// Who holds it too.
    pub peer: Party,
}

/// Prints the peer.
impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Established(with {})", self.peer)
    }
}

/// What they hold of secrets wipes itself.
impl ZeroizeOnDrop for Start {}
impl ZeroizeOnDrop for Waiting {}
impl ZeroizeOnDrop for Established {}

/// Both hellos, in party order: the same bytes at both ends.
struct Hellos {
    low: Box<[u8]>,
    high: Box<[u8]>,
}

impl Hellos {
    fn new(own: Party, own_hello: Box<[u8]>, peer_hello: Box<[u8]>, peer: Party) -> Self {
        if own < peer { Self { low: own_hello, high: peer_hello } } else { Self { low: peer_hello, high: own_hello } }
    }

    /// What binds a secret to this run and to the side that draws it.
    fn info(&self, drawn_by: Party) -> Vec<u8> {
        let hellos = sha256(&framed(&[&self.low, &self.high]));
        framed(&[b"tumar handshake v1 secret", drawn_by.as_str().as_bytes(), &hellos])
    }

    /// What `signer` signs.
    fn signed(&self, signer: Party, encapsulated: &[u8; ENCAPSULATED]) -> Vec<u8> {
        framed(&[b"tumar handshake v1 finish", &self.low, &self.high, encapsulated, signer.as_str().as_bytes()])
    }

    fn transcript(&self, low: &[u8; ENCAPSULATED], high: &[u8; ENCAPSULATED]) -> [u8; 32] {
        sha256(&framed(&[b"tumar handshake v1 transcript", &self.low, &self.high, low, high]))
    }
}

/// HKDF-SHA256 (RFC 5869). `ring` does not wipe the state in between.
fn seed(salt: &[u8; 32], low: &[u8; 32], high: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut both = Zeroizing::new([0; 64]);
    both[..32].copy_from_slice(low);
    both[32..].copy_from_slice(high);
    let mut seed = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(both.as_slice())
        .expand(&[b"tumar handshake v1 seed"], HKDF_SHA256)
        .and_then(|material| material.fill(seed.as_mut_slice()))
        .expect("HKDF-SHA256 gives 32 bytes");
    seed
}

/// The two digests at the end of a hello.
fn digests(hello: &[u8]) -> (&[u8], &[u8]) {
    hello[hello.len() - 2 * DIGEST..].split_at(DIGEST)
}

fn shown(digest: &[u8]) -> [u8; SHOWN] {
    std::array::from_fn(|place| digest[place])
}

fn header(own: Party, name: &[u8]) -> Vec<u8> {
    let mut hello = Vec::with_capacity(HELLO_LESS_NAME + name.len());
    hello.extend_from_slice(&VERSION.to_be_bytes());
    hello.push(code(own));
    hello.push(u8::try_from(name.len()).expect("a deployment's name has at most 64 bytes"));
    hello.extend_from_slice(name);
    hello
}

/// A party on the wire: its letter.
const fn code(party: Party) -> u8 {
    party.as_str().as_bytes()[0]
}

#[cfg(test)]
mod tests;
