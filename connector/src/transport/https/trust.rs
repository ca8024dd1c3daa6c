//! Whose certificates are believed (spec chapter 10, NET-8.3 and NET-8.7).
//!
//! The door asks for a client certificate and believes none: it checks that the client has its key, and passes on which one
//! it was. A client of ours believes the operating system's roots, or only what was pinned for this peer.

use std::sync::Arc;

use naru_protocol::encoding::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::super::error::{TransportError, chain};
use super::provider;

/// What each verifier here does about the handshake, whatever it makes of the certificate: who shows it has to have its key.
macro_rules! has_its_key {
    ($provider:tt) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, cert, dss, &self.$provider.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, cert, dss, &self.$provider.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// A certificate and its key, which a client of ours shows to a peer that asks.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Identity").field(&self.digest()).finish()
    }
}

impl Identity {
    /// A chain, the own certificate first, and the key of that.
    ///
    /// # Errors
    /// [`TransportError::Certificate`] if there is none, or the key is not its key.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TransportError> {
        if certificates.is_empty() {
            return Err(TransportError::Certificate { reason: "there is no certificate".to_owned() });
        }
        let certified = CertifiedKey::from_der(certificates, key, &provider()).map_err(|e| unusable(&e))?;
        Ok(Self(Arc::new(certified)))
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.0.cert.first().map(|certificate| Digest::of(certificate))
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.0.clone()
    }
}

pub(in super::super) fn unusable(error: &(dyn std::error::Error + 'static)) -> TransportError {
    TransportError::Certificate { reason: chain(error) }
}

/// Takes any certificate whose key the client has, or none. // NET-8.3
#[derive(Debug)]
pub(super) struct AnyClient(pub(super) Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        ParsedCertificate::try_from(end_entity).map(|_| ClientCertVerified::assertion())
    }

    has_its_key!(0);
}

/// Takes any certificate whose key the server has: who it is has to be proved inside. // NET-10.3
#[derive(Debug)]
pub(in super::super) struct AnyServer(pub(in super::super) Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    has_its_key!(0);
}

/// Takes exactly the pinned certificates, whatever names and dates they carry, and what pinned roots vouch for by the rules
/// of the web. // NET-8.7
#[derive(Debug)]
pub(super) struct Pinned {
    exact: Vec<Digest>,
    roots: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(super) fn new(
        certificates: &[CertificateDer<'static>],
        digests: &[Digest],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TransportError> {
        let mut exact = digests.to_vec();
        exact.extend(certificates.iter().map(|certificate| Digest::of(certificate)));
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        let roots = if store.is_empty() { None } else { Some(of_roots(Arc::new(store), &provider)?) };
        Ok(Self { exact, roots, provider })
    }
}

/// By the rules of the web, from these roots.
pub(super) fn of_roots(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TransportError> {
    WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().map_err(|e| unusable(&e))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.exact.contains(&Digest::of(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.roots {
            Some(roots) => roots.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    has_its_key!(provider);
}

/// The certificates of a PEM text.
///
/// # Errors
/// Why it holds none, in words.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    use rustls::pki_types::pem::PemObject as _;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(all) if all.is_empty() => Err("holds no certificate in PEM form".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("is no PEM: {error}")),
    }
}
