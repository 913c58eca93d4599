//! Messages as bytes, for whoever keeps a request to send it again, or has a backend send it.

use prost::Message as _;

use super::peer::v1::Relayed;
use super::peer::v1::relayed::Request;
use super::v1::GetCommitteeResponse;

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

/// The message of `tumar.v1` that a client sends: for somebody else to send it.
#[must_use]
pub fn message_to_bytes(request: &Request) -> Vec<u8> {
    match request {
        Request::Enroll(message) => message.encode_to_vec(),
        Request::Verify(message) => message.encode_to_vec(),
        Request::Erase(message) => message.encode_to_vec(),
        Request::Lock(message) => message.encode_to_vec(),
        Request::Unlock(message) => message.encode_to_vec(),
        Request::Search(message) => message.encode_to_vec(),
    }
}

/// An answer to `GetCommittee` that somebody else asked for. Nothing of it is checked.
#[must_use]
pub fn committee_from_bytes(bytes: &[u8]) -> Option<GetCommitteeResponse> {
    GetCommitteeResponse::decode(bytes).ok()
}
