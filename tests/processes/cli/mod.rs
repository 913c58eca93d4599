//! The command line as scripts see it: what it writes, what it prints, and its exit codes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod files;
mod issuer;
mod kept;
mod search;
mod served;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use crate::support::ports::free_ports;
use ndarray::Array2;
use serde_json::Value;
use tempfile::TempDir;
use tumar::client::ClientConfig;
use tumar::token::Officers;
use tumar::token::approval::case_digest;

fn tumar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tumar"));
    command.env("NO_COLOR", "1").env_remove("RUST_LOG");
    command
}

/// Runs a command line; words are split at spaces.
fn run(line: &str, input: &str) -> Output {
    let mut child = tumar()
        .args(line.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read what it is given.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(code(output), 0, "{}", errors(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn init(folder: &TempDir) -> (PathBuf, Value) {
    init_at(folder, "127.0.0.1")
}

fn init_at(folder: &TempDir, host: &str) -> (PathBuf, Value) {
    let dir = folder.path().join("try");
    let line = format!("init {} --host {host} --base-port {} --json", dir.display(), free_ports());
    (dir, json(&run(&line, "")))
}

/// A node in a process of its own, ended when dropped.
struct Node(Child);

impl Node {
    /// Starts, without waiting for the others.
    fn spawn(config: &Path) -> Self {
        let child = tumar().args(["node", "--config"]).arg(config).stderr(Stdio::piped()).spawn().unwrap();
        Self(child)
    }

    /// Waits until both links are up, as the node says on standard error.
    fn linked(&mut self) {
        let mut lines = BufReader::new(self.0.stderr.take().unwrap()).lines();
        let up = lines.by_ref().map_while(Result::ok).filter(|line| line.contains("link up")).take(2).count();
        assert_eq!(up, 2, "the node ended before it was linked");
        // Read on, or a full pipe would stop it.
        thread::spawn(move || lines.count());
    }

    /// Asks it to end; its exit code.
    fn end(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Three unlike embeddings, and a fourth that is like the first.
fn embeddings(folder: &Path) -> PathBuf {
    let rows = Array2::from_shape_fn((4, 128), |(row, column)| {
        let place = f32::from(u16::try_from(column).unwrap());
        let turn = [1.1, 2.3, 3.7, 1.1][row];
        (place * turn).sin() + if row == 3 { 0.2 * (place * 5.1).cos() } else { 0.0 }
    });
    let file = folder.join("faces.npy");
    ndarray_npy::write_npy(&file, &rows).unwrap();
    file
}

/// Records of a made-up finger, of the same a little moved, and of another.
fn records(folder: &Path) -> [PathBuf; 3] {
    ["finger.fmr", "again.fmr", "other.fmr"].map(|name| {
        let (seed, moved) = match name {
            "finger.fmr" => (1_u32, 0),
            "again.fmr" => (1, 1),
            _ => (2, 0),
        };
        let mut state = seed;
        let mut below = |end: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % end
        };
        let mut minutiae = Vec::new();
        for place in 0..40 {
            let (x, y, angle) = (100 + below(300), 100 + below(400), below(256));
            // Two pixels this way and that, and all of it twelve pixels to the right.
            let (x, y) = (x + moved * (12 + place % 3), y + moved * (place % 5));
            minutiae.extend(u16::try_from(x | 1 << 14).unwrap().to_be_bytes());
            minutiae.extend(u16::try_from(y).unwrap().to_be_bytes());
            minutiae.extend([u8::try_from(angle).unwrap(), 80]);
        }
        let length = u32::try_from(30 + minutiae.len()).unwrap().to_be_bytes();
        let words = [0_u16, 500, 600, 197, 197, 0x0100].map(u16::to_be_bytes).concat();
        let record = [b"FMR\0 20\0", &length[..], &words, &[0, 0, 80, 40], &minutiae, &[0, 0]].concat();
        let file = folder.join(name);
        fs::write(&file, record).unwrap();
        file
    })
}

#[test]
fn init_writes_what_a_client_can_read_and_keeps_secrets_to_their_owner() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    assert_eq!(written["deployment"], "dev");
    assert_eq!(written["nodes"].as_array().unwrap().len(), 3);
    let config = ClientConfig::read(Path::new(written["client"].as_str().unwrap())).unwrap();
    assert_eq!(config.relying_party.as_str(), "banks/b17");
    let of_b19 = &written["banks"][1];
    let config = ClientConfig::read(Path::new(of_b19["client"].as_str().unwrap())).unwrap();
    assert_eq!((config.relying_party.as_str(), of_b19["relying_party"].as_str().unwrap()), ("banks/b19", "banks/b19"));
    let mode = |path: &str| fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o777;
    for node in ["a", "b", "c"] {
        for key in ["identity.pk8", "log.pk8", "store.key", "peer.key", "tls.key"] {
            assert_eq!(mode(&format!("{node}/keys/{key}")), 0o600, "{node} {key}");
        }
        tumar::node::Config::read(&dir.join(node).join("node.toml")).unwrap();
    }
    assert_eq!((mode("issuer/issuer.pk8"), mode("client/proof.pk8"), mode("a/keys")), (0o600, 0o600, 0o700));
    assert_eq!((mode("officers/aida.pk8"), mode("officers/bolat.pk8"), mode("officers")), (0o600, 0o600, 0o700));
    let of_b19 = ["issuer/issuer.pk8", "client/proof.pk8", "officers/dana.pk8", "officers/erlan.pk8"];
    assert_eq!(of_b19.map(|file| mode(&format!("b19/{file}"))), [0o600; 4]);
    assert_eq!(mode("auditor/issuer/issuer.pk8"), 0o600);
    assert_eq!(fs::read(dir.join("a/keys/store.key")).unwrap().len(), 32);
}

#[test]
fn init_touches_nothing_that_is_there() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("kept"), "kept").unwrap();
    let refused = run(&format!("init {}", folder.path().display()), "");
    assert_eq!(code(&refused), 2);
    assert_eq!(errors(&refused).lines().count(), 1);
    assert!(errors(&refused).contains("not empty"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_the_caller_got_wrong_is_exit_code_2() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let dir = dir.display();
    let client = written["client"].as_str().unwrap();
    let faces = embeddings(folder.path());
    let faces = faces.display();
    let [finger, ..] = records(folder.path());
    let finger = finger.display();
    let other = folder.path().join("other");
    let other = other.display();
    let verify = format!("verify --client {client} --token - --subject p1");
    for line in [
        "dance".to_owned(),
        format!("token --dir {dir} --purpose cash_withdrawal --action dance"),
        format!("token --dir {dir} --purpose Cash --action verify"),
        format!("token --dir {dir} --purpose cash_withdrawal --action verify --modality iris"),
        "token --dir /nowhere --purpose cash_withdrawal --action verify".to_owned(),
        format!("{verify} --face {faces}"),
        format!("{verify} --face {faces}:4"),
        format!("{verify} --face {faces}:0 --face-model fr512"),
        format!("{verify} --face {faces}:0 --face-model nobody"),
        format!("{verify} --face {client}"),
        verify.clone(),
        format!("{verify} --finger {client}"),
        format!("{verify} --finger {finger}:11"),
        format!("{verify} --finger {finger}:2"),
        format!("{verify} --finger {finger} --finger-model fr512"),
        format!("init {other} --host a/b"),
        format!("init {other} --base-port 65334"),
        "demo --people 1".to_owned(),
        format!(
            "approve --key {dir}/officers/aida.pk8 --name aida --role fraud-analyst --relying-party banks/b17 \
             --purpose cash_withdrawal --action verify --case /nowhere"
        ),
        "demo --data /nowhere".to_owned(),
        format!("search --client {client} --token - --case {client}"),
        format!("search --client {client} --token - --face {faces}:0"),
        format!("search --client {client} --token - --face {faces}:0 --case /nowhere"),
        format!("search --client {client} --token - --face {faces}:0 --case {client} --approval /nowhere"),
        format!("search --client {client} --token - --finger {finger}:11 --case {client}"),
    ] {
        let refused = run(&line, "");
        assert_eq!(code(&refused), 2, "{line}: {}", errors(&refused));
        assert!(refused.stdout.is_empty(), "{line}");
    }
    assert!(!folder.path().join("other").exists());
}

#[test]
fn a_token_says_what_was_asked_for_and_goes_to_a_file_of_its_owner() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    let ask = format!("token --dir {} --purpose cash_withdrawal --action verify --amr mobile_auth,pin", dir.display());
    let given = json(&run(&format!("{ask} --max-uses 3 --lifetime 60 --json"), ""));
    let (claims, token) = (&given["claims"], given["token"].as_str().unwrap());
    assert_eq!(token.split('.').count(), 3);
    assert_eq!(claims["aud"], "urn:tumar:dev");
    assert_eq!(claims["amr"], serde_json::json!(["mobile_auth", "pin"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    let details = &claims["authorization_details"][0];
    assert_eq!(details["purpose"], "cash_withdrawal");
    assert_eq!(details["galleries"], serde_json::json!(["banks/b17/customers"]));
    assert_eq!(details["max_uses"], 3);
    // Each by the issuer of whom it speaks for.
    let path = dir.display();
    for (whose, issuer, relying_party) in [
        (format!("{path}"), "https://issuer.b17.dev.tumar.internal", "banks/b17"),
        (format!("{path}/b19"), "https://issuer.b19.dev.tumar.internal", "banks/b19"),
        (format!("{path} --auditor"), "https://issuer.regulator.dev.tumar.internal", "auditors/regulator"),
    ] {
        let given = json(&run(&format!("token --dir {whose} --purpose erasure --action erase --json"), ""));
        let claims = &given["claims"];
        assert_eq!(
            (claims["iss"].as_str(), &claims["authorization_details"][0]["relying_party"]),
            (Some(issuer), &relying_party.into())
        );
    }
    let file = folder.path().join("token");
    assert_eq!(code(&run(&format!("{ask} --out {}", file.display()), "")), 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap().split('.').count(), 3);
    // Nothing is written over.
    assert_eq!(code(&run(&format!("{ask} --out {}", file.display()), "")), 2);
}

#[test]
fn two_officers_that_init_made_approve_what_a_token_of_the_same_arguments_allows() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let path = dir.display();
    fs::write(dir.join("case"), "a card in a stranger's name").unwrap();
    assert_eq!(written["officers"], format!("{path}/officers"));
    for more in ["", " --gallery banks/b17/cards,banks/b17/customers --modality face --max-uses 5"] {
        let what = format!("--purpose cash_withdrawal --action verify{more}");
        let token = json(&run(&format!("token --dir {path} {what} --json"), ""));
        let details = &token["claims"]["authorization_details"][0];
        let approve = |name: &str, role: &str, rest: &str| {
            let officer = format!("--key {path}/officers/{name}.pk8 --name {name} --role {role}");
            run(&format!("approve {officer} --relying-party banks/b17 {what} --case {path}/case{rest}"), "")
        };
        let shown = json(&approve("aida", "fraud-analyst", " --json"));
        assert_eq!(&shown["claims"]["authorization_details"][0], details);
        let bolats = approve("bolat", "privacy-officer", "");
        let bolats = String::from_utf8(bolats.stdout).unwrap().trim_end().to_owned();
        let approvals = [shown["approval"].as_str().unwrap().to_owned(), bolats];

        let officers = Officers::parse(&fs::read_to_string(dir.join("officers/officers.toml")).unwrap()).unwrap();
        let details = serde_json::from_value(details.clone()).unwrap();
        let case = case_digest(b"a card in a stranger's name");
        let roles = ["privacy-officer", "fraud-analyst"].map(str::to_owned);
        let now = shown["claims"]["iat"].as_u64().unwrap();
        assert_eq!(officers.check(&approvals, &details, &case, &roles, "urn:tumar:dev", now), Ok(2));

        let misnamed = approve("aida", "Fraud", "");
        assert_eq!((code(&misnamed), misnamed.stdout.is_empty()), (2, true));
    }
}

#[test]
fn a_node_does_not_start_with_a_list_of_officers_that_is_none() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    let list = dir.join("officers/officers.toml");
    let twice = fs::read_to_string(&list).unwrap().replace("\"bolat\"", "\"aida\"");
    fs::write(&list, twice).unwrap();
    let refused = run(&format!("node --config {}/a/node.toml", dir.display()), "");
    assert_eq!(code(&refused), 2);
    assert!(errors(&refused).contains("officer 2: two officers of its relying party have this name"));
}

#[test]
fn when_nobody_listens_the_exit_code_is_4() {
    let folder = TempDir::new().unwrap();
    let (_, written) = init(&folder);
    let client = written["client"].as_str().unwrap();
    fs::write(client, format!("retry_seconds = 1\n{}", fs::read_to_string(client).unwrap())).unwrap();
    let begin = std::time::Instant::now();
    let output = run(&format!("committee --client {client}"), "");
    // As a node that is started again would be.
    assert!(begin.elapsed() > std::time::Duration::from_millis(400), "asked once alone");
    assert_eq!(code(&output), 4);
    let address = fs::read_to_string(client).unwrap();
    let address =
        address.lines().find_map(|line| line.strip_prefix("address = ")).unwrap().trim_matches('"').to_owned();
    let says = format!("tumar: UNREACHABLE: the node at {address} can not be reached");
    assert!(errors(&output).starts_with(&says), "{}", errors(&output));
    // A key that others can read is said to be so, as a node says it.
    let key = Path::new(client).with_file_name("proof.pk8");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(&format!("committee --client {client}"), "");
    assert!(errors(&output).contains("proof.pk8: others than its owner can read this key (mode 644)"));
}

/// Three node processes, and the words to call them with.
struct Deployment {
    _folder: TempDir,
    dir: PathBuf,
    faces: PathBuf,
    fingers: [PathBuf; 3],
    nodes: Vec<Node>,
}

impl Deployment {
    fn start() -> Self {
        Self::start_at("127.0.0.1")
    }

    fn start_at(host: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (dir, written) = init_at(&folder, host);
        let config = |place: usize| PathBuf::from(written["nodes"][place]["config"].as_str().unwrap());
        let mut nodes: Vec<Node> = (0..3).map(|place| Node::spawn(&config(place))).collect();
        nodes.iter_mut().for_each(Node::linked);
        let (faces, fingers) = (embeddings(folder.path()), records(folder.path()));
        Self { _folder: folder, dir, faces, fingers, nodes }
    }

    fn client(&self) -> PathBuf {
        self.dir.join("client").join("client.toml")
    }

    /// Calls by a fresh token, about one person.
    fn call(&self, token: &str, command: &str, rest: &str) -> Output {
        self.call_any(token, command, &format!(" --subject p1{rest}"))
    }

    /// Calls by a fresh token.
    fn call_any(&self, token: &str, command: &str, rest: &str) -> Output {
        let token = run(&format!("token --dir {} {token}", self.dir.display()), "");
        assert_eq!(code(&token), 0, "{}", errors(&token));
        let line = format!("{command} --client {} --token -{rest}", self.client().display());
        run(&line, &String::from_utf8(token.stdout).unwrap())
    }

    fn enrol(&self) -> Output {
        let (faces, finger, key) = (self.faces.display(), self.fingers[0].display(), self.dir.join("p1.key"));
        let rest = format!(" --face {faces}:0 --finger {finger} --key-out {} --json", key.display());
        self.call("--purpose enrolment --action enroll --amr registry_check", "enroll", &rest)
    }

    /// The same person, by a key of their own once more.
    fn enrol_again(&self) -> Output {
        fs::remove_file(self.dir.join("p1.key")).unwrap();
        self.enrol()
    }

    fn verify(&self, row: usize) -> Output {
        let rest = format!(" --face {}:{row} --amount-kzt 40000", self.faces.display());
        self.call("--purpose cash_withdrawal --action verify", "verify", &rest)
    }

    fn verify_finger(&self, finger: usize) -> Output {
        let rest = format!(" --finger {} --amount-kzt 40000", self.fingers[finger].display());
        self.call("--purpose cash_withdrawal --action verify", "verify", &rest)
    }

    fn verify_both(&self, row: usize, finger: usize) -> Output {
        let (faces, finger) = (self.faces.display(), self.fingers[finger].display());
        let rest = format!(" --face {faces}:{row} --finger {finger} --amount-kzt 1200000");
        self.call("--purpose cash_withdrawal --action verify --amr mobile_auth", "verify", &rest)
    }

    fn turn(&self, way: &str) -> Output {
        self.call(&format!("--purpose subject_{way} --action {way} --amr registry_check"), way, "")
    }
}

#[test]
fn three_processes_enrol_verify_lock_and_erase_and_exit_codes_tell_what_came_of_it() {
    let world = Deployment::start();
    let committee = json(&run(&format!("committee --client {} --json", world.client().display()), ""));
    assert_eq!(committee["nodes"].as_array().unwrap().len(), 3);

    assert_eq!(code(&world.verify(0)), 3, "nobody is enrolled yet");
    let enrolled = json(&world.enrol());
    assert_eq!(enrolled["receipts"].as_array().unwrap().len(), 3);
    let key = fs::read_to_string(world.dir.join("p1.key")).unwrap();
    assert!(key.parse::<tumar::client::SubjectKey>().is_ok());
    assert_eq!(code(&world.verify(3)), 0, "the same person again");
    assert_eq!(code(&world.verify(1)), 1, "another person");
    assert_eq!(code(&world.verify_finger(1)), 0, "the same finger again");
    assert_eq!(code(&world.verify_finger(2)), 1, "another finger");
    assert_eq!(code(&world.verify_both(3, 1)), 0);
    assert_eq!(code(&world.verify_both(3, 2)), 1, "one of the two is not enough for so much");

    let wrong = world.call(
        "--purpose card_activation --action verify --amr mobile_auth",
        "verify",
        &format!(" --face {}:0", world.faces.display()),
    );
    assert_eq!(code(&wrong), 3);
    assert!(errors(&wrong).starts_with("tumar: PURPOSE_NOT_GRANTED (node A): "), "{}", errors(&wrong));
    assert_eq!(errors(&wrong).lines().count(), 1);

    assert_eq!(code(&world.turn("lock")), 0);
    assert!(errors(&world.verify(0)).contains("SUBJECT_LOCKED"));
    assert_eq!(code(&world.turn("unlock")), 0);
    assert_eq!(code(&world.verify(0)), 0);
    erased_with_a_certificate(&world);
    not_trusted_with_another_pin(&world);
    for node in world.nodes {
        assert_eq!(node.end(), Some(0), "a node that is told to end ends well");
    }
}

fn erased_with_a_certificate(world: &Deployment) {
    let file = world.dir.join("certificate.json");
    let rest = format!(" --out {}", file.display());
    let erased = world.call("--purpose erasure --action erase", "erase", &rest);
    assert_eq!(code(&erased), 0, "{}", errors(&erased));
    assert!(errors(&world.verify(0)).contains("SUBJECT_UNKNOWN"));
    let check =
        |file: &Path| code(&run(&format!("certificate {} --client {}", file.display(), world.client().display()), ""));
    assert_eq!(check(&file), 0);
    let forged = world.dir.join("forged.json");
    fs::write(&forged, fs::read_to_string(&file).unwrap().replace("\"p1\"", "\"p2\"")).unwrap();
    assert_eq!(check(&forged), 5);
    fs::write(&forged, "{}").unwrap();
    assert_eq!(check(&forged), 2);
}

fn not_trusted_with_another_pin(world: &Deployment) {
    let text = fs::read_to_string(world.client()).unwrap();
    let at = text.find("identity = \"").unwrap() + "identity = \"".len();
    let other: String = text[at..at + 64].chars().rev().collect();
    let file = world.client().with_file_name("other.toml");
    fs::write(&file, text.replace(&text[at..at + 64], &other)).unwrap();
    let refused = run(&format!("committee --client {}", file.display()), "");
    assert_eq!(code(&refused), 5);
    assert!(errors(&refused).starts_with("tumar: COMMITTEE_NOT_TRUSTED: "), "{}", errors(&refused));
}

#[test]
fn the_demo_is_one_object_in_which_all_is_well() {
    let report = json(&run("demo --people 3 --attempts 5 --json", ""));
    assert_eq!((&report["data"], &report["people"]), (&"synthetic".into(), &3.into()));
    assert_eq!(report["genuine"]["attempts"], 5);
    assert_eq!(report["impostor"]["matches"], 0);
    assert_eq!(report["wrong_bits"], 0);
    assert_eq!(report["logs_agree"], true);
    assert!(report["latency_ms"]["p50"].as_f64().unwrap() <= report["latency_ms"]["p99"].as_f64().unwrap());
    let reasons: Vec<(&str, &str)> = report["protections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|protection| (protection["name"].as_str().unwrap(), protection["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        ("wrong_purpose", "PURPOSE_NOT_GRANTED"),
        ("wrong_gallery", "GALLERY_NOT_GRANTED"),
        ("expired_token", "TOKEN_EXPIRED"),
        ("stolen_token", "PROOF_KEY_OTHER"),
        ("spent_token", "TOKEN_SPENT"),
        ("large_amount", "EVIDENCE_MISSING"),
        ("changed_request", "PROOF_RQH"),
        ("changed_envelope", "ENVELOPE_INVALID"),
        ("replayed_proof", "PROOF_REPLAYED"),
        ("malformed_face", "TEMPLATE_LENGTH"),
        ("malformed_finger", "TEMPLATE_LENGTH"),
        ("delayed_after_three", "ATTEMPTS_DELAYED"),
        ("erased", "SUBJECT_UNKNOWN"),
    ];
    assert_eq!(reasons, expected);
    assert!(report["seen"].as_array().unwrap().iter().all(|seen| seen["uniform"] == true));
}
