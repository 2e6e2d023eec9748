//! What was pruned before somebody got it: they are told how much and from when, on every transport, and from then on the
//! stream goes on from what is still there. Nobody else notices.

use tocsin_protocol::{Cursor, Millis, Poll, Reset, Seq, ServerFrame, State, stream::ResetReason};
use tocsin_store::conformance::Hand;

use crate::{
    desk::{Desk, Person},
    http::{self, EventStream},
    socket::Socket,
};

const DAY: Millis = 24 * 3600 * 1000;

/// Ann was sent two messages that were pruned, and one that is there; bob got everything in time.
struct Scene {
    desk: Desk,
    ann: Person,
    bob: Person,
    before: Cursor,
    since: Millis,
    there: Seq,
    lost: Vec<tocsin_protocol::MessageId>,
}

impl Scene {
    async fn play() -> Self {
        let hand = Hand::default();
        let desk = Desk::by(hand.clock(), std::sync::Arc::new(tempfile::tempdir().unwrap()), |_| {}).await;
        let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
        desk.topic("ops", &[&ann, &bob]).await;
        desk.topic("other", &[&bob]).await;
        // A message that all of Ann's devices have acknowledged: the store knows where they are.
        let (known, seq) = desk.publish("ops", "known").await;
        for device in ["socket", "events", "poll"] {
            let path = format!("/poll?device={device}&cursor={}-{}", desk.store.epoch(), seq - 1);
            let poll: Poll = http::get(desk.address, &path, &ann, &[]).await.json();
            assert_eq!(poll.messages.len(), 1);
            let path = format!("/poll?device={device}&cursor={}", poll.cursor);
            http::get(desk.address, &path, &ann, &[]).await;
        }
        desk.until_state(known, &ann, State::Received).await;
        let before = Cursor::new(desk.store.epoch(), desk.head());
        hand.step(1);
        let since = hand.now();
        let mut lost = vec![desk.publish("ops", "first").await.0];
        desk.publish("other", "nothing of hers").await;
        hand.step(1);
        lost.push(desk.publish("ops", "second").await.0);
        let (mut socket, _) = Socket::resume(desk.address, "?device=b", &bob, Some(before.clone())).await;
        for _ in 0..3 {
            let message = socket.message().await;
            socket.ack(&message.cursor).await;
        }
        desk.until_state(lost[1], &bob, State::Received).await;
        hand.step(8 * DAY);
        desk.prune().await;
        let (_, there) = desk.publish("ops", "there").await;
        Self { desk, ann, bob, before, since, there, lost }
    }

    fn is_told(&self, reset: &Reset) {
        assert_eq!(reset.reason, ResetReason::Retention);
        assert_eq!((reset.lost, reset.lost_since), (2, Some(self.since)));
        assert_eq!(reset.cursor, Cursor::new(self.before.epoch.clone(), self.there - 1));
    }

    /// Her receipts say so, also after she acknowledged what came behind.
    async fn end(self) {
        for id in &self.lost {
            assert_eq!(self.desk.state_of(*id, &self.ann).await, State::LostToRetention);
            assert_eq!(self.desk.state_of(*id, &self.bob).await, State::Received);
        }
    }
}

#[tokio::test]
async fn over_a_websocket() {
    let scene = Scene::play().await;
    // With the position that the client kept, and with the one that the server knows.
    for cursor in [Some(scene.before.clone()), None] {
        let mut socket = Socket::connect(scene.desk.address, "?device=socket", &scene.ann).await;
        socket.send(&tocsin_protocol::ClientFrame::Resume { cursor }).await;
        let hello = socket.hello().await;
        let ServerFrame::Reset(reset) = socket.next().await else { panic!("no reset") };
        scene.is_told(&reset);
        assert_eq!(hello, reset.cursor);
        assert_eq!(socket.message().await.title, "there");
    }
    let mut socket = Socket::connect(scene.desk.address, "?device=socket", &scene.ann).await;
    socket.send(&tocsin_protocol::ClientFrame::Resume { cursor: Some(scene.before.clone()) }).await;
    socket.hello().await;
    socket.next().await;
    let message = socket.message().await;
    socket.ack(&message.cursor).await;
    scene.desk.until_state(message.id, &scene.ann, State::Received).await;
    let (_, at) = Socket::resume(scene.desk.address, "?device=socket", &scene.ann, None).await;
    assert_eq!(at, message.cursor, "told once: what she acknowledged lies behind");
    scene.end().await;
}

#[tokio::test]
async fn over_an_event_stream() {
    let scene = Scene::play().await;
    let path = format!("/events?device=events&cursor={}", scene.before);
    let mut events = EventStream::open(scene.desk.address, &path, &scene.ann, &[]).await;
    let first = events.next().await.unwrap();
    let told = events.next().await.unwrap();
    assert_eq!((told.event.as_deref(), &told.id), (Some("reset"), &first.id));
    scene.is_told(&serde_json::from_str(&told.data.unwrap()).unwrap());
    let (title, at) = events.message().await;
    assert_eq!(title, "there");
    // One range over all of it, as a client that did not understand the reset would.
    let ack = format!(r#"{{"from":"{}","cursor":"{at}"}}"#, scene.before);
    let answer = http::post(scene.desk.address, "/v1/ack?device=events", &scene.ann, &ack).await;
    assert_eq!(answer.status, 204);
    let again =
        EventStream::open(scene.desk.address, "/events?device=events", &scene.ann, &[]).await.next().await;
    assert_eq!(again.unwrap().id, Some(at));
    scene.end().await;
}

#[tokio::test]
async fn over_polls() {
    let scene = Scene::play().await;
    let path = format!("/poll?device=poll&cursor={}", scene.before);
    let poll: Poll = http::get(scene.desk.address, &path, &scene.ann, &[]).await.json();
    scene.is_told(poll.reset.as_ref().unwrap());
    assert_eq!(poll.messages.iter().map(|message| message.title.as_str()).collect::<Vec<_>>(), ["there"]);
    let path = format!("/poll?device=poll&cursor={}", poll.cursor);
    let next: Poll = http::get(scene.desk.address, &path, &scene.ann, &[]).await.json();
    assert!(next.reset.is_none() && next.messages.is_empty());
    scene.desk.until_state(poll.messages[0].id, &scene.ann, State::Received).await;
    scene.end().await;
}

/// To whom nothing was lost nothing is said, however old their position.
#[tokio::test]
async fn nobody_else_is_reset() {
    let scene = Scene::play().await;
    let (mut socket, hello) =
        Socket::resume(scene.desk.address, "?device=b", &scene.bob, Some(scene.before.clone())).await;
    assert_eq!(hello, scene.before);
    assert_eq!(socket.message().await.title, "there");
    let cid = scene.desk.person("cid").await;
    let path = format!("/poll?cursor={}", scene.before);
    let poll: Poll = http::get(scene.desk.address, &path, &cid, &[]).await.json();
    assert!(poll.reset.is_none() && poll.messages.is_empty());
    scene.end().await;
}
