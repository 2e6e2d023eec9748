//! Listening on loopback: a port for each platform, and the control plane on both.

use std::{net::SocketAddr, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin,
    answer::Host,
    body::Body,
    exchange::{self, Cut},
    shared::Shared,
};

/// Accepts until stopped.
pub(crate) async fn serve(
    listener: TcpListener,
    host: Host,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (shared, stop) = (Arc::clone(&shared), stop.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = connection(stream, peer, host, shared) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, host: Host, shared: Arc<Shared>) {
    let Ok((stream, reset)) = with_reset(stream) else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { route(&shared, host, peer, request).await }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        let cut = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Cut>());
        if cut.is_some_and(|cut| cut.reset) {
            reset.arm();
        }
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn route(
    shared: &Arc<Shared>,
    host: Host,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let path = request.uri().path();
    // The simulator's own pages; everything else is the platform's.
    if path == "/" || path.starts_with("/sim") || path.starts_with("/__sim") {
        return Ok(admin::answer(shared, request).await);
    }
    exchange::answer(shared, host, peer.ip(), request).await
}

/// A second handle on the socket: with no linger time its close is a reset, and hyper owns the first.
struct Reset(std::net::TcpStream);

impl Reset {
    fn arm(&self) {
        let now = Some(std::time::Duration::ZERO);
        if let Err(error) = rustix::net::sockopt::set_socket_linger(&self.0, now) {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}

fn with_reset(stream: TcpStream) -> std::io::Result<(TcpStream, Reset)> {
    let stream = stream.into_std()?;
    let reset = Reset(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, reset))
}
