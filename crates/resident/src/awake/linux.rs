//! The login manager (systemd-logind, elogind) over the system bus: an inhibitor lock, and what it does when nobody is
//! at the computer.
//!
//! A lock is an open file: closing it gives the lock back, so a crash cannot leave one behind. The connection is needed
//! for the question alone and is not kept.

use std::time::Duration;

use tokio::time::timeout;
use zbus::{Connection, proxy::CacheProperties, zvariant::OwnedFd};

/// How long the login manager may take to answer. It may ask a person for a password: then it counts as refused, and
/// is asked again later.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1",
    gen_blocking = false
)]
trait Login {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    #[zbus(property)]
    fn idle_action(&self) -> zbus::Result<String>;
}

/// Keeps the computer awake until it is dropped.
pub(super) struct Lock {
    _file: OwnedFd,
}

/// Keeps the computer awake. A lid that is closed and a person who insists still win: that is the system's rule.
pub(super) async fn inhibit(why: &str) -> Result<Lock, String> {
    ask(async { login().await?.inhibit("sleep", "Tocsin", why, "block").await })
        .await
        .map(|file| Lock { _file: file })
}

/// What the login manager does when nobody is at the computer, if that puts it to sleep. Without one, and for
/// what a desktop decides by itself, nothing is known.
pub(super) async fn idle_action() -> Option<String> {
    let action = ask(async { login().await?.idle_action().await }).await;
    action.ok().filter(|action| !matches!(action.as_str(), "" | "ignore" | "lock"))
}

async fn login() -> zbus::Result<LoginProxy<'static>> {
    let bus = Connection::system().await?;
    LoginProxy::builder(&bus).cache_properties(CacheProperties::No).build().await
}

async fn ask<T>(question: impl Future<Output = zbus::Result<T>>) -> Result<T, String> {
    match timeout(ANSWER_WAIT, question).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("org.freedesktop.login1 does not answer".into()),
    }
}
