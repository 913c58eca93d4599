//! Files that people bring: what is wrong with one, and where, stands in one line; what other tools write is read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Deployment, code, errors, init, json, records, run, tumar};

fn npy(folder: &Path, name: &str, descr: &str, shape: &str, numbers: &[u8]) -> PathBuf {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let path = folder.join(name);
    fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), numbers].concat()).unwrap();
    path
}

#[test]
fn embeddings_of_any_length_are_read_and_what_is_wrong_with_others_is_told() {
    let folder = TempDir::new().unwrap();
    let (_, written) = init(&folder);
    let client = written["client"].as_str().unwrap();
    // Nobody listens, and is not waited for: what can be read comes as far as that.
    let at_once = format!("retry_seconds = 0\n{}", fs::read_to_string(client).unwrap());
    fs::write(client, at_once).unwrap();
    let shown = |face: &str| run(&format!("verify --client {client} --token - --subject p1 --face {face}"), "token");
    let wave = |place: u16| (f32::from(place) * 1.7).sin();
    let doubles: Vec<u8> = (0..128).flat_map(|place| f64::from(wave(place)).to_le_bytes()).collect();
    let singles: Vec<u8> = (0..256).flat_map(|place| wave(place).to_be_bytes()).collect();
    let path = |name: &str, descr: &str, shape: &str, numbers: &[u8]| {
        npy(folder.path(), name, descr, shape, numbers).display().to_string()
    };
    let double = path("double.npy", "<f8", "(128,)", &doubles);
    let two = path("two.npy", ">f4", "(2, 128)", &singles);
    for face in [double.clone(), format!("{double}:0"), format!("{two}:1")] {
        let called = shown(&face);
        assert!(code(&called) == 4 && errors(&called).contains("UNREACHABLE"), "{face}: {}", errors(&called));
    }
    fs::write(folder.path().join("text.npy"), "0.1 0.2").unwrap();
    let text = folder.path().join("text.npy").display().to_string();
    let short = path("short.npy", "<f4", "(64,)", &singles[..256]);
    let mut holes = singles.clone();
    holes[512 + 4..512 + 8].copy_from_slice(&f32::NAN.to_be_bytes());
    let holes = path("holes.npy", ">f4", "(2, 128)", &holes);
    for (face, says) in [
        (two.clone(), format!("{two}: there are 2 rows of 128 components; name one of them by FILE:ROW")),
        (format!("{two}:2"), format!("{two}: there are 2 rows of 128 components")),
        (format!("{two}:1.1"), format!("{two}: there are 2 rows of 128 components")),
        (path("column.npy", "<f4", "(128, 1)", &singles[..512]), "128 rows of 1 components".to_owned()),
        (path("cube.npy", "<f4", "(1, 1, 128)", &singles[..512]), "the shape [1, 1, 128]".to_owned()),
        (path("whole.npy", "<i4", "(128,)", &singles[..512]), "whole numbers (`<i4`)".to_owned()),
        (path("cut.npy", "<f4", "(128,)", &singles[..500]), "needs 512 bytes, found 500".to_owned()),
        (text.clone(), format!("{text}: not an NPY file, but a text")),
        (short.clone(), format!("{short}: the model needs embeddings of 128 components, found 64")),
        (format!("{holes}:1"), format!("{holes}, row 1: a component of the embedding is not finite")),
        // Of several, the one that is wrong.
        (format!("{double} --face {short}"), format!("{short}: the model needs")),
    ] {
        let refused = shown(&face);
        assert_eq!(code(&refused), 2, "{face}");
        assert!(errors(&refused).contains(&says), "{face}: {}", errors(&refused));
    }
    let [finger, ..] = records(folder.path());
    let seventeen = format!(" --finger {}", finger.display()).repeat(17);
    let line =
        format!("enroll --client {client} --token - --subject p1 --key-out {}/k{seventeen}", folder.path().display());
    let refused = run(&line, "token");
    assert!(
        errors(&refused).contains("34 samples, and a request takes 32: each finger is two"),
        "{}",
        errors(&refused)
    );
    assert_eq!((code(&refused), code(&run(&format!("{line} --unsearchable"), "token"))), (2, 4));
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_with_its_file_and_line() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let node = dir.join("b/node.toml");
    let client = PathBuf::from(written["client"].as_str().unwrap());
    let (policy, models, officers) =
        (dir.join("policy.toml"), dir.join("models.toml"), dir.join("officers/officers.toml"));
    let start = format!("node --config {}", node.display());
    let call = format!("committee --client {}", client.display());
    let fetch = format!("audit fetch --pins {0}/auditor/auditor.toml --mirror {0}/m", dir.display());
    let pins = dir.join("auditor/auditor.toml");
    for (line, file, from, to, says) in [
        (&start, &node, "party =", "colour = 1\nparty =", "unknown field `colour`, expected one of"),
        (&start, &node, "keys = \"keys\"", "kees = \"keys\"", "unknown field `kees`"),
        (&start, &node, "public = \"", "public = \"https://", "must be HOST:PORT and nothing before or after it"),
        (&start, &node, "bases = [\"https://localhost:", "bases = [\"http://localhost:", "must be https://HOST[:PORT]"),
        (&start, &node, "identity = \"", "identity = \"0", "must be 64 digits of lower-case hex"),
        (&start, &node, "log_key = \"log.", "log_key = \"lag.", "log_key: "),
        (&start, &node, "url = \"https://", "url = \"", "must be https://HOST[:PORT]"),
        (&start, &node, "[audit]", "[limits]\nbatch = 0\n[audit]", "batch: invalid value: integer `0`"),
        (&start, &node, "[audit]", "[limits]\nin_flight = 2\nbach = 3\n[audit]", "unknown field `bach`"),
        (&start, &policy, "burst", "brust", "unknown field `brust`"),
        (&start, &models, "dimension", "dimensions", "unknown field `dimensions`"),
        (&start, &officers, "role = ", "roll = ", "unknown field `roll`"),
        (&call, &client, "address = \"", "address = \"https://", "must be HOST:PORT and nothing before or after it"),
        (&call, &client, "log_key = \"log.", "log_key = \"lag.", "log_key: "),
        (&call, &client, "base = \"https://localhost:", "base = \"https://localhost/", "must be https://HOST[:PORT]"),
        (&fetch, &pins, "url = \"https", "url = \"ftp", "must be https://HOST[:PORT]"),
        (&fetch, &pins, "cosigner = \"", "cosigner = \"x", "cosigner: "),
    ] {
        let good = fs::read_to_string(file).unwrap();
        let bad = good.replacen(from, to, 1);
        assert!(good != bad, "{from}");
        fs::write(file, &bad).unwrap();
        let refused = run(line, "");
        // The line on which the new text ends.
        let at = bad[..bad.find(to).unwrap() + to.len()].lines().count();
        let at = if to.starts_with("colour") || to.starts_with("[limits]") { at - 1 } else { at };
        let told = errors(&refused);
        assert_eq!((code(&refused), told.lines().count()), (2, 1), "{to}: {told}");
        let place = told.split(": ").nth(1).unwrap();
        assert_eq!(fs::canonicalize(place).unwrap(), fs::canonicalize(file).unwrap(), "{told}");
        assert!(told.contains(&format!(": line {at}")) && told.contains(says), "line {at}, {says}: {told}");
        assert_eq!(told.matches("line ").count(), 1, "{told}");
        fs::write(file, good).unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_configuration_as_a_whole_is_told_with_its_file() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let node = dir.join("b/node.toml");
    let client = PathBuf::from(written["client"].as_str().unwrap());
    let pins = dir.join("auditor/auditor.toml");
    let start = format!("node --config {}", node.display());
    let check = format!("{start} --check");
    // By a key of small order anybody signs.
    let small = format!("identity = \"01{}\" # ", "00".repeat(31));
    let call = format!("committee --client {}", client.display());
    let fetch = format!("audit fetch --pins {} --mirror {}/m", pins.display(), dir.display());
    for (line, file, from, to, says) in [
        (&start, &node, "party = \"C\"", "party = \"A\"", "[[peers]] must be the two other parties, each once"),
        (&check, &node, "party = \"C\"", "party = \"A\"", "[[peers]] must be the two other parties, each once"),
        (
            &start,
            &node,
            "[audit]",
            "[limits]\nclient_connections = 7\n[audit]",
            "limits.client_connections must be 8 to",
        ),
        (
            &start,
            &node,
            "party = \"B\"",
            "envelope_key_hours = 73\nparty = \"B\"",
            "envelope_key_hours must be 0.001 to 72",
        ),
        (&start, &node, "party = \"B\"", "link_hours = 0\nparty = \"B\"", "link_hours must be 0.001 to 24"),
        (&start, &node, "identity = \"", &small, "of an Ed25519 key of full order"),
        (&call, &client, "party = \"C\"", "party = \"A\"", "[[node]] must stand three times"),
        (&fetch, &pins, "party = \"C\"", "party = \"A\"", "[[node]] must stand three times"),
        (&fetch, &pins, "cosignatures = ", "cosignatures = 1", "cosignatures must be at most 2"),
    ] {
        let good = fs::read_to_string(file).unwrap();
        let bad = good.replacen(from, to, 1);
        assert!(bad.contains(to), "{from}");
        fs::write(file, &bad).unwrap();
        let refused = run(line, "");
        let told = [String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr)].concat();
        assert_ne!(code(&refused), 0, "{to}: {told}");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(told.lines().any(|line| line.contains(&format!("/{name}: ")) && line.contains(says)), "{to}: {told}");
        fs::write(file, good).unwrap();
    }
}

