//! One accepted connection: requests on it until it ends, is upgraded, is broken, or the server ends.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tocsin_protocol::{Code, error::ErrorBody};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::wire::{Tracked, Wire};
use crate::{AppState, Failure, guard::Peer};

/// The answer to a request that came too slowly fits into the socket's buffer; a peer that takes none is not waited for.
const LAST_WORD: Duration = Duration::from_secs(1);

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
    let mut connection = connection;
    let mut leaving = false;
    loop {
        tokio::select! {
            // An error here is a client that went away or spoke no HTTP; hyper has answered what can be answered.
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, address = %peer.address, "connection ended");
                    let begun = connection.into_parts().filter(|parts| error.is_timeout() && !parts.read_buf.is_empty());
                    if let Some(answer) = begun.map(|parts| too_slow(parts.io.into_inner(), limits.header_timeout)) {
                        answer.await;
                    }
                }
                return;
            }
            () = std::future::poll_fn(|cx| wire.poll_cut(cx)) => return,
            () = state.shutdown.cancelled(), if !leaving => {
                leaving = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = state.cut.cancelled(), if leaving => return,
        }
    }
}

/// Tells a client that its request's head took too long: hyper only closes. Boxed, so that no other connection is larger
/// for it.
fn too_slow<T>(mut io: T, patience: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>
where
    T: AsyncWrite + Unpin + Send + 'static,
{
    let message = format!("the head of the request did not arrive within {} s", patience.as_secs());
    let error =
        Failure::new(Code::BadRequest, message).hint("send it whole, or check the network between").error;
    Box::pin(async move {
        let body = serde_json::to_string(&ErrorBody { error }).unwrap_or_default();
        let head = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let said = async {
            io.write_all(answer.as_bytes()).await?;
            io.shutdown().await
        };
        _ = tokio::time::timeout(LAST_WORD, said).await;
    })
}
