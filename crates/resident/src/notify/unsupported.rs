//! Windows and macOS: `notify-rust`'s own handles are to stand here. Neither was ever compiled or run, so it says so
//! and every message counts as failed to be shown, never as shown.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Absence, Notifier, Popup, ShowError, Signal};

pub(super) struct Nothing;

impl Nothing {
    pub fn start(signals: mpsc::Sender<Signal>) -> Self {
        let _ = signals.try_send(Signal::Down(Absence::Unsupported));
        Self
    }
}

#[async_trait]
impl Notifier for Nothing {
    async fn show(&self, _popup: &Popup, _replaces: Option<u32>) -> Result<u32, ShowError> {
        Err(ShowError::Refused(Absence::Unsupported.to_string()))
    }

    async fn close(&self, _id: u32) {}
}
