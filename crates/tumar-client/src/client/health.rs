//! Whether nodes serve, as each says by `grpc.health.v1`.

use std::time::Duration;

use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{ClientConfig, ClientError, InputError};
use crate::party::Party;
use crate::tls::Dialler;

/// How long one node may take to say it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks one node whether it serves. The leader is asked at the configuration's own address, another node at the one in its table.
///
/// # Errors
/// [`ClientError`] if nobody answers, or not the one that is pinned; [`InputError::NoAddress`] of a node that has no address.
pub async fn is_serving(config: &ClientConfig, party: Party) -> Result<bool, ClientError> {
    let (address, certificate) = match &config.doors[party.index()] {
        Some(door) => (&door.address, &door.certificate),
        None if party == Party::LEADER => (&config.address, &config.certificate),
        None => return Err(InputError::NoAddress(party).into()),
    };
    let asked = async {
        let channel = Dialler::new(None, certificate, &config.server_name)?.dial(address).await?;
        let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
        let answer = answer.map_err(|status| ClientError::Unanswered(Box::new(status)))?;
        Ok::<_, ClientError>(answer.into_inner().status() == ServingStatus::Serving)
    };
    let late = || ClientError::Unanswered(Box::new(Status::deadline_exceeded("no answer within ten seconds")));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
}
