//! What everybody may call, and what is told of whether it can be.

use std::sync::Arc;

use tonic::service::Routes;

use super::NodeError;
use crate::engine::Parts;
use crate::name::Deployment;
use crate::peer::Peers;
use crate::service::{AuditEndpoint, MAX_REQUEST, MAX_SMALL, Matching};
use crate::wire::DESCRIPTORS;
use crate::wire::v1::access_log_service_server::AccessLogServiceServer;
use crate::wire::v1::matching_service_server::MatchingServiceServer;
use crate::wire::v1::subject_service_server::SubjectServiceServer;

/// What everybody may call.
pub(super) fn routes(parts: &Parts, peers: &Arc<Peers>, deployment: Deployment) -> Result<Routes, NodeError> {
    let matching =
        Matching::new(Arc::clone(&parts.leader), Arc::clone(&parts.authorizer), Arc::clone(peers), deployment);
    // One, so that all who read share one room.
    let auditing = Arc::new(AuditEndpoint::new(Arc::clone(&parts.auditing)));
    let log = AccessLogServiceServer::from_arc(Arc::clone(&auditing)).max_decoding_message_size(MAX_SMALL);
    let subject = SubjectServiceServer::from_arc(auditing).max_decoding_message_size(MAX_SMALL);
    // By the older interface as well: most tools that are about still ask by it.
    let (reflection, older_reflection) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    Ok(Routes::new(MatchingServiceServer::new(matching).max_decoding_message_size(MAX_REQUEST))
        .add_service(log)
        .add_service(subject)
        .add_service(reflection.max_decoding_message_size(MAX_SMALL))
        .add_service(older_reflection.max_decoding_message_size(MAX_SMALL)))
}

/// What a node serves to everybody, for tools that ask: not what nodes say to each other, at another address.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("tumar.v1.MatchingService")
        .with_service_name("tumar.v1.AccessLogService")
        .with_service_name("tumar.v1.SubjectService")
        .with_service_name("grpc.health.v1.Health")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_describes_what_everybody_may_call_and_not_what_nodes_say_to_each_other() {
        let says = |text: &str| DESCRIPTORS.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(says("tumar.v1") && says("SubjectService") && !says("tumar.peer") && !says("PeerService"));
        assert!(reflection().build_v1().is_ok() && reflection().build_v1alpha().is_ok(), "nothing in it is missing");
    }
}
