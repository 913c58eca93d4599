//! TLS 1.3 by ring, with certificates pinned: who is not named in the configuration does not get as far as a byte of gRPC.

mod seated;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint, Uri};

pub use seated::{Seated, Secured, accept, next};

/// How long a caller may take for its TLS handshake before it is dropped.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// TLS that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that should hold a certificate does not.
    #[error("no certificate in PEM; of one in DER: openssl x509 -inform DER -in OLD -out NEW")]
    NoCertificate,
    /// A file that should hold the private key of a certificate does not.
    #[error("no private key in PEM; of one in DER: openssl pkey -inform DER -in OLD -out NEW")]
    NoKey,
    /// rustls refused the parts: a key that is not the certificate's is one reason.
    #[error("certificate and key do not belong together, or are not usable for TLS")]
    Config(#[from] rustls::Error),
    /// The pinned certificates make no verifier.
    #[error("the pinned certificates can not be trust anchors")]
    Pins(#[from] rustls::server::VerifierBuilderError),
    /// What is to be shown to peers is an authority's.
    #[error(
        "the certificate is an authority's (CA:TRUE), which the other nodes refuse: make one of an end entity, by openssl req -x509 .. \
         -addext basicConstraints=critical,CA:FALSE"
    )]
    Authority,
    /// An address that is not `host:port`.
    #[error("an address must be host:port")]
    Address,
}

/// A certificate and its key, from PEM.
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TlsIdentity {
    /// Reads certificate and key, and sees that they belong together.
    ///
    /// # Errors
    /// [`TlsError::NoCertificate`], [`TlsError::NoKey`], [`TlsError::Config`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider())?;
        Ok(Self { chain, key })
    }

    /// Why those who pinned this certificate for a server of this name would refuse it.
    ///
    /// # Errors
    /// [`TlsError`] if it can not be pinned, or the name is none.
    pub fn refused_as(&self, name: &str) -> Result<Option<Untrusted>, TlsError> {
        let Some(own) = self.chain.first() else { return Err(TlsError::NoCertificate) };
        let pinned = Arc::new(roots(&[Pinned(own.clone())])?);
        let verifier = WebPkiServerVerifier::builder_with_provider(pinned, provider()).build()?;
        let name = ServerName::try_from(name).map_err(|_| TlsError::Address)?;
        Ok(verifier.verify_server_cert(own, &[], &name, &[], UnixTime::now()).err().map(Untrusted))
    }

    /// The certificate's DER.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        self.chain.first().map_or(&[], |own| own.as_ref())
    }
}

/// One certificate that is trusted, and nothing it does not sign.
#[derive(Clone)]
pub struct Pinned(CertificateDer<'static>);

impl Pinned {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`TlsError::NoCertificate`], [`TlsError::Config`] for one that can not be trusted as it is.
    pub fn from_pem(certificate: &[u8]) -> Result<Self, TlsError> {
        let pinned = Self(CertificateDer::from_pem_slice(certificate).map_err(|_| TlsError::NoCertificate)?);
        roots(std::slice::from_ref(&pinned))?;
        Ok(pinned)
    }

    /// The certificate's DER.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Whether a peer showed exactly this certificate.
    #[must_use]
    pub fn is(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.as_ref() == certificate.as_ref()
    }
}

fn roots(pins: &[Pinned]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for pin in pins {
        roots.add(pin.0.clone())?;
    }
    Ok(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server that everybody may call. A caller may show a certificate that one of `callers` signed or is.
///
/// # Errors
/// [`TlsError`] if the identity or a pin is not one.
pub fn open_server(own: &TlsIdentity, callers: &[Pinned]) -> Result<Acceptor, TlsError> {
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
    let config = if callers.is_empty() {
        config.with_no_client_auth()
    } else {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(callers)?), provider());
        config.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
    };
    Ok(acceptor(config.with_single_cert(own.chain.clone(), own.key.clone_key())?))
}

/// A server that only the holders of the pinned certificates may call.
///
/// # Errors
/// [`TlsError`] if the identity or a pin is not one.
pub fn pinned_server(own: &TlsIdentity, callers: &[Pinned]) -> Result<Acceptor, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(callers)?), provider()).build()?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain.clone(), own.key.clone_key())?;
    Ok(acceptor(config))
}

fn acceptor(mut config: ServerConfig) -> Acceptor {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Acceptor::of(config)
}

/// Accepts TLS on a port. What it shows and whom it believes can be replaced while it does: connections that stand stay as they are.
#[derive(Clone)]
pub struct Acceptor(Arc<RwLock<TlsAcceptor>>);

impl Acceptor {
    fn of(config: ServerConfig) -> Self {
        Self(Arc::new(RwLock::new(TlsAcceptor::from(Arc::new(config)))))
    }

    fn now(&self) -> TlsAcceptor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Accepts as this other one does, from now on.
    pub fn become_like(&self, other: &Self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other.now();
    }
}

/// TLS for browsers and for whoever else speaks HTTP/1.1.
#[derive(Clone)]
pub struct WebTls(Acceptor);

impl WebTls {
    /// A server that everybody may call.
    ///
    /// # Errors
    /// [`TlsError`] if the identity is not one.
    pub fn new(own: &TlsIdentity) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(own.chain.clone(), own.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Acceptor::of(config)))
    }

    /// Shows what this other one does, from now on.
    pub fn become_like(&self, other: &Self) {
        self.0.become_like(&other.0);
    }

    /// The server's side of a handshake.
    ///
    /// # Errors
    /// Whatever the caller does wrong, and that it dawdles.
    pub async fn shake(&self, stream: Seated) -> io::Result<Secured> {
        tokio::time::timeout(HANDSHAKE, self.0.now().accept(stream)).await?
    }
}

