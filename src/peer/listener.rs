//! The side of a link that is dialled.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Request, Response, Status, Streaming};

use super::{Peers, connection};
use crate::wire::peer::v1 as wire;
use wire::peer_service_server::PeerService;

/// The side that is dialled.
pub struct Listener(pub Arc<Peers>);

#[tonic::async_trait]
impl PeerService for Listener {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<wire::ConnectResponse, Status>> + Send + 'static>>;

    async fn connect(
        &self,
        request: Request<Streaming<wire::ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let peers = Arc::clone(&self.0);
        let info = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
        let shown = info.and_then(TlsConnectInfo::peer_certs).and_then(|chain| chain.first().cloned());
        let caller = shown.and_then(|certificate| peers.place_of(|pin| pin.is(&certificate)));
        // Of each pair, the one that comes first dials.
        let place = caller.filter(|&place| peers.remotes[place].party < peers.own.party);
        let address = info.and_then(|info| info.get_ref().remote_addr()).map_or_else(String::new, |at| at.to_string());
        let Some(place) = place else {
            peers.explain_stranger(&address);
            return Err(Status::permission_denied("not a peer that connects to this node"));
        };
        let inbound = request.into_inner().filter_map(|message| message.ok()?.frame?.kind);
        let (out, frames) = connection::outbound();
        tokio::spawn(async move {
            let remote = &peers.remotes[place];
            if let Err(error) = peers.run((remote, &address), inbound, out).await {
                peers.explain(remote, &address, &error);
            }
        });
        Ok(Response::new(Box::pin(frames.map(|frame| Ok(wire::ConnectResponse { frame: Some(frame) })))))
    }
}
