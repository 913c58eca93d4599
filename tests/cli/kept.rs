//! What was made is not lost: a certificate of erasure, and a node whose log nobody reads any more.

use std::fs;
use std::process::{Command, Stdio};

use crate::{Deployment, Node, code, errors, init, json, run, tumar};
use tempfile::TempDir;

impl Deployment {
    /// Runs a line of the shell, in a folder of its own, with a fresh token in `$TOKEN` and the command in `$T`.
    fn shell(&self, token: &str, line: &str) -> std::process::Output {
        let folder = self.dir.join("here");
        fs::create_dir_all(&folder).unwrap();
        let given = run(&format!("token --dir {} {token}", self.dir.display()), "");
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("T", env!("CARGO_BIN_EXE_tumar")).env("NO_COLOR", "1");
        command.env("TOKEN", String::from_utf8(given.stdout).unwrap()).current_dir(folder);
        command.env("CLIENT", self.client()).stdin(Stdio::null()).output().unwrap()
    }

    fn erase_by(&self, before: &str, after: &str) -> std::process::Output {
        let call = "$T erase --client $CLIENT --subject p1 --token -";
        self.shell("--purpose erasure --action erase", &format!("{before} echo \"$TOKEN\" | {call} {after}"))
    }
}

#[test]
fn nobody_is_erased_whose_certificate_can_not_be_kept() {
    let world = Deployment::start();
    json(&world.enrol());
    let here = world.dir.join("here");
    fs::create_dir_all(&here).unwrap();
    fs::write(here.join("earlier.json"), "an earlier one").unwrap();
    for (before, after) in [
        ("", "--out earlier.json"),
        ("", "--out no/such/folder.json"),
        ("", "--out ."),
        // A disk with room for less.
        ("trap '' XFSZ; ulimit -f 4;", "--out large.json"),
    ] {
        let refused = world.erase_by(before, after);
        assert_eq!(code(&refused), 2, "{after}: {}", errors(&refused));
        assert_eq!(code(&world.verify(0)), 0, "{after}: the person is still there");
    }
    assert_eq!(fs::read_to_string(here.join("earlier.json")).unwrap(), "an earlier one");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1, "nothing is left of what was tried");

    let holds = |name: &str| {
        let line = format!("certificate {} --client {}", here.join(name).display(), world.client().display());
        let checked = run(&line, "");
        assert_eq!(code(&checked), 0, "{name}: {}", errors(&checked));
    };
    // Without a file, it is printed; where nobody reads that, it is in a file all the same.
    let erased = world.erase_by("", "> printed.json");
    assert_eq!(code(&erased), 0, "{}", errors(&erased));
    assert!(errors(&erased).starts_with("Erased p1. "));
    holds("printed.json");
    for (more, out, expected) in [("", "> /dev/full", 2), ("--json", "> /dev/full", 2), ("", "| true", 0)] {
        json(&world.enrol_again());
        let erased = world.erase_by("", &format!("{more} {out}"));
        if out != "| true" {
            assert_eq!(code(&erased), expected, "{out}: {}", errors(&erased));
            assert!(errors(&erased).contains("the certificate of erasure is in p1.erased.json"), "{}", errors(&erased));
            holds("p1.erased.json");
            fs::remove_file(here.join("p1.erased.json")).unwrap();
        }
        assert!(errors(&world.verify(0)).contains("SUBJECT_UNKNOWN"));
    }
}

#[test]
fn a_log_that_nobody_reads_harms_no_node() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let config = |place: usize| written["nodes"][place]["config"].as_str().unwrap().to_owned();
    let start = |place: usize, out: Stdio| {
        let mut command = tumar();
        // So much that a pipe that nobody reads is full at once.
        command.env("RUST_LOG", "trace").args(["node", "--config", &config(place)]).stderr(out);
        Node(command.spawn().unwrap())
    };
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    // Whoever reads has gone; the disk is full; whoever reads has stopped.
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let (stopped, held) = std::io::pipe().unwrap();
    let stopped_at = |held: &std::io::PipeWriter| Stdio::from(held.try_clone().unwrap());
    let a = start(0, closed());
    let mut b = start(1, full());
    let c = start(2, stopped_at(&held));
    let is_whole = || code(&run(&format!("committee --client {}/client/client.toml", dir.display()), "")) == 0;
    let becomes_whole = |state: &str| assert!((0..600).any(|_| is_whole()), "{state}");
    becomes_whole("at the start");
    assert_eq!(b.end(), Some(0));
    b = start(1, stopped_at(&held));
    becomes_whole("after B was started again");
    for node in [a, b, c] {
        assert_eq!(node.end(), Some(0));
    }
    drop(stopped);
}
