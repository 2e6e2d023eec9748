//! The one thing that the page can ask for: a request of a listed route, handed to the resident.
//!
//! The lists are `tocsin_protocol::control`'s; none is kept here. What is not on them never reaches the socket. The
//! answer is always `{status, body}`, for failures too: a refusal here has the same shape as one of the server's.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use serde_json::Value;
use tauri::{AppHandle, Manager as _, State};
use tocsin_control::{Client, Error};
use tocsin_locale::Locale;
use tocsin_protocol::{
    ApiError, Code,
    control::{BRIDGE_ROUTES, CONFIRMED_ROUTES, Language, NATIVE_ROUTES, ResidentEvent, is_route},
    error::ErrorBody,
    limits,
};

use crate::{confirm, events};

/// What the command and the events share.
pub struct Bridge {
    client: Client,
    locale: Mutex<Locale>,
    /// Whether the page has asked for anything yet: before that it hears no events.
    awake: AtomicBool,
    /// What the page is to show as soon as it is awake.
    waiting: Mutex<Option<ResidentEvent>>,
    /// One dialog at a time: a script must not bury the person under them.
    asking: tokio::sync::Mutex<()>,
}

impl Bridge {
    /// A bridge to the resident behind `client`.
    pub fn new(client: Client, language: Language) -> Self {
        Self {
            client,
            locale: Mutex::new(locale(language)),
            awake: AtomicBool::new(false),
            waiting: Mutex::new(None),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    /// Takes over the language; whether it is another than before.
    pub fn set_language(&self, language: Language) -> bool {
        let mut now = self.locale.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = now.language() != language;
        if changed {
            *now = locale(language);
        }
        changed
    }

    /// The strings of the language of now.
    pub fn locale(&self) -> Locale {
        self.locale.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `event` can go to the page now; otherwise the last of them is kept for when it is awake.
    pub fn takes(&self, event: &ResidentEvent) -> bool {
        let awake = self.awake.load(Ordering::Acquire);
        if !awake {
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.clone());
        }
        awake
    }

    /// The page asked for something for the first time: what it is to show.
    fn wake(&self) -> Option<ResidentEvent> {
        if self.awake.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The resident says which language it is, so that tray and window never speak two: this process may have been
/// started with another environment.
fn locale(language: Language) -> Locale {
    Locale::new(language, &tocsin_locale::system_language())
}

/// An answer as the page gets it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON; `null` when there is none.
    pub body: Value,
}

impl Answer {
    fn refusal(status: u16, code: Code, message: impl Into<String>) -> Self {
        let error = ApiError { code, message: message.into(), hint: None };
        Self { status, body: serde_json::to_value(ErrorBody { error }).unwrap_or_default() }
    }
}

/// Hands a request to the resident.
#[tauri::command]
pub async fn call(
    app: AppHandle,
    bridge: State<'_, Bridge>,
    method: String,
    path: String,
    body: Option<Value>,
) -> Result<Answer, ()> {
    if let Some(event) = bridge.wake() {
        events::tell(&app, &event);
    }
    let body = body.filter(|body| !body.is_null()).map(|body| body.to_string());
    if let Err(refusal) = admit(&method, &path, body.as_deref()) {
        return Ok(refusal);
    }
    if is_route(CONFIRMED_ROUTES, &method, plain(&path)) {
        let _one = bridge.asking.lock().await;
        if !confirm::ask(&app, &bridge.locale(), plain(&path), body.as_deref()).await {
            let message = bridge.locale().t("dialog.refused", &[]);
            return Ok(Answer::refusal(403, Code::Forbidden, message));
        }
    }
    let client = app.state::<Bridge>().client.clone();
    Ok(match client.request(&method, &path, body.map(Into::into)).await {
        Ok(answer) => {
            Answer { status: answer.status, body: serde_json::from_slice(&answer.body).unwrap_or_default() }
        }
        Err(error @ Error::Timeout(_)) => Answer::refusal(504, Code::Busy, error.to_string()),
        Err(error) => Answer::refusal(503, Code::Offline, error.to_string()),
    })
}

/// The path without its query.
fn plain(path: &str) -> &str {
    path.split_once('?').map_or(path, |(plain, _)| plain)
}

/// Whether the page may ask this at all.
fn admit(method: &str, path: &str, body: Option<&str>) -> Result<(), Answer> {
    let refuse = |status, code, message: &str| Err(Answer::refusal(status, code, message));
    let query = path.split_once('?').map_or("", |(_, query)| query);
    // The stream of events never ends; the page hears it another way.
    let listed = (is_route(NATIVE_ROUTES, method, plain(path)) && plain(path) != "/native/events")
        || is_route(BRIDGE_ROUTES, method, plain(path));
    if !listed || !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return refuse(403, Code::Forbidden, "the window may not ask for this");
    }
    if body.is_some_and(|body| body.len() > limits::REQUEST_BYTES) {
        return refuse(413, Code::TooLarge, "the request is larger than 1 MiB");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::View;

    use super::*;

    #[test]
    fn only_listed_routes_are_admitted() {
        for (method, path) in [
            ("GET", "/native/status"),
            ("GET", "/v1/messages?before=12&limit=50"),
            ("POST", "/v1/messages/Abc123Abc123/acknowledge"),
            ("GET", "/v1/messages?q=%E8%AD%A6"),
        ] {
            assert_eq!(admit(method, path, None), Ok(()), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/native/events"),
            ("GET", "/v1/../metrics"),
            ("GET", "/metrics"),
            ("POST", "/v1/session"),
            ("get", "/v1/me"),
            ("GET", "/v1/me HTTP/1.1\r\nX: y"),
            ("GET", "/v1/messages?a=b\r\nX: y"),
            ("GET", "/v1/messages?a b"),
            ("GET", "http://example.org/v1/me"),
        ] {
            assert_eq!(admit(method, path, None).unwrap_err().status, 403, "{method} {path}");
        }
        let large = "x".repeat(limits::REQUEST_BYTES + 1);
        assert_eq!(admit("POST", "/v1/messages", Some(&large)).unwrap_err().status, 413);
    }

    #[test]
    fn every_confirmed_route_is_confirmed_with_a_query_too() {
        for (method, path) in CONFIRMED_ROUTES {
            assert!(is_route(CONFIRMED_ROUTES, method, plain(&format!("{path}?x=y"))), "{method} {path}");
        }
    }

    #[test]
    fn what_came_before_the_page_was_awake_is_shown_once() {
        let bridge = Bridge::new(Client::new("/nonexistent"), Language::En);
        let show = |view| ResidentEvent::Show { view, activation_token: None };
        assert!(!bridge.takes(&show(View::Inbox)));
        assert!(!bridge.takes(&show(View::Settings)));
        assert_eq!(bridge.wake(), Some(show(View::Settings)));
        assert_eq!(bridge.wake(), None);
        assert!(bridge.takes(&show(View::Inbox)));
    }
}
