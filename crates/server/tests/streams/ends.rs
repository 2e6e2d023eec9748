//! Whatever ends a token ends what is open with it, on every transport, and says so.

use tocsin_protocol::stream::close;
use tokio::task::JoinHandle;

use crate::{
    desk::{Desk, Person, soon},
    http::{self, Answer, EventStream},
    socket::Socket,
};

/// Long enough to open everything, short enough to wait for.
const SECONDS: u64 = 2;

/// One of everything, open.
struct Open {
    socket: Socket,
    events: EventStream,
    following: JoinHandle<Answer>,
    claiming: JoinHandle<Answer>,
}

impl Open {
    async fn all(desk: &Desk, person: &Person) -> Self {
        let (socket, cursor) = Socket::resume(desk.address, "?device=s", person, None).await;
        let mut events = EventStream::open(desk.address, "/events?device=e", person, &[]).await;
        events.next().await.unwrap();
        let hold = |path: String| {
            let (address, person) = (desk.address, person.clone());
            tokio::spawn(async move { http::get(address, &path, &person, &[]).await })
        };
        let following = hold(format!("/poll?device=f&wait=50&cursor={cursor}"));
        let claiming = hold("/poll?device=c&wait=50".into());
        desk.until_connections(4).await;
        Self { socket, events, following, claiming }
    }

    /// All have ended, each as it is documented.
    async fn ended(mut self, desk: &Desk, person: &Person) {
        assert_eq!(self.socket.close_code().await, close::UNAUTHORISED);
        let mut last = None;
        while let Some(block) = self.events.next().await {
            last = Some(block);
        }
        assert!(last.unwrap().retry.is_some(), "a clean end, and when to come back");
        for answer in [self.following, self.claiming] {
            let answer = soon("the end of a poll", answer).await.unwrap();
            assert_eq!(answer.status, 401, "{answer:?}");
            assert!(answer.body.contains("unauthorised"), "{}", answer.body);
        }
        // An EventSource comes back by itself, and only this stops it for good.
        assert_eq!(http::get(desk.address, "/events", person, &[]).await.status, 401);
        assert_eq!(http::get(desk.address, "/poll", person, &[]).await.status, 401);
    }
}

#[tokio::test]
async fn an_expired_token_ends_what_is_open() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let passing = desk.passing(&ann, SECONDS).await;
    Open::all(&desk, &passing).await.ended(&desk, &passing).await;
    assert_eq!(http::get(desk.address, "/poll", &ann, &[]).await.status, 200, "her other token is good");
}

#[tokio::test]
async fn a_revoked_token_ends_what_is_open() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let other = desk.passing(&ann, 3600).await;
    let open = Open::all(&desk, &other).await;
    desk.store.revoke_token(&other.token_id, None).await.unwrap();
    open.ended(&desk, &other).await;
    assert_eq!(http::get(desk.address, "/poll", &ann, &[]).await.status, 200, "her other token is good");
}

#[tokio::test]
async fn removing_a_person_ends_what_they_have_open() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let open = Open::all(&desk, &ann).await;
    desk.store.remove_user("ann").await.unwrap();
    open.ended(&desk, &ann).await;
}
