//! The position of quiet people: of those to whom little is said while the log moves on. However messages to others, joins,
//! connections, restarts and pruning follow each other, over whichever transport: their position always goes on from where
//! it was, nothing of theirs is missing, nothing comes twice, and a reset comes if and only if something of theirs was
//! pruned before they got it, with how much and from when.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tocsin_protocol::{
    ClientFrame, Cursor, Message, MessageId, Millis, NewTopic, Poll, Reset, Seq, ServerFrame, State,
    stream::{ResetReason, close},
};
use tocsin_store::conformance::Hand;

use crate::{
    desk::{Desk, Person},
    http::{self, Block, EventStream},
    socket::Socket,
};

const DAY: Millis = 24 * 3600 * 1000;
/// One look at retention is this long after the last.
const BETWEEN_PRUNES: Millis = 8 * DAY;
/// More would be longer than receipts are kept.
const PRUNES_MOST: u8 = 10;
/// Kept longer than what names people, so that what is lost lies between what is not.
const KEEP_OPS_DAYS: u32 = 30;
const KEEP_DIRECT_DAYS: u32 = 7;

#[derive(Clone, Debug)]
enum Op {
    /// Messages to a topic of others.
    Noise(u8),
    /// A message that names somebody else.
    TellOther,
    /// A message to the quiet person's topic.
    Publish,
    /// A message that names the quiet person.
    Tell,
    Join,
    Leave,
    OtherJoins(bool),
    Connect(Way),
    Poll,
    /// The next thing that the open stream brings.
    Read,
    /// All that it brings until its position is where the log is.
    Hear,
    Ack,
    Disconnect,
    Restart,
    Prune,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Socket,
    Events,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..12_u8).prop_map(Op::Noise),
        1 => Just(Op::TellOther),
        2 => Just(Op::Publish),
        1 => Just(Op::Tell),
        1 => Just(Op::Join),
        1 => Just(Op::Leave),
        1 => any::<bool>().prop_map(Op::OtherJoins),
        4 => prop_oneof![Just(Way::Socket), Just(Way::Events)].prop_map(Op::Connect),
        3 => Just(Op::Poll),
        3 => Just(Op::Read),
        3 => Just(Op::Hear),
        2 => Just(Op::Ack),
        3 => Just(Op::Disconnect),
        1 => Just(Op::Restart),
        3 => Just(Op::Prune),
    ]
}

enum Line {
    Socket(Box<Socket>),
    Events(EventStream),
}

/// What a stream brought.
enum News {
    At(Cursor),
    Message(Box<Message>),
    Reset(Reset),
    End,
}

impl Line {
    async fn next(&mut self) -> News {
        match self {
            Self::Socket(socket) => match socket.next_or_close().await {
                Ok(ServerFrame::Hello { cursor, .. } | ServerFrame::Position { cursor }) => News::At(cursor),
                Ok(ServerFrame::Message(message)) => News::Message(Box::new(message)),
                Ok(ServerFrame::Reset(reset)) => News::Reset(reset),
                Ok(other) => panic!("{other:?}"),
                Err(code) => {
                    assert!([close::GOING_AWAY, close::LAGGING, close::BUSY].contains(&code), "{code}");
                    News::End
                }
            },
            Self::Events(events) => match events.next().await {
                Some(Block { event: None, data: Some(data), id, .. }) => {
                    let message: Message = serde_json::from_str(&data).unwrap();
                    assert_eq!(id, Some(message.cursor.to_string()));
                    News::Message(Box::new(message))
                }
                Some(Block { event: Some(event), data: Some(data), id, .. }) => {
                    assert_eq!(event, "reset");
                    let reset: Reset = serde_json::from_str(&data).unwrap();
                    assert_eq!(id, Some(reset.cursor.to_string()));
                    News::Reset(reset)
                }
                Some(Block { id: Some(id), .. }) => News::At(id.parse().unwrap()),
                // The word when to come back, before the end.
                None | Some(Block { retry: Some(_), .. }) => News::End,
                Some(other) => panic!("{other:?}"),
            },
        }
    }
}

/// A message to the quiet person, as it should be.
#[expect(clippy::struct_excessive_bools, reason = "each is asked by itself")]
struct Owed {
    id: MessageId,
    at: Millis,
    topic: bool,
    /// Not withdrawn by leaving.
    sure: bool,
    pruned: bool,
    got: bool,
    /// A reset named it.
    told: bool,
}

struct World {
    hand: Hand,
    desk: Option<Desk>,
    ann: Person,
    bob: Person,
    /// What the client has stored: all it knows.
    cursor: Cursor,
    line: Option<Line>,
    /// Where the open stream began.
    began: Cursor,
    owed: BTreeMap<Seq, Owed>,
    member: bool,
    prunes: u8,
}

