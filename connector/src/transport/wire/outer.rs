//! The TLS around a WebSocket (spec chapter 10, NET-10.3): what firewalls expect on port 443.
//!
//! No certificate is judged here. Who answers is proved by the security upgrade inside, against the peer id that the address or
//! the caller names, so that a firm's proxy may even open this layer and close it again: it sees ciphertext.

use std::io;
use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsConnector};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};

use super::super::error::TransportError;
use super::super::https::{self, AnyServer, unusable};
use super::Pipe;

/// What a WebSocket listener shows: a chain, the own certificate first, and its key.
pub type OuterCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Both sides of the outer TLS.
#[derive(Clone)]
pub(in super::super) struct Outer {
    connector: TlsConnector,
    acceptor: Option<TlsAcceptor>,
}

/// A certificate of nobody, made for one run.
fn made() -> Result<OuterCertificate, TransportError> {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(|error| unusable(&error))?;
    let key = PrivatePkcs8KeyDer::from(made.key_pair.serialize_der());
    Ok((vec![made.cert.into()], key.into()))
}

impl Outer {
    /// To dial alone.
    pub(in super::super) fn new() -> Result<Self, TransportError> {
        let provider = https::provider();
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![https::ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), acceptor: None })
    }

    /// To listen too, with this certificate or one made now.
    pub(in super::super) fn listening(
        mut self,
        certificate: Option<OuterCertificate>,
    ) -> Result<Self, TransportError> {
        let (chain, key) = certificate.map_or_else(made, Ok)?;
        let mut config = ServerConfig::builder_with_provider(https::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| unusable(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&error))?;
        config.alpn_protocols = vec![https::ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        self.acceptor = Some(TlsAcceptor::from(Arc::new(config)));
        Ok(self)
    }

    pub(super) async fn connect(&self, name: ServerName<'static>, socket: Pipe) -> io::Result<Pipe> {
        Ok(Pipe::of(self.connector.connect(name, socket).await?))
    }

    pub(super) async fn accept(&self, socket: Pipe) -> io::Result<Pipe> {
        let acceptor = self.acceptor.as_ref();
        let acceptor = acceptor.ok_or_else(|| io::Error::other("no certificate to listen with"))?;
        Ok(Pipe::of(acceptor.accept(socket).await?))
    }
}
