//! The folder of a finger model, as `tumar-train fit` writes one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use tempfile::TempDir;
use tumar::hex::hex;
use tumar::template::SURROUNDINGS;

const FILES: [&str; 6] = ["mean.f32", "linear.f32", "hidden.f32", "hidden-bias.f32", "output.f32", "direction.i8"];

/// The entry of a model that counts rows from lower dots on.
pub(crate) const ENTRY: &str = r#"
[[model]]
id = "bank-rows-1"
modality = "finger"
encoding = "rows"
dimension = 140
levels = [600, 680, 760]
thresholds = { "1e-3" = 0.16, "1e-4" = 0.26, "1e-5" = 0.36 }
"#;

/// The folder of a model that puts the 128 components of a row one place on: as good as the one built in, and strange to it.
pub(crate) fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    let built_in =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tumar-mpc/src/template/finger/weights/leader-rows-3");
    for name in FILES {
        let mut bytes = fs::read(built_in.join(name)).unwrap();
        if ["linear.f32", "output.f32"].contains(&name) {
            let line = bytes.len() / SURROUNDINGS;
            bytes.rotate_right(line);
        }
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    fs::write(dir.path().join("models.toml"), ENTRY).unwrap();
    publish(dir.path());
    dir
}

fn digests(dir: &Path) -> serde_json::Value {
    let digest_of = |name: &str| hex(digest(&SHA256, &fs::read(dir.join(name)).unwrap()).as_ref());
    FILES.iter().map(|name| (*name, digest_of(name))).collect()
}

/// Writes digests and card anew.
pub(crate) fn publish(dir: &Path) {
    let digests = digests(dir);
    fs::write(dir.join("digests.json"), digests.to_string()).unwrap();
    let limit = |value: f64| serde_json::json!({ "value": value, "measured": true });
    let thresholds =
        serde_json::json!({ "1e-2": limit(0.08), "1e-3": limit(0.16), "1e-4": limit(0.26), "1e-5": limit(0.36) });
    let card =
        serde_json::json!({ "name": "bank-rows-1", "digests": digests, "figures": { "thresholds": thresholds } });
    fs::write(dir.join("card.json"), card.to_string()).unwrap();
}

pub(crate) fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}
