//! What is answered on a node's port for auditors.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::page::{asset, protect, words};
use super::place::{Kind, Place};
use super::{Parts, REQUESTS};
use crate::log::shard::Shard;
use crate::log::witness::{AddCheckpoint, MAX_REQUEST, WitnessError};
use crate::party::Party;
use crate::web::{Answer, HttpClient, WebError};

/// How long one answer may take, with what others must say for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that are relayed to other nodes at a time.
const RELAYED: usize = 8;

/// Checkpoints that are cosigned at a time; each waits for the disk.
const COSIGNED: usize = 4;

/// How long it is believed which half-years another node has.
const REMEMBERED: Duration = Duration::from_secs(30);

/// No longer token is looked at, in bytes.
const MAX_TOKEN: usize = 8192;

struct Shared {
    parts: Parts,
    requests: Semaphore,
    relayed: Arc<Semaphore>,
    cosigned: Arc<Semaphore>,
    halves: Mutex<[Option<Told>; 3]>,
}

/// Which half-years another node said it has, if it said anything, and when.
type Told = (Instant, Option<Vec<Shard>>);

type Reply = Response<Body>;

pub(super) fn router(parts: Parts) -> Router {
    let shared = Arc::new(Shared {
        parts,
        requests: Semaphore::new(REQUESTS),
        relayed: Arc::new(Semaphore::new(RELAYED)),
        cosigned: Arc::new(Semaphore::new(COSIGNED)),
        halves: Mutex::new([None, None, None]),
    });
    Router::new()
        .route("/", get(async || asset("index.html").unwrap_or_else(nowhere)))
        .route("/page/{name}", get(async |Path(name): Path<String>| asset(&name).unwrap_or_else(nowhere)))
        .route("/logs.json", get(index))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/cosigned/{party}", get(cosigned))
        .route("/{party}/{half}/{*file}", get(file))
        .fallback(async || nowhere())
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// Bounds how many are answered at once and for how long, and says on every answer what a browser may do with it. Who wants a
/// cosignature queues elsewhere; the other nodes ask for theirs over their links.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Reply {
    let permit = shared.requests.try_acquire();
    let mut reply = if permit.is_err() && request.method() != Method::POST {
        busy()
    } else {
        match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(reply) => reply,
            Err(_) => words(StatusCode::GATEWAY_TIMEOUT, "the request took too long\n"),
        }
    };
    protect(reply.headers_mut());
    reply
}

async fn file(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Reply {
    let Some(place) = Place::parse(uri.path()) else { return nowhere() };
    let token = if place.kind == Kind::Bundle {
        match bearer(&headers).filter(|token| (shared.parts.readers)(token)) {
            Some(token) => Some(token.to_owned()),
            None => return unauthorised(),
        }
    } else {
        None
    };
    if place.party == shared.parts.party {
        return match tokio::fs::read(shared.parts.logs.join(place.half.to_string()).join(&place.file)).await {
            Ok(content) => content_of(place.kind, content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => nowhere(),
            Err(error) => {
                tracing::warn!(%error, "a file of the log can not be read");
                words(StatusCode::INTERNAL_SERVER_ERROR, "the file can not be read\n")
            }
        };
    }
    match shared.relay(place.party, place.to_string(), token).await {
        None | Some(Ok(Answer { status: 404, .. })) => nowhere(),
        Some(Ok(Answer { status: 200, body })) => content_of(place.kind, body),
        Some(Ok(Answer { status: 401, .. })) => unauthorised(),
        Some(Ok(Answer { status: 503, .. })) => busy(),
        Some(Ok(_) | Err(_)) => words(StatusCode::BAD_GATEWAY, "the other node does not answer\n"),
    }
}

fn content_of(kind: Kind, content: Vec<u8>) -> Reply {
    let (content_type, cache) = match kind {
        Kind::Checkpoint => ("text/plain; charset=utf-8", "no-store"),
        Kind::Tile => ("application/octet-stream", "public, max-age=31536000, immutable"),
        // For one reader's eyes.
        Kind::Bundle => ("application/octet-stream", "no-store"),
    };
    let mut reply = Response::new(Body::from(content));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    reply
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && (1..=MAX_TOKEN).contains(&token.len())).then_some(token)
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let Some(witness) = shared.parts.witness.clone() else { return nowhere() };
    let Some(now) = (shared.parts.clock)() else {
        return words(
            StatusCode::SERVICE_UNAVAILABLE,
            "this node's clock is in doubt: the checkpoint was not cosigned\n",
        );
    };
    let permit = Arc::clone(&shared.cosigned).acquire_owned().await.expect("nobody closes the semaphore");
    let cosigned = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let body = std::str::from_utf8(&body).map_err(|_| WitnessError::Malformed)?;
        witness.add(&AddCheckpoint::parse(body)?, now)
    });
    match cosigned.await {
        Ok(Ok(line)) => content_of(Kind::Checkpoint, line.into_bytes()),
        Ok(Err(error)) => refused(&error),
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n"),
    }
}

