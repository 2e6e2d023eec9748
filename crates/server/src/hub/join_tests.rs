//! The join: however publishes, members, filters, the tail and a stream's own steps interleave, the stream carries what
//! is owed after its start, in order, each once.

use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;
use tocsin_protocol::{NewTopic, NewUser, Role, Seq};
use tocsin_store::{
    Address, DeviceId, Entry, Store, TokenId, TopicId, UserId,
    conformance::{to_people, to_topic},
    model::ModelStore,
};

use super::{End, Hub, Who, tail::Tail};
use crate::{
    auth::Credentials,
    config::Config,
    metrics::{Metrics, Transport},
    stream::feed::{CatchUp, Ended, Event, Feed},
};

const TOPICS: [&str; 2] = ["a", "b"];
const PEOPLE: [&str; 3] = ["ann", "bob", "cid"];
const DAY: i64 = 86_400_000;

#[derive(Clone, Debug)]
enum Op {
    Publish(usize),
    Tell(usize),
    Join(usize, usize),
    Leave(usize, usize),
    /// Person, and the topic that their device takes; `None`: all.
    Filter(usize, Option<usize>),
    Tail,
    /// A stream of a person begins this far behind the head.
    Connect(usize, u64),
    /// A stream takes one step.
    Step(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2usize).prop_map(Op::Publish),
        1 => (0..3usize).prop_map(Op::Tell),
        2 => (0..2usize, 0..3usize).prop_map(|(topic, person)| Op::Join(topic, person)),
        1 => (0..2usize, 0..3usize).prop_map(|(topic, person)| Op::Leave(topic, person)),
        2 => (0..3usize, prop::option::of(0..2usize)).prop_map(|(person, topic)| Op::Filter(person, topic)),
        4 => Just(Op::Tail),
        2 => (0..3usize, 0..12u64).prop_map(|(person, behind)| Op::Connect(person, behind)),
        8 => (0..8usize).prop_map(Op::Step),
    ]
}

struct Stream {
    user: UserId,
    device: DeviceId,
    start: Seq,
    feed: Feed,
    got: Vec<Seq>,
}

impl Stream {
    /// Lets it do what it can now; one event at most.
    fn step(&mut self) -> bool {
        let mut frames = Vec::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match self.feed.poll(&mut cx, true, &mut frames) {
            std::task::Poll::Ready(Event::Frames) => {
                self.got.extend(frames.iter().filter(|frame| frame.is_message()).map(|frame| frame.seq()));
            }
            std::task::Poll::Ready(Event::Time) => {}
            std::task::Poll::Ready(Event::End(ended)) => panic!("{ended:?}"),
            std::task::Poll::Pending => return false,
        }
        true
    }
}

struct World {
    store: Arc<dyn Store>,
    hub: Hub,
    tail: Tail,
    people: Vec<UserId>,
    streams: Vec<Stream>,
}

impl World {
    async fn new() -> Self {
        Self::keeping(7 * DAY).await
    }

    async fn keeping(bodies: tocsin_protocol::Millis) -> Self {
        let clock: tocsin_store::Clock = Arc::new(|| 1_000);
        let store: Arc<dyn Store> = Arc::new(ModelStore::new(clock.clone(), bodies, 90 * DAY));
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(
                store
                    .add_user(NewUser { name: name.into(), display_name: None, role: Role::Member })
                    .await
                    .unwrap()
                    .0,
            );
        }
        for name in TOPICS {
            let members = PEOPLE[..2].iter().map(|name| (*name).to_owned()).collect();
            store
                .add_topic(NewTopic { name: name.into(), description: None, retention_days: None, members })
                .await
                .unwrap();
        }
        let config = Config::default();
        let credentials = Arc::new(Credentials::new(store.clone(), &config, clock));
        let (hub, tail) =
            Hub::at_rest(&store, &credentials, &config.streams, &Metrics::default()).await.unwrap();
        Self { store, hub, tail, people, streams: Vec::new() }
    }

    async fn publish(&self, topic: Option<usize>, to: Option<usize>) {
        let message = match (topic, to) {
            (Some(topic), _) => to_topic(TOPICS[topic]),
            (None, to) => to_people(&to.map(|person| PEOPLE[person]).into_iter().collect::<Vec<_>>()),
        };
        self.store.publish(message).await.unwrap();
    }

    async fn connect(&mut self, person: usize, behind: u64) {
        let user = self.people[person];
        let device = self.store.open_device(user, "d").await.unwrap();
        let head = *self.store.head().borrow();
        let start = head.saturating_sub(behind);
        let who = Who {
            user,
            device: device.id,
            token: TokenId(1),
            session: None,
            instance: None,
            transport: Transport::WebSocket,
        };
        let link = self.hub.enter(who, start, None).unwrap();
        let catch_up = CatchUp {
            store: self.store.clone(),
            gate: link.gate(),
            device: device.id,
            at: start,
            // Smaller than what happens meanwhile, so that several pages are read.
            page: 3,
            looked_up_at: head,
            filter: device.filter,
            upto: None,
            began: start,
            lost: 0,
        };
        self.streams.push(Stream {
            user,
            device: device.id,
            start,
            feed: Feed::new(link, catch_up),
            got: Vec::new(),
        });
    }

    async fn act(&mut self, op: &Op) {
        match op {
            Op::Publish(topic) => self.publish(Some(*topic), None).await,
            Op::Tell(person) => self.publish(None, Some(*person)).await,
            Op::Join(topic, person) => self.store.join_topic(TOPICS[*topic], PEOPLE[*person]).await.unwrap(),
            // Not a member: nothing to leave.
            Op::Leave(topic, person) => _ = self.store.leave_topic(TOPICS[*topic], PEOPLE[*person]).await,
            Op::Filter(person, topic) => {
                let device = self.store.open_device(self.people[*person], "d").await.unwrap();
                let topics = topic.map(|topic| vec![TOPICS[topic].to_owned()]);
                self.store.set_filter(device.id, topics).await.unwrap();
            }
            Op::Tail => _ = self.tail.step().await.unwrap(),
            Op::Connect(person, behind) => self.connect(*person, *behind).await,
            Op::Step(stream) => {
                if let Some(stream) = self.streams.get_mut(*stream) {
                    stream.step();
                }
            }
        }
    }

    /// What each stream owes, read off the log alone: (sure, possible). What was withdrawn by leaving may have come
    /// before that, or not.
    async fn owed(&self) -> Vec<(Vec<Seq>, Vec<Seq>)> {
        let log = self.store.log(0, usize::MAX).await.unwrap();
        self.streams.iter().map(|stream| owed(stream, &log)).collect()
    }
}

