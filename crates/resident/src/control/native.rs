//! `/native/…`: what only the desktop has. Secrets can be set here and never read.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::json;
use tocsin_protocol::{
    Code,
    control::{
        Hello, JoinRequest, OpenUrl, OpenWindow, Pause, Refusal, Settings, SettingsChange, Spool, Status,
        VaultChoice, View,
    },
    limits,
};

use super::{Control, Fault};
use crate::{
    join,
    notify::{Ask, Popup},
    secrets::BadPassphrase,
    settings::{self, ServerChoice},
    window,
};

/// Longest pause: the clock of a form can be wrong, and silence for months is not what anybody wants.
const PAUSE_MOST_MS: i64 = 31 * 24 * 3_600_000;

type Answer<T> = Result<Json<T>, Fault>;

pub(super) async fn hello(State(control): State<Control>) -> Json<Hello> {
    Json(control.desk.identity().hello.clone())
}

pub(super) async fn status(State(control): State<Control>) -> Json<Status> {
    Json(control.desk.status())
}

pub(super) async fn settings(State(control): State<Control>) -> Json<Settings> {
    Json(control.desk.choices().preferences)
}

pub(super) async fn change_settings(
    State(control): State<Control>,
    Json(change): Json<SettingsChange>,
) -> Answer<Settings> {
    if let Some(hosting) = &change.hosting
        && (hosting.port == 0 || hosting.lan_port == 0 || hosting.port == hosting.lan_port)
    {
        return Err(Fault::invalid("the two ports must be different and not 0").because(Refusal::Ports));
    }
    if let Some(url) = change.hosting.as_ref().and_then(|hosting| hosting.public_url.as_deref())
        && !limits::is_origin(url)
    {
        return Err(Fault::invalid(format!("{url:?} is not the address of a page"))
            .hint("write scheme and host, without a path: https://push.example.org")
            .because(Refusal::PageAddress));
    }
    if let Some(quiet) = change.notifications.as_ref().and_then(|notifications| notifications.quiet_hours)
        && (quiet.from > 1439 || quiet.to > 1439)
    {
        return Err(
            Fault::invalid("quiet hours are minutes of the day, 0 to 1439").because(Refusal::QuietHours)
        );
    }
    if let (Some(on), Some(entry)) = (change.autostart, &control.autostart) {
        entry.set(on).map_err(|error| {
            Fault::internal(format!("the autostart entry cannot be changed: {error}"))
                .because(Refusal::Autostart)
        })?;
    }
    control.desk.change(|facets| settings::change(&mut facets.choices.preferences, change));
    Ok(Json(control.desk.choices().preferences))
}

pub(super) async fn host(State(control): State<Control>) -> Json<Status> {
    control.desk.change(|facets| facets.choices.server = ServerChoice::Host);
    Json(control.desk.status())
}

pub(super) async fn join(State(control): State<Control>, Json(request): Json<JoinRequest>) -> Answer<Status> {
    let joined = join::redeem(&request, &control.strongbox).await?;
    control.desk.change(|facets| facets.choices.server = ServerChoice::Join(joined));
    Ok(Json(control.desk.status()))
}

pub(super) async fn pause(State(control): State<Control>, Json(pause): Json<Pause>) -> Json<Status> {
    let now = control.desk.now();
    let until = pause.until.filter(|until| *until > now).map(|until| until.min(now + PAUSE_MOST_MS));
    control.desk.change(|facets| facets.choices.paused_until = until);
    Json(control.desk.status())
}

pub(super) async fn test_notification(State(control): State<Control>) -> Json<serde_json::Value> {
    let popup = Popup::of_test(&control.desk.locale());
    let _ = control.asks.send(Ask::Notice(popup)).await;
    Json(json!({}))
}

pub(super) async fn read_all(State(control): State<Control>) -> Answer<serde_json::Value> {
    let count = control.link()?.read_all(&control.desk).await?;
    let _ = control.asks.send(Ask::AllRead).await;
    Ok(Json(json!({ "count": count })))
}

pub(super) async fn vault(State(control): State<Control>, Json(choice): Json<VaultChoice>) -> Answer<Status> {
    control.strongbox.choose(choice).await.map_err(|error| match error {
        BadPassphrase::Short => Fault::invalid(error.to_string()).because(Refusal::PassphraseShort),
        BadPassphrase::Wrong => Fault::invalid(error.to_string()).because(Refusal::PassphraseWrong),
        BadPassphrase::File(_) => Fault::internal(error.to_string()).because(Refusal::SealedFile),
    })?;
    control.vault_chosen.notify_one();
    Ok(Json(control.desk.status()))
}

pub(super) async fn open_window(
    State(control): State<Control>,
    Json(open): Json<OpenWindow>,
) -> Answer<serde_json::Value> {
    let opened = control.windows.open(open.view.unwrap_or(View::Inbox), open.activation_token);
    opened.map_err(|error| Fault::internal(error.to_string()).because(Refusal::Window))?;
    Ok(Json(json!({})))
}

pub(super) async fn open_url(
    State(_control): State<Control>,
    Json(open): Json<OpenUrl>,
) -> Answer<serde_json::Value> {
    window::open_url(&open.url).map_err(|error| Fault::invalid(error.to_string()).because(Refusal::Link))?;
    Ok(Json(json!({})))
}

pub(super) async fn spool(
    State(control): State<Control>,
    Json(spool): Json<Spool>,
) -> Answer<serde_json::Value> {
    control.link()?.inbox.spool(spool.idempotency_key, spool.publish).await?;
    Ok(Json(json!({ "spooled": true })))
}

pub(super) async fn quit(State(control): State<Control>) -> Json<serde_json::Value> {
    // Answered before the socket drains: graceful shutdown lets a running request finish.
    control.ask_to_quit();
    Json(json!({}))
}

pub(super) async fn unknown() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route on the control socket")
}
