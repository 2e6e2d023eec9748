//! The accept loop: from a bound listener to requests, with the limits that axum's own does not set.
//!
//! Ending: no new connections; every stream is sent away; running requests get the drain deadline; then what was
//! acknowledged is made durable. Out of file descriptors: accepting pauses, and goes on when some are free again.

mod connection;
mod socket;
mod wire;

use std::{io, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub use self::{
    socket::{bind, raise_descriptor_limit},
    wire::{Tracked, Undo, Wire},
};
use crate::AppState;

/// First and longest pause after the system had no room for another connection.
pub const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Serves plain HTTP on `listener` until `shutdown` resolves, then drains.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: impl Future<Output = ()> + Send) {
    run(listener, None, state, shutdown).await;
}

/// Serves HTTPS on `listener` until `shutdown` resolves, then drains. A certificate that changes while serving comes
/// from the `ResolvesServerCert` of `tls`.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send,
) {
    run(listener, Some(TlsAcceptor::from(tls)), state, shutdown).await;
}

async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = crate::router(state.clone());
    tokio::select! {
        () = shutdown => {}
        () = state.shutdown.cancelled() => {}
        () = accept(&listener, tls.as_ref(), &state, &router) => {}
    }
    drop(listener);
    state.shutdown.cancel();
    drain(&state).await;
}

async fn drain(state: &AppState) {
    let patience = state.config.connections.drain;
    state.connections.close();
    if tokio::time::timeout(patience, state.connections.wait()).await.is_err() {
        tracing::warn!(open = state.connections.len(), "not all connections ended in time; they are dropped");
        state.cut.cancel();
        // Those that wait for a store that does not answer are left behind.
        _ = tokio::time::timeout(patience, state.connections.wait()).await;
    }
    // After the last connection: nobody can acknowledge any more.
    state.acks.close();
    state.tasks.close();
    if tokio::time::timeout(patience, state.tasks.wait()).await.is_err() {
        tracing::warn!("the server's own tasks did not end in time");
    }
}

async fn accept(listener: &TcpListener, tls: Option<&TlsAcceptor>, state: &AppState, router: &axum::Router) {
    let mut pause = PAUSE.0;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                if pause != PAUSE.0 {
                    tracing::info!("connections are accepted again");
                    pause = PAUSE.0;
                }
                greet(socket, address, tls, state, router);
            }
            Err(error) if exhausted(&error) => {
                // The connection stays in the backlog and `accept` would fail again at once: without a pause this
                // spins at full speed for as long as the descriptors are gone.
                if pause == PAUSE.0 {
                    tracing::error!(%error, "no room for more connections: raise the limit of open files (ulimit -n), or close some");
                }
                state.metrics.exhausted();
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
            // The client gave up before it was accepted, or the network refused it: no reason to stop.
            Err(error) => tracing::debug!(%error, "a connection was not accepted"),
        }
    }
}

fn greet(
    socket: TcpStream,
    address: std::net::SocketAddr,
    tls: Option<&TlsAcceptor>,
    state: &AppState,
    router: &axum::Router,
) {
    if let Err(error) = socket::tune(&socket) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let (state, router) = (state.clone(), router.clone());
    let tracker = state.connections.clone();
    match tls {
        None => _ = tracker.spawn(connection::plain(socket, address, state, router)),
        Some(acceptor) => {
            _ = tracker.spawn(connection::encrypted(socket, address, acceptor.clone(), state, router));
        }
    }
}

/// The process or the system is out of descriptors or memory for sockets.
fn exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}
