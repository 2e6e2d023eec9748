//! TLS with ring by name: with two providers in the process, or none installed, rustls' defaults panic. Certificates
//! are judged by the computer's own roots, so that a company's inspecting proxy works where the company installed it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::endpoint::BadEndpoint;

/// The computer's roots are read only if TLS is `spoken`: reading them costs 50 ms and a megabyte.
pub(super) fn client_config(spoken: bool) -> Result<ClientConfig, BadEndpoint> {
    let failed = |error: rustls::Error| BadEndpoint::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    if !spoken {
        // Trusts nobody.
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(failed)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}
