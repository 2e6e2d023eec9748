//! Notifications: whether a message is shown ([`policy`]), what it says ([`Popup`]), and the daemon that draws it
//! ([`Notifier`]).
//!
//! What became of showing is recorded for every message, and nothing is called shown before the daemon took it.

mod absence;
#[cfg(target_os = "linux")]
mod linux;
mod memory;
pub mod policy;
mod popup;
mod presenter;
mod screen;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use absence::Absence;
#[cfg(test)]
use popup::KEY_OPEN;
pub use popup::{KEY_ACKNOWLEDGE, KEY_MUTE, KEY_URL, Popup, Urgency, escape};
pub use presenter::{Ask, Outcome, Presenter, Wishes};

/// Draws popups.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Shows a popup, in place of `replaces` if that is still there; answers with the daemon's number for it.
    async fn show(&self, popup: &Popup, replaces: Option<u32>) -> Result<u32, ShowError>;

    /// Takes a popup away; one that is gone already is fine.
    async fn close(&self, id: u32);

    /// The daemon whose numbers these are, as long as it runs; nothing where that can not be told.
    async fn owner(&self) -> Option<String> {
        None
    }
}

/// Why a popup was not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShowError {
    /// No daemon runs, or it does not answer: it may come.
    #[error("no notification daemon: {0}")]
    NoDaemon(Absence),
    /// The daemon refused this one.
    #[error("the notification daemon refused: {0}")]
    Refused(String),
}

/// What the daemon reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A button was pressed.
    Action {
        /// The popup.
        id: u32,
        /// The button.
        key: String,
        /// Lets a window come to the front on Wayland.
        token: Option<String>,
    },
    /// A popup is gone.
    Closed {
        /// The popup.
        id: u32,
        /// Whether the person took it away (and not time or we).
        dismissed: bool,
    },
    /// A daemon runs; popups of an earlier one are gone.
    Up,
    /// No daemon runs.
    Down(Absence),
}

/// The platform's notifier; what it reports comes through `signals`.
pub fn start(signals: mpsc::Sender<Signal>) -> Box<dyn Notifier> {
    #[cfg(target_os = "linux")]
    return Box::new(linux::Daemon::start(signals));
    #[cfg(not(target_os = "linux"))]
    return Box::new(unsupported::Nothing::start(signals));
}
