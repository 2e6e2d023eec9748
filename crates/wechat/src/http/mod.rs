//! One HTTP call, told apart by what may have happened to it.
//!
//! Secrets sit in the query of these platforms' calls. Therefore: no redirects (they would carry it elsewhere), no
//! plain http beyond this computer, every error without its URL, and whatever an answer echoes is masked before it is
//! kept. Bodies have a length (`api.weixin.qq.com` refuses chunked ones) and are sent byte for byte as prepared.

mod answer;
mod broken;
mod tls;

use reqwest::{Client, Method, header::CONTENT_TYPE, redirect::Policy};

pub(crate) use answer::{Answer, number};

use crate::{
    endpoint::{BadEndpoint, BaseUrl, Endpoint, Proxy, Timings},
    outcome::{Cause, Failure, NotSent, Unknown},
};

/// Longest answer that is read. A page of 10 000 openids has 310 KB; a list of templates some hundred.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// An idle connection is kept this long: shorter than the 60 s after which proxies drop one.
const POOL_IDLE: std::time::Duration = std::time::Duration::from_secs(30);

/// A client that requests leave this computer with: no redirects, since what is sent is for nobody else. `is_tls` and
/// `is_loopback` tell about the address that is asked.
pub fn client(
    is_tls: bool,
    is_loopback: bool,
    proxy: &Proxy,
    timings: Timings,
) -> Result<Client, BadEndpoint> {
    let spoken = is_tls || matches!(proxy, Proxy::Via(url) if url.is_tls());
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::client_config(spoken)?)
        .user_agent(concat!("tocsin/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timings.connect)
        .timeout(timings.call)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(Policy::none());
    builder = match proxy {
        Proxy::Via(url) => {
            // The crate's error would repeat the address with its password.
            let proxy = reqwest::Proxy::all(url.expose()).map_err(|_| BadEndpoint::Proxy)?;
            builder.no_proxy().proxy(proxy)
        }
        Proxy::Direct => builder.no_proxy(),
        // The system's proxy would be asked for its own loopback.
        Proxy::System if is_loopback => builder.no_proxy(),
        Proxy::System => builder,
    };
    builder.build().map_err(|e| BadEndpoint::Tls(broken::innermost(&e.without_url())))
}

/// What to ask.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub path: &'a str,
    pub query: Vec<(&'static str, &'a str)>,
    /// JSON, for a POST.
    pub body: Option<String>,
    /// What must not appear in anything that is kept.
    pub secrets: Vec<&'a str>,
}

/// A client for one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    base: BaseUrl,
    is_proxied: bool,
}

impl Http {
    pub fn new(endpoint: &Endpoint) -> Result<Self, BadEndpoint> {
        let base = &endpoint.base;
        let client = client(base.is_tls(), base.is_loopback(), &endpoint.proxy, endpoint.timings)?;
        let is_proxied = matches!(endpoint.proxy, Proxy::Via(_));
        Ok(Self { client, base: endpoint.base.clone(), is_proxied })
    }

    /// Asks. Whatever `errcode` the answer has: that is for the caller.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let url = self.base.join(ask.path);
        let request = match ask.body {
            Some(body) => {
                self.client.request(Method::POST, url).header(CONTENT_TYPE, "application/json").body(body)
            }
            None => self.client.request(Method::GET, url),
        };
        let broke = |error: reqwest::Error| broken::failure(error, self.is_proxied);
        let mut response = request.query(&ask.query).send().await.map_err(broke)?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused_by_gateway(status.as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broke)? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                let detail = format!("the answer is longer than {ANSWER_BYTES} bytes");
                return Err(Failure::Unknown(Unknown { cause: Cause::TooLarge, detail }));
            }
            body.extend_from_slice(&chunk);
        }
        Answer::parse(&body, &ask.secrets)
            .map_err(|detail| Failure::Unknown(Unknown { cause: Cause::Unreadable, detail }))
    }
}

/// The platforms answer everything with 200. Another status comes from something in between: a 4xx has kept the request
/// to itself, a 5xx, 408 or 429 may have passed it on.
fn refused_by_gateway(status: u16) -> Failure {
    let detail = format!("HTTP status {status}");
    match status {
        407 => Failure::NotSent(NotSent::of(Cause::ProxyLogin, "the proxy asks for a login".into())),
        408 | 429 | 500..=599 => Failure::Unknown(Unknown { cause: Cause::Status(status), detail }),
        _ => Failure::NotSent(NotSent::of(Cause::Status(status), detail)),
    }
}

impl Failure {
    /// The same for a call whose effect does not matter, or for the token that a message would have needed: whatever
    /// happened, the message was not sent.
    pub(crate) fn before_sending(self) -> Self {
        match self {
            Self::Unknown(Unknown { cause, detail }) => Self::NotSent(NotSent::of(cause, detail)),
            other => other,
        }
    }
}
