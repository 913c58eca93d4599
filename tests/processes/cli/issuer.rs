//! `tumar issuer` as a bank runs it: over HTTPS, by what `tumar init` wrote, with nodes that take its tokens.

use crate::support::cluster::now;
use serde_json::json;
use tumar::token::{Algorithm, SigningKey};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::*;

/// A workload with its key, which signs assertions and proofs alike.
struct Workload {
    key: SigningKey,
    base: String,
    agent: Agent,
}

impl Workload {
    fn of(dir: &Path, base: &str) -> Self {
        let root = Certificate::from_pem(&fs::read(dir.join("issuer/tls.crt")).unwrap()).unwrap();
        let tls = TlsConfig::builder().root_certs(RootCerts::from(vec![root])).build();
        let agent = Agent::config_builder().tls_config(tls).http_status_as_error(false).build().into();
        let key = SigningKey::from_pkcs8(&fs::read(dir.join("client/proof.pk8")).unwrap()).unwrap();
        Self { key, base: base.to_owned(), agent }
    }

    fn ask(&self, purpose: &str, action: &str, amr: &[&str], id: &str) -> (u16, Value) {
        let now = now();
        let (client, endpoint) = ("banks/b17/atm-backend", format!("{}/token", self.base));
        let assertion = self.key.sign(
            &json!({ "alg": Algorithm::EdDsa.as_str() }),
            &json!({
                "iss": client, "sub": client, "aud": endpoint, "iat": now, "exp": now + 60, "jti": format!("assertion-{id}"), "amr": amr
            }),
        );
        let header = json!({ "typ": "dpop+jwt", "alg": Algorithm::EdDsa.as_str(), "jwk": self.key.public().to_jwk() });
        let proof = self
            .key
            .sign(&header, &json!({ "htm": "POST", "htu": endpoint, "iat": now, "jti": format!("proof-{id}-00000") }));
        let details = json!([{
            "type": "urn:tumar:match:1", "purpose": purpose, "actions": [action], "relying_party": "banks/b17",
            "galleries": ["banks/b17/customers"], "modalities": ["face"], "max_uses": 1
        }]);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .append_pair("client_assertion", &assertion.unwrap())
            .append_pair("authorization_details", &details.to_string());
        let request = self.agent.post(&endpoint).header("content-type", "application/x-www-form-urlencoded");
        let mut answer = request.header("dpop", proof.unwrap()).send(form.finish()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
    }
}

#[test]
fn a_bank_s_own_token_service_gives_tokens_that_three_nodes_take() {
    let world = Deployment::start();
    let config = world.dir.join("issuer/issuer.toml");
    let checked = run(&format!("issuer --check --config {}", config.display()), "");
    assert_eq!(code(&checked), 0, "{}", errors(&checked));
    // A port of its own, whatever else this machine runs.
    let port = free_ports();
    let text = fs::read_to_string(&config).unwrap();
    let at = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().split('"').nth(1).unwrap();
    let (base, listen) = (format!("https://localhost:{port}"), format!("127.0.0.1:{port}"));
    fs::write(&config, text.replace(at("base = "), &base).replace(at("listen = "), &listen)).unwrap();
    let mut command = tumar();
    command.args(["issuer", "--config"]).arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut service = Node(command.spawn().unwrap());
    let mut told = BufReader::new(service.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.by_ref().any(|line| line.contains("listening")), "it ended before it listened");
    let mut audit = BufReader::new(service.0.stdout.take().unwrap()).lines().map_while(Result::ok);

    let workload = Workload::of(&world.dir, &base);
    let (status, given) = workload.ask("enrolment", "enroll", &["registry_check"], "00000001");
    assert_eq!(status, 200, "{given}");
    let line: Value = serde_json::from_str(&audit.next().unwrap()).unwrap();
    assert_eq!((&line["outcome"], &line["authorization_details"]), (&"issued".into(), &given["authorization_details"]));
    let enrol = format!(
        "enroll --client {} --token - --subject p9 --face {}:0 --key-out {}",
        world.client().display(),
        world.faces.display(),
        world.dir.join("p9.key").display()
    );
    let enrolled = run(&enrol, given["access_token"].as_str().unwrap());
    assert_eq!(code(&enrolled), 0, "{}", errors(&enrolled));

    let (status, refused) = workload.ask("enrolment", "enroll", &["registry_check"], "00000001");
    assert_eq!((status, &refused["error"]), (401, &"invalid_client".into()), "an assertion is good once");
    let (status, refused) = workload.ask("audit", "read_log", &[], "00000002");
    assert_eq!((status, &refused["error"]), (400, &"invalid_authorization_details".into()));
    let line: Value = serde_json::from_str(&audit.next().unwrap()).unwrap();
    assert_eq!((&line["outcome"], &line["error"]), (&"refused".into(), &"invalid_authorization_details".into()));
    let jwks = workload.agent.get(format!("{base}/jwks")).call().unwrap().body_mut().read_to_string().unwrap();
    assert_eq!(jwks, fs::read_to_string(world.dir.join("issuer/jwks.json")).unwrap());
    assert_eq!(service.end(), Some(0));
}
