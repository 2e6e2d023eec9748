//! One accepted connection: requests on it until it ends, is upgraded, is broken, or the server ends.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::wire::{Tracked, Wire};
use crate::{AppState, guard::Peer};

/// Serves one plain connection.
pub(super) async fn plain(socket: TcpStream, address: SocketAddr, state: AppState, router: Router) {
    serve(socket, Peer { address, tls: false }, state, router).await;
}

/// Shakes hands, then serves. The handshake has the same time as a request's head.
pub(super) async fn encrypted(
    socket: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    state: AppState,
    router: Router,
) {
    let patience = state.config.connections.header_timeout;
    // Boxed: large, and gone once the connection stands.
    let handshake = Box::pin(tokio::time::timeout(patience, acceptor.accept(socket)));
    match handshake.await {
        Ok(Ok(stream)) => serve(stream, Peer { address, tls: true }, state, router).await,
        Ok(Err(error)) => tracing::debug!(%error, %address, "TLS handshake failed"),
        Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
    }
}

async fn serve<T>(io: T, peer: Peer, state: AppState, router: Router)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let wire = Arc::new(Wire::default());
    let seen = wire.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(seen.clone());
        // The router is always ready.
        router.clone().call(request)
    });
    let limits = &state.config.connections;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers_most)
        .max_buf_size(limits.buffer_bytes)
        .serve_connection(TokioIo::new(Tracked::new(io, wire.clone())), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut leaving = false;
    loop {
        tokio::select! {
            // An error here is a client that went away or spoke no HTTP; hyper has answered what can be answered.
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, address = %peer.address, "connection ended");
                }
                return;
            }
            () = std::future::poll_fn(|cx| wire.poll_cut(cx)) => return,
            () = state.shutdown.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            () = state.cut.cancelled(), if leaving => return,
        }
    }
}
