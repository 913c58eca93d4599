//! Searches that are good, and searches without form.

use serde_json::json;
use tumar::client::{Client, Prepared, Search};
use tumar::request::{Case, Method};
use tumar::template::Template;
use tumar::token::approval::case_digest;
use tumar::wire::v1;

use super::wired::{details_for, minute};
use crate::support::cluster::{GALLERY, face_of};
use crate::support::token_fixtures::officers::{CASE, Sheet};

/// A search among the bank's customers that two officers approved.
pub(crate) fn search(client: &Client, probe: &Template) -> Prepared {
    search_in(client, GALLERY, CASE, probe)
}

/// The same in any gallery and case.
pub(crate) fn search_in(client: &Client, gallery: &str, case: &[u8], probe: &Template) -> Prepared {
    let (gallery, purpose) = (gallery.parse().unwrap(), "case_search".parse().unwrap());
    let (details, digest) = (json!([details_for(&gallery, &purpose, Method::Search)]), case_digest(case));
    let approvals = Sheet::two().iter().map(|sheet| sheet.signed_over(&details, &digest)).collect();
    let search = Search { gallery, purpose, case: Case { digest, most: 16, approvals } };
    Prepared::search(client.config(), &client.committee(), &search, &[face_of(probe)], minute()).unwrap()
}

pub(crate) type MisshapeSearch = fn(&mut v1::SearchGalleryRequest);

/// Searches that have no form, each by the field at fault.
pub(crate) fn misshapen_searches() -> [(&'static str, MisshapeSearch); 9] {
    [
        ("case_digest", |m| m.case_digest.truncate(31)),
        ("case_digest", |m| m.case_digest.push(0)),
        ("case_digest", |m| m.case_digest.clear()),
        ("max_candidates", |m| m.max_candidates = 0),
        ("max_candidates", |m| m.max_candidates = 33),
        ("approvals", |m| m.approvals = vec![m.approvals[0].clone(); 4]),
        ("samples", |m| m.samples.clear()),
        ("samples", |m| m.samples = vec![m.samples[0].clone(); 3]),
        ("gallery", |m| "*".clone_into(&mut m.gallery)),
    ]
}
