//! Cosignatures: others than the log say that they saw a checkpoint, when, and that it continued all that they had seen.
//!
//! [`Checkpoint`] --[`Cosigner::sign`]--> line --[`add`]--> note --[`CosignerKey::verify`]--> when it was cosigned
//!
//! Format: C2SP tlog-cosignature (<https://c2sp.org/tlog-cosignature>), `cosignature/v1` over Ed25519. What is signed does not
//! name the cosigner, so a key is used under one name only, and never for anything else than to cosign.

use std::fmt;
use std::str::FromStr;

use crate::name::Deployment;
use crate::party::Party;

use super::note::{self, Checkpoint, KeyName, MAX_SIGNATURES, NoteError, SigningKey, is_signed};

/// Signature type of a time and an Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 4;

/// No later time stands in a cosignature.
const MAX_TIME: u64 = i64::MAX.unsigned_abs();

/// The name under which a node cosigns the logs of the two others: `witness.a.kz-demo.tumar.internal`.
#[must_use]
pub fn witness_name(deployment: &Deployment, party: Party) -> KeyName {
    let name = format!("witness.{}.{deployment}.tumar.internal", party.letter());
    name.parse().expect("a deployment's name is short and has no space, control character or plus")
}

/// A cosigner's name and public key, with the key id that both determine.
///
/// Text form: `name+id+base64(0x04, key)`, as that of a log's [`VerifierKey`](note::VerifierKey) with another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey {
    name: KeyName,
    public: [u8; 32],
    id: [u8; 4],
}

/// A cosignature that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// When it was made, in unix seconds, by the cosigner's clock.
    pub time: u64,
    /// The line that holds it, with its line end.
    pub line: String,
}

impl CosignerKey {
    /// From name and public key.
    #[must_use]
    pub fn new(name: KeyName, public: [u8; 32]) -> Self {
        let id = note::key_id(&name, COSIGNATURE_TYPE, &public);
        Self { name, public, id }
    }

    /// The cosigner's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// When this cosigner cosigned the note, in unix seconds: the last time, if more than once. Whether the log signed it, and
    /// whether it is a checkpoint, is not looked at.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] if it did not; [`NoteError::Signature`] for a false signature in its name, even beside a good
    /// one; [`NoteError`] if it is not a note.
    pub fn verify(&self, note: &str) -> Result<u64, NoteError> {
        self.find(note).map(|cosignature| cosignature.time)
    }

    /// As [`verify`](Self::verify), with the line.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn find(&self, note: &str) -> Result<Cosignature, NoteError> {
        let (text, signatures) = note::read(note)?;
        let mut last: Option<Cosignature> = None;
        for signature in signatures.iter().filter(|signature| signature.is_by(&self.name, self.id)) {
            let time = self.time(text, &signature.blob).ok_or(NoteError::Signature)?;
            if last.as_ref().is_none_or(|last| last.time < time) {
                last = Some(Cosignature { time, line: format!("{}\n", signature.line) });
            }
        }
        last.ok_or(NoteError::Unsigned)
    }

    /// The time in `blob`, if the rest of it is this key's signature over that time and the text.
    fn time(&self, text: &str, blob: &[u8]) -> Option<u64> {
        let (time, signature) = blob.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let genuine = time <= MAX_TIME && is_signed(&self.public, message(text, time).as_bytes(), signature);
        genuine.then_some(time)
    }
}

/// What a cosigner signs.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&note::key_text(&self.name, COSIGNATURE_TYPE, &self.public))
    }
}

impl FromStr for CosignerKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, public) = note::parse_key(text, COSIGNATURE_TYPE)?;
        Ok(Self::new(name, public))
    }
}

/// A cosigner's name and private key. Whoever has one signs whatever it is given: [`Witness`](super::witness::Witness) is what
/// looks first.
pub struct Cosigner {
    key: SigningKey,
    verifier: CosignerKey,
}

impl Cosigner {
    /// From name and key. The key must be another than any log's and than that of any other cosigner.
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        let verifier = CosignerKey::new(name, key.public());
        Self { key, verifier }
    }

    /// What others verify with.
    #[must_use]
    pub const fn verifier(&self) -> &CosignerKey {
        &self.verifier
    }

    /// The signature line, with its line end: this checkpoint, and none larger of that log, was seen up to `now`, in unix
    /// seconds, and it continues all that were seen before.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint, now: u64) -> String {
        let time = now.min(MAX_TIME);
        let mut blob = time.to_be_bytes().to_vec();
        blob.extend(self.key.sign(message(&checkpoint.text(), time).as_bytes()));
        note::line(&self.verifier.name, self.verifier.id, &blob)
    }
}

/// Prints the name.
impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier.name)
    }
}

