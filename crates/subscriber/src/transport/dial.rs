//! TCP and TLS for the WebSocket.

use std::{io, pin::Pin, sync::Arc};

use hyper_util::client::proxy::matcher::Matcher;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Dial, proxy};
use crate::{
    Error,
    connection::{Failure, Kind, Reason},
    http::unreachable,
};

/// A connection, encrypted or to loopback.
pub(super) trait Pipe: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Pipe for T {}

/// Connects within the time allowed.
pub(super) async fn connect(dial: &Dial) -> Result<Pin<Box<dyn Pipe>>, Failure> {
    // Read anew each time: a laptop changes networks, and its proxies with them.
    let proxies = Matcher::from_system();
    if proxy::is_foreign(&dial.api.origin, &proxies) {
        let why = "only HTTP proxies are known for this transport".into();
        return Err(Failure::new(Kind::Blocked, Reason::Unreachable(why)));
    }
    match tokio::time::timeout(dial.timings.connect, dial_up(dial, &proxies)).await {
        Ok(result) => result.map_err(|error| not_reached(unreachable(&error))),
        Err(_) => Err(Failure::new(Kind::Network, Reason::Unreachable("no answer in time".into()))),
    }
}

async fn dial_up(dial: &Dial, proxies: &Matcher) -> io::Result<Pin<Box<dyn Pipe>>> {
    let origin = &dial.api.origin;
    let stream = proxy::connect(origin, proxies).await?;
    stream.set_nodelay(true)?;
    if !origin.is_tls() {
        return Ok(Box::pin(stream));
    }
    let name = ServerName::try_from(origin.host().to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(dial.api.tls())).connect(name, stream).await?;
    Ok(Box::pin(stream))
}

/// An error of the client as the failure of a stream.
pub(super) fn not_reached(error: Error) -> Failure {
    let reason = match error {
        Error::Certificate(text) => Reason::Certificate(text),
        Error::Unreachable(text) => Reason::Unreachable(text),
        other => Reason::Unreachable(other.to_string()),
    };
    Failure::new(Kind::Network, reason)
}
