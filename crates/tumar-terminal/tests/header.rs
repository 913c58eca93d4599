//! The header is the one that the source gives. `TUMAR_WRITE_HEADER=1 cargo test -p tumar-terminal --test header` writes it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_header_is_the_one_of_this_source() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["layout.rs", "keeper.rs", "abi.rs"] {
        builder = builder.with_src(crate_folder.join("src").join(file));
    }
    let mut written = Vec::new();
    builder.generate().unwrap().write(&mut written);
    let (written, path) = (String::from_utf8(written).unwrap(), crate_folder.join("include/tumar_terminal.h"));
    if std::env::var_os("TUMAR_WRITE_HEADER").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap();
    assert!(
        there == written,
        "include/tumar_terminal.h is old: TUMAR_WRITE_HEADER=1 cargo test -p tumar-terminal --test header"
    );
}
