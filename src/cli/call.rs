//! The commands that call the leader as a relying party does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use tumar::client::{Answer, Client, ClientError, ErasureCertificate, ReceiptFault, Receipts, SubjectKey, Target};
use tumar::name::{GalleryName, PurposeName, Subject};
use tumar::party::Party;
use tumar::request::{Method, Minute};

use super::captures::{Captures, ROWS, Read, VECTOR};
use super::failure::Failure;
use super::files::Reserved;
use super::kept::Pending;
use super::{clock, files, output, print_json, token};

/// Who calls, and where.
#[derive(Debug, Args)]
pub(super) struct Caller {
    /// The client's configuration: DIR/client/client.toml
    #[arg(long)]
    client: PathBuf,
    /// File with the access token, or - for standard input
    #[arg(long)]
    token: PathBuf,
    /// Which gallery; the relying party's `customers` if not given
    #[arg(long)]
    gallery: Option<GalleryName>,
}

impl Caller {
    /// A connection, the token and the gallery.
    pub(super) async fn connect(self) -> Result<(Client, String, GalleryName), Failure> {
        let config = files::client_config(&self.client)?;
        let gallery = match self.gallery {
            Some(gallery) => gallery,
            None => token::customers(&config.relying_party)?,
        };
        let token = files::read_token(&self.token)?;
        Ok((Client::connect(config, clock::now).await?, token, gallery))
    }
}

/// Whom a call is about.
#[derive(Debug, Args)]
pub(super) struct Whom {
    #[command(flatten)]
    caller: Caller,
    /// The bank's handle for the person
    #[arg(long)]
    subject: Subject,
}

/// All that is needed to call.
pub(super) struct Line {
    pub(super) client: Client,
    pub(super) token: String,
    pub(super) target: Target,
}

impl Whom {
    pub(super) async fn connect(self, purpose: PurposeName) -> Result<Line, Failure> {
        let (client, token, gallery) = self.caller.connect().await?;
        Ok(Line { client, token, target: Target { gallery, subject: self.subject, purpose } })
    }
}

/// Where each node's log shows the request.
pub(super) fn places(receipts: &Receipts) -> Value {
    receipts.iter().map(|receipt| json!({ "node": receipt.body.party, "log_index": receipt.body.index })).collect()
}

/// The same in words: `A 12, B 12, C 14`.
pub(super) fn places_in_words(places: [u64; 3]) -> String {
    let words: Vec<String> = Party::ALL.iter().zip(places).map(|(party, place)| format!("{party} {place}")).collect();
    words.join(", ")
}

/// The same places, of A, B and C.
pub(super) fn indices(receipts: &Receipts) -> [u64; 3] {
    let mut places = [0; 3];
    for (place, receipt) in places.iter_mut().zip(receipts.iter()) {
        *place = receipt.body.index;
    }
    places
}

/// Arguments of `tumar enroll`.
#[derive(Debug, Args)]
pub(super) struct Enroll {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    captures: Captures,
    /// Leave out the vector of each finger, a smaller sample that only searches use: no search by a finger finds the person then
    #[arg(long)]
    unsearchable: bool,
    /// A purpose of the policy that allows it
    #[arg(long, default_value = "enrolment")]
    purpose: PurposeName,
    /// A new file for the person's key to their own log entries; SUBJECT.key if not given
    #[arg(long)]
    key_out: Option<PathBuf>,
    /// Repeat the saved request of an enrolment whose result is not known; it is beside the key, as FILE.request
    #[arg(long)]
    resume: bool,
}

