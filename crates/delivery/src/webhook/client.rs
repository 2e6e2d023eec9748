//! The HTTP client of one webhook: the same as for the platforms.

use reqwest::Client;
use tocsin_wechat::{BadEndpoint, Timings, http_client};
use url::Url;

use super::settings::{Webhook, is_loopback};
use crate::line::{BadSettings, Secrets};

pub(super) fn client(
    settings: &Webhook,
    url: &Url,
    secrets: &Secrets,
    timings: Timings,
) -> Result<Client, BadSettings> {
    let proxy = settings.road().proxy(secrets)?;
    http_client(url.scheme() == "https", is_loopback(url), &proxy, timings).map_err(|bad| match bad {
        BadEndpoint::Proxy => BadSettings::of("config.proxy", bad),
        bad => BadSettings::of("config.url", bad),
    })
}