/// Dials gRPC servers that show the pinned certificate.
#[derive(Clone)]
pub struct Dialler {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Dialler {
    /// `own` is shown where the server asks for a certificate; `name` must stand in the server's.
    ///
    /// # Errors
    /// [`TlsError`] if the identity, the pin or the name is not one.
    pub fn new(own: Option<&TlsIdentity>, server: &Pinned, name: &str) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots(std::slice::from_ref(server))?);
        let mut config = match own {
            Some(own) => config.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Address)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// A gRPC channel to `host:port`, connected.
    ///
    /// # Errors
    /// [`TlsError::Address`] for the address, [`DialError::Untrusted`], or the transport's own error.
    pub async fn dial(&self, address: &str) -> Result<Channel, DialError> {
        let endpoint = Self::endpoint(address)?;
        endpoint.connect_with_connector(self.at(address)).await.map_err(|error| match untrusted(&error) {
            Some(fault) => DialError::Untrusted { address: address.to_owned(), fault },
            None => DialError::Transport { address: address.to_owned(), error },
        })
    }

    fn endpoint(address: &str) -> Result<Endpoint, TlsError> {
        // To tonic this is a plain connection: TLS is our connector's, and tonic would look for its own. What the peer reads as
        // the scheme and authority of a call is the origin.
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| TlsError::Address)?;
        let origin = Uri::try_from(format!("https://{address}")).map_err(|_| TlsError::Address)?;
        Ok(endpoint
            .origin(origin)
            .connect_timeout(HANDSHAKE)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true))
    }

    fn at(&self, address: &str) -> Connector {
        Connector { dialler: self.clone(), address: address.to_owned() }
    }
}

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Our own configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody is there, and not who should be.
    #[error("the server at {address} is not the pinned one")]
    Untrusted {
        /// Where.
        address: String,
        /// Why.
        #[source]
        fault: Untrusted,
    },
    /// Nobody there.
    #[error("no connection to {address}")]
    Transport {
        /// Where.
        address: String,
        /// Why.
        #[source]
        error: tonic::transport::Error,
    },
}

/// Why a server is not believed to be who it should be. To ask again does not help.
#[derive(Debug, thiserror::Error)]
#[error("{}", words_of(.0))]
pub struct Untrusted(rustls::Error);

impl Untrusted {
    /// Whether a certificate is an authority's: good for signing others, and not for showing.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        let wrong = if let rustls::Error::InvalidCertificate(wrong) = &self.0 { Some(wrong) } else { None };
        wrong.is_some_and(is_authority)
    }

    /// Whether a certificate is no longer valid, or not yet.
    #[must_use]
    pub const fn is_of_time(&self) -> bool {
        use rustls::CertificateError as Wrong;
        matches!(
            &self.0,
            rustls::Error::InvalidCertificate(
                Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. }
            )
        )
    }
}

/// The verifier tells it as an error of its own, by this name.
fn is_authority(wrong: &rustls::CertificateError) -> bool {
    matches!(wrong, rustls::CertificateError::Other(error) if error.to_string() == "CaUsedAsEndEntity")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of faults has no end")]
fn words_of(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    let wrong = match error {
        rustls::Error::InvalidCertificate(wrong) => wrong,
        rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => {
            return format!("it does not speak TLS 1.3 ({error})");
        }
        rustls::Error::AlertReceived(alert) => {
            return format!("it refused the presented certificate (alert {alert:?}); see its log");
        }
        _ => return format!("it did not complete a TLS 1.3 handshake ({error})"),
    };
    match wrong {
        _ if is_authority(wrong) => {
            "its certificate is an authority's, and not an end entity's: make one without CA:TRUE".to_owned()
        }
        Wrong::UnknownIssuer | Wrong::BadSignature => "its certificate is not the pinned one".to_owned(),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            format!("its certificate is for another name ({error})")
        }
        Wrong::Expired | Wrong::ExpiredContext { .. } => format!("its certificate has expired ({error})"),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => format!("its certificate is not valid yet ({error})"),
        _ => format!("its certificate is not valid ({error})"),
    }
}

/// Whether a connection failed because of who was there, and not because nobody was.
#[must_use]
pub fn untrusted(error: &(dyn std::error::Error + 'static)) -> Option<Untrusted> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| {
        // What an I/O error holds is not its source.
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let own = cause.downcast_ref::<rustls::Error>();
        own.or_else(|| inside?.downcast_ref::<rustls::Error>()).cloned().map(Untrusted)
    })
}

/// What tonic asks for a connection.
struct Connector {
    dialler: Dialler,
    address: String,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (dialler, address) = (self.dialler.clone(), self.address.clone());
        Box::pin(async move {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(dialler.connector.connect(dialler.name, stream).await?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_an_older_tls_is_told_from_one_that_refuses_a_certificate() {
        let told = |alert| Untrusted(rustls::Error::AlertReceived(alert)).to_string();
        assert!(told(rustls::AlertDescription::ProtocolVersion).starts_with("it does not speak TLS 1.3"));
        assert!(told(rustls::AlertDescription::BadCertificate).starts_with("it refused the presented certificate"));
    }
}
