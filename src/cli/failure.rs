//! Why a command failed, in one line, and the exit code that scripts see.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use tonic::Code;
use tumar::audit::counts::time;
use tumar::audit::fetch::FetchError;
use tumar::audit::pins::PinsError;
use tumar::client::{CertificateError, ClientError, ConfigError};
use tumar::eval::shared::SharedError;
use tumar::eval::table::TableError;
use tumar::issuer::rules::RulesError;
use tumar::log::access::LogError;
use tumar::name::NameError;
use tumar::node::{NodeError, RestoreError};
use tumar::party::Party;
use tumar::store::StoreError;
use tumar::template::face::TemplateError;
use tumar::template::finger::FingerError;
use tumar::template::finger::folder::FolderError;
use tumar::template::finger::record::RecordError;
use tumar::template::model::ModelsError;
use tumar::tls::TlsError;
use tumar::token::approval::OfficerFault;
use tumar::token::jws::JwsError;
use tumar::web::WebError;

use super::npy_error::NpyError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The call, or its answer.
    #[error("{}{}", reason_of(.0), with_causes(.0))]
    Client(#[from] ClientError),
    /// The client's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A node that does not start.
    #[error("{}", with_causes(.0))]
    Node(#[from] NodeError),
    /// No backup.
    #[error("{0}")]
    Backup(String),
    /// Backup and keys in one place.
    #[error("--keys must be a folder outside of the backup: the two together are enough to run as the node")]
    Together,
    /// A node that runs and can not be asked.
    #[error("{}: a node uses this folder but does not answer at control.sock: stop it, or see its log", .0.display())]
    NoSocket(PathBuf),
    /// A backup that was not put back.
    #[error("nothing was restored: {}", with_causes(.0))]
    Restore(#[from] RestoreError),
    /// A node's store.
    #[error("{}", with_causes(.0))]
    Store(#[from] StoreError),
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder of a mirror, which the error names.
    #[error("{0}")]
    Mirror(io::Error),
    /// A new file was to be made.
    #[error("{}: it exists already: name a new file", .0.display())]
    Exists(PathBuf),
    /// A file that another process holds.
    #[error("{}: another command is writing it", .0.display())]
    Busy(PathBuf),
    /// Whose keys are believed is not where it is looked for.
    #[error("{}: there is no such file: name the auditor.toml of the deployment by --pins FILE", .0.display())]
    NoPins(PathBuf),
    /// `init` writes into new or empty folders only.
    #[error("{}: the folder is not empty; nothing was written", .0.display())]
    NotEmpty(PathBuf),
    /// Not an address that others could call.
    #[error("--host must be an IP address with all four of its numbers, an IPv6 address, or a host name")]
    Host,
    /// A name in an argument or file.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file that should hold an array does not.
    #[error("{}: {source}", path.display())]
    Array {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: NpyError,
    },
    /// One embedding where many are wanted.
    #[error("{}: the array has one dimension, [{width}]: it must have two, [rows, components], a row for each sample", path.display())]
    OneRow {
        /// Which file.
        path: PathBuf,
        /// Its length.
        width: usize,
    },
    /// None of several rows is named, or one that is not there.
    #[error("{}: there are {rows} rows of {width} components; name one of them by FILE:ROW, the first is 0", path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// How many there are.
        rows: usize,
        /// Components of each.
        width: usize,
    },
    /// An embedding that makes no template.
    #[error("{}{}: {source}", path.display(), row.map(|row| format!(", row {row}")).unwrap_or_default())]
    Face {
        /// Which file.
        path: PathBuf,
        /// Which of its rows, if it has several.
        row: Option<usize>,
        /// Why.
        source: TemplateError,
    },
    /// Neither a face nor a finger.
    #[error("no capture given: --face FILE, --finger FILE, or both")]
    NoCapture,
    /// More than a request takes.
    #[error(
        "these are {samples} samples, and a request takes {most}{}",
        if *encodings > 1 { ": each finger is two, one to compare and one to search by; --unsearchable leaves the second out" }
        else { "" }
    )]
    Samples {
        /// How many there are.
        samples: usize,
        /// How many there may be.
        most: usize,
        /// Samples that become of a finger.
        encodings: usize,
    },
    /// A part of a record that none has.
    #[error("{}: a finger's position is 0 to 10 (ISO/IEC 19794-2), named by FILE:POSITION", .0.display())]
    Position(PathBuf),
    /// A minutiae record that is none, or has not the view.
    #[error("{}: {}: {source}", path.display(), source.reason())]
    Record {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RecordError,
    },
    /// Minutiae that make no template.
    #[error("{}: {}: {source}", path.display(), source.reason())]
    Finger {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: FingerError,
    },
    /// A model of faces, named for a finger.
    #[error("--finger-model names a model that is not for fingers")]
    NotAFingers,
    /// No model of this name.
    #[error("there is no model of this name; --models names a table that has it")]
    Model,
    /// The table of models.
    #[error("{}: {source}", path.display())]
    Models {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ModelsError,
    },
    /// A model's folder.
    #[error("{}: {}: {source}", path.display(), source.reason())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: FolderError,
    },
    /// A model's folder, for a search.
    #[error("a search compares the vector of a finger, and --model-folder is a model of rows: leave it out")]
    FolderInSearch,
    /// The embedding makes no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// No randomness for a key.
    #[error("a signing key: {0}")]
    Key(#[from] JwsError),
    /// A file that should hold a private key does not.
    #[error("{}: {source}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: JwsError,
    },
    /// An officer's name or role.
    #[error("an officer: {0}")]
    Officer(#[from] OfficerFault),
    /// A certificate could not be made.
    #[error("a development certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Whom an auditor believes.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// A log that could not be fetched.
    #[error("{}", with_causes(.0))]
    Fetch(#[from] FetchError),
    /// The same, for a token that was good once.
    #[error("node {node} refused the token: it expired at {} UTC", time(*at))]
    TokenExpired {
        /// Which.
        node: Party,
        /// In unix seconds.
        at: u64,
    },
    /// A file that should hold a person's own key does not.
    #[error("{}: not a person's key: 64 digits of lower-case hex, as `tumar enroll` wrote them", .0.display())]
    SubjectKey(PathBuf),
    /// A file that should hold an access token does not.
    #[error("{}: not an access token: one line of visible characters", .0.display())]
    NotAToken(PathBuf),
    /// A certificate of erasure.
    #[error("CERTIFICATE_NOT_TRUSTED: {}: {source}", path.display())]
    Erasure {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system's random number generator failed")]
    Randomness,
    /// No threads or no event queue.
    #[error("the runtime could not be started: {0}")]
    Runtime(io::Error),
    /// A signal, while a search was under way.
    #[error("interrupted: the search was cancelled at the nodes")]
    Interrupted,
    /// A call that changes who is enrolled was begun before.
    #[error("{}: an earlier request was interrupted and its result is not known: repeat it with --resume", .0.display())]
    Begun(PathBuf),
    /// Not a request that was kept, or one of another call or about another person.
    #[error("{}: not a saved request of this command for this subject and version", .0.display())]
    NotBegun(PathBuf),
    /// No request was kept.
    #[error(
        "{}: no request is saved here: nothing was sent, or its result was told: run the command without --resume{}", path.display(),
        key.as_ref().map(|key| format!(" ({} may be deleted if nobody was enrolled with it)", key.display())).unwrap_or_default()
    )]
    NothingBegun {
        /// Where it would be.
        path: PathBuf,
        /// A person's key that stands there without one.
        key: Option<PathBuf>,
    },
    /// A call that changes who is enrolled had no answer that can be believed.
    #[error(
        "{}: it is not known whether the request was done: repeat it with --resume ({})",
        cause.as_ref().map_or_else(|| "interrupted".to_owned(), |cause| format!("{}{}", reason_of(cause), with_causes(cause))),
        request.display()
    )]
    Unsure {
        /// Where the request is kept.
        request: PathBuf,
        /// Why; none if it was ended by SIGINT.
        cause: Option<ClientError>,
    },
    /// A node that was started here ended, or did not end or get ready in time.
    #[error("node {0} exited, or did not start or stop in time")]
    NodeEnded(Party),
    /// The data set has too few people for what was asked.
    #[error("the data has {found} people with enough images; {wanted} are needed")]
    People {
        /// How many there are.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// Samples that leave nothing to compare.
    #[error("{}: there are no {kind} pairs among the samples that gave a template: it takes {need}", path.display())]
    NoPairs {
        /// The table of labels.
        path: PathBuf,
        /// Which pairs there are none of.
        kind: &'static str,
        /// What it takes for one.
        need: &'static str,
    },
    /// The configuration of a token service.
    #[error("{}: {source}", path.display())]
    IssuerRules {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<RulesError>,
    },
    /// Its certificate and key.
    #[error("{}: {source}", path.display())]
    IssuerTls {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// An address that can not be listened at.
    #[error("{address}: can not listen: {source}")]
    Listen {
        /// Which, `host:port`.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A table of labels with a fault.
    #[error("{}: {source}", path.display())]
    Table {
        /// Which file.
        path: PathBuf,
        /// Which line, and why.
        source: TableError,
    },
    /// The table of models does not say how the two are joined.
    #[error("there is no fusion of these two models; --models names a table that has it")]
    Fusion,
    /// A site's thresholds, on several sensors.
    #[error("{}: these are {} databases, and a site sets thresholds by its own sensor: make an index of that one", .1.display(), .0)]
    Sensors(usize, PathBuf),
    /// The comparison on shares.
    #[error("on shares: {0}")]
    Shared(#[from] SharedError),
    /// A number of people or attempts that is none.
    #[error("--people must be 2 to 1000, --attempts 1 to 100000")]
    Size,
}

/// The reason code, where the error's own text does not begin with it.
fn reason_of(error: &ClientError) -> String {
    if error.refusal().is_some() { String::new() } else { format!("{}: ", error.reason()) }
}

/// An error and what is behind it, on one line, each once.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // A refusal is one line, and an error that hands on another often says the same.
        let line = cause.lines().next().unwrap_or_default();
        if text.ends_with(line) { text } else { format!("{text}: {line}") }
    })
}