impl Enroll {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let key_file = self.key_out.unwrap_or_else(|| PathBuf::from(format!("{}.key", self.whom.subject)));
        let mut pending = Pending::beside(&key_file);
        let (line, answer) = if self.resume {
            let prepared = pending.read(Method::Enroll, &self.whom.subject, Some(&key_file))?;
            let _: SubjectKey =
                files::read_text(&key_file)?.parse().map_err(|_| Failure::SubjectKey(key_file.clone()))?;
            let line = self.whom.connect(self.purpose).await?;
            let answered = pending.answer(line.client.send(&line.token, &prepared)).await?;
            (line, answered?)
        } else {
            let fingers: &[&str] = if self.unsearchable { &[ROWS] } else { &[ROWS, VECTOR] };
            let read = self.captures.read(fingers)?;
            pending.is_none()?;
            let line = self.whom.connect(self.purpose).await?;
            let answer = anew(&line, &read, &key_file, &mut pending).await?;
            (line, answer)
        };
        pending.end();
        if json {
            print_json(&json!({
                "outcome": "enrolled",
                "subject": line.target.subject,
                "receipts": places(&answer.receipts),
                "subject_key_file": key_file,
            }));
        } else {
            println!(
                "Enrolled {}. Receipts checked; log places {}. The person's key: {}",
                line.target.subject,
                places_in_words(indices(&answer.receipts)),
                key_file.display()
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Draws the person's key, and keeps it and the request before it is sent. Both go again if nothing came of it for sure.
async fn anew(line: &Line, read: &Read, key_file: &Path, pending: &mut Pending) -> Result<Answer, Failure> {
    let key = SubjectKey::generate().map_err(|_| Failure::Randomness)?;
    let references = read.captures();
    let captured = Minute::of(clock::now());
    let prepare = async || {
        let prepared = line.client.prepare_enrolment(&line.target, &references, captured, &key).await;
        prepared.map_err(ClientError::from)
    };
    let mut prepared = prepare().await?;
    // A key without its request would only be in the way.
    pending.arm()?;
    files::write_secret(key_file, key.to_text().as_bytes())?;
    let sent = async {
        pending.keep(&prepared)?;
        let answered = pending.answer(line.client.send(&line.token, &prepared)).await?;
        match answered {
            Err(error) if error.wants_new_keys() => {
                pending.answer(line.client.refresh()).await??;
                prepared = prepare().await?;
                pending.keep(&prepared)?;
                pending.answer(line.client.send(&line.token, &prepared)).await
            }
            answered => Ok(answered),
        }
    };
    let sent = sent.await;
    match sent {
        Ok(Ok(answer)) => Ok(answer),
        Err(unsure @ Failure::Unsure { .. }) => Err(unsure),
        Ok(Err(error)) => Err(forget(key_file, pending, error.into())),
        Err(failure) => Err(forget(key_file, pending, failure)),
    }
}

/// Nobody was enrolled: the key is of no use.
fn forget(key_file: &Path, pending: &Pending, failure: Failure) -> Failure {
    pending.end();
    // One that stays is refused by the next enrolment into the same file, which says so.
    let _ = std::fs::remove_file(key_file);
    failure
}

/// Arguments of `tumar verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    captures: Captures,
    /// A purpose of the policy that allows it
    #[arg(long, default_value = "cash_withdrawal")]
    purpose: PurposeName,
    /// Amount in whole tenge
    #[arg(long, default_value_t = 0)]
    amount_kzt: u64,
}

impl Verify {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let read = self.captures.read(&[ROWS])?;
        let Line { client, token, target } = self.whom.connect(self.purpose).await?;
        let verified = client.verify(&token, &target, &read.captures(), self.amount_kzt).await?;
        if json {
            let outcome = if verified.matched { "match" } else { "no_match" };
            print_json(&json!({
                "outcome": outcome,
                "subject": target.subject,
                "receipts": places(&verified.receipts),
            }));
        } else {
            println!(
                "{}. Receipts checked; log places {}.",
                if verified.matched { "Match" } else { "No match" },
                places_in_words(indices(&verified.receipts))
            );
        }
        Ok(if verified.matched { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Arguments of `tumar erase`.
#[derive(Debug, Args)]
pub(super) struct Erase {
    #[command(flatten)]
    whom: Whom,
    /// A purpose of the policy that allows it
    #[arg(long, default_value = "erasure")]
    purpose: PurposeName,
    /// A new file for the certificate; it is printed if none is given, or saved as SUBJECT.erased.json if there is no standard output
    #[arg(long)]
    out: Option<PathBuf>,
    /// Repeat the saved request of an erasure whose result is not known; it is beside the certificate, as FILE.request, or
    /// as SUBJECT.erased.json.request
    #[arg(long)]
    resume: bool,
}

/// Bytes that a certificate takes, and more.
const CERTIFICATE: usize = 32 * 1024;

impl Erase {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        // What is printed to nobody is lost.
        let out = self.out.or_else(|| output::is_nowhere().then(|| printed(&self.whom.subject)));
        let mut pending = Pending::beside(out.as_deref().unwrap_or(&printed(&self.whom.subject)));
        let saved = if self.resume { Some(pending.read(Method::Erase, &self.whom.subject, None)?) } else { None };
        if saved.is_none() {
            pending.is_none()?;
        }
        // An erasure can not be undone, and the certificate is all that is left of the person.
        let reserved = out.as_deref().map(|out| Reserved::new(out, 0o644, CERTIFICATE)).transpose()?;
        let Line { client, token, target } = self.whom.connect(self.purpose).await?;
        let prepared = match saved {
            Some(prepared) => prepared,
            None => client.prepare_erasure(&target).map_err(ClientError::from)?,
        };
        pending.keep(&prepared)?;
        let answer = match pending.answer(client.send(&token, &prepared)).await? {
            Ok(answer) => answer,
            Err(error) => {
                // Of what was begun before, this refusal says nothing.
                if !self.resume {
                    pending.end();
                }
                return Err(error.into());
            }
        };
        let certificate = client.certificate(&prepared, &answer).ok_or(ClientError::from(ReceiptFault::Decision))?;
        let code = deliver(&certificate, &target.subject, reserved, json)?;
        if let Some(out) = out.filter(|_| output::is_nowhere()) {
            eprintln!("The certificate of erasure is in {}.", out.display());
        }
        pending.end();
        Ok(code)
    }
}

/// The file of a certificate that was to be printed.
fn printed(subject: &Subject) -> PathBuf {
    PathBuf::from(format!("{subject}.erased.json"))
}

/// Gives a certificate out: into its file, or printed; and if that can not be, elsewhere, and says where.
fn deliver(
    certificate: &ErasureCertificate,
    subject: &Subject,
    reserved: Option<Reserved>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let is_in_file = reserved.is_some();
    if let Some(failure) = reserved.and_then(|file| file.keep(certificate.to_json().as_bytes()).err()) {
        eprintln!("tumar: {failure}: {subject} is erased, and the certificate is printed instead");
        keep_elsewhere(certificate, subject)?;
        return Ok(failure.exit_code());
    }
    let places = places_in_words(certificate.log_places());
    let words = format!("Erased {subject}{}. Certificate checked; log places {places}.", but_for(certificate));
    if json {
        let told = json!({ "outcome": "erased", "subject": subject, "certificate": certificate });
        if let Err(error) = output::write(&format!("{told:#}\n")) {
            keep_in_a_file(certificate, subject, error)?;
        }
    } else if is_in_file {
        println!("{words}");
    } else {
        keep_elsewhere(certificate, subject)?;
        eprintln!("{words}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Which nodes had nothing to erase, if any: they lost what the others held.
fn but_for(certificate: &ErasureCertificate) -> String {
    let without: Vec<&str> = certificate.had_none().into_iter().map(Party::as_str).collect();
    if without.is_empty() {
        String::new()
    } else {
        format!("; node {} held nothing of this person", without.join(" and "))
    }
}

/// Prints it; or, if nobody takes it, puts it into a file.
fn keep_elsewhere(certificate: &ErasureCertificate, subject: &Subject) -> Result<(), Failure> {
    match output::write(&certificate.to_json()) {
        Ok(()) => Ok(()),
        Err(error) => keep_in_a_file(certificate, subject, error),
    }
}

/// In the folder that the command runs in; if that can not be either, it goes to standard error.
fn keep_in_a_file(certificate: &ErasureCertificate, subject: &Subject, error: std::io::Error) -> Result<(), Failure> {
    let (text, file) = (certificate.to_json(), printed(subject));
    let written = files::write(&file, text.as_bytes());
    match &written {
        Ok(()) => eprintln!("tumar: standard output: {error}: the certificate of erasure is in {}", file.display()),
        Err(_) => eprintln!("{text}"),
    }
    output::lose(error);
    written
}

/// Arguments of `tumar certificate`.
#[derive(Debug, Args)]
pub(super) struct Certificate {
    /// The certificate that `tumar erase --out` wrote
    file: PathBuf,
    /// The client's configuration, for the pinned keys
    #[arg(long)]
    client: PathBuf,
}

impl Certificate {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = files::client_config(&self.client)?;
        let wrong = |source| Failure::Erasure { path: self.file.clone(), source };
        let certificate = ErasureCertificate::from_json(&read_lossy(&self.file)?).map_err(wrong)?;
        certificate.verify(&config.nodes, &config.deployment).map_err(wrong)?;
        if json {
            print_json(&json!({
                "outcome": "erased",
                "gallery": certificate.gallery(),
                "subject": certificate.subject(),
                "log_places": certificate.log_places(),
                "had_none": certificate.had_none(),
            }));
        } else {
            println!(
                "All three nodes signed that {} of {} was erased{}; log places {}.",
                certificate.subject(),
                certificate.gallery(),
                but_for(&certificate),
                places_in_words(certificate.log_places())
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read_lossy(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&files::read(path)?).into_owned())
}

/// Arguments of `tumar lock` and `tumar unlock`.
#[derive(Debug, Args)]
pub(super) struct Lock {
    #[command(flatten)]
    whom: Whom,
    /// A purpose of the policy that allows it: `subject_lock` or `subject_unlock` if not given
    #[arg(long)]
    purpose: Option<PurposeName>,
}

/// Which way the key is turned.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// `tumar lock`.
    Lock,
    /// `tumar unlock`.
    Unlock,
}

impl Lock {
    pub(super) async fn run(self, turn: Turn, json: bool) -> Result<ExitCode, Failure> {
        let usual = match turn {
            Turn::Lock => "subject_lock",
            Turn::Unlock => "subject_unlock",
        };
        let purpose = self.purpose.map_or_else(|| usual.parse(), Ok)?;
        let Line { client, token, target } = self.whom.connect(purpose).await?;
        let (receipts, outcome, words) = match turn {
            Turn::Lock => (client.lock(&token, &target).await?, "locked", "Locked"),
            Turn::Unlock => (client.unlock(&token, &target).await?, "unlocked", "Unlocked"),
        };
        if json {
            let receipts = places(&receipts);
            print_json(&json!({ "outcome": outcome, "subject": target.subject, "receipts": receipts }));
        } else {
            let places = places_in_words(indices(&receipts));
            println!("{words} {}. Receipts checked; log places {places}.", target.subject);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `tumar committee`.
#[derive(Debug, Args)]
pub(super) struct ShowCommittee {
    /// The client's configuration: DIR/client/client.toml
    #[arg(long)]
    client: PathBuf,
}

impl ShowCommittee {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let client = Client::connect(files::client_config(&self.client)?, clock::now).await?;
        let committee = client.committee();
        let nodes = &client.config().nodes;
        if json {
            print_json(&json!({
                "deployment": client.deployment(),
                "nodes": nodes.iter().map(|node| json!({
                    "party": node.party,
                    "envelope_key": committee.key(node.party).id().to_string(),
                    "log_key": node.log.to_string(),
                })).collect::<Vec<_>>(),
                "models": committee.models().iter().map(|model| json!({
                    "id": model.id,
                    "modality": model.modality,
                    "dimension": model.dimension,
                })).collect::<Vec<_>>(),
                "max_request_bytes": committee.limits().max_request_bytes,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        println!("Deployment {}: all three nodes are the pinned ones, with one policy.", client.deployment());
        let mut table = super::table(&["node", "envelope key", "log"]);
        for node in nodes {
            let key = committee.key(node.party).id().to_string();
            table.add_row([node.party.to_string(), key, node.log.name().to_string()]);
        }
        println!("{table}");
        for model in committee.models() {
            println!("Model {}: {}, {} components", model.id, model.modality.as_str(), model.dimension);
        }
        Ok(ExitCode::SUCCESS)
    }
}
