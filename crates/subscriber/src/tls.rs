//! One TLS configuration for HTTP and WebSocket.
//!
//! Built with ring by name: with two providers in the process, or none installed, rustls' defaults panic.
//! A server that joins by invite has a CA of its own. Its certificate is recognised by its SHA-256, which the invite
//! carried, and must be in the chain that the server sends; name and validity of the leaf are then checked against
//! that CA alone, so no public CA can stand in for it.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// SHA-256 of a certificate.
type Fingerprint = [u8; 32];

/// The configuration for an endpoint with this fingerprint, or with the computer's own roots. Those are read only if
/// TLS is `spoken`: they cost a resident that talks to its own server 50 ms and a megabyte for nothing.
pub(crate) fn client_config(ca_fingerprint: Option<&str>, spoken: bool) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match ca_fingerprint {
        Some(text) => Arc::new(Pinned::new(parse(text)?, provider.clone())),
        // Matches no certificate at all.
        None if !spoken => Arc::new(Pinned::new([0; 32], provider.clone())),
        None => Arc::new(
            rustls_platform_verifier::Verifier::new(provider.clone())
                .map_err(|e| Error::Tls(e.to_string()))?,
        ),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn parse(text: &str) -> Result<Fingerprint> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Fingerprint)?;
    bytes.try_into().map_err(|_| Error::Fingerprint)
}

/// Takes a chain that holds the CA with this fingerprint and is valid under it.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
    /// The verifier for the CA, made from the first chain that held it: the invite carries only its hash.
    under_ca: Mutex<Option<Arc<WebPkiServerVerifier>>>,
}

/// No certificate of the chain has the fingerprint of the invite.
#[derive(Debug, thiserror::Error)]
#[error("its CA is not the one of the invite: the server was set up anew, or somebody is in between")]
struct OtherCa;

impl Pinned {
    fn new(fingerprint: Fingerprint, provider: Arc<CryptoProvider>) -> Self {
        Self { fingerprint, provider, under_ca: Mutex::new(None) }
    }

    fn under_ca(&self, chain: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        let mut kept = self.under_ca.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(verifier) = &*kept {
            return Ok(verifier.clone());
        }
        let ca =
            chain.iter().find(|c| <Fingerprint>::from(Sha256::digest(c)) == self.fingerprint).ok_or_else(
                || rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(OtherCa)))),
            )?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        Ok(kept.insert(verifier).clone())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.under_ca(intermediates)?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
