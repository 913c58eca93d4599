//! Requests as bytes, for whoever keeps one to send it again.

use prost::Message as _;

use super::peer::v1::Relayed;
use super::peer::v1::relayed::Request;

/// A request as bytes, to be kept.
#[must_use]
pub fn request_to_bytes(request: &Request) -> Vec<u8> {
    let relayed = Relayed { request: Some(request.clone()), ..Relayed::default() };
    relayed.encode_to_vec()
}

/// And from them, if there is nothing else in them.
#[must_use]
pub fn request_from_bytes(bytes: &[u8]) -> Option<Request> {
    let relayed = Relayed::decode(bytes).ok()?;
    let request = relayed.request?;
    // What would be lost when it is written again is not what was kept.
    (request_to_bytes(&request) == bytes).then_some(request)
}