/// What OpenSSL says to a private key, if it is there.
fn openssl(arguments: &str) -> Option<bool> {
    let status =
        Command::new("openssl").args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.ok().map(|status| status.success())
}

#[test]
fn keys_are_read_in_der_and_pem_and_other_files_are_told_by_what_they_are() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    let path = dir.display();
    fs::write(dir.join("case"), "case").unwrap();
    let approve = |key: &str| {
        let what = "--relying-party banks/b17 --purpose case_search --action search";
        run(&format!("approve --key {path}/{key} --name aida --role fraud-analyst {what} --case {path}/case"), "")
    };
    assert_eq!(code(&approve("officers/aida.pk8")), 0);
    let der = fs::read(dir.join("officers/aida.pk8")).unwrap();
    assert_eq!((der.len(), &der[..5]), (48, &[0x30, 0x2e, 2, 1, 0][..]), "version 1, without the public half");
    assert_ne!(openssl(&format!("pkey -inform DER -in {path}/officers/aida.pk8")), Some(false));
    // PEM of both algorithms, as rcgen writes one of them too.
    fs::copy(dir.join("a/keys/tls.key"), dir.join("p256.pem")).unwrap();
    let digits = base64(&der);
    fs::write(dir.join("ed25519.pem"), format!("-----BEGIN PRIVATE KEY-----\n{digits}\n-----END PRIVATE KEY-----\n"))
        .unwrap();
    for key in ["p256.pem", "ed25519.pem"] {
        fs::set_permissions(dir.join(key), fs::Permissions::from_mode(0o600)).unwrap();
        let approved = approve(key);
        assert_eq!((code(&approved), errors(&approved).as_str()), (0, ""), "{key}");
    }
    fs::set_permissions(dir.join("p256.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(errors(&approve("p256.pem")).contains("p256.pem: others than its owner can read this key (mode 640)"));
    fs::write(dir.join("old.pem"), "-----BEGIN EC PRIVATE KEY-----\nMAAA\n-----END EC PRIVATE KEY-----\n").unwrap();
    for (key, says) in [
        ("a/keys/tls.crt", "the PEM does not contain a private key"),
        ("old.pem", "the key is not PKCS#8; convert it: openssl pkcs8 -topk8 -nocrypt"),
        ("case", "not an Ed25519 or P-256 private key in PKCS#8, DER or PEM"),
    ] {
        let refused = approve(key);
        let told = errors(&refused);
        assert!(code(&refused) == 2 && told.contains(&format!("{path}/{key}: ")) && told.contains(says), "{told}");
    }
}

fn base64(bytes: &[u8]) -> String {
    let url = tumar::token::jws::to_base64(bytes);
    // 48 bytes: no padding.
    url.replace('-', "+").replace('_', "/")
}

#[test]
fn keys_of_an_issuer_that_are_for_others_are_passed_over_and_one_that_is_wrong_is_named() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    let node = fs::read_to_string(dir.join("a/node.toml")).unwrap();
    let jwks = node.lines().find_map(|line| line.strip_prefix("jwks = \"")).unwrap().trim_end_matches('"');
    let jwks = dir.join("a").join(jwks);
    let good: Value = serde_json::from_str(&fs::read_to_string(&jwks).unwrap()).unwrap();
    let key = &good["keys"][0];
    let rsa =
        serde_json::json!({ "kty": "RSA", "kid": "r1", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB" });
    let mut private = rsa.clone();
    private["d"] = "AQAB".into();
    // So that it ends after it has read its issuers' keys.
    fs::write(dir.join("a/keys/identity.pk8"), "none").unwrap();
    for (keys, says) in [
        (serde_json::json!([key, rsa]), None),
        (serde_json::json!([rsa]), Some("no usable Ed25519 or P-256 key with a kid: key r1: it is not")),
        (serde_json::json!([key, private]), Some("key r1: the jwk has a private key; remove its private members")),
        (serde_json::json!([key, key]), Some("another key has this kid")),
    ] {
        fs::write(&jwks, serde_json::json!({ "keys": keys }).to_string()).unwrap();
        let ended = run(&format!("node --config {}/a/node.toml", dir.display()), "");
        let told = errors(&ended);
        let last = told.lines().last().unwrap();
        assert_eq!(code(&ended), 2);
        match says {
            None => assert!(
                last.contains("identity.pk8")
                    && told.contains("a key in the issuer's JWK set is skipped")
                    && told.contains("r1"),
                "{told}"
            ),
            Some(says) => {
                let place = last.split(": ").nth(1).unwrap();
                assert_eq!(fs::canonicalize(place).unwrap(), fs::canonicalize(&jwks).unwrap(), "{told}");
                assert!(last.contains(says) && last.contains("the keys of issuer https://issuer."), "{told}");
            }
        }
    }
}

#[test]
fn a_node_names_the_file_that_is_not_what_it_should_be() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    let path = dir.display();
    let start = || run(&format!("node --config {path}/c/node.toml"), "");
    let keys = dir.join("c/keys");
    let other = dir.join("a/keys");
    for (file, content, says) in [
        ("tls.crt", vec![0x30, 0x82, 1, 2], "no certificate in PEM; of one in DER: openssl x509"),
        ("peer.key", vec![0x30, 0x82, 1, 2], "no private key in PEM"),
        ("peer.crt", fs::read(other.join("peer.crt")).unwrap(), "do not belong together, or are not usable for TLS"),
        ("log.pk8", fs::read(other.join("tls.key")).unwrap(), "not an Ed25519 private key in PKCS#8, DER or PEM"),
        ("witness.pk8", b"seed".to_vec(), "not an Ed25519 private key in PKCS#8, DER or PEM"),
        ("store.key", b"0123456789abcdef0123456789abcdef\n".to_vec(), "must hold 32 bytes, and has 33"),
        ("../../b/keys/peer.crt", b"B".to_vec(), "no certificate in PEM"),
        ("../../b/keys/tls.crt", b"B".to_vec(), "no certificate in PEM"),
    ] {
        let file = keys.join(file);
        let good = fs::read(&file).unwrap();
        fs::write(&file, content).unwrap();
        let refused = start();
        let told = errors(&refused).lines().last().unwrap().to_owned();
        let place = told.split(": ").nth(1).unwrap();
        assert!(code(&refused) == 2 && told.contains(says), "{told}");
        assert_eq!(fs::canonicalize(place).unwrap(), fs::canonicalize(&file).unwrap(), "{told}");
        fs::write(&file, good).unwrap();
    }
}

#[test]
fn where_nodes_listen_is_where_auditors_find_them() {
    let folder = TempDir::new().unwrap();
    for (host, url) in
        [("127.0.0.2", "https://127.0.0.2:"), ("::1", "https://[::1]:"), ("atm.example", "https://atm.example:")]
    {
        let dir = folder.path().join(url.len().to_string() + host);
        assert_eq!(code(&run(&format!("init {} --host {host} --base-port 7400", dir.display()), "")), 0);
        for file in ["a/node.toml", "b/node.toml", "c/node.toml", "auditor/auditor.toml"] {
            let text = fs::read_to_string(dir.join(file)).unwrap();
            let urls: Vec<&str> = text.lines().filter(|line| line.starts_with("url = ")).collect();
            assert!(
                urls.len() >= 2 && urls.iter().all(|line| line.contains(&format!("\"{url}760"))),
                "{file}: {urls:?}"
            );
        }
    }
    for (port, expected) in [(0, 2), (65_333, 0), (65_334, 2)] {
        let made = run(&format!("init {} --base-port {port}", folder.path().join(port.to_string()).display()), "");
        assert_eq!(code(&made), expected, "{port}");
        let told = format!("{port} is not in 1..=65333");
        assert_eq!(errors(&made).contains(&told), expected == 2, "{}", errors(&made));
    }
}

#[test]
fn nodes_at_another_address_are_audited_and_a_stranger_there_is_not_asked_again() {
    let world = Deployment::start_at("127.0.0.2");
    json(&world.enrol());
    let (dir, mirror) = (world.dir.display(), world.dir.join("mirror"));
    let token = world.dir.join("audit.token");
    let asked = "--auditor --purpose audit --action read_log";
    assert_eq!(code(&run(&format!("token --dir {dir} {asked} --out {}", token.display()), "")), 0);
    let fetch = |pins: &str| {
        run(
            &format!(
                "audit fetch --pins {dir}/auditor/{pins} --mirror {} --token {}",
                mirror.display(),
                token.display()
            ),
            "",
        )
    };
    let fetched = fetch("auditor.toml");
    assert_eq!(code(&fetched), 0, "{}", errors(&fetched));
    let checked =
        run(&format!("audit verify --pins {dir}/auditor/auditor.toml --mirror {} --json", mirror.display()), "");
    let told = json(&checked);
    assert!(told["logs"].as_array().unwrap().iter().all(|log| log["cosignatures"] == 2), "{told}");

    // Another's certificate, or another name: who is there is not who should be.
    let pins = fs::read_to_string(world.dir.join("auditor/auditor.toml")).unwrap();
    fs::write(world.dir.join("auditor/other.toml"), pins.replacen("../a/keys/tls.crt", "../b/keys/tls.crt", 1))
        .unwrap();
    let client = fs::read_to_string(world.client()).unwrap();
    for (from, to) in
        [("../a/keys/tls.crt", "../b/keys/tls.crt"), ("server_name = \"localhost\"", "server_name = \"atm.example\"")]
    {
        let file = world.client().with_file_name("other.toml");
        fs::write(&file, client.replacen(from, to, 1)).unwrap();
        let refused = run(&format!("committee --client {}", file.display()), "");
        let told = errors(&refused);
        assert!(
            code(&refused) == 5 && told.starts_with("tumar: SERVER_NOT_TRUSTED: the server at 127.0.0.2:"),
            "{told}"
        );
    }
    let refused = fetch("other.toml");
    assert!(code(&refused) == 5 && errors(&refused).contains("is not the pinned one"), "{}", errors(&refused));

    // And the same folder for a second node.
    let config = world.dir.join("a/node.toml");
    let second = config.with_file_name("second.toml");
    let ports = |line: &str| match line.split_once(" = ").map(|(key, _)| key) {
        Some("public" | "peer" | "address") if !line.contains("[[") => {
            let at = line.rfind(':').unwrap();
            format!("{}:0{}\n", &line[..at], &line[line.rfind('"').unwrap()..])
        }
        _ => format!("{line}\n"),
    };
    fs::write(&second, fs::read_to_string(&config).unwrap().lines().map(ports).collect::<String>()).unwrap();
    let refused = run(&format!("node --config {}", second.display()), "");
    let told = errors(&refused);
    assert!(code(&refused) == 2 && told.contains("another process has this folder open"), "{told}");
}

#[test]
fn each_cause_of_a_call_that_failed_is_told_once() {
    let folder = TempDir::new().unwrap();
    let (_, written) = init(&folder);
    let output = run(&format!("committee --client {}", written["client"].as_str().unwrap()), "");
    assert_eq!((code(&output), errors(&output).matches("refused").count()), (4, 1), "{}", errors(&output));
}

#[test]
fn keys_that_others_may_read_are_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    let (dir, _) = init(&folder);
    for file in ["store.key", "log.pk8", "tls.key"] {
        fs::set_permissions(dir.join("a/keys").join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    // It ends at the last file that it reads.
    fs::write(dir.join("a/keys/tls.crt"), "").unwrap();
    let mut command = tumar();
    let ended = command.args(["node", "--config"]).arg(dir.join("a/node.toml")).output().unwrap();
    let told = errors(&ended);
    assert_eq!(told.matches("a private key can be read by others than its owner").count(), 3, "{told}");
    for file in ["store.key", "log.pk8", "tls.key"] {
        assert!(told.contains(&format!("keys/{file}")), "{told}");
    }
}

#[test]
fn a_file_that_does_not_have_its_form_is_named_with_the_line_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let (dir, written) = init(&folder);
    let (path, client) = (dir.display(), written["client"].as_str().unwrap());
    let refused = |line: &str, words: &[&str]| {
        let output = run(line, "");
        let told = errors(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(code(&output) == 2 && words.iter().all(|word| told.contains(word)), "{line}: {words:?}: {told}");
    };
    let node = dir.join("a/node.toml");
    let check = format!("node --check --config {}", node.display());
    let before = fs::read_to_string(&node).unwrap();
    fs::write(dir.join("a/x.der"), [0x30, 0x82, 0xff, 0xfe]).unwrap();
    fs::write(&node, before.replace("certificate = \"../b/keys/tls.crt\"", "certificate = \"x.der\"")).unwrap();
    refused(&check, &["x.der: no certificate in PEM", "openssl x509 -inform DER"]);
    fs::write(&node, [before.as_bytes(), b"# \xff\n"].concat()).unwrap();
    let line = before.lines().count() + 1;
    refused(&check, &[&format!("node.toml: not UTF-8 at line {line}: save it as UTF-8")]);
    let same =
        before.lines().map(|line| line.replacen("public = ", "peer = ", 1)).find(|line| line.starts_with("peer = "));
    let twice = before.lines().map(|line| if line.starts_with("peer = ") { same.as_deref().unwrap() } else { line });
    fs::write(&node, twice.collect::<Vec<_>>().join("\n")).unwrap();
    for line in [&check, &format!("node --config {}", node.display())] {
        refused(line, &["node.toml: public and peer are the same address, 127.0.0.1:", "a port of its own"]);
    }
    fs::write(&node, &before).unwrap();
    for (file, bytes) in [("none", ""), ("lines", "a\nb"), ("bell", "a\u{7}b")] {
        let token = dir.join(file).display().to_string();
        fs::write(&token, bytes).unwrap();
        let says = format!("{token}: not an access token");
        refused(&format!("lock --client {client} --subject p1 --token {token}"), &[&says]);
        let fetch = format!("audit fetch --pins {path}/auditor/auditor.toml --mirror {path}/mirror --token {token}");
        refused(&fetch, &[&says]);
    }
    let issuer = dir.join("issuer/issuer.toml");
    let rules = fs::read(&issuer).unwrap();
    fs::write(&issuer, [&rules[..], b"# \xff\n"].concat()).unwrap();
    refused(&format!("issuer --check --config {}", issuer.display()), &["issuer.toml: not UTF-8 at line "]);
    fs::write(&issuer, rules).unwrap();
    let officers = dir.join("officers/officers.toml");
    fs::write(&officers, "colour = 3\n").unwrap();
    let output = run(&check, "");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("officers.toml: line 1: ") && !told.contains("officers: line"), "{told}");
    let before = fs::read_to_string(client).unwrap();
    for name in ["localhost:28800", "", "a b"] {
        fs::write(client, before.replace("server_name = \"localhost\"", &format!("server_name = \"{name}\""))).unwrap();
        refused(
            &format!("committee --client {client}"),
            &["client.toml: line ", "server_name: ", "must be a host name"],
        );
    }
    fs::write(client, &before).unwrap();
    refused(
        &format!("certificate {path}/policy.toml --client {client}"),
        &["CERTIFICATE_NOT_TRUSTED: ", "policy.toml: "],
    );
    for host in ["127.1", "0x7f000001", "256.1.1.1", "a..b", "-"] {
        let output = tumar().args(["init", "--host", host]).arg(dir.join("new")).output().unwrap();
        assert_eq!(code(&output), 2, "{host}");
    }
    refused(&format!("init {path}/new --base-port 65536"), &["1..=65333"]);
    assert!(!dir.join("new").exists());
}
