//! `GET /native/events`: what happens, as Server-Sent Events. No heartbeat: on a local socket an end is seen at once.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{Sse, sse::Event},
};
use futures_util::{Stream, StreamExt as _, stream};
use tocsin_protocol::control::{ResidentEvent, View};
use tokio::sync::broadcast::error::RecvError;

use super::Control;
use crate::link::notice;

/// How long a window's process takes to end after its connection did.
const AFTER_CLOSING: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(control): State<Control>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (status, receiver) = control.desk.listen();
    let mut first = vec![ResidentEvent::Status(Box::new(status))];
    if let Some(view) = control.windows.first_view().filter(|view| *view != View::Inbox) {
        first.push(ResidentEvent::Show { view, activation_token: None });
    }
    let leaving = Leaving(control.clone());
    let live = stream::unfold((receiver, control, leaving), |(mut receiver, control, leaving)| async move {
        let event = tokio::select! {
            event = receiver.recv() => match event {
                Ok(event) => event,
                // It was too slow: what it missed it reads anew, and the status tells it how things stand.
                Err(RecvError::Lagged(_)) => ResidentEvent::Status(Box::new(control.desk.status())),
                Err(RecvError::Closed) => return None,
            },
            // After `Quit` was sent: the stream must end for the socket to drain.
            () = control.quit.cancelled() => match receiver.try_recv() {
                Ok(event) => event,
                Err(_) => return None,
            },
        };
        Some((event, (receiver, control, leaving)))
    });
    Sse::new(stream::iter(first).chain(live).map(|event| {
        let json = serde_json::to_string(&event).unwrap_or_default();
        Ok(Event::default().data(json))
    }))
}

/// Dropped when a listener goes: the first time that was the window, the person is told that the tray goes on.
struct Leaving(Control);

impl Drop for Leaving {
    fn drop(&mut self) {
        let control = self.0.clone();
        if !control.quit.is_cancelled() && !control.desk.choices().tray_explained {
            tokio::spawn(async move {
                // Its lock goes with its process, a moment after its connection.
                tokio::time::sleep(AFTER_CLOSING).await;
                if control.windows.was_closed() && !control.quit.is_cancelled() {
                    explain_tray(&control).await;
                }
            });
        }
    }
}

async fn explain_tray(control: &Control) {
    let known = control.desk.change(|facets| std::mem::replace(&mut facets.choices.tray_explained, true));
    if !known {
        let body = control.desk.locale().t("notification.trayGoesOnBody", &[]);
        notice(&control.desk, &control.asks, "notification.trayGoesOn", body).await;
    }
}
