//! `GET /ws`.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tocsin_protocol::{ClientFrame, Cursor, ServerFrame, State, TokenKind, stream::close};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::tungstenite::Message as Wire;

use crate::{
    desk::{Desk, soon, until},
    http,
    socket::{Raw, Socket},
};

#[tokio::test]
async fn a_message_comes_is_acknowledged_and_the_receipt_says_so() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (mut socket, _) = Socket::resume(desk.address, "", &ann, None).await;
    let (id, seq) = desk.publish("ops", "disk full").await;
    let message = socket.message().await;
    assert_eq!((message.id, message.cursor.seq, message.title.as_str()), (id, seq, "disk full"));
    assert_eq!(desk.state_of(id, &ann).await, State::Missing, "sent is not received");
    socket.ack(&message.cursor).await;
    desk.until_state(id, &ann, State::Received).await;
}

#[tokio::test]
async fn it_resumes_after_its_cursor_and_replays_once() {
    let desk = Desk::with(|config| config.streams.page = 3).await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (mut socket, _) = Socket::resume(desk.address, "", &ann, None).await;
    desk.publish("ops", "0").await;
    let cursor = socket.message().await.cursor;
    drop(socket);
    for n in 1..=10 {
        desk.publish("ops", &n.to_string()).await;
    }
    for by_query in [true, false] {
        let (mut socket, start) = if by_query {
            let mut socket = Socket::connect(desk.address, &format!("?cursor={cursor}"), &ann).await;
            let start = socket.hello().await;
            (socket, start)
        } else {
            Socket::resume(desk.address, "", &ann, Some(cursor.clone())).await
        };
        assert_eq!(start, cursor);
        for n in 1..=10 {
            assert_eq!(socket.message().await.title, n.to_string());
        }
        let (live, _) = desk.publish("ops", "live").await;
        assert_eq!(socket.message().await.id, live);
        // Not owed the second time round: it is behind the cursor that is resumed from.
        desk.store.leave_topic("ops", "ann").await.unwrap();
        desk.store.join_topic("ops", "ann").await.unwrap();
        if by_query {
            // What was withdrawn by leaving is not replayed.
            for n in 1..=10 {
                desk.publish("ops", &n.to_string()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_silent_client_begins_where_its_device_last_acknowledged() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (id, _) = desk.publish("ops", "one").await;
    let mut socket = Socket::connect(desk.address, "?device=laptop", &ann).await;
    socket.hello().await;
    let first = socket.message().await;
    assert_eq!(first.title, "one", "a new device starts at the oldest unreceived");
    socket.ack(&first.cursor).await;
    desk.until_state(id, &ann, State::Received).await;
    let mut again = Socket::connect(desk.address, "?device=laptop", &ann).await;
    assert_eq!(again.hello().await, first.cursor);
}

#[tokio::test]
async fn an_acknowledgement_covers_no_more_than_was_sent() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (mut socket, start) = Socket::resume(desk.address, "?device=a", &ann, None).await;
    let (first, _) = desk.publish("ops", "one").await;
    let cursor = socket.message().await.cursor;
    socket.ack(&Cursor::new(start.epoch.clone(), 1 << 40)).await;
    desk.until_state(first, &ann, State::Received).await;
    drop(socket);
    desk.until_connections(0).await;
    let (second, _) = desk.publish("ops", "two").await;
    let (mut socket, _) = Socket::resume(desk.address, "?device=a", &ann, Some(cursor)).await;
    let message = socket.message().await;
    assert_eq!(message.id, second);
    assert_eq!(
        desk.state_of(second, &ann).await,
        State::Missing,
        "the acknowledgement from the future did not cover it"
    );
}

#[tokio::test]
async fn what_a_crash_took_from_the_window_is_acknowledged_again() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (mut socket, _) = Socket::resume(desk.address, "?device=a", &ann, None).await;
    let (zero, _) = desk.publish("ops", "zero").await;
    let first = socket.message().await.cursor;
    socket.ack(&first).await;
    desk.until_state(zero, &ann, State::Received).await;
    let (id, _) = desk.publish("ops", "one").await;
    let stored = socket.message().await.cursor;
    // It stored this, and the server ended before it heard of it.
    drop(socket);
    let desk = Desk::at(desk.close().await, |_| {}).await;
    assert_eq!(desk.state_of(id, &ann).await, State::Missing);
    let (mut socket, start) = Socket::resume(desk.address, "?device=a", &ann, Some(stored.clone())).await;
    assert_eq!(start, stored);
    socket.ack(&stored).await;
    desk.until_state(id, &ann, State::Received).await;
}

#[tokio::test]
async fn a_device_that_is_cut_off_before_its_first_acknowledgement_gives_it_when_it_returns() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    for (device, by_frame) in [("a", true), ("b", false)] {
        let query = format!("?device={device}");
        let (mut socket, from) = Socket::resume(desk.address, &query, &ann, None).await;
        let (id, _) = desk.publish("ops", device).await;
        let stored = socket.message().await.cursor;
        drop(socket);
        desk.until_connections(0).await;
        let (mut socket, start) = Socket::resume(desk.address, &query, &ann, Some(stored.clone())).await;
        assert_eq!(start, stored);
        if by_frame {
            socket.ack(&stored).await;
        } else {
            let ack = format!(r#"{{"from":"{from}","cursor":"{stored}"}}"#);
            assert_eq!(http::post(desk.address, &format!("/v1/ack{query}"), &ann, &ack).await.status, 204);
        }
        desk.until_state(id, &ann, State::Received).await;
    }
}

#[tokio::test]
async fn a_device_that_never_acknowledged_begins_at_the_cursor_it_comes_with() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    desk.store.open_device(ann.id, "a").await.unwrap();
    let (missed, seq) = desk.publish("ops", "missed").await;
    let cursor = Cursor::new(desk.store.epoch(), seq);
    let (mut socket, start) = Socket::resume(desk.address, "?device=a", &ann, Some(cursor.clone())).await;
    assert_eq!(start, cursor);
    let (sent, _) = desk.publish("ops", "sent").await;
    let last = socket.message().await.cursor;
    socket.ack(&last).await;
    desk.until_state(sent, &ann, State::Received).await;
    assert_eq!(desk.state_of(missed, &ann).await, State::Missing);
}

#[tokio::test]
async fn somebody_elses_messages_do_not_come_and_the_position_moves_all_the_same() {
    let desk = Desk::with(|config| config.streams.heartbeat = Duration::from_millis(40)).await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    desk.topic("ops", &[&ann]).await;
    let (mut quiet, start) = Socket::resume(desk.address, "", &bob, None).await;
    let mut last = 0;
    for n in 0..5 {
        last = desk.publish("ops", &n.to_string()).await.1;
    }
    loop {
        match quiet.next().await {
            ServerFrame::Position { cursor } => {
                assert_eq!(cursor.epoch, start.epoch);
                if cursor.seq >= last {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    drop(ann);
}

#[tokio::test]
async fn reads_on_one_device_are_told_to_the_others_of_that_person_only() {
    let desk = Desk::open().await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    desk.topic("ops", &[&ann, &bob]).await;
    let (mut anns, _) = Socket::resume(desk.address, "", &ann, None).await;
    let (mut bobs, _) = Socket::resume(desk.address, "", &bob, None).await;
    let (id, _) = desk.publish("ops", "one").await;
    anns.message().await;
    bobs.message().await;
    let press =
        tocsin_store::Press { user: ann.id, message: id, pressed: tocsin_store::Pressed::Acknowledge, at: 1 };
    desk.store.press(press).await.unwrap();
    match anns.next().await {
        ServerFrame::State(change) => assert_eq!(change.id, id),
        other => panic!("{other:?}"),
    }
    desk.publish("ops", "two").await;
    assert_eq!(bobs.message().await.title, "two");
}

#[tokio::test]
async fn a_revoked_token_closes_its_streams_at_once() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let other = desk.token(ann.id, "ann", TokenKind::Client, Some("phone")).await;
    let (mut socket, _) = Socket::resume(desk.address, "", &ann, None).await;
    let (mut stays, _) = Socket::resume(desk.address, "", &other, None).await;
    desk.store.revoke_token(&ann.token_id, None).await.unwrap();
    assert_eq!(socket.close_code().await, close::UNAUTHORISED);
    desk.topic("ops", &[&ann]).await;
    desk.publish("ops", "still here").await;
    stays.message().await;
    let answer = http::get(desk.address, "/ws", &ann, &[]).await;
    assert!(matches!(answer.status, 401 | 426), "{answer:?}");
    assert_eq!(http::get(desk.address, "/events", &ann, &[]).await.status, 401);
}

#[tokio::test]
async fn a_removed_person_is_cut_off() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let (mut socket, _) = Socket::resume(desk.address, "", &ann, None).await;
    desk.store.remove_user("ann").await.unwrap();
    assert_eq!(socket.close_code().await, close::UNAUTHORISED);
}

#[tokio::test]
async fn the_same_instance_replaces_and_another_does_not() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (mut first, _) = Socket::resume(desk.address, "?instance=aaaa", &ann, None).await;
    let (mut second, _) = Socket::resume(desk.address, "?instance=bbbb", &ann, None).await;
    let (mut third, _) = Socket::resume(desk.address, "?instance=aaaa", &ann, None).await;
    assert_eq!(first.close_code().await, close::REPLACED);
    desk.publish("ops", "one").await;
    assert_eq!(second.message().await.title, "one");
    assert_eq!(third.message().await.title, "one");
}

#[tokio::test]
async fn a_sender_token_cannot_stream() {
    let desk = Desk::open().await;
    let sender = desk.token(tocsin_store::UserId(0), "cron", TokenKind::Sender, None).await;
    for path in ["/events", "/poll"] {
        assert_eq!(http::get(desk.address, path, &sender, &[]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn not_a_handshake_is_told_what_to_do() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let answer = http::get(desk.address, "/ws", &ann, &[]).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, "13"));
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "other"),
    ];
    let bytes = http::head("GET", "/ws", Some(&ann), &headers[..])
        .replace("Connection: Upgrade", "Connection: Upgrade, close");
    assert_eq!(http::request(desk.address, &bytes).await.status, 400);
}

#[tokio::test]
async fn bad_frames_have_their_close_codes() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let start = Cursor::new(desk.store.epoch(), 0);
    let mask = |first: u8, payload: &[u8]| -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let head = if payload.len() < 126 {
            vec![first, 0x80 | length[1]]
        } else {
            vec![first, 0xFE, length[0], length[1]]
        };
        [head, vec![0; 4], payload.to_vec()].concat()
    };
    let huge = [vec![0x81, 0xFF], (1_u64 << 20).to_be_bytes().to_vec(), vec![0; 4]].concat();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", vec![0x81, 1, b'x'], 1002),
        ("binary", mask(0x82, b"x"), 1003),
        ("not UTF-8", mask(0x81, &[0xC3, 0x28]), 1007),
        ("oversized", huge, 1009),
        ("not JSON", mask(0x81, b"hello"), close::BAD_FRAME),
        ("unknown frame", mask(0x81, br#"{"type":"dance"}"#), close::BAD_FRAME),
        ("bad cursor", mask(0x81, br#"{"type":"ack","cursor":"x"}"#), close::BAD_FRAME),
        ("late resume", mask(0x81, br#"{"type":"resume"}"#), close::BAD_FRAME),
        ("its own close", mask(0x88, &1000_u16.to_be_bytes()), 1000),
    ];
    for (what, bytes, code) in cases {
        let mut raw = Raw::connect(desk.address, &format!("?cursor={start}"), &ann).await;
        raw.frame().await;
        raw.0.write_all(&bytes).await.unwrap();
        assert_eq!(soon(what, raw.close_code()).await, code, "{what}");
    }
    desk.until_connections(0).await;
}

/// A frame above the limit is refused by its length alone, and the next connection gets what is owed.
#[tokio::test]
async fn an_oversized_frame_is_told() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let start = Cursor::new(desk.store.epoch(), 0);
    let mut raw = Raw::connect(desk.address, &format!("?cursor={start}"), &ann).await;
    raw.frame().await;
    let head = [vec![0x81, 0xFF], (64 * 1024 + 1_u64).to_be_bytes().to_vec(), vec![0; 4]].concat();
    raw.0.write_all(&head).await.unwrap();
    let closed = loop {
        let (opcode, payload) = soon("the close frame", raw.frame()).await;
        if opcode == 0x8 {
            break payload;
        }
    };
    assert_eq!(closed, [&1009_u16.to_be_bytes()[..], b"a message has at most 64 KiB"].concat());
    let mut again = Raw::connect(desk.address, &format!("?cursor={start}"), &ann).await;
    again.frame().await;
}

#[tokio::test]
async fn pings_are_answered_and_the_silent_are_cut_off() {
    let desk = Desk::with(|config| {
        config.streams.ping_period = Duration::from_millis(300);
        config.streams.pong_wait = Duration::from_millis(1500);
    })
    .await;
    let ann = desk.person("ann").await;
    let start = Cursor::new(desk.store.epoch(), 0);
    // This one answers nothing.
    let mut raw = Raw::connect(desk.address, &format!("?cursor={start}"), &ann).await;
    assert_eq!(raw.frame().await.0, 1);
    assert_eq!(raw.frame().await.0, 9, "a ping comes first");
    assert_eq!(raw.close_code().await, close::SILENT);
    // This one answers each ping, and outlives the pong wait.
    let (mut alive, _) = Socket::resume(desk.address, "", &ann, None).await;
    let mut pings = 0;
    while pings < 8 {
        match soon("a ping", alive.inner.next()).await {
            Some(Ok(Wire::Ping(_))) => pings += 1,
            Some(Ok(Wire::Text(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    alive.inner.send(Wire::Ping("mine".into())).await.unwrap();
    loop {
        match soon("a pong", alive.inner.next()).await {
            Some(Ok(Wire::Pong(payload))) => break assert_eq!(payload.as_ref(), b"mine"),
            Some(Ok(Wire::Ping(_) | Wire::Text(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_catches_up_and_holds_nobody_up() {
    const MESSAGES: usize = 300;
    let desk = Desk::with(|config| {
        config.streams.queue_bytes = 64 * 1024;
        config.streams.write_deadline = Duration::from_mins(1);
        config.connections.drain = Duration::from_mins(1);
    })
    .await;
    let (slow, fast) = (desk.person("slow").await, desk.person("fast").await);
    desk.topic("ops", &[&slow, &fast]).await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let start = Cursor::new(desk.store.epoch(), desk.head());
    let mut stuck =
        Socket::over(small.connect(desk.address).await.unwrap(), &format!("?cursor={start}"), &slow).await;
    let (mut quick, _) = Socket::resume(desk.address, "", &fast, Some(start.clone())).await;
    stuck.hello().await;
    let body = "x".repeat(16 * 1024);
    for n in 0..MESSAGES {
        desk.publish_body("ops", &n.to_string(), &body).await;
        assert_eq!(quick.message().await.title, n.to_string());
    }
    // Now it reads: what was on the way, then the close, and nothing in between is missing.
    let (mut cursor, mut seen) = (start, 0);
    let code = loop {
        match stuck.next_or_close().await {
            Ok(ServerFrame::Message(message)) => {
                assert_eq!(message.title, seen.to_string());
                seen += 1;
                cursor = message.cursor;
            }
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    assert_eq!(code, close::LAGGING);
    assert!(seen < MESSAGES);
    let (mut again, _) = Socket::resume(desk.address, "", &slow, Some(cursor)).await;
    while seen < MESSAGES {
        assert_eq!(again.message().await.title, seen.to_string());
        seen += 1;
    }
}

#[tokio::test]
async fn abrupt_resets_leave_nothing_behind() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..200 {
        let socket = TcpStream::connect(desk.address).await.unwrap();
        let socket = Socket::over(socket, "?cursor=", &ann).await;
        socket.inner.get_ref().set_zero_linger().unwrap();
    }
    desk.until_connections(0).await;
    until("the tasks' end", async || desk.state.connections.is_empty()).await;
    until("the descriptors' return", async || {
        std::fs::read_dir("/proc/self/fd").unwrap().count() <= before + 8
    })
    .await;
}

#[tokio::test]
async fn when_the_server_ends_streams_are_sent_away() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let (mut socket, _) = Socket::resume(desk.address, "", &ann, None).await;
    desk.stop();
    assert_eq!(socket.close_code().await, close::GOING_AWAY);
    desk.close().await;
}

#[tokio::test]
async fn too_many_streams_of_one_person_are_refused_for_now() {
    let desk = Desk::with(|config| config.streams.per_user = 1).await;
    let ann = desk.person("ann").await;
    let (_held, _) = Socket::resume(desk.address, "", &ann, None).await;
    let mut second = Socket::connect(desk.address, "", &ann).await;
    second.send(&ClientFrame::Resume { cursor: None }).await;
    assert_eq!(second.close_code().await, close::BUSY);
}

#[tokio::test]
async fn a_position_of_another_life_is_reset_and_told_so() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    desk.publish("ops", "one").await;
    let foreign: Cursor = "zzzzzzzz-7".parse().unwrap();
    let (mut socket, start) = Socket::resume(desk.address, "", &ann, Some(foreign)).await;
    match socket.next().await {
        ServerFrame::Reset(reset) => {
            assert_eq!((reset.cursor, reset.reason), (start, tocsin_protocol::stream::ResetReason::Epoch));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.message().await.title, "one", "what the store does not know to be received comes");
}

#[tokio::test]
async fn a_client_ahead_of_the_log_begins_a_new_life_once() {
    let desk = Desk::open().await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    let (mut bystander, _) = Socket::resume(desk.address, "", &bob, None).await;
    let epoch = desk.store.epoch();
    let ahead = Cursor::new(epoch.clone(), desk.head() + 1000);
    let (mut socket, start) = Socket::resume(desk.address, "", &ann, Some(ahead)).await;
    assert_ne!(start.epoch, epoch);
    assert!(matches!(socket.next().await, ServerFrame::Reset(_)));
    assert_eq!(bystander.close_code().await, close::GOING_AWAY, "its positions mean nothing any more");
    let again = Cursor::new(start.epoch.clone(), desk.head() + 1000);
    let (mut socket, second) = Socket::resume(desk.address, "", &ann, Some(again)).await;
    assert_eq!(second.epoch, start.epoch, "not again within the hour");
    assert!(matches!(socket.next().await, ServerFrame::Reset(_)));
}
