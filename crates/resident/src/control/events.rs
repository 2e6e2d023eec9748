//! `GET /native/events`: what happens, as Server-Sent Events. No heartbeat: on a local socket an end is seen at once.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::{Sse, sse::Event},
};
use futures_util::{Stream, StreamExt as _, stream};
use tocsin_protocol::control::{ResidentEvent, View};
use tokio::sync::broadcast::error::RecvError;

use super::Control;

pub(super) async fn events(
    State(control): State<Control>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (status, receiver) = control.desk.listen();
    let mut first = vec![ResidentEvent::Status(Box::new(status))];
    if let Some(view) = control.windows.first_view().filter(|view| *view != View::Inbox) {
        first.push(ResidentEvent::Show { view, activation_token: None });
    }
    let live = stream::unfold((receiver, control), |(mut receiver, control)| async move {
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
        Some((event, (receiver, control)))
    });
    Sse::new(stream::iter(first).chain(live).map(|event| {
        let json = serde_json::to_string(&event).unwrap_or_default();
        Ok(Event::default().data(json))
    }))
}