async fn open(hand: &Hand, dir: Arc<tempfile::TempDir>) -> Desk {
    Desk::by(hand.clock(), dir, |config| {
        config.streams.heartbeat = Duration::from_millis(20);
        // Smaller than what happens meanwhile, so that several pages are read.
        config.streams.page = 3;
    })
    .await
}

impl World {
    async fn new() -> Self {
        let hand = Hand::default();
        let desk = open(&hand, Arc::new(tempfile::tempdir().unwrap())).await;
        let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
        desk.topic("noise", &[&bob]).await;
        let ops = NewTopic {
            name: "ops".into(),
            description: None,
            retention_days: Some(KEEP_OPS_DAYS),
            members: vec!["ann".into()],
        };
        desk.store.add_topic(ops).await.unwrap();
        let cursor = Cursor::new(desk.store.epoch(), desk.head());
        Self {
            hand,
            desk: Some(desk),
            ann,
            bob,
            began: cursor.clone(),
            cursor,
            line: None,
            owed: BTreeMap::new(),
            member: true,
            prunes: 0,
        }
    }

    fn desk(&self) -> &Desk {
        self.desk.as_ref().unwrap()
    }

    async fn act(&mut self, op: &Op) {
        match op {
            Op::Noise(messages) => {
                for _ in 0..*messages {
                    self.desk().publish("noise", "noise").await;
                }
            }
            Op::TellOther => _ = self.desk().tell(&[&self.bob], "bob").await,
            Op::Publish => {
                let (id, seq) = self.desk().publish("ops", "ops").await;
                if self.member {
                    self.owe(id, seq, true);
                }
            }
            Op::Tell => {
                let (id, seq) = self.desk().tell(&[&self.ann], "ann").await;
                self.owe(id, seq, false);
            }
            Op::Join => {
                self.desk().store.join_topic("ops", "ann").await.unwrap();
                self.member = true;
            }
            Op::Leave => self.leave().await,
            Op::OtherJoins(true) => self.desk().store.join_topic("noise", "bob").await.unwrap(),
            Op::OtherJoins(false) => self.desk().store.leave_topic("noise", "bob").await.unwrap(),
            Op::Connect(way) => self.connect(*way).await,
            Op::Poll => self.poll().await,
            Op::Read => _ = self.read().await,
            Op::Hear => self.hear().await,
            Op::Ack => self.ack().await,
            Op::Disconnect => self.line = None,
            Op::Restart => self.restart().await,
            Op::Prune if self.prunes < PRUNES_MOST => self.prune().await,
            Op::Prune => {}
        }
    }

    fn owe(&mut self, id: MessageId, seq: Seq, topic: bool) {
        let at = self.hand.now();
        self.owed.insert(seq, Owed { id, at, topic, sure: true, pruned: false, got: false, told: false });
    }

    async fn leave(&mut self) {
        self.desk().store.leave_topic("ops", "ann").await.unwrap();
        if std::mem::replace(&mut self.member, false) {
            for owed in self.owed.values_mut().filter(|owed| owed.topic && !owed.pruned && !owed.got) {
                owed.sure = false;
            }
        }
    }

    async fn prune(&mut self) {
        self.prunes += 1;
        self.hand.step(BETWEEN_PRUNES);
        let now = self.hand.now();
        for owed in self.owed.values_mut() {
            let days = if owed.topic { KEEP_OPS_DAYS } else { KEEP_DIRECT_DAYS };
            owed.pruned |= owed.at <= now - Millis::from(days) * DAY;
        }
        self.desk().prune().await;
    }

    /// Everything of a stream that the server ends is read.
    async fn restart(&mut self) {
        let desk = self.desk.take().unwrap();
        desk.stop();
        self.desk = Some(desk);
        while self.read().await {}
        let dir = self.desk.take().unwrap().close().await;
        self.desk = Some(open(&self.hand, dir).await);
    }

    async fn connect(&mut self, way: Way) {
        self.line = None;
        let (address, query) = (self.desk().address, format!("?device=d&instance=i&cursor={}", self.cursor));
        let mut line = match way {
            Way::Socket => Line::Socket(Box::new(Socket::connect(address, &query, &self.ann).await)),
            Way::Events => {
                let events = EventStream::open(address, &format!("/events{query}"), &self.ann, &[]).await;
                assert_eq!(events.status, 200);
                Line::Events(events)
            }
        };
        let News::At(first) = line.next().await else { panic!("a stream begins with its position") };
        let reset = match self.lost() {
            (0, _) => None,
            _ => match line.next().await {
                News::Reset(reset) => Some(reset),
                _ => panic!("no reset after {}", self.cursor),
            },
        };
        let started = self.started(reset);
        assert_eq!(first, started);
        (self.began, self.line) = (started, Some(line));
    }

