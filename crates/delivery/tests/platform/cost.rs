//! What 1 000 messages cost the platform under each fault: requests and token requests, as a table for the documentation.
//!
//! `cargo test -p tocsin-delivery --test platform what_a_thousand -- --nocapture` prints it. Which of the calls at the
//! same time a fault hits is left to chance, so that figures differ a little from run to run; their bounds do not.

use std::{collections::BTreeMap, fmt::Write as _, ops::RangeInclusive};

use tocsin_protocol::{
    DeliveryState as S, Millis,
    delivery::ChannelKind::{self, Wechat, Wecom, WecomRobot},
};
use tocsin_store::{
    NewMessage,
    conformance::{MINUTE, to_topic},
};
use tocsin_wechat_sim::{Fault, Kind};

use super::desk::{Desk, Plan};

const PEOPLE: usize = 50;
const ROUNDS: usize = 20;
const MANY: u64 = 1_000;
const HOUR: Millis = 60 * MINUTE;

/// A fault, and what may come of it.
struct Case {
    name: &'static str,
    kind: ChannelKind,
    set: fn(&Desk),
    /// After the first message to everybody, and after each of the others.
    apart: (Millis, Millis),
    impatient: bool,
    /// Requests that carry a message.
    sends: RangeInclusive<u64>,
    /// Requests for a token, at most.
    tokens: u64,
    /// Messages on phones.
    shown: RangeInclusive<u64>,
}

fn case(name: &'static str, kind: ChannelKind, set: fn(&Desk)) -> Case {
    Case {
        name,
        kind,
        set,
        apart: (0, 0),
        impatient: false,
        sends: MANY..=MANY,
        tokens: 1,
        shown: MANY..=MANY,
    }
}

impl Case {
    fn sends(self, sends: RangeInclusive<u64>) -> Self {
        Self { sends, ..self }
    }
    fn tokens(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }
    fn shown(self, shown: RangeInclusive<u64>) -> Self {
        Self { shown, ..self }
    }
}

fn path(kind: ChannelKind) -> &'static str {
    match kind {
        Wechat => "message/template/send",
        WecomRobot => "webhook/send",
        _ => "message/send",
    }
}

/// One call in ten.
fn sometimes(desk: &Desk, fault: Fault) {
    desk.sim.inject(Fault { probability: Some(0.1), ..fault.on("/send") });
}

fn always(desk: &Desk, fault: Fault) {
    desk.sim.inject(fault.on("/send"));
}

fn tokens() -> Vec<Case> {
    vec![
        case("none, cold token", Wecom, |_| ()),
        case("token expires at 1 call in 100", Wecom, |desk| {
            desk.sim.inject(Fault { probability: Some(0.01), ..Fault::new(Kind::TokenExpire).on("/send") });
        })
        .sends(MANY..=1_200)
        .tokens(60),
        case("token stolen at 1 call in 100", Wechat, |desk| {
            desk.sim.inject(Fault { probability: Some(0.01), ..Fault::new(Kind::TokenStolen).on("/send") });
        })
        .sends(MANY..=1_200)
        .tokens(60),
        case("40001 ten times", Wechat, |desk| always(desk, Fault::errcode(40001).times(10)))
            .sends(MANY..=1_050)
            .tokens(20)
            // Three fresh tokens refused in a row end a message; whether the ten fall so is chance.
            .shown(990..=MANY),
        case("40001 for ever", Wechat, |desk| always(desk, Fault::errcode(40001)))
            .sends(0..=200)
            .tokens(200)
            .shown(0..=0),
        Case {
            // The margin and the end are among the later ones.
            apart: (108 * MINUTE, MINUTE),
            ..case("same token until the end of its life", Wechat, |desk| {
                desk.sim.inject(Fault::new(Kind::SameToken));
            })
            .tokens(8)
        },
    ]
}

fn patience() -> Vec<Case> {
    vec![
        case("-1 at 1 call in 10", Wecom, |desk| sometimes(desk, Fault::errcode(-1)))
            .sends(MANY..=1_200)
            .shown(990..=MANY),
        case("-1 for an hour", Wecom, |desk| {
            let until = desk.now() + HOUR;
            always(desk, Fault::errcode(-1).until_ms(until));
        })
        .sends(MANY..=1_100)
        .shown(980..=MANY),
        case("45011: 100 a minute", Wechat, |desk| {
            desk.sim.world(|world| world.behaviour.template_per_minute = 100);
        })
        .sends(MANY..=1_150),
        case("45009: 500 a day", Wechat, |desk| {
            desk.sim.world(|world| world.behaviour.template_per_day = 500);
        })
        .sends(MANY..=1_020)
        .tokens(20),
        case("45009: somebody else uses half of the robot's minute", WecomRobot, |desk| {
            desk.sim.world(|world| world.behaviour.robot_per_minute = 10);
        })
        .sends(1..=60)
        .tokens(0),
    ]
}