/// What this node cosigned last of another's log, a note for each half-year: whoever puts a copy of that log back holds it against this.
async fn cosigned(State(shared): State<Arc<Shared>>, Path(letter): Path<String>) -> Reply {
    let party = Party::ALL.into_iter().find(|party| party.letter() == letter);
    let (Some(party), Some(witness)) = (party, shared.parts.witness.clone()) else { return nowhere() };
    let log = shared.parts.keys[party.index()].log.name().clone();
    match tokio::task::spawn_blocking(move || witness.cosigned(&log)).await {
        Ok(Ok(checkpoints)) => {
            let told = json!({ "now": (shared.parts.clock)(), "checkpoints": checkpoints });
            let mut reply = words(StatusCode::OK, "");
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *reply.body_mut() = Body::from(format!("{told:#}\n"));
            reply
        }
        Ok(Err(_)) | Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "the cosigned checkpoints can not be read\n"),
    }
}

fn refused(error: &WitnessError) -> Reply {
    if matches!(error, WitnessError::State(_)) {
        tracing::error!(error = error as &dyn std::error::Error, "the checkpoint was not cosigned");
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, text) = match error.size() {
        Some(size) => ("text/x.tlog.size", format!("{size}\n")),
        None => ("text/plain; charset=utf-8", format!("{error}\n")),
    };
    let mut reply = words(status, "");
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *reply.body_mut() = Body::from(text);
    reply
}

/// Which logs there are. With `?own` the others are not asked, so that two nodes do not ask each other in circles.
async fn index(State(shared): State<Arc<Shared>>, uri: Uri) -> Reply {
    let own = shared.own_halves().await;
    let mut nodes = Vec::new();
    for party in Party::ALL {
        let halves = match (party == shared.parts.party, uri.query() == Some("own")) {
            (true, _) => own.clone(),
            (false, true) => continue,
            // What a node that does not answer has is most likely what this one has.
            (false, false) => shared.halves_of(party).await.unwrap_or_else(|| own.clone()),
        };
        let keys = &shared.parts.keys[party.index()];
        let halves: Vec<_> = halves.iter().map(ToString::to_string).collect();
        nodes.push(json!({
            "party": party, "log": keys.log.to_string(), "cosigner": keys.cosigner.to_string(), "halves": halves,
        }));
    }
    let witnesses: Vec<_> = shared.parts.witnesses.iter().map(ToString::to_string).collect();
    let index = json!({ "deployment": shared.parts.deployment, "nodes": nodes, "witnesses": witnesses });
    let mut reply = words(StatusCode::OK, "");
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *reply.body_mut() = Body::from(format!("{index:#}\n"));
    reply
}

impl Shared {
    /// The half-years that there are logs of, the earliest first.
    async fn own_halves(&self) -> Vec<Shard> {
        let logs = self.parts.logs.clone();
        tokio::task::spawn_blocking(move || halves_in(&logs)).await.unwrap_or_default()
    }

    async fn halves_of(&self, party: Party) -> Option<Vec<Shard>> {
        let lock = || self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()[party.index()].clone();
        if let Some((_, halves)) = known.filter(|(then, _)| then.elapsed() < REMEMBERED) {
            return halves;
        }
        let answer = self.relay(party, "/logs.json?own".to_owned(), None).await.and_then(Result::ok);
        let halves = answer.and_then(|answer| halves_told(&answer, party));
        lock()[party.index()] = Some((Instant::now(), halves.clone()));
        halves
    }

    /// What another node answers; none if it is not known where it is.
    async fn relay(&self, party: Party, path: String, token: Option<String>) -> Option<Result<Answer, WebError>> {
        let (_, site) = self.parts.peers.iter().find(|(peer, _)| *peer == party)?;
        let site: HttpClient = site.clone();
        let permit = Arc::clone(&self.relayed).acquire_owned().await.expect("nobody closes the semaphore");
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            site.get(&path, token.as_deref())
        });
        asked.await.ok()
    }
}

fn halves_in(logs: &std::path::Path) -> Vec<Shard> {
    let Ok(folders) = std::fs::read_dir(logs) else { return Vec::new() };
    let half = |folder: std::fs::DirEntry| {
        let half: Shard = folder.file_name().to_str()?.parse().ok()?;
        folder.path().join("checkpoint").is_file().then_some(half)
    };
    let mut halves: Vec<Shard> = folders.filter_map(|folder| half(folder.ok()?)).collect();
    halves.sort_unstable();
    halves
}

fn halves_told(answer: &Answer, party: Party) -> Option<Vec<Shard>> {
    let index: Value = serde_json::from_slice(&answer.body).ok()?;
    let nodes = index.get("nodes")?.as_array()?;
    let node = nodes.iter().find(|node| node["party"].as_str() == Some(party.as_str()))?;
    node["halves"].as_array()?.iter().map(|half| half.as_str()?.parse().ok()).collect()
}

fn nowhere() -> Reply {
    words(StatusCode::NOT_FOUND, "not found\n")
}

fn unauthorised() -> Reply {
    let mut reply = words(StatusCode::UNAUTHORIZED, "entries need an auditor's token\n");
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

fn busy() -> Reply {
    let mut reply = words(StatusCode::SERVICE_UNAVAILABLE, "too many requests\n");
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}
