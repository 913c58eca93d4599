//! `tumar audit page`: puts the auditors' page into a mirrored folder, so that a browser opens it there without any server.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;
use tumar::audit::mirror::{Use, named};
use tumar::audit::{Mirror, Pins};
use tumar::audit_server::page_files;

use super::super::failure::Failure;
use super::super::print_json;
use super::Where;

/// Arguments of `tumar audit page`.
#[derive(Debug, Args)]
pub(super) struct Page {
    #[command(flatten)]
    at: Where,
}

impl Page {
    pub(super) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let (pins, mirror) = self.at.open_there()?;
        let shared = self.at.hold(&mirror, Use::Shared)?;
        write(&pins, &mirror).map_err(Failure::Mirror)?;
        drop(shared);
        let index = mirror.folder().join("index.html");
        if json {
            print_json(&json!({ "page": index }));
        } else {
            println!("{}", index.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page's own files, the index of logs, and the mirrored files as scripts: a page on disk may run scripts beside it and read
/// nothing (docs/auditors-page.md has the form).
fn write(pins: &Pins, mirror: &Mirror) -> io::Result<()> {
    let folder = mirror.folder();
    for (name, content) in page_files() {
        let place = if name == "index.html" { folder.join(name) } else { folder.join("page").join(name) };
        put(&place, content)?;
    }
    let mut nodes = Vec::new();
    let mut heads = String::new();
    for node in &pins.nodes {
        let party = node.party.letter();
        let halves = mirror.halves(node.party)?;
        for half in &halves {
            let log = format!("{party}/{half}");
            line(&mut heads, folder, &format!("{log}/checkpoint"))?;
            let mut lines = String::new();
            below(&mut lines, folder, &format!("{log}/tile"))?;
            put(&folder.join(format!("page/mirror/{party}-{half}.js")), lines.as_bytes())?;
        }
        let halves: Vec<_> = halves.iter().map(ToString::to_string).collect();
        nodes.push(json!({
            "party": node.party,
            "log": node.log.to_string(),
            "cosigner": node.cosigner.to_string(),
            "halves": halves,
        }));
    }
    let witnesses: Vec<_> = pins.witnesses.iter().map(ToString::to_string).collect();
    let index = json!({ "deployment": pins.deployment, "nodes": nodes, "witnesses": witnesses });
    put(&folder.join("logs.json"), format!("{index:#}\n").as_bytes())?;
    line(&mut heads, folder, "logs.json")?;
    put(&folder.join("page/mirror.js"), heads.as_bytes())
}

/// One file of the mirror, as a call.
fn line(lines: &mut String, folder: &Path, path: &str) -> io::Result<()> {
    let file = folder.join(path);
    let content = STANDARD.encode(fs::read(&file).map_err(named(&file))?);
    // A String takes all.
    let _ = writeln!(lines, "tumarMirror(\"{path}\",\"{content}\");");
    Ok(())
}

/// All files below a folder of the mirror; none if it is not there.
fn below(lines: &mut String, folder: &Path, path: &str) -> io::Result<()> {
    let at = folder.join(path);
    let entries = match fs::read_dir(&at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(named(&at))?,
    };
    for entry in entries {
        let entry = entry.map_err(named(&at))?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let path = format!("{path}/{name}");
        if entry.path().is_dir() {
            below(lines, folder, &path)?;
        } else {
            line(lines, folder, &path)?;
        }
    }
    Ok(())
}

fn put(place: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(named(folder))?;
    }
    fs::write(place, content).map_err(named(place))
}
