//! The security upgrades of a connection: our `/tls/1.0.0` first, Noise second (spec chapter 10, `[NET-3.*]`).
//!
//! TLS 1.3 alone, both sides with the certificate of the libp2p TLS specification, whose extension binds the
//! certificate's key to the peer's identity key. Made from the public certificate functions of libp2p and from
//! rustls, because the stock upgrade puts ChaCha20 before AES, and writes session keys to the file that the
//! variable `SSLKEYLOGFILE` names; here nothing does. No session is resumed: each connection proves both keys.
//!
//! Noise serves peers without TLS. It is ChaCha20-Poly1305 by its name.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures::future::{BoxFuture, Either};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use libp2p::{PeerId, noise};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CommonState, DigitallySignedStruct, DistinguishedName, SignatureScheme, SupportedCipherSuite};

use super::error::{TransportError, chain};
use super::links::Notes;

/// Name of the TLS upgrade in multistream-select.
pub(super) const TLS: &str = "/tls/1.0.0";
/// Name of the Noise upgrade.
pub(super) const NOISE: &str = "/noise";
/// Application protocol of the handshake.
const ALPN: &[u8] = b"libp2p";
/// Signature schemes of certificates: what the libp2p TLS specification allows, without SHA-1 and PKCS#1.
const SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Both security upgrades of one node. Cloned for each connection.
#[derive(Clone)]
pub(super) struct Security {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    noise: noise::Config,
    notes: Notes,
}

/// The encrypted byte stream that an upgrade yields.
pub(super) type Secured<C> = Either<TlsStream<C>, noise::Output<C>>;

impl Security {
    /// Upgrades that prove `identity`; what was negotiated is written to `notes`.
    pub(super) fn new(identity: &Keypair, notes: Notes) -> Result<Self, TransportError> {
        let provider = Arc::new(provider());
        let server = server_config(identity, provider.clone())?;
        let client = client_config(identity, provider)?;
        let noise = noise::Config::new(identity).map_err(|error| key(&error))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            noise,
            notes,
        })
    }
}

fn key(error: &(dyn std::error::Error + 'static)) -> TransportError {
    TransportError::Key { reason: chain(error) }
}

/// The cipher suites in our order: AES-128-GCM first where the processor has AES. // NET-3.3
pub(super) fn suites() -> Vec<SupportedCipherSuite> {
    if has_aes() {
        vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256]
    } else {
        vec![TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384]
    }
}

fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: suites(), ..rustls::crypto::aws_lc_rs::default_provider() }
}

/// A certificate for `identity`, always presented.
fn certified(identity: &Keypair) -> Result<Arc<Presented>, TransportError> {
    let (certificate, secret) = certificate::generate(identity).map_err(|error| key(&error))?;
    let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&secret).map_err(|error| key(&error))?;
    Ok(Arc::new(Presented(Arc::new(rustls::sign::CertifiedKey::new(vec![certificate], signer)))))
}

fn server_config(
    identity: &Keypair,
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ServerConfig, TransportError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| key(&error))?
        .with_client_cert_verifier(Arc::new(Identity))
        .with_cert_resolver(certified(identity)?);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

fn client_config(
    identity: &Keypair,
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ClientConfig, TransportError> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| key(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Identity))
        .with_client_cert_resolver(certified(identity)?);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// One certificate for every handshake.
