//! A peer that takes nothing any more: its connection ends at the write deadline, with nobody to say goodbye to.

use std::time::Duration;

use futures_util::StreamExt;
use tocsin_protocol::{Cursor, ServerFrame};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message as Wire;

use crate::{
    desk::{Desk, soon},
    socket::Socket,
};

#[tokio::test]
async fn a_websocket_whose_peer_takes_nothing_is_dropped_at_the_write_deadline() {
    let desk = Desk::with(|config| {
        config.streams.write_deadline = Duration::from_millis(100);
        // Nothing else may end it: neither silence nor a full queue.
        for time in
            [&mut config.streams.pong_wait, &mut config.streams.ping_period, &mut config.streams.heartbeat]
        {
            *time = Duration::from_hours(1);
        }
        config.streams.queue_items = 1 << 30;
        config.streams.queue_bytes = 1 << 30;
    })
    .await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let start = Cursor::new(desk.store.epoch(), desk.head());
    let connection = small.connect(desk.address).await.unwrap();
    let mut stuck = Socket::over(connection, &format!("?cursor={start}"), &ann).await;
    stuck.hello().await;

    // The system's buffers take megabytes; then a write waits.
    let body = "x".repeat(16 * 1024);
    let mut published = 0;
    soon("the end of the connection", async {
        while desk.state.hub.connections() > 0 {
            desk.publish_body("ops", &published.to_string(), &body).await;
            published += 1;
        }
    })
    .await;

    let (mut cursor, mut seen) = (start, 0);
    loop {
        match soon("the end of what was on the way", stuck.inner.next()).await {
            Some(Ok(Wire::Text(text))) => {
                if let ServerFrame::Message(message) = serde_json::from_str(&text).unwrap() {
                    assert_eq!(message.title, seen.to_string());
                    (cursor, seen) = (message.cursor, seen + 1);
                }
            }
            Some(Ok(Wire::Close(frame))) => panic!("closed with {frame:?}: not by the write deadline"),
            Some(Ok(_)) => {}
            // In the middle of a frame.
            Some(Err(_)) | None => break,
        }
    }
    assert!(seen < published, "all {published} messages came");
    let (mut again, _) = Socket::resume(desk.address, "", &ann, Some(cursor)).await;
    assert_eq!(again.message().await.title, seen.to_string(), "what did not arrive is not lost");
}
