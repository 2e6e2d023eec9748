//! The HTTP client of one webhook.
//!
//! No redirects: they would carry a signed message to where nobody has sent it. TLS with ring by name, since with two
//! providers in the process, or none installed, rustls' defaults panic; certificates are judged by the computer's own
//! roots.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use tocsin_wechat::Timings;
use url::Url;

use super::settings::{Webhook, is_loopback};
use crate::line::{BadSettings, Secrets};

/// An idle connection is kept this long: shorter than the 60 s after which proxies drop one.
const POOL_IDLE: Duration = Duration::from_secs(30);

pub(super) fn client(
    settings: &Webhook,
    url: &Url,
    secrets: &Secrets,
    timings: Timings,
) -> Result<Client, BadSettings> {
    let road = settings.road();
    let proxy = road.proxy_url(secrets)?;
    let spoken = [Some(url), proxy.as_ref()].into_iter().flatten().any(|url| url.scheme() == "https");
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls(spoken)?)
        .user_agent(concat!("tocsin/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timings.connect)
        .timeout(timings.call)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(Policy::none());
    // The system's proxy would be asked for its own loopback.
    if proxy.is_some() || road.is_direct() || is_loopback(url) {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = proxy {
        // The crate's error would repeat the address with its password.
        let proxy = reqwest::Proxy::all(proxy).map_err(|_| BadSettings::of("config.proxy", "not a proxy"))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| unusable(&error.without_url()))
}

/// The computer's roots are read only if TLS is `spoken`: reading them costs 50 ms and a megabyte.
fn tls(spoken: bool) -> Result<ClientConfig, BadSettings> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    if !spoken {
        // Trusts nobody.
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| unusable(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

fn unusable(error: &dyn std::fmt::Display) -> BadSettings {
    BadSettings::of("config.url", format!("TLS cannot be set up: {error}"))
}
