//! TCP and TLS for the WebSocket, which is dialled directly: no proxy in between.

use std::{io, pin::Pin, sync::Arc};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Dial;
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
    match tokio::time::timeout(dial.timings.connect, dial_up(dial)).await {
        Ok(result) => result.map_err(|error| not_reached(unreachable(&error))),
        Err(_) => Err(Failure::new(Kind::Network, Reason::Unreachable("no answer in time".into()))),
    }
}

async fn dial_up(dial: &Dial) -> io::Result<Pin<Box<dyn Pipe>>> {
    let origin = &dial.api.origin;
    let stream = TcpStream::connect((origin.host(), origin.port())).await?;
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
