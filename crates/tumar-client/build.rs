//! Compiles the protobuf files without `protoc`: protox parses them, tonic writes the code; of messages alone where nothing is called.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto");
    let files = protox::compile(
        ["tumar/v1/matching.proto", "tumar/v1/audit.proto", "tumar/peer/v1/peer.proto"],
        ["../../proto"],
    )?;
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    // Read by whoever asks a node's public port: what the nodes say to each other is not among it.
    let mut public = files.clone();
    public.file.retain(|file| file.package() != "tumar.peer.v1");
    std::fs::write(descriptors, public.encode_to_vec())?;
    let calls = std::env::var_os("CARGO_FEATURE_NET").is_some();
    let code = tonic_prost_build::configure().build_transport(false).build_client(calls).build_server(calls);
    code.compile_fds(files)?;
    Ok(())
}
