//! What the daemon reports: that it is there or gone, what was closed, which button was pressed.

use std::mem::take;

use tocsin_protocol::{Action, control::View};
use tokio::time::Instant;

use super::{Outcome, Presenter};
use crate::notify::{
    KEY_ACKNOWLEDGE, KEY_MUTE, KEY_URL, Popup, Signal, memory::Kept, policy::Arrival, screen::Content,
};

impl Presenter {
    pub(super) async fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Up => {
                self.down_since = None;
                self.screen.clear();
                self.owner = self.notifier.owner().await;
                self.tell(Outcome::Daemon(Ok(()))).await;
                if let Some(left) = self.left.take() {
                    self.take_over(left).await;
                }
                let waiting = take(&mut self.waiting);
                let arrival = if waiting.len() > 1 { Arrival::Away } else { Arrival::Live };
                for message in waiting {
                    self.message(message, arrival, false).await;
                }
                self.show_absence().await;
            }
            Signal::Down(why) => {
                self.down_since = Some(Instant::now());
                self.screen.clear();
                self.tell(Outcome::Daemon(Err(why))).await;
            }
            Signal::Closed { id, dismissed } => {
                if let Some(Content::Message { message }) = self.screen.remove(id)
                    && dismissed
                {
                    self.tell(Outcome::Read(message.id)).await;
                }
            }
            Signal::Action { id, key, token } => self.action(id, &key, token).await,
        }
    }

    async fn action(&mut self, id: u32, key: &str, token: Option<String>) {
        let message = match self.screen.get(id) {
            Some(Content::Message { message }) => message.clone(),
            // Also a popup of a daemon that restarted: whoever presses it wants the window.
            _ => return self.tell(Outcome::Open { view: View::Inbox, token }).await,
        };
        match key {
            KEY_ACKNOWLEDGE => {
                self.tell(Outcome::Acknowledge(message.id)).await;
                self.handled(message.id, true).await;
            }
            KEY_MUTE => {
                self.screen.remove(id);
                self.notifier.close(id).await;
                if let Some(topic) = message.topic {
                    self.tell(Outcome::Mute(topic)).await;
                }
            }
            _ if key.starts_with(KEY_URL) => {
                let index = key[KEY_URL.len()..].parse().unwrap_or(usize::MAX);
                if let Some(Action::OpenUrl { url, .. }) = message.actions.get(index) {
                    self.tell(Outcome::OpenUrl(url.clone())).await;
                    self.tell(Outcome::Read(message.id)).await;
                }
            }
            _ => {
                self.tell(Outcome::Read(message.id)).await;
                self.tell(Outcome::Open { view: View::Message { id: message.id }, token }).await;
            }
        }
    }

    /// Takes over what the start before left: in the popups that the same daemon still shows their buttons work again, and
    /// what nobody acknowledged presses on.
    async fn take_over(&mut self, left: Kept) {
        let now = (self.clock)();
        let stands = left.owner.is_some() && left.owner == self.owner;
        for critical in left.messages {
            let popup = critical.popup.filter(|_| stands);
            let message = critical.message;
            if message.expires_at.is_some_and(|at| at <= now) {
                if let Some(popup) = popup {
                    self.notifier.close(popup).await;
                }
                continue;
            }
            if let Some(popup) = popup {
                let shown = Popup::of_message(&message, &self.locale());
                let content = Content::Message { message: Box::new(message.clone()) };
                if let Err(error) = self.put(&shown, content, Some(popup)).await {
                    tracing::debug!(%error, "a popup of the start before could not be taken over");
                }
            }
            if let Some(since) = critical.since {
                self.screen.resume(message, since, now);
            }
        }
    }
}