/// The note with one more signature line, which ends its line. A line that is there already is not added again.
///
/// # Errors
/// [`NoteError`] if what comes out is not a note.
pub fn add(note: &str, line: &str) -> Result<String, NoteError> {
    let (text, signatures) = note::read(note)?;
    if signatures.iter().any(|signature| Some(signature.line) == line.strip_suffix('\n')) {
        return Ok(note.to_owned());
    }
    if signatures.len() >= MAX_SIGNATURES {
        return Err(NoteError::TooManySignatures);
    }
    let more = format!("{note}{line}");
    // A line with a blank one in it would move the border between text and signatures.
    match note::read(&more)? {
        (same, all) if same == text && all.len() == signatures.len() + 1 => Ok(more),
        _ => Err(NoteError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::note::NoteSigner;

    const TIME: u64 = 1_790_000_000;

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::new(witness_name(&"kz-demo".parse().unwrap(), Party::B), SigningKey::from_seed(&[seed; 32]))
    }

    fn signed() -> (Checkpoint, String) {
        let signer =
            NoteSigner::new("log.a.kz-demo.tumar.internal/2026h2".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let checkpoint = Checkpoint { origin: signer.verifier().name().clone(), size: 7, root: [9; 32] };
        let note = checkpoint.sign(&signer).unwrap();
        (checkpoint, note)
    }

    #[test]
    fn the_example_of_the_specification_is_taken_apart_as_it_says() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
            \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let (text, signatures) = note::read(note).unwrap();
        let (time, signature) = signatures[1].blob.split_first_chunk().unwrap();
        assert_eq!((u64::from_be_bytes(*time), signature.len()), (1_679_315_147, 64));
        assert!(signatures[1].is_by(&"witness.example.com/w1".parse().unwrap(), [0x8d, 0x66, 0xcf, 0x3f]));
        assert!(
            message(text, 1_679_315_147)
                .starts_with("cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n2085")
        );
    }

    #[test]
    fn a_cosigned_checkpoint_says_when_and_is_still_the_logs() {
        let (cosigner, (checkpoint, note)) = (cosigner(2), signed());
        let both = add(&note, &cosigner.sign(&checkpoint, TIME)).unwrap();
        assert_eq!(cosigner.verifier().verify(&both), Ok(TIME));
        let log = NoteSigner::new(checkpoint.origin.clone(), SigningKey::from_seed(&[1; 32]));
        assert_eq!(Checkpoint::open(&both, log.verifier()), Ok(checkpoint.clone()));
        // Once more is the same note; once more later is the later time.
        assert_eq!(add(&both, &cosigner.sign(&checkpoint, TIME)).unwrap(), both);
        let later = add(&both, &cosigner.sign(&checkpoint, TIME + 5)).unwrap();
        assert_eq!(cosigner.verifier().verify(&later), Ok(TIME + 5));
        let found = cosigner.verifier().find(&later).unwrap();
        assert_eq!(found.line, cosigner.sign(&checkpoint, TIME + 5));
    }

    #[test]
    fn no_bit_of_a_cosignature_may_change() {
        let (cosigner, (checkpoint, note)) = (cosigner(2), signed());
        let both = add(&note, &cosigner.sign(&checkpoint, TIME)).unwrap();
        assert_eq!(cosigner.verifier().verify(&note), Err(NoteError::Unsigned));
        let (_, signatures) = note::read(&both).unwrap();
        for bit in 0..signatures[1].blob.len() * 8 {
            let mut blob = signatures[1].blob.clone();
            blob[bit / 8] ^= 1 << (bit % 8);
            let line = note::line(cosigner.verifier().name(), cosigner.verifier().id, &blob);
            assert_eq!(cosigner.verifier().verify(&add(&note, &line).unwrap()), Err(NoteError::Signature), "bit {bit}");
            // Not even beside a good one.
            assert_eq!(cosigner.verifier().verify(&add(&both, &line).unwrap()), Err(NoteError::Signature));
        }
        let other = Checkpoint { size: 8, ..checkpoint.clone() };
        let misplaced = add(&note, &cosigner.sign(&other, TIME)).unwrap();
        assert_eq!(cosigner.verifier().verify(&misplaced), Err(NoteError::Signature));
        // Another's cosignature under the same name has another key id: it is not looked at.
        let stranger = add(&note, &super::tests::cosigner(3).sign(&checkpoint, TIME)).unwrap();
        assert_eq!(cosigner.verifier().verify(&stranger), Err(NoteError::Unsigned));
    }

    #[test]
    fn a_log_key_is_no_cosigner_and_a_cosigner_no_log() {
        let cosigner = cosigner(2);
        let text = cosigner.verifier().to_string();
        assert_eq!(text.parse(), Ok(cosigner.verifier().clone()));
        assert_eq!(text.parse::<note::VerifierKey>(), Err(NoteError::VerifierKey));
        let log = note::VerifierKey::new(cosigner.verifier().name().clone(), *cosigner.verifier().public());
        assert_eq!(log.to_string().parse::<CosignerKey>(), Err(NoteError::VerifierKey));
        assert!(text.starts_with("witness.b.kz-demo.tumar.internal+"));
        let (checkpoint, note) = signed();
        let both = add(&note, &cosigner.sign(&checkpoint, TIME)).unwrap();
        assert_eq!(log.open(&both), Err(NoteError::Unsigned));
        assert_eq!(cosigner.sign(&checkpoint, u64::MAX), cosigner.sign(&checkpoint, MAX_TIME));
    }

    #[test]
    fn only_one_whole_signature_line_is_added() {
        let (cosigner, (checkpoint, note)) = (cosigner(2), signed());
        let line = cosigner.sign(&checkpoint, TIME);
        for bad in [
            "",
            "\n",
            "x\n",
            line.trim_end(),
            &format!("\n{line}"),
            &format!("{line}{}", cosigner.sign(&checkpoint, TIME + 1)),
        ] {
            assert_eq!(add(&note, bad), Err(NoteError::Malformed), "{bad:?}");
        }
        let mut full = note;
        for more in 1..MAX_SIGNATURES as u64 {
            full = add(&full, &cosigner.sign(&checkpoint, TIME + more)).unwrap();
        }
        assert_eq!(add(&full, &line), Err(NoteError::TooManySignatures));
    }
}
