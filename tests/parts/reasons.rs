//! The table of reasons in the documents is made of the table in the code.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tumar::reason::Reason;

/// The table's first two lines.
const HEAD: &str = "| Reason | Status | Sentence |\n|---|---|---|\n";

/// With `TUMAR_WRITE=1` in the environment the document is written; without it, it must be as it would be written.
#[test]
fn the_table_of_the_documents_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(HEAD).expect("docs/reasons.md has a table of reasons");
    let (_, after) = rest.split_once("\n\n").expect("docs/reasons.md goes on after its table");
    let mut table = String::new();
    for reason in Reason::ALL {
        writeln!(table, "| `{}` | `{:?}` | {} |", reason.code(), reason.status(), reason.text()).unwrap();
    }
    let fresh = format!("{before}{HEAD}{table}\n{after}");
    if std::env::var("TUMAR_WRITE").is_ok_and(|write| write == "1") {
        fs::write(&path, fresh).unwrap();
    } else {
        assert!(document == fresh, "docs/reasons.md is not fresh: TUMAR_WRITE=1 cargo test --test parts reasons::");
    }
}