impl Failure {
    /// As `--help` lists them.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are faults of what was given")]
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupted | Self::Unsure { cause: None, .. } => 130,
            Self::Unsure { cause: Some(error), .. } | Self::Client(error) => of_client(error),
            Self::Fetch(FetchError::Token(_)) | Self::TokenExpired { .. } => 3,
            Self::Fetch(FetchError::Web(WebError::Untrusted(..)))
            | Self::Node(
                NodeError::Behind(_)
                | NodeError::NoStore { .. }
                | NodeError::Log(LogError::Lost { .. } | LogError::Forked { .. }),
            )
            | Self::Restore(RestoreError::Missing { .. } | RestoreError::Forked { .. } | RestoreError::Key { .. })
            | Self::Erasure { source: CertificateError::Receipt(_) | CertificateError::Deployment, .. } => 5,
            Self::Restore(RestoreError::NobodySaid)
            | Self::Fetch(FetchError::Web(_) | FetchError::Index(_) | FetchError::Status { .. }) => 4,
            // What was given is wrong, or this machine.
            _ => 2,
        })
    }
}

fn of_client(error: &ClientError) -> u8 {
    match error {
        ClientError::Refused(refusal) if matches!(refusal.code, Code::Unavailable | Code::DeadlineExceeded) => 4,
        ClientError::Refused(_) => 3,
        ClientError::Unreachable { .. } | ClientError::Unanswered(_) => 4,
        ClientError::Untrusted { .. } | ClientError::Committee(_) | ClientError::Receipt(_) => 5,
        ClientError::Input(_) | ClientError::Tls(_) => 2,
    }
}
