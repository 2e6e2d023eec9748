//! Somebody who publishes all the time, whatever happens to those who listen.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::json;
use tocsin_virtual_desktop::wait_for;

use super::{PATIENCE, api};

/// Between two messages: the fifth popup within ten seconds would be the last of its own before a summary, and each
/// message that arrives live is to have its own.
const PACE: Duration = Duration::from_millis(2600);

/// Publishes `message 0`, `message 1`, … until it is stopped.
pub struct Publisher {
    published: Arc<Mutex<Vec<String>>>,
    stop: mpsc::SyncSender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Publisher {
    /// Begins, at the topic `ops`.
    pub fn start(origin: String, token: String) -> Self {
        let published = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = mpsc::sync_channel(1);
        let ids = Arc::clone(&published);
        let thread = thread::spawn(move || {
            loop {
                let title = title(lock(&ids).len());
                let answer = api::publish(
                    &origin,
                    &token,
                    &json!({ "topic": "ops", "title": title, "body": "all is well" }),
                )?;
                lock(&ids).push(answer["id"].as_str().context("no id")?.to_owned());
                if !matches!(stopped.recv_timeout(PACE), Err(mpsc::RecvTimeoutError::Timeout)) {
                    return Ok(());
                }
            }
        });
        Self { published, stop, thread }
    }

    /// Waits until `count` more were published; the ids of all.
    pub fn wait_for_more(&self, count: usize) -> Result<Vec<String>> {
        let before = lock(&self.published).len();
        wait_for("more to be published", PATIENCE, || {
            let published = lock(&self.published);
            (published.len() >= before + count).then(|| published.clone())
        })
    }

    /// Ends it; the ids of all that was published, in order.
    pub fn stop(self) -> Result<Vec<String>> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
        Ok(lock(&self.published).clone())
    }
}

/// Title of the message that was published as this one.
pub fn title(number: usize) -> String {
    format!("message {number}")
}

fn lock(ids: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    ids.lock().unwrap_or_else(PoisonError::into_inner)
}
