//! The token service over HTTPS: `POST /token`, `GET /jwks`, `GET /.well-known/oauth-authorization-server`.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Code, Refused, TokenService};

/// Longest form, in bytes: an assertion, details and their escapes.
const MAX_FORM: usize = 32 * 1024;

type Reply = Response<Body>;

/// What is answered.
pub fn router(service: Arc<TokenService>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/jwks", get(async |State(service): State<Arc<TokenService>>| reply(200, service.jwks())))
        .route(
            "/.well-known/oauth-authorization-server",
            get(async |State(service): State<Arc<TokenService>>| reply(200, service.metadata().to_string())),
        )
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(service)
}

async fn token(State(service): State<Arc<TokenService>>, headers: HeaderMap, body: Bytes) -> Reply {
    match answer(&service, &headers, body).await {
        Ok(given) => reply(200, given.to_string()),
        Err(refused) => {
            if refused.code == Code::InvalidClient {
                tracing::info!(why = refused.why, "a caller was refused");
            }
            refusal(&refused)
        }
    }
}

async fn answer(service: &Arc<TokenService>, headers: &HeaderMap, body: Bytes) -> Result<Value, Refused> {
    let wrong = |why: &str| Refused { code: Code::InvalidRequest, why: why.to_owned() };
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(wrong("the content type must be application/x-www-form-urlencoded"));
    }
    let mut proofs = headers.get_all("dpop").iter();
    let dpop = match (proofs.next(), proofs.next()) {
        (None, _) => None,
        (Some(proof), None) => Some(proof.to_str().map_err(|_| wrong("the header DPoP is not ASCII"))?.to_owned()),
        (Some(_), Some(_)) => return Err(wrong("there are two headers DPoP")),
    };
    // Signing, and waiting for the disk that the audit line is written to.
    let service = Arc::clone(service);
    let answered = tokio::task::spawn_blocking(move || service.answer(&body, dpop.as_deref())).await;
    answered.unwrap_or_else(|_| {
        Err(Refused { code: Code::TemporarilyUnavailable, why: "the request was not answered".to_owned() })
    })
}

fn refusal(refused: &Refused) -> Reply {
    let body = json!({ "error": refused.code.as_str(), "error_description": refused.why });
    let mut reply = reply(refused.code.status(), body.to_string());
    match refused.code {
        // A 401 names a scheme (RFC 9110 11.6.1), and private_key_jwt has none: the one that the token is for.
        Code::InvalidClient => {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("DPoP algs=\"EdDSA ES256\""));
        }
        Code::TemporarilyUnavailable => {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        Code::InvalidRequest
        | Code::UnsupportedGrantType
        | Code::InvalidAuthorizationDetails
        | Code::InvalidDpopProof => {}
    }
    reply
}

fn reply(status: u16, body: String) -> Reply {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
