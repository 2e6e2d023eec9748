//! The resident's events, relayed to the page; two of them are for the window itself.

use std::time::Duration;

use tauri::{AppHandle, Emitter as _, Manager as _};
use tocsin_control::{Client, Events};
use tocsin_protocol::control::ResidentEvent;
use tokio::time::{Instant, sleep};

use crate::{bridge::Bridge, window};

/// What the page listens to.
pub const EVENT: &str = "tocsin://event";
/// How long the resident may be away before it counts as gone for good: it drains for up to 10 s when it is replaced.
const ABSENCE: Duration = Duration::from_secs(15);
/// Between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Relays until the resident ends; then the window ends too.
pub async fn relay(app: AppHandle, client: Client, first: Events) {
    let mut stream = Some(first);
    while let Some(mut events) = stream {
        while let Some(Ok(event)) = events.next().await {
            if matches!(event, ResidentEvent::Quit) {
                app.exit(0);
                return;
            }
            take(&app, &event);
        }
        stream = again(&client).await;
    }
    app.exit(0);
}

/// A new stream, if the resident (or another one in its place) comes back in time. Its first event is the whole
/// status, so nothing that happened in between is lost on the page.
async fn again(client: &Client) -> Option<Events> {
    let deadline = Instant::now() + ABSENCE;
    while Instant::now() < deadline {
        if let Ok(events) = client.events().await {
            return Some(events);
        }
        sleep(LOOK_AGAIN).await;
    }
    None
}

fn take(app: &AppHandle, event: &ResidentEvent) {
    let bridge = app.state::<Bridge>();
    match event {
        ResidentEvent::Show { activation_token, .. } => {
            let (handle, token) = (app.clone(), activation_token.clone());
            // Only fails when the event loop has ended, and the window with it.
            let _ = app.run_on_main_thread(move || window::focus(&handle, token.as_deref()));
            if !bridge.takes(event) {
                return;
            }
        }
        ResidentEvent::Status(status) if bridge.set_language(status.language) => window::retitle(app),
        _ => {}
    }
    tell(app, event);
}

/// Emits to the page.
pub fn tell(app: &AppHandle, event: &ResidentEvent) {
    // An event that cannot be delivered is one for a page that is gone.
    let _ = app.emit_to(window::LABEL, EVENT, event);
}
