//! What was made is not lost: a certificate of erasure, and a node whose log nobody reads any more.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Deployment, Node, code, errors, init, json, run, tumar};
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
        ("ulimit -f 4;", "--out large.json"),
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
    // The same where there is no standard output, or it leads nowhere; and a file that can not be made erases nobody.
    for out in [">&-", "> /dev/null", "--json >&-"] {
        json(&world.enrol_again());
        fs::write(here.join("p1.erased.json"), "an earlier one").unwrap();
        assert_eq!(code(&world.erase_by("", out)), 2, "{out}");
        assert_eq!(code(&world.verify(0)), 0, "{out}: the person is still there");
        fs::remove_file(here.join("p1.erased.json")).unwrap();
        let erased = world.erase_by("", out);
        assert_eq!(code(&erased), 0, "{out}: {}", errors(&erased));
        assert!(errors(&erased).contains("The certificate of erasure is in p1.erased.json."), "{}", errors(&erased));
        holds("p1.erased.json");
        fs::remove_file(here.join("p1.erased.json")).unwrap();
    }
}

impl Deployment {
    /// Sends a signal to node B.
    fn signal_b(&self, signal: &str) {
        let id = self.nodes[1].0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Begins a call while B is frozen, and ends it by Ctrl-C once its request is kept; what it said.
    fn interrupted(&self, token: &str, line: &str, request: &Path) -> std::process::Output {
        let given = run(&format!("token --dir {} {token} --out {}.token", self.dir.display(), request.display()), "");
        assert_eq!(code(&given), 0, "{}", errors(&given));
        self.signal_b("-STOP");
        let mut command = tumar();
        command.args(line.split(' ')).arg("--token").arg(format!("{}.token", request.display()));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id().to_string();
        // It is kept before it is sent, and sent before it can be answered.
        while !request.exists() {
            assert!(Path::new(&format!("/proc/{id}")).exists());
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        self.signal_b("-CONT");
        ended
    }
}

#[test]
fn what_was_begun_and_interrupted_is_asked_for_again_with_the_very_same_bytes() {
    let world = Deployment::start();
    let (dir, client, faces) = (world.dir.display(), world.client(), world.faces.display());
    let enrolment = "--purpose enrolment --action enroll --amr registry_check";
    let enrol = format!("enroll --client {} --subject p1 --key-out {dir}/p1.key", client.display());
    let request = world.dir.join("p1.key.request");
    let ended = world.interrupted(enrolment, &format!("{enrol} --face {faces}:0"), &request);
    let told = errors(&ended);
    assert_eq!((code(&ended), told.lines().count()), (130, 1), "{told}");
    assert!(
        told.starts_with("tumar: interrupted: it is not known whether the request was done")
            && told.contains("--resume"),
        "{told}"
    );
    let (key, bytes) = (fs::read(world.dir.join("p1.key")).unwrap(), fs::read(&request).unwrap());

    // Nothing is begun anew over it, and it is nobody else's.
    let anew = world.call(enrolment, "enroll", &format!(" --face {faces}:0 --key-out {dir}/p1.key"));
    assert!(code(&anew) == 2 && errors(&anew).contains("repeat it with --resume"), "{}", errors(&anew));
    let other = world.call_any(enrolment, "enroll", &format!(" --subject p2 --resume --key-out {dir}/p1.key"));
    assert!(
        code(&other) == 2
            && errors(&other).contains("not a saved request of this command for this subject and version")
    );
    assert_eq!(fs::read(&request).unwrap(), bytes);

    // Until the links are up again, and once more: the answer is the same.
    let resume = || world.call(enrolment, "enroll", &format!(" --resume --key-out {dir}/p1.key"));
    let mut last = resume();
    for _ in 0..200 {
        if code(&last) == 0 {
            break;
        }
        assert!(request.exists() && [3, 4].contains(&code(&last)), "{}", errors(&last));
        last = resume();
    }
    assert_eq!(code(&last), 0, "{}", errors(&last));
    assert!(!request.exists() && fs::read(world.dir.join("p1.key")).unwrap() == key);
    fs::write(&request, &bytes).unwrap();
    let again = resume();
    assert_eq!((code(&again), &again.stdout), (0, &last.stdout), "{}", errors(&again));
    assert_eq!(code(&world.verify(0)), 0);

    let erase = format!("erase --client {} --subject p1 --out {dir}/c.json", client.display());
    let request = world.dir.join("c.json.request");
    let erasure = "--purpose erasure --action erase";
    let ended = world.interrupted(erasure, &erase, &request);
    assert_eq!((code(&ended), world.dir.join("c.json").exists()), (130, false), "{}", errors(&ended));
    let resume = || world.call(erasure, "erase", &format!(" --resume --out {dir}/c.json"));
    assert!((0..200).any(|_| code(&resume()) == 0), "{}", errors(&resume()));
    assert!(!request.exists());
    assert_eq!(code(&run(&format!("certificate {dir}/c.json --client {}", client.display()), "")), 0);
}

#[test]
fn of_two_commands_with_one_file_the_second_does_nothing_and_takes_nothing_away() {
    let world = Deployment::start();
    json(&world.enrol());
    let (dir, client) = (world.dir.display(), world.client());
    let begin = |name: &str, rest: &str| {
        let line = format!("token --dir {dir} --purpose erasure --action erase --out {dir}/{name}.token");
        assert_eq!(code(&run(&line, "")), 0);
        let line = format!("erase --client {} --subject p1 --token {dir}/{name}.token{rest}", client.display());
        let mut command = tumar();
        command.args(line.split(' ')).current_dir(&world.dir).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    // Room that a command which was killed left is nobody's.
    fs::write(world.dir.join("c.json"), " ".repeat(100)).unwrap();
    for (place, (rest, file)) in [(" --out c.json", "c.json"), ("", "p1.erased.json")].into_iter().enumerate() {
        world.signal_b("-STOP");
        let mut first = begin(&format!("first-{place}"), rest);
        let request = world.dir.join(format!("{file}.request"));
        while !request.exists() {
            assert!(first.try_wait().unwrap().is_none(), "it ended before it was sent");
            std::thread::yield_now();
        }
        for more in ["", " --resume"] {
            let second = begin(&format!("second-{place}{}", more.trim()), &format!("{rest}{more}"));
            let second = second.wait_with_output().unwrap();
            let told = errors(&second);
            assert!(
                code(&second) == 2 && told.contains(&format!("{file}.request: another command is writing it")),
                "{told}"
            );
        }
        assert!(request.exists());
        world.signal_b("-CONT");
        let first = first.wait_with_output().unwrap();
        assert_eq!(code(&first), 0, "{}", errors(&first));
        if rest.is_empty() {
            fs::write(world.dir.join(file), &first.stdout).unwrap();
        }
        let checked = run(&format!("certificate {dir}/{file} --client {}", client.display()), "");
        assert_eq!(code(&checked), 0, "{}", errors(&checked));
        assert!(!request.exists());
        json(&world.enrol_again());
    }
    // What is there is told to be, and what was never begun as well.
    for (name, rest, words) in [
        ("third", " --out c.json", "c.json: it exists already: name a new file"),
        ("fourth", " --resume --out new.json", "new.json.request: no request is saved here"),
    ] {
        let refused = begin(name, rest).wait_with_output().unwrap();
        assert!(code(&refused) == 2 && errors(&refused).contains(words), "{}", errors(&refused));
    }
}

#[test]
fn an_enrolment_that_is_refused_leaves_neither_a_key_nor_a_request() {
    let world = Deployment::start();
    let (dir, faces) = (world.dir.display(), world.faces.display());
    let rest = format!(" --face {faces}:0 --key-out {dir}/p1.key");
    let refused = world.call("--purpose enrolment --action enroll", "enroll", &rest);
    assert!(code(&refused) == 3 && errors(&refused).contains("EVIDENCE_MISSING"), "{}", errors(&refused));
    assert!(!world.dir.join("p1.key").exists() && !world.dir.join("p1.key.request").exists());
    // A claim that is at fault is named.
    let line = format!("enroll --client {} --token - --subject p1{rest}", world.client().display());
    let given = run(&format!("token --dir {dir} --purpose enrolment --action enroll --lifetime 301"), "");
    let refused = run(&line, &String::from_utf8(given.stdout).unwrap());
    assert!(
        errors(&refused).starts_with("tumar: TOKEN_TOO_LONG_LIVED (node A): ") && errors(&refused).contains(" (exp)")
    );
}

#[test]
fn health_is_well_only_while_all_three_serve() {
    let mut world = Deployment::start();
    let health = format!("health --client {}", world.client().display());
    let is_well = || code(&run(&health, "")) == 0;
    assert!((0..600).any(|_| is_well()), "{}", errors(&run(&health, "")));
    drop(world.nodes.pop());
    let told = run(&health, "");
    let text = String::from_utf8(told.stdout.clone()).unwrap();
    assert!(code(&told) == 4 && text.lines().count() == 3 && text.contains("C UNKNOWN: "), "{text}");
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
