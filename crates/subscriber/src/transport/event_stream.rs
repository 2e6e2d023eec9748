//! `GET /events`.

use http::{Method, header};
use tocsin_protocol::{Cursor, Message, Reset, StateChange};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Dial, Item,
    dial::not_reached,
    say,
    sse::{Block, Parser},
};
use crate::{
    connection::{Failure, Kind, Reason},
    http::{retry_after, unreachable},
};

/// Runs the stream until it fails.
pub(super) async fn run(dial: &Dial, items: &mpsc::Sender<Item>) -> Failure {
    let mut asked = None;
    let mut opened = false;
    match stream(dial, items, &mut asked, &mut opened).await {
        Err(failure) if failure.asked.is_none() => failure.after(asked),
        Err(failure) => failure,
        // A clean end.
        Ok(()) if opened => Failure::new(Kind::Ended, Reason::Ended).after(asked),
        // Before anything but `retry`: this is how a temporary refusal is said to an EventSource.
        Ok(()) if asked.is_some() => Failure::new(Kind::Server, Reason::Busy).after(asked),
        Ok(()) => Failure::broken(),
    }
}

async fn stream(
    dial: &Dial,
    items: &mpsc::Sender<Item>,
    asked: &mut Option<std::time::Duration>,
    opened: &mut bool,
) -> Result<(), Failure> {
    let timings = &dial.timings;
    let mut request = dial
        .api
        .prepare(Method::GET, "/events", &[("device", &*dial.device), ("instance", &*dial.instance)])
        .map_err(not_reached)?
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache");
    if let Some(cursor) = &dial.cursor {
        request = request.header("Last-Event-ID", cursor.to_string());
    }
    let mut response = match timeout(timings.connect + timings.first_byte, request.send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.is_connect() => return Err(not_reached(unreachable(&error))),
        Ok(Err(_)) => return Err(Failure::broken()),
        Err(_) => return Err(Failure::nothing_came()),
    };
    if response.status() != http::StatusCode::OK {
        return Err(Failure::status(response.status().as_u16(), retry_after(response.headers())));
    }
    let content_type =
        response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("text/event-stream") {
        return Err(Failure::garbage(&format!("{content_type:?} in place of an event stream")));
    }
    let mut parser = Parser::default();
    let mut first = true;
    loop {
        let chunk = if std::mem::take(&mut first) {
            // The server sends something at once: silence means that something collects the answer.
            timeout(timings.first_byte, response.chunk()).await.map_err(|_| Failure::nothing_came())?
        } else {
            response.chunk().await
        };
        let chunk = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(()),
            Err(_) if *opened => return Err(Failure::new(Kind::Ended, Reason::Ended)),
            Err(_) => return Err(Failure::broken()),
        };
        let blocks = parser.feed(&chunk).map_err(|error| Failure::garbage(&error))?;
        for block in blocks {
            *asked = block.retry.or(*asked);
            if let Some(item) = item(&block)? {
                if !std::mem::replace(opened, true) {
                    say(items, Item::Opened { heartbeat: timings.heartbeat, user: None }).await?;
                }
                say(items, item).await?;
            }
        }
        if *opened {
            say(items, Item::Alive).await?;
        }
    }
}

/// What a block says; nothing for a `retry` alone and for events of later versions.
fn item(block: &Block) -> Result<Option<Item>, Failure> {
    let position = || -> Result<Option<Item>, Failure> {
        let cursor: Option<Cursor> =
            block.id.as_deref().map(str::parse).transpose().map_err(|error| Failure::garbage(&error))?;
        Ok(cursor.map(Item::Position))
    };
    let Some(data) = &block.data else { return position() };
    Ok(Some(match block.event.as_str() {
        "" | "message" => Item::Message(Box::new(
            serde_json::from_str::<Message>(data).map_err(|error| Failure::garbage(&error))?,
        )),
        "state" => {
            Item::State(serde_json::from_str::<StateChange>(data).map_err(|error| Failure::garbage(&error))?)
        }
        "reset" => {
            Item::Reset(serde_json::from_str::<Reset>(data).map_err(|error| Failure::garbage(&error))?)
        }
        // Its position counts all the same.
        _ => return position(),
    }))
}
