//! HTTP/2 as one likes it: streams that are begun and not ended, bodies as large as they are let.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tumar::party::Party;

use super::Nodes;

/// A head of a gRPC call.
pub(crate) fn head(call: &str, metadata: &[(&str, &str)]) -> Request<()> {
    let request = Request::post(format!("https://localhost/{call}"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    metadata.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

/// The prefix of a message of so many bytes.
pub(crate) fn prefix(length: u32) -> Bytes {
    [&[0], &length.to_be_bytes()[..]].concat().into()
}

impl Nodes {
    /// TLS to a node's port, and nothing more.
    pub(crate) async fn try_secured(
        &self,
        party: Party,
        address: &str,
        protocol: &str,
    ) -> Option<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate(party)).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(self.files.client_config().server_name.clone()).unwrap();
        let stream = TcpStream::connect(address).await.ok()?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
    }

    /// The same where nobody may hang up.
    pub(crate) async fn secured(&self, party: Party, address: &str, protocol: &str) -> TlsStream<TcpStream> {
        self.try_secured(party, address, protocol).await.expect("TLS")
    }

    /// HTTP/2 to the leader.
    pub(crate) async fn h2(&self) -> SendRequest<Bytes> {
        let stream = self.secured(Party::A, &self.config(Party::A).public, "h2").await;
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        send
    }
}

/// Pours a body of so many bytes into a call, as far as the other side lets it; what was taken until it answered, and what it said.
pub(crate) async fn pour(send: SendRequest<Bytes>, head: Request<()>, length: usize) -> (usize, Status) {
    let (response, mut body) = send.ready().await.unwrap().send_request(head, false).unwrap();
    tokio::pin!(response);
    let mut poured = 0;
    body.reserve_capacity(length);
    while poured < length {
        tokio::select! {
            answered = &mut response => return (poured, said(&answered.unwrap())),
            room = poll_fn(|cx| body.poll_capacity(cx)) => match room {
                Some(Ok(0)) => {}
                Some(Ok(room)) if body.send_data(vec![0; room].into(), false).is_ok() => poured += room,
                // The stream is closed: the answer says why.
                Some(Ok(_) | Err(_)) | None => break,
            },
        }
    }
    (poured, said(&response.await.unwrap()))
}

/// What an answer says that consists of a head alone.
pub(crate) fn said<B>(response: &Response<B>) -> Status {
    Status::from_header_map(response.headers()).expect("a status in the head")
}
