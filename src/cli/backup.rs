//! `tumar backup`, `tumar restore`, and `tumar node --check`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use tumar::audit::counts::time;
use tumar::node::{self, Config, Finding, Keys, NodeError, Restore as Plan, Source, Verdict};
use tumar::store::{Store, StoreError};

use super::failure::Failure;
use super::{clock, files, print_json};

/// Arguments of `tumar backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The node's configuration: DIR/a/node.toml
    #[arg(long)]
    config: PathBuf,
    /// A new or empty folder, on a disk of its own
    #[arg(long)]
    out: PathBuf,
    /// Another new or empty folder, for a copy of the node's keys; keep the two apart: together they are enough to run as the node
    #[arg(long)]
    keys: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = Config::read(&self.config)?;
        let data = absolute(&config.path(&config.data))?;
        let out = absolute(&self.out)?;
        if let Some(keys) = &self.keys {
            let keys = absolute(keys)?;
            if keys.starts_with(&out) || out.starts_with(&keys) {
                return Err(Failure::Together);
            }
            copy_keys(&config.path(&config.keys), &keys)?;
        }
        let told = match node::ask_backup(&data, &out).map_err(|source| Failure::File { path: data.clone(), source })? {
            Some(told) => told,
            None => self.by_itself(&config, data, &out).await?,
        };
        if let Some(error) = told["error"].as_str() {
            return Err(Failure::Backup(error.to_owned()));
        }
        if json {
            print_json(&told);
        } else {
            let (files, bytes) = (&told["files"], told["bytes"].as_u64().unwrap_or(0));
            println!("Wrote {files} files, {} KiB, into {}", bytes.div_ceil(1024), self.out.display());
            match &self.keys {
                Some(keys) => println!("and the keys into {}: keep the two apart", keys.display()),
                None => {
                    println!("The keys are not in it: {} needs a copy of its own", config.path(&config.keys).display());
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// No node runs on the folder: its store is opened here.
    async fn by_itself(&self, config: &Config, data: PathBuf, out: &Path) -> Result<Value, Failure> {
        let file = data.join("store.sqlite");
        if !file.exists() {
            let source = io::Error::new(io::ErrorKind::NotFound, "there is no store to back up");
            return Err(Failure::File { path: file, source });
        }
        let keys = Keys::read(&config.path(&config.keys))?;
        let store = Store::open(&file, config.deployment.clone(), config.party, keys.store).await.map_err(|error| {
            if matches!(error, StoreError::InUse) {
                Failure::NoSocket(data.clone())
            } else {
                NodeError::Open(file.clone(), error).into()
            }
        })?;
        let source = Source { deployment: config.deployment.clone(), party: config.party, data };
        let written = node::write_backup(&store, &source, out, clock::now()).await;
        store.close().await?;
        Ok(node::summary(&written.map_err(|error| Failure::Backup(super::failure::with_causes(&error)))?))
    }
}

/// The node's key files, for their owner alone.
fn copy_keys(from: &Path, to: &Path) -> Result<(), Failure> {
    if !files::is_empty(to)? {
        return Err(Failure::NotEmpty(to.to_owned()));
    }
    files::make_folder(to)?;
    let at = |source| Failure::File { path: from.to_owned(), source };
    for entry in std::fs::read_dir(from).map_err(at)? {
        let entry = entry.map_err(at)?;
        let bytes = zeroize::Zeroizing::new(files::read(&entry.path())?);
        files::write_secret(&to.join(entry.file_name()), &bytes)?;
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// Arguments of `tumar restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup's folder
    #[arg(long)]
    from: PathBuf,
    /// The configuration of the backup's node; its keys must exist, and its store must not
    #[arg(long)]
    config: PathBuf,
    /// Published files of this node's log, newer than the backup: a folder with one for each half-year, as an auditor's mirror has it
    /// (MIRROR/a). May be given more than once
    #[arg(long)]
    log: Vec<PathBuf>,
    /// A file with the newest checkpoint of this node's log, where no peer can be asked. May be given more than once
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
    /// Leave the log of the backup out, and let the node begin a new one under a new key: if entries that were cosigned are lost for good.
    /// The two other operators, the banks and the auditors must pin the new key
    #[arg(long, conflicts_with_all = ["log", "checkpoint"])]
    new_log: bool,
}

impl Restore {
    pub(super) async fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = Config::read(&self.config)?;
        let plan = Plan { from: &self.from, logs: &self.log, checkpoints: &self.checkpoint, new_log: self.new_log };
        let restored = Box::pin(node::restore(&config, &plan)).await?;
        let replayed = restored.replayed;
        if json {
            print_json(&json!({
                "made": restored.made,
                "logs": restored.sizes.iter().map(|(half, size)| json!({ "half": half.to_string(), "size": size })).collect::<Vec<_>>(),
                "peers": restored.asked,
                "replayed": {
                    "entries": replayed.entries, "erased": replayed.erased, "locks": replayed.locks, "enrolled": replayed.enrolled,
                },
            }));
            return Ok(ExitCode::SUCCESS);
        }
        println!("Restored the backup of {}", time(restored.made));
        for (half, size) in &restored.sizes {
            println!("  log of {half}: {}", several(usize::try_from(*size).unwrap_or(usize::MAX), "entry", "entries"));
        }
        if replayed.entries > 0 {
            println!(
                "  {} newer than the backup, and taken from published files: by them {} erased and {} locked or unlocked here as well",
                several(replayed.entries, "entry is", "entries are"),
                several(replayed.erased, "person was", "people were"),
                replayed.locks
            );
        }
        if replayed.enrolled > 0 {
            println!(
                "  {} newer than the backup, and lost at this node: start it once with --accept-store, and have whoever it was erased and \
                 enrolled again",
                several(replayed.enrolled, "enrolment is", "enrolments are")
            );
        }
        if self.new_log {
            println!(
                "The log of the backup was left out: the node begins a new one, under the key that log.pk8 has now"
            );
        }
        match restored.asked.as_slice() {
            _ if self.new_log => {}
            [] => println!("No peer was asked: the node compares its log with what they cosigned when it starts"),
            peers => {
                let names: Vec<_> = peers.iter().map(ToString::to_string).collect();
                println!("The log continues what node {} cosigned", names.join(" and "));
            }
        }
        println!("Check it with: tumar node --check --config {}", self.config.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// A number, and what there is of it.
fn several(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// `tumar node --check`: one line for each thing that was looked at.
pub(super) async fn check(path: &Path, json: bool) -> Result<ExitCode, Failure> {
    let findings = match Config::read(path) {
        Ok(config) => {
            let now: tumar::clocks::Clock = std::sync::Arc::new(clock::now);
            Box::pin(node::check(&config, &now)).await
        }
        Err(error @ (NodeError::File(..) | NodeError::Config(..))) => vec![Finding {
            what: "configuration".to_owned(),
            verdict: Verdict::Wrong(super::failure::with_causes(&error), "correct the named file"),
        }],
        Err(error) => return Err(error.into()),
    };
    if json {
        print_json(&json!({ "checks": findings.iter().map(told).collect::<Vec<_>>() }));
    } else {
        for Finding { what, verdict } in &findings {
            match verdict {
                Verdict::Ok(how) => println!("ok     {what}: {how}"),
                Verdict::Unseen(why, to_do) | Verdict::Unknown(why, to_do) => println!("unseen {what}: {why}: {to_do}"),
                Verdict::Wrong(wrong, to_do) | Verdict::Forked(wrong, to_do) => {
                    println!("WRONG  {what}: {wrong}: {to_do}");
                }
            }
        }
    }
    Ok(ExitCode::from(node::worst(&findings)))
}

fn told(Finding { what, verdict }: &Finding) -> Value {
    match verdict {
        Verdict::Ok(how) => json!({ "what": what, "verdict": "ok", "told": how }),
        Verdict::Unseen(why, to_do) | Verdict::Unknown(why, to_do) => {
            json!({ "what": what, "verdict": "unseen", "told": why, "to_do": to_do })
        }
        Verdict::Wrong(wrong, to_do) => json!({ "what": what, "verdict": "wrong", "told": wrong, "to_do": to_do }),
        Verdict::Forked(wrong, to_do) => json!({ "what": what, "verdict": "forked", "told": wrong, "to_do": to_do }),
    }
}
