//! Three nodes in one process that stay up for clients: `demo --serve`.

use super::*;

/// Starts or goes on; returns when the nodes answer.
fn serve(dir: &Path) -> Node {
    let mut command = tumar();
    command.args(["demo", "--json", "--serve"]).arg(dir);
    let mut node = Node(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    // The object is written when all three are linked.
    let lines = BufReader::new(node.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = String::new();
    for line in lines {
        told += &line;
        if line == "}" {
            break;
        }
    }
    let told: Value = serde_json::from_str(&told).expect("it ended before its nodes were linked");
    assert_eq!(told["client"], dir.join("client").join("client.toml").to_str().unwrap());
    assert!(Path::new(told["issuer"].as_str().unwrap()).join("issuer.pk8").exists());
    node
}

#[test]
fn nodes_that_are_served_keep_who_is_enrolled_and_end_well() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("try");
    let mut process = serve(&dir);
    let (faces, fingers) = (embeddings(folder.path()), records(folder.path()));
    let world = Deployment { _folder: folder, dir, faces, fingers, nodes: Vec::new() };
    assert_eq!(code(&world.enrol()), 0);
    for _ in 0..2 {
        assert_eq!(code(&world.verify(3)), 0);
        assert_eq!(code(&world.verify(1)), 1);
        assert_eq!(process.end(), Some(0));
        process = serve(&world.dir);
    }
    assert_eq!(process.end(), Some(0));
    let other = world.dir.join("client");
    let refused = run(&format!("demo --serve {}", other.display()), "");
    assert_eq!(code(&refused), 2, "a folder of something else: {}", errors(&refused));
    assert_eq!(code(&run("demo --serve x --people 3", "")), 2);
}
