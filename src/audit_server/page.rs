//! The auditors' page: files that are part of the program, and the rules that a browser holds them to.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// A file of the page: name, content type, content.
type Asset = (&'static str, &'static str, &'static [u8]);

/// All of them; the one named `index.html` is what `/` shows. A browser gets no other file.
const ASSETS: &[Asset] = &[
    ("index.html", "text/html; charset=utf-8", include_bytes!("page/index.html")),
    ("style.css", "text/css; charset=utf-8", include_bytes!("page/style.css")),
    ("icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
    ("bytes.js", SCRIPT, include_bytes!("page/bytes.js")),
    ("source.js", SCRIPT, include_bytes!("page/source.js")),
    ("note.js", SCRIPT, include_bytes!("page/note.js")),
    ("tree.js", SCRIPT, include_bytes!("page/tree.js")),
    ("entry.js", SCRIPT, include_bytes!("page/entry.js")),
    ("log.js", SCRIPT, include_bytes!("page/log.js")),
    ("reconcile.js", SCRIPT, include_bytes!("page/reconcile.js")),
    ("view.js", SCRIPT, include_bytes!("page/view.js")),
    ("charts.js", SCRIPT, include_bytes!("page/charts.js")),
    ("search.js", SCRIPT, include_bytes!("page/search.js")),
    ("main.js", SCRIPT, include_bytes!("page/main.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Only what this node serves, no script or style within a document, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's own files by name, for a folder that a browser opens without any server.
pub fn page_files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ASSETS.iter().map(|(name, _, content)| (*name, *content))
}

/// The file of this name.
pub(super) fn asset(name: &str) -> Option<Response<Body>> {
    let (_, kind, content) = ASSETS.iter().find(|(known, ..)| *known == name)?;
    let mut response = Response::new(Body::from(*content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // It changes with the program, under the same name.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}

/// What stands on every answer.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// A short answer in words.
pub(super) fn words(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
