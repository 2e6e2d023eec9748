//! What administrators are told of a delivery that failed, in the server's language, with what they can do.

use std::sync::Arc;

use tocsin_delivery::line;
use tocsin_locale::Locale;
use tocsin_protocol::{DeliveryState, Format, Priority};
use tocsin_store::{
    Authority, NewMessage, Sender, TokenId,
    outbox::{Fall, Herald},
};

/// Shown as the sender.
const SENDER: &str = "Tocsin";
/// Marks the alert.
const TAG: &str = "delivery";

/// Writes alerts in this language.
pub fn herald(locale: Arc<Locale>) -> Herald {
    Arc::new(move |fall| message(fall, &locale))
}

fn message(fall: &Fall, locale: &Locale) -> NewMessage {
    let failing = line::about(fall.kind, &fall.code, &fall.reason);
    let remedy = locale.remedy(&failing.remedy, &failing.params);
    let kind = match fall.state {
        DeliveryState::Queued => "stopped",
        DeliveryState::Unknown => "unknown",
        _ => "failed",
    };
    let everybody = locale.t("outgoing.everybody", &[]);
    let values = [
        ("channel", fall.display_name.as_str()),
        ("title", &fall.title),
        ("user", fall.user.as_deref().unwrap_or(&everybody)),
        ("remedy", &remedy),
        ("code", &fall.code),
        ("reason", &fall.reason),
    ];
    NewMessage {
        sender: Sender { token: TokenId(0), user: None, name: SENDER.into(), authority: Authority::All },
        topic: None,
        to: Vec::new(),
        title: locale.t(&format!("outgoing.{kind}_title"), &values),
        body: locale.t(&format!("outgoing.{kind}_body"), &values),
        format: Format::Markdown,
        priority: Priority::HIGH,
        tags: vec![TAG.into()],
        click: None,
        actions: Vec::new(),
        key: None,
        replaces: None,
        resolved: false,
        expires_in_ms: None,
        idempotency: None,
        twins: false,
        policy: None,
        report: None,
    }
}
