//! The report in Markdown: what was run, on what, and what came of it.

use std::fmt::Write as _;
use std::path::Path;

use super::report::{Report, Table};

/// The whole file; it shows a picture that stands beside it.
pub(super) fn markdown(report: &Report<'_>, picture: Option<&Path>) -> String {
    let mut out = format!("# Load\n\nWritten by `tumar load` of version {}:\n\n", env!("CARGO_PKG_VERSION"));
    // Writing to a string does not fail, here and below.
    let _ = writeln!(out, "```sh\n{}\n```\n", command(std::env::args().skip(1)));
    if cfg!(debug_assertions) {
        out.push_str("It was built without `--release`: the figures are not those of a service.\n\n");
    }
    let _ = writeln!(out, "On a machine with {}.\n", machine());
    for line in report.results() {
        let _ = writeln!(out, "* {line}");
    }
    if let Some(name) = picture.and_then(Path::file_name) {
        let _ = writeln!(out, "\n![Latency and throughput over time]({})", name.to_string_lossy());
    }
    for (title, table) in report.tables() {
        let _ = write!(out, "\n## {title}\n\n{}", rows(&table));
    }
    out.push_str("\n## Method\n\n");
    for sentence in report.sentences() {
        let _ = writeln!(out, "* {sentence}");
    }
    out
}

/// As a shell takes it.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=,./:".contains(&byte))
    };
    arguments.fold("tumar".to_owned(), |line, argument| {
        if plain(&argument) {
            format!("{line} {argument}")
        } else {
            format!("{line} '{}'", argument.replace('\'', "'\\''"))
        }
    })
}

/// Cores, processor and memory, as far as the system tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    };
    let processor = line("/proc/cpuinfo", "model name").map_or_else(String::new, |name| format!(" of {name}"));
    let kib = line("/proc/meminfo", "MemTotal").and_then(|kib| kib.strip_suffix("kB")?.trim().parse::<u64>().ok());
    let memory = kib.map_or_else(String::new, |kib| format!(", and {} GiB of memory", kib.div_ceil(1 << 20)));
    format!("{cores} cores{processor}{memory}")
}

fn rows((head, rows): &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    line(head) + &rule + &rows.iter().map(|cells| line(cells)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_a_shell_takes_it() {
        let words = ["load", "--mix", "verify=90,enroll=10", "it's", ""].map(str::to_owned);
        assert_eq!(command(words.into_iter()), "tumar load --mix verify=90,enroll=10 'it'\\''s' ''");
    }

    #[test]
    fn tables_have_a_head_a_rule_and_rows() {
        let table = (vec!["a".to_owned(), "b".to_owned()], vec![vec!["1".to_owned(), "2".to_owned()]]);
        assert_eq!(rows(&table), "| a | b |\n|---|---|\n| 1 | 2 |\n");
        assert!(machine().contains(" cores"));
    }
}