fn unknown() -> Vec<Case> {
    vec![
        case("502 before it is taken, 1 call in 10", Wecom, |desk| sometimes(desk, Fault::http(502)))
            .sends(MANY..=1_200),
        case("502 after it was taken, 1 call in 10", Wecom, |desk| sometimes(desk, Fault::http(502).after()))
            .sends(MANY..=1_200),
        Case {
            impatient: true,
            ..case("taken, no answer, 16 times", Wecom, |desk| {
                always(desk, Fault::new(Kind::Timeout).times(16));
            })
            .sends(MANY..=1_050)
        },
        case("taken, connection reset, 1 call in 10", Wechat, |desk| {
            sometimes(desk, Fault::new(Kind::Reset));
        })
        .sends(MANY..=1_200),
        case("taken, connection reset, 1 call in 10", WecomRobot, |desk| {
            sometimes(desk, Fault::new(Kind::Reset));
        })
        .sends(1..=60)
        .tokens(0),
        case("half an answer, 1 call in 10", Wecom, |desk| sometimes(desk, Fault::new(Kind::HalfBody)))
            .sends(MANY..=1_200),
        case("an answer that is not JSON, 1 call in 10", Wecom, |desk| {
            sometimes(desk, Fault::new(Kind::Malformed));
        })
        .sends(MANY..=1_200),
        case("errcode as text, always", Wechat, |desk| always(desk, Fault::new(Kind::ErrcodeString))),
        case("no errcode, always", Wecom, |desk| always(desk, Fault::new(Kind::NoErrcode))),
        case("control characters, always", Wecom, |desk| always(desk, Fault::new(Kind::ControlChars))),
    ]
}

fn refused() -> Vec<Case> {
    let shown = 980..=980;
    vec![
        case("invaliduser: 1 person in 50", Wecom, |desk| {
            always(desk, Fault::new(Kind::InvalidUser).to("id-u7"));
        })
        .shown(shown.clone()),
        case("43101: 1 person in 50", Wechat, |desk| always(desk, Fault::errcode(43101).to("id-u7")))
            .shown(shown),
        case("43004: 1 person in 50", Wechat, |desk| always(desk, Fault::errcode(43004).to("id-u7")))
            .sends(981..=MANY)
            .shown(980..=980),
        case("60020: address not allowed", Wecom, |desk| {
            let list = serde_json::json!({"wecom_allow_list": ["198.51.100.1"]});
            desk.sim.configure(&list).unwrap();
        })
        .sends(1..=60)
        .tokens(20)
        .shown(0..=0),
        case("40164: address not allowed", Wechat, |desk| {
            desk.sim.configure(&serde_json::json!({"oa_allow_list": ["198.51.100.1"]})).unwrap();
        })
        .sends(0..=0)
        .tokens(200)
        .shown(0..=0),
    ]
}

/// Messages on phones; none may be there twice.
fn shown(desk: &Desk) -> u64 {
    desk.sim.world(|world| {
        let mut times = BTreeMap::new();
        for item in world.inbox.shown() {
            for mark in item.request.to_string().split('#').filter(|part| part.starts_with("mark-")) {
                *times.entry((item.to.clone(), mark.to_owned())).or_insert(0) += 1;
            }
        }
        assert!(times.values().all(|times| *times == 1), "somebody got a message twice");
        times.len() as u64
    })
}

async fn measure(case: &Case) -> String {
    let robot = case.kind == WecomRobot;
    let plan = Plan::of(case.kind, if robot { 0 } else { PEOPLE });
    let desk = Desk::open(if case.impatient { plan.impatient() } else { plan }).await;
    (case.set)(&desk);
    let (rounds, each) = if robot { (1, ROUNDS * PEOPLE) } else { (ROUNDS, 1) };
    for round in 0..rounds {
        let message = |n: usize| NewMessage { title: format!("#mark-{round}-{n}#"), ..to_topic("ops") };
        desk.publish_many((0..each).map(message).collect()).await;
        let pause = if round == 0 { case.apart.0 } else { case.apart.1 };
        if pause > 0 {
            desk.work(pause).await;
        }
    }
    desk.drain().await;
    let (sends, tokens, shown) = (desk.calls(path(case.kind)), desk.tokens(), shown(&desk));
    let all = desk.post.all().await;
    let of = |state| all.iter().filter(|row| row.message.is_some() && row.state == state).count();
    let (failed, unknown) = (of(S::Failed), of(S::Unknown));
    println!("| {} | {:?} | {sends} | {tokens} | {shown} | {failed} | {unknown} |", case.name, case.kind);
    let mut wrong = String::new();
    if !case.sends.contains(&sends) || tokens > case.tokens {
        let _ = write!(wrong, "{}: {sends} requests, {tokens} for tokens; ", case.name);
    }
    // Where the answer says nothing and nothing is recognised, what may be there is `unknown`, and is there.
    if !case.shown.contains(&shown) || shown + (failed as u64) < MANY {
        let _ = write!(wrong, "{}: {shown} on phones, {failed} failed; ", case.name);
    }
    wrong
}

async fn measure_all(cases: Vec<Case>) {
    let mut wrong = String::new();
    for case in &cases {
        wrong += &measure(case).await;
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn what_a_thousand_messages_cost_when_tokens_fail() {
    measure_all(tokens()).await;
}

#[tokio::test]
async fn what_a_thousand_messages_cost_when_patience_is_asked_for() {
    measure_all(patience()).await;
}

#[tokio::test]
async fn what_a_thousand_messages_cost_when_answers_are_lost() {
    measure_all(unknown()).await;
}

#[tokio::test]
async fn what_a_thousand_messages_cost_when_they_are_refused() {
    measure_all(refused()).await;
}
