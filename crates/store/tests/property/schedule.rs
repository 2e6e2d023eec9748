//! What can happen.

use proptest::prelude::*;
use tocsin_protocol::{Shown, delivery::AttemptResult};

pub const USERS: [&str; 3] = ["ann", "bob", "cy"];
pub const TOPICS: [&str; 2] = ["ops", "dev"];
pub const DEVICES: [&str; 2] = ["desk", "phone"];
pub const POLICIES: [&str; 3] = ["missing", "list", "all"];

#[derive(Clone, Debug)]
pub struct Publish {
    /// A topic, or people by the bits of a mask.
    pub to: Result<usize, u8>,
    pub priority: u8,
    pub key: Option<u8>,
    /// The nth message from the end.
    pub replaces: Option<usize>,
    pub resolved: bool,
    pub expires_in_s: Option<i64>,
    /// Key and request.
    pub idempotency: Option<(u8, u8)>,
    pub sender: usize,
    /// Which of the policies.
    pub policy: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Publish(Publish),
    Join(usize, usize),
    Leave(usize, usize),
    RemoveUser(usize),
    AddUser(usize),
    RemoveTopic(usize),
    AddTopic(usize, u8),
    Open(usize, usize),
    RemoveDevice(usize, usize),
    /// Which device, and the topics it takes.
    Filter(usize, Option<u8>),
    /// Ranges of which device, counted back from the head: the end, and how long.
    Ack(Vec<(usize, u64, u64)>),
    Claim(usize, usize),
    UndoClaim(usize),
    Press {
        user: usize,
        message: usize,
        acknowledge: bool,
        ago_s: i64,
    },
    Show {
        device: usize,
        message: usize,
        shown: Shown,
    },
    /// Runs what is due of escalations.
    Run,
    /// Which message, whom (everybody missing, or by the bits of a mask), over which ways (bits), of which age the receipt is.
    Resend(usize, Option<u8>, u8, i64),
    Cancel(usize),
    /// Sends what is due over the channels: it is taken, or refused, or nobody knows.
    Deliver(AttemptResult),
    /// The platform says that the nth delivery from the end arrived.
    Confirm(usize),
    /// Which topic speaks how often, seconds.
    Expect(usize, u64),
    /// Seconds, back too.
    Clock(i64),
    Prune,
    Reopen,
}

fn publish() -> impl Strategy<Value = Step> {
    let to = prop_oneof![3 => (0..TOPICS.len()).prop_map(Ok), 1 => (1..8_u8).prop_map(Err)];
    let expires =
        prop_oneof![3 => Just(None), 1 => prop::sample::select(vec![1_i64, 30, 90_000]).prop_map(Some)];
    (
        to,
        1..=5_u8,
        prop::option::weighted(0.4, 0..2_u8),
        prop::option::weighted(0.1, 0..4_usize),
        prop::bool::weighted(0.2),
        expires,
        prop::option::weighted(0.2, (0..2_u8, 0..2_u8)),
        0..4_usize,
        prop::option::weighted(0.5, 0..POLICIES.len()),
    )
        .prop_map(
            |(to, priority, key, replaces, resolved, expires_in_s, idempotency, sender, policy)| {
                Step::Publish(Publish {
                    to,
                    priority,
                    key,
                    replaces,
                    resolved,
                    expires_in_s,
                    idempotency,
                    sender,
                    policy,
                })
            },
        )
}

fn shown() -> impl Strategy<Value = Shown> {
    prop::sample::select(vec![Shown::Pending, Shown::Suppressed, Shown::Failed, Shown::Shown])
}

pub fn step() -> impl Strategy<Value = Step> {
    let (user, topic, device) = (0..USERS.len(), 0..TOPICS.len(), 0..6_usize);
    let length = prop_oneof![6 => 0..4_u64, 1 => Just(60_u64)];
    let range = (device.clone(), 0..6_u64, length);
    let answer = prop_oneof![
        3 => Just(AttemptResult::Accepted),
        1 => prop::sample::select(vec![AttemptResult::Refused, AttemptResult::Unknown]),
    ];
    let clock = prop::sample::select(vec![
        1_i64, 2, 5, 10, 30, 61, 61, 121, 3600, 40_000, 200_000, 4_000_000, -3, -90,
    ]);
    prop_oneof![
        16 => publish(),
        3 => (topic.clone(), user.clone()).prop_map(|(t, u)| Step::Join(t, u)),
        3 => (topic.clone(), user.clone()).prop_map(|(t, u)| Step::Leave(t, u)),
        1 => user.clone().prop_map(Step::RemoveUser),
        1 => user.clone().prop_map(Step::AddUser),
        1 => topic.clone().prop_map(Step::RemoveTopic),
        1 => (topic, 0..8_u8).prop_map(|(t, members)| Step::AddTopic(t, members)),
        3 => (user.clone(), 0..DEVICES.len()).prop_map(|(u, d)| Step::Open(u, d)),
        2 => (user.clone(), 0..DEVICES.len()).prop_map(|(u, d)| Step::RemoveDevice(u, d)),
        2 => (device.clone(), prop::option::of(0..4_u8)).prop_map(|(d, mask)| Step::Filter(d, mask)),
        14 => prop::collection::vec(range, 1..4).prop_map(Step::Ack),
        3 => (device.clone(), 1..4_usize).prop_map(|(d, limit)| Step::Claim(d, limit)),
        2 => (0..3_usize).prop_map(Step::UndoClaim),
        4 => (user, 0..8_usize, any::<bool>(), -100..200_i64)
            .prop_map(|(user, message, acknowledge, ago_s)| Step::Press { user, message, acknowledge, ago_s }),
        2 => (device, 0..8_usize, shown()).prop_map(|(device, message, shown)| Step::Show { device, message, shown }),
        10 => Just(Step::Run),
        2 => (0..4_usize, prop::option::weighted(0.5, 1..8_u8), 1..8_u8, 0..100_i64)
            .prop_map(|(message, people, via, age)| Step::Resend(message, people, via, age)),
        1 => (0..4_usize).prop_map(Step::Cancel),
        3 => answer.prop_map(Step::Deliver),
        2 => (0..3_usize).prop_map(Step::Confirm),
        1 => (0..TOPICS.len(), prop::sample::select(vec![0_u64, 10, 60])).prop_map(|(t, s)| Step::Expect(t, s)),
        9 => clock.prop_map(Step::Clock),
        2 => Just(Step::Prune),
        1 => Just(Step::Reopen),
    ]
}
