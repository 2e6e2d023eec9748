//! An inbox that cannot be written: nothing is acknowledged, nothing is lost, and it recovers by itself.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message as Frame,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use crate::{
    Connection, Endpoint, Event, Inbox, Options, Owner, Reason, Secret, Subscriber, SystemClock, Timings,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the library's callback")]
fn subprotocol(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", "tocsin.v1".parse().unwrap());
    Ok(response)
}

/// Greets every connection, sends one message and passes on what is acknowledged.
async fn peer(listener: TcpListener, acks: mpsc::Sender<String>) {
    let hello = r#"{"type":"hello","cursor":"k3v9x0ab-0","user":"ana","device":"desk","heartbeat_s":30}"#;
    let message = r#"{"type":"message","id":"AAAAAAAAAAAA","cursor":"k3v9x0ab-1","sender":"ci","title":"x","priority":3,
                      "thread":"AAAAAAAAAAAA","created_at":1}"#;
    while let Ok((stream, _)) = listener.accept().await {
        let acks = acks.clone();
        tokio::spawn(async move {
            let Ok(mut socket) = accept_hdr_async(stream, subprotocol).await else { return };
            for frame in [hello, message] {
                socket.send(Frame::text(frame)).await.unwrap();
            }
            while let Some(Ok(frame)) = socket.next().await {
                if let Frame::Text(text) = frame
                    && text.contains("ack")
                {
                    acks.send(text.to_string()).await.unwrap();
                }
            }
        });
    }
}

#[tokio::test]
async fn an_inbox_that_cannot_be_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (acks_tx, mut acks) = mpsc::channel(16);
    let _peer = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(peer(listener, acks_tx)));
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner { server: "test".into(), user: "ana".into() };
    let inbox = Inbox::open(dir.path(), owner, Arc::new(SystemClock)).unwrap();
    inbox.forbid_writing(true).await.unwrap();
    let endpoint = Endpoint { origin, ca_fingerprint: None, token: Secret::new("t") };
    let timings = Timings { backoff_most: Duration::from_millis(50), ..Timings::default() };
    let options = Options { timings, ..Options::default() };
    let (handle, mut events) = Subscriber::start(&endpoint, "desk", inbox.clone(), options).unwrap();
    let mut told = 0;
    while told < 3 {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        assert!(!matches!(event, Event::Stored(_)), "{event:?}");
        told += usize::from(matches!(
            event,
            Event::Connection(Connection::Offline {
                reason: Reason::InboxUnwritable(_),
                retry_at: Some(_),
                ..
            })
        ));
    }
    assert!(acks.is_empty(), "nothing is acknowledged that is not stored");
    assert_eq!(inbox.position().await.unwrap(), None);
    inbox.forbid_writing(false).await.unwrap();
    let ack = timeout(PATIENCE, acks.recv()).await.unwrap().unwrap();
    assert!(ack.contains("k3v9x0ab-1"), "{ack}");
    assert_eq!(inbox.pending().await.unwrap().len(), 1);
    handle.stop().await;
}