    /// What was pruned before the client got it, as it must be told now.
    fn lost(&self) -> (u64, Option<Millis>) {
        let lost = self
            .owed
            .range(self.cursor.seq + 1..)
            .filter(|(_, owed)| owed.sure && owed.pruned && !owed.got)
            .map(|(_, owed)| owed.at);
        (lost.clone().count() as u64, lost.min())
    }

    /// Where it goes on, after the reset that was or was not to come.
    fn started(&mut self, reset: Option<Reset>) -> Cursor {
        let (lost, lost_since) = self.lost();
        let Some(reset) = reset else {
            assert_eq!(lost, 0, "lost and not told, after {}", self.cursor);
            return self.cursor.clone();
        };
        assert_ne!(lost, 0, "{reset:?} while nothing was lost after {}", self.cursor);
        assert_eq!((reset.reason, reset.lost, reset.lost_since), (ResetReason::Retention, lost, lost_since));
        let after = self.cursor.seq + 1;
        self.owed.range_mut(after..).filter(|(_, owed)| owed.pruned).for_each(|(_, owed)| owed.told = true);
        self.moved(&reset.cursor);
        reset.cursor
    }

    fn moved(&mut self, to: &Cursor) {
        assert_eq!(to.epoch, self.cursor.epoch);
        assert!(to.seq <= self.desk().head(), "{to} is ahead of the log");
        assert!(to.seq >= self.cursor.seq, "from {} back to {to}", self.cursor);
        self.cursor = to.clone();
    }

    fn got(&mut self, message: &Message) {
        assert!(message.cursor.seq > self.cursor.seq, "again, or out of order: {}", message.cursor);
        let owed = self.owed.get_mut(&message.cursor.seq);
        let owed = owed.unwrap_or_else(|| panic!("somebody else's: {}", message.title));
        assert_eq!(owed.id, message.id);
        owed.got = true;
        self.moved(&message.cursor);
    }

    /// Takes the next thing of the stream; `false` when there is none.
    async fn read(&mut self) -> bool {
        let Some(line) = &mut self.line else { return false };
        match line.next().await {
            News::At(cursor) => self.moved(&cursor),
            News::Message(message) => self.got(&message),
            News::Reset(reset) => panic!("{reset:?} in the middle of a stream"),
            News::End => self.line = None,
        }
        self.line.is_some()
    }

    async fn hear(&mut self) {
        let head = self.desk().head();
        while self.cursor.seq < head && self.read().await {}
    }

    async fn ack(&mut self) {
        match &mut self.line {
            Some(Line::Socket(socket)) => {
                let ack = ClientFrame::Ack { cursor: self.cursor.clone(), shown: Vec::new() };
                // The server may have gone meanwhile; the next thing read says so.
                _ = socket.try_send(&ack).await;
            }
            Some(Line::Events(_)) => {
                let ack = format!(r#"{{"from":"{}","cursor":"{}"}}"#, self.began, self.cursor);
                let answer = http::post(self.desk().address, "/v1/ack?device=d", &self.ann, &ack).await;
                assert_eq!(answer.status, 204, "{answer:?}");
            }
            None => {}
        }
    }

    async fn poll(&mut self) {
        self.line = None;
        let path = format!("/poll?device=d&cursor={}", self.cursor);
        let answer = http::get(self.desk().address, &path, &self.ann, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let poll: Poll = answer.json();
        self.started(poll.reset);
        poll.messages.iter().for_each(|message| self.got(message));
        self.moved(&poll.cursor);
    }

    /// Comes back once more, to the end of the log; then nothing is missing.
    async fn check(&mut self) {
        let head = self.desk().head();
        while self.cursor.seq < head {
            self.connect(Way::Socket).await;
            self.hear().await;
        }
        self.connect(Way::Socket).await;
        self.ack().await;
        self.line = None;
        for (seq, owed) in &self.owed {
            let fine = owed.got || !owed.sure || (owed.pruned && owed.told);
            assert!(fine, "{seq} is missing: pruned {}, told {}", owed.pruned, owed.told);
            if owed.pruned && owed.sure && !owed.got {
                let state = self.desk().state_of(owed.id, &self.ann).await;
                assert_eq!(state, State::LostToRetention, "{seq}");
            }
        }
    }
}

proptest! {
    // Each case is a server with its file, started several times.
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_quiet_persons_position_goes_on_and_nothing_of_theirs_is_missing(
        ops in prop::collection::vec(op(), 10..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for op in &ops {
                world.act(op).await;
            }
            world.check().await;
        });
    }
}
