//! What ends the server: SIGTERM, SIGINT, SIGHUP of a closed terminal, or `tocsin quit`.

use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// Returns when the server is to end.
#[cfg(unix)]
pub async fn wait(quit: &CancellationToken) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen =
        |kind| signal(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    tokio::select! {
        () = quit.cancelled() => {}
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
        _ = hang_up.recv() => tracing::info!("SIGHUP"),
    }
    Ok(())
}

/// Returns when the server is to end.
#[cfg(not(unix))]
pub async fn wait(quit: &CancellationToken) -> Result<(), Failure> {
    tokio::select! {
        () = quit.cancelled() => Ok(()),
        done = tokio::signal::ctrl_c() => done.map_err(|error| Failure::failed(format!("cannot listen for signals: {error}"))),
    }
}
