//! Before the window: the resident runs, is of this build, and has no other window.

use std::{
    env,
    fs::{File, TryLockError},
    time::Duration,
};

use tocsin_control::{Client, Error, Events, Paths};
use tocsin_protocol::control::{Language, OpenWindow};

/// What the start led to.
pub enum Start {
    /// This process shows the window.
    Here(Box<Resident>),
    /// Another process has the window; it was asked to come to the front.
    ElsewhereFocused,
}

/// The running resident, as the window needs it.
pub struct Resident {
    /// For requests.
    pub client: Client,
    /// Subscribed before the window is built, so that nothing is missed meanwhile.
    pub events: Events,
    /// The language of tray and notifications at the start.
    pub language: Language,
    /// Where things are.
    pub paths: Paths,
    /// Held while the window lives; the kernel releases it however the process ends.
    pub lock: File,
}

/// Makes sure that the resident runs, and takes the lock.
pub async fn start() -> Result<Start, Error> {
    let paths = Paths::resolve(None)?;
    let client = tocsin_control::ensure_resident(&tocsin_control::find_resident()?, &paths).await?;
    let Some(lock) = take_lock(&paths).await? else {
        // Handed on, so that the window may come to the front on Wayland.
        let activation_token =
            env::var("XDG_ACTIVATION_TOKEN").or_else(|_| env::var("DESKTOP_STARTUP_ID")).ok();
        let open = OpenWindow { view: None, activation_token };
        client
            .send(tocsin_control::Request::new(http::Method::POST, "/native/window").json(&open)?)
            .await?
            .check()?;
        return Ok(Start::ElsewhereFocused);
    };
    let events = client.events().await?;
    let language = client.status().await?.language;
    Ok(Start::Here(Box::new(Resident { client, events, language, paths, lock })))
}

/// The lock of the window, or `None` when another process keeps it. The resident tries it for a moment to see whether
/// there is a window: one that starts in that very moment must not take the resident for a window and end.
async fn take_lock(paths: &Paths) -> Result<Option<File>, Error> {
    const TRIES: u32 = 4;
    const BETWEEN: Duration = Duration::from_millis(10);
    for _ in 1..TRIES {
        if let Some(file) = lock(paths)? {
            return Ok(Some(file));
        }
        tokio::time::sleep(BETWEEN).await;
    }
    lock(paths)
}

fn lock(paths: &Paths) -> Result<Option<File>, Error> {
    paths.prepare_runtime()?;
    let path = paths.runtime.join("window.lock");
    let refused = || Error::io(format!("cannot lock {}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(refused()(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_window_per_runtime_directory() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| Paths {
            data: dir.path().join(name),
            config: dir.path().join(name),
            state: dir.path().join(name),
            runtime: dir.path().join(name).join("run"),
        };
        let first = lock(&at("a")).unwrap();
        assert!(first.is_some());
        assert!(lock(&at("a")).unwrap().is_none(), "a second window");
        assert!(lock(&at("b")).unwrap().is_some(), "the window of another resident");
        drop(first);
        assert!(lock(&at("a")).unwrap().is_some(), "after the first has ended");
    }
}
