//! What was pressed and published here and the server does not know yet. Sent in the order it was queued, while online;
//! gone from the inbox only when the server has taken it or refused it for good.

use std::time::Duration;

use http::Method;
use tocsin_protocol::stream::Pressed;
use tokio::sync::{mpsc, watch};

use crate::{
    Connection, Error, Event, Inbox, Result,
    connection::Backoff,
    http::Api,
    inbox::{Press, QueuedPress, Spooled},
};

/// First and longest upper bound of the random wait after a failure: those of a stream's reconnects.
pub(super) const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Whether the server will never take this request. A token that is refused may be replaced, and what is not of
/// the protocol comes from something in between.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 400..=499, .. })
        && !matches!(error, Error::Refused { status: 401 | 408 | 429, .. })
}

/// Sends what is queued, for as long as the subscriber runs.
pub(super) async fn run(
    inbox: Inbox,
    api: Api,
    mut connection: watch::Receiver<Connection>,
    events: mpsc::Sender<Event>,
    seed: u64,
) {
    let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1, seed);
    loop {
        if connection.wait_for(Connection::is_online).await.is_err() {
            return;
        }
        match flush(&inbox, &api, &events).await {
            Ok(()) => {
                backoff.reset();
                tokio::select! {
                    () = inbox.outbox_changed() => {}
                    changed = connection.changed() => if changed.is_err() { return },
                }
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::debug!(%error, "what is queued did not get through");
                tokio::time::sleep(backoff.next(None)).await;
            }
        }
    }
}

async fn flush(inbox: &Inbox, api: &Api, events: &mpsc::Sender<Event>) -> Result<()> {
    while let Some(press) = inbox.next_press().await? {
        send_press(inbox, api, press).await?;
    }
    while let Some(spooled) = inbox.next_spooled().await? {
        send_spooled(inbox, api, events, spooled).await?;
    }
    Ok(())
}

async fn send_press(inbox: &Inbox, api: &Api, press: QueuedPress) -> Result<()> {
    let verb = match press.press {
        Press::Read => "read",
        Press::Acknowledge => "acknowledge",
    };
    let path = format!("/v1/messages/{}/{verb}", press.id);
    match api.tell(Method::POST, &path, &Pressed { at: Some(press.at) }).await {
        Ok(()) => {}
        // The message is gone there: nobody waits for the press any more.
        Err(error) if is_final(&error) => tracing::warn!(id = %press.id, %error, "a press was refused"),
        Err(error) => return Err(error),
    }
    inbox.settle_press(press).await
}

async fn send_spooled(
    inbox: &Inbox,
    api: &Api,
    events: &mpsc::Sender<Event>,
    spooled: Spooled,
) -> Result<()> {
    let result = match api.publish_once(&spooled.publish, &spooled.key).await {
        Ok(published) => Ok(published),
        Err(error) if is_final(&error) => Err(error),
        Err(error) => return Err(error),
    };
    inbox.settle_spooled(spooled.key.clone()).await?;
    // Without a receiver the subscriber ends anyway.
    let _ = events.send(Event::Sent { key: spooled.key, result: Box::new(result) }).await;
    Ok(())
}
