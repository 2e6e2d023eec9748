//! Windows and macOS: `tray-icon` with a `tao` event loop on the main thread is to stand here. Neither was ever
//! compiled or run, so it says that there is no tray, and the window stays the way in.

use tokio::sync::{mpsc, watch};

use super::{Absence, Command, Presence, View};

pub(super) async fn run(
    mut view: watch::Receiver<View>,
    _commands: mpsc::Sender<Command>,
    presence: mpsc::Sender<Presence>,
) {
    let _ = presence.send(Presence::Missing(Absence::Unsupported)).await;
    while view.changed().await.is_ok() {}
}