fn owed(stream: &Stream, log: &[tocsin_store::LogEntry]) -> (Vec<Seq>, Vec<Seq>) {
    let mut member: HashMap<TopicId, bool> = HashMap::new();
    let mut filter: Option<Arc<[TopicId]>> = None;
    let mut found: Vec<(Seq, Option<TopicId>, bool)> = Vec::new();
    for entry in log {
        match &entry.entry {
            Entry::Joined { topic, user } if *user == stream.user => _ = member.insert(*topic, true),
            Entry::Left { topic, user } if *user == stream.user => {
                member.insert(*topic, false);
                found
                    .iter_mut()
                    .filter(|(_, of, _)| *of == Some(*topic))
                    .for_each(|(.., sure)| *sure = false);
            }
            Entry::Filter { device, topics } if *device == stream.device => filter.clone_from(topics),
            Entry::Message(Some(message)) if entry.seq > stream.start => match &message.address {
                Address::Topic(topic) => {
                    let takes = filter.as_ref().is_none_or(|filter| filter.contains(topic));
                    if takes && member.get(topic).copied().unwrap_or(false) {
                        found.push((entry.seq, Some(*topic), true));
                    }
                }
                Address::People(people) if people.contains(&stream.user) => {
                    found.push((entry.seq, None, true));
                }
                Address::People(_) => {}
            },
            _ => {}
        }
    }
    let sure = found.iter().filter(|(.., sure)| *sure).map(|(seq, ..)| *seq).collect();
    (sure, found.into_iter().map(|(seq, ..)| seq).collect())
}

async fn check(ops: Vec<Op>) {
    let mut world = World::new().await;
    for op in &ops {
        world.act(op).await;
    }
    while world.tail.step().await.unwrap() > 0 {}
    for stream in &mut world.streams {
        while stream.step() {}
    }
    let owed = world.owed().await;
    for (stream, (sure, possible)) in world.streams.iter().zip(owed) {
        let got = &stream.got;
        assert!(got.is_sorted_by(|a, b| a < b), "in order, each once: {got:?}");
        let missing: Vec<_> = sure.iter().filter(|seq| !got.contains(seq)).collect();
        assert!(missing.is_empty(), "missing {missing:?} of {sure:?}, got {got:?}, from {}", stream.start);
        let foreign: Vec<_> = got.iter().filter(|seq| !possible.contains(seq)).collect();
        assert!(foreign.is_empty(), "not owed: {foreign:?}, got {got:?}, from {}", stream.start);
        let head = *world.store.head().borrow();
        assert_eq!(world.hub.applied(), head);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_carries_what_is_owed_once_and_in_order(ops in prop::collection::vec(op(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(ops));
    }
}

/// Nobody can be given it any more: to move on would be silence.
#[tokio::test]
async fn what_is_pruned_before_it_is_routed_sends_streams_back_to_their_positions() {
    let mut world = World::keeping(0).await;
    while world.tail.step().await.unwrap() > 0 {}
    world.connect(0, 0).await;
    while world.streams[0].step() {}
    world.publish(Some(0), None).await;
    assert_eq!(world.store.prune().await.unwrap().lost, 2);
    while world.tail.step().await.unwrap() > 0 {}
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let event = world.streams[0].feed.poll(&mut cx, true, &mut Vec::new());
    assert!(matches!(event, std::task::Poll::Ready(Event::End(Ended::ByHub(End::Lagging)))));
}

/// The same between the look at what was lost and the page.
#[tokio::test]
async fn what_is_pruned_while_a_stream_catches_up_ends_it() {
    let mut world = World::keeping(0).await;
    world.publish(Some(0), None).await;
    while world.tail.step().await.unwrap() > 0 {}
    world.connect(0, 1).await;
    assert_eq!(world.store.prune().await.unwrap().lost, 2);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let event = world.streams[0].feed.poll(&mut cx, true, &mut Vec::new());
    assert!(matches!(event, std::task::Poll::Ready(Event::End(Ended::Store(_)))));
    assert_eq!(world.streams[0].got, Vec::<Seq>::new());
}

#[tokio::test]
async fn live_frames_wait_for_the_replay_and_what_it_carried_does_not_come_again() {
    let mut world = World::new().await;
    while world.tail.step().await.unwrap() > 0 {}
    let before = *world.store.head().borrow();
    for _ in 0..5 {
        world.publish(Some(0), None).await;
    }
    world.connect(0, 5).await;
    // Committed and not yet applied when it goes live: the hub brings them, the replay must not.
    world.streams[0].step();
    while world.tail.step().await.unwrap() > 0 {}
    while world.streams[0].step() {}
    let expected: Vec<_> = (before + 1..=before + 5).collect();
    assert_eq!(world.streams[0].got, expected);
}