#[derive(Debug)]
struct Presented(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Presented {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Checks that a peer presents exactly one certificate, that it is well made and that it names an identity key that
/// signed it. Which identity is wanted is checked by the swarm, when the handshake is done. // NET-3.2
#[derive(Debug)]
struct Identity;

impl Identity {
    fn check(certificate: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        if !others.is_empty() {
            return Err(rustls::Error::General("more than one certificate".into()));
        }
        certificate::parse(certificate)?;
        Ok(())
    }

    fn signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        certificate::parse(certificate)?.verify_signature(signed.scheme, message, signed.signature())?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn old() -> rustls::Error {
        rustls::Error::General("only TLS 1.3 is spoken here".into())
    }
}

impl ServerCertVerifier for Identity {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Identity {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(Self::old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// The identity that the peer proved in a finished handshake.
fn proven(state: &CommonState) -> io::Result<PeerId> {
    let Some([certificate]) = state.peer_certificates() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not exactly one certificate"));
    };
    Ok(certificate::parse(certificate).map_err(|error| io::Error::other(chain(&error)))?.peer_id())
}

/// Protocol, key exchange and cipher of a finished handshake.
fn described(state: &CommonState) -> String {
    let suite = state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let group = state.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
    format!("{TLS} {} {}", suite.unwrap_or("unknown"), group.unwrap_or("unknown"))
}

impl UpgradeInfo for Security {
    type Info = &'static str;
    type InfoIter = [&'static str; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        // The dialer proposes in this order and the listener takes the first it knows. // NET-3.1
        [TLS, NOISE]
    }
}

type Upgrading<C> = BoxFuture<'static, io::Result<(PeerId, Secured<C>)>>;

impl<C> InboundConnectionUpgrade<C> for Security
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = Upgrading<C>;

    fn upgrade_inbound(self, socket: C, info: &'static str) -> Self::Future {
        async move {
            if info == NOISE {
                let (peer, io) = self.noise.upgrade_inbound(socket, NOISE).await.map_err(io::Error::other)?;
                self.notes.write(peer, false, noise_described());
                return Ok((peer, Either::Right(io)));
            }
            let io = self.acceptor.accept(socket).await?;
            let peer = proven(io.get_ref().1)?;
            self.notes.write(peer, false, described(io.get_ref().1));
            Ok((peer, Either::Left(io.into())))
        }
        .boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Security
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured<C>);
    type Error = io::Error;
    type Future = Upgrading<C>;

    fn upgrade_outbound(self, socket: C, info: &'static str) -> Self::Future {
        async move {
            if info == NOISE {
                let (peer, io) =
                    self.noise.upgrade_outbound(socket, NOISE).await.map_err(io::Error::other)?;
                self.notes.write(peer, true, noise_described());
                return Ok((peer, Either::Right(io)));
            }
            // An unspecified address and `enable_sni = false`: the name of the server is its key.
            let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
            let io = self.connector.connect(name, socket).await?;
            let peer = proven(io.get_ref().1)?;
            self.notes.write(peer, true, described(io.get_ref().1));
            Ok((peer, Either::Left(io.into())))
        }
        .boxed()
    }
}

fn noise_described() -> String {
    format!("{NOISE} XX_25519_ChaChaPoly_SHA256")
}

#[cfg(test)]
mod tests {
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    fn node() -> (Security, PeerId) {
        let identity = Keypair::generate_ed25519();
        (Security::new(&identity, Notes::default()).unwrap(), identity.public().to_peer_id())
    }

    #[tokio::test]
    async fn each_connection_is_a_full_handshake_that_proves_both_keys() {
        // NET-3.2, NET-3.5
        let ((dialer, dialer_id), (listener, listener_id)) = (node(), node());
        for _ in 0..3 {
            let (a, b) = tokio::io::duplex(1 << 16);
            let (dialled, accepted) = futures::join!(
                dialer.clone().upgrade_outbound(a.compat(), TLS),
                listener.clone().upgrade_inbound(b.compat(), TLS),
            );
            let ((there, dialled), (here, accepted)) = (dialled.unwrap(), accepted.unwrap());
            assert_eq!((there, here), (listener_id, dialer_id));
            for secured in [dialled, accepted] {
                let Either::Left(secured) = secured else { panic!("not TLS") };
                let state = secured.get_ref().1;
                assert_eq!(state.handshake_kind(), Some(rustls::HandshakeKind::Full));
                assert_eq!(state.alpn_protocol(), Some(ALPN));
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_says_its_own_identity_or_none() {
        // NET-3.2: cut at every byte it says none; changed in every byte, none or the one that it was made for.
        let identity = Keypair::generate_ed25519();
        let (certificate, _) = certificate::generate(&identity).unwrap();
        assert!(Identity::check(&certificate, &[]).is_ok());
        assert!(Identity::check(&certificate, std::slice::from_ref(&certificate)).is_err());
        for at in 0..certificate.len() {
            let mut bytes = certificate.to_vec();
            bytes[at] ^= 1;
            let changed = CertificateDer::from(bytes);
            let said = certificate::parse(&changed).map(|parsed| parsed.peer_id()).ok();
            assert!(said.is_none_or(|peer| peer == identity.public().to_peer_id()), "byte {at}");
            assert!(
                Identity::check(&CertificateDer::from(certificate[..at].to_vec()), &[]).is_err(),
                "length {at}"
            );
        }
    }
}
