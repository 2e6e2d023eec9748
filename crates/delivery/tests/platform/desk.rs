//! A desk whose channel is the production one, and the platform that it talks to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tocsin_delivery::{
    Courier,
    line::{Ground, Line, Secrets, Settings},
    wechat::Words,
};
use tocsin_locale::Locale;
use tocsin_protocol::{
    Message, Millis,
    control::Language,
    delivery::{ChannelHealth, ChannelKind, Delivery},
};
use tocsin_store::{
    Entry, NewMessage,
    conformance::{Hand, outbox::Post, to_topic},
};
use tocsin_wechat::{Clock, NoCache, Secret, Timings};
use tocsin_wechat_sim::{Follower, Member, Options, Simulator, seed};

use super::support::{courier, on_disk, publish_all, step};

/// Longer than anything takes that is answered at all.
pub const PATIENT: Duration = Duration::from_mins(1);
/// For platforms that never answer.
pub const IMPATIENT: Duration = Duration::from_secs(1);
/// The channel's name.
pub const CHANNEL: &str = "phone";

/// The store's clock, for the clients.
#[derive(Clone)]
struct Shown(Hand);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl Clock for Shown {
    fn now(&self) -> Millis {
        self.0.now()
    }
}

/// How a desk is set up.
#[derive(Clone)]
pub struct Plan {
    pub kind: ChannelKind,
    /// So many people, `u0` and on; each has an address, `id-u0` and on.
    pub people: usize,
    /// How long a call may take.
    pub call: Duration,
    /// What differs from the usual settings.
    pub config: Value,
    /// Where messages are read in full.
    pub page: Option<&'static str>,
}

impl Plan {
    pub fn of(kind: ChannelKind, people: usize) -> Self {
        Self { kind, people, call: PATIENT, config: json!({}), page: None }
    }

    pub fn impatient(self) -> Self {
        Self { call: IMPATIENT, ..self }
    }
}

/// Store, courier, production channel and platform, on one clock.
pub struct Desk {
    pub post: Post,
    pub courier: Courier,
    pub line: Line,
    pub sim: Simulator,
    _dir: tempfile::TempDir,
}

impl Desk {
    pub async fn open(plan: Plan) -> Self {
        let (post, dir) = on_disk();
        let clock = tocsin_wechat_sim::Clock::frozen(post.bench.hand.now());
        let sim = Simulator::start(Options { clock, ..Options::default() }).await.unwrap();
        let names: Vec<String> = (0..plan.people).map(|n| format!("u{n}")).collect();
        for name in &names {
            post.bench.user(name).await;
        }
        post.bench.topic("ops", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        post.channel(CHANNEL, plan.kind).await;
        for name in &names {
            let address = format!("id-{name}");
            settle_in(&sim, &address);
            post.outbox.bind(CHANNEL, name, &address).await.unwrap();
        }
        post.route(CHANNEL, Some("ops"), None, 1).await;
        let courier = courier(&post, post.outbox.clone());
        let line = line(&plan, &sim, &post.bench.hand);
        courier.channels().attach(CHANNEL, line.channel());
        Self { post, courier, line, sim, _dir: dir }
    }

    pub fn now(&self) -> Millis {
        self.post.bench.hand.now()
    }

    /// Moves the one clock.
    pub fn pass(&self, by: Millis) {
        self.post.bench.hand.step(by);
        self.sim.clock().set(self.now());
    }

    /// Lets the courier work until nothing waits, whatever time that takes.
    pub async fn drain(&self) {
        while let Some(wait) = step(&self.courier, &self.post).await {
            self.pass(wait);
        }
    }

    /// Lets it work for so long.
    pub async fn work(&self, span: Millis) {
        let until = self.now() + span;
        loop {
            let wait = step(&self.courier, &self.post).await.unwrap_or(Millis::MAX);
            let left = until - self.now();
            if wait > left {
                return self.pass(left);
            }
            self.pass(wait);
        }
    }

    /// One message.
    pub async fn publish(&self, title: &str) {
        self.publish_many(vec![NewMessage { title: title.into(), ..to_topic("ops") }]).await;
    }

    pub async fn publish_many(&self, messages: Vec<NewMessage>) {
        publish_all(&self.post.bench.store, messages).await;
    }

    /// Requests whose path ends so.
    pub fn calls(&self, path: &str) -> u64 {
        self.sim.world(|world| world.journal.calls(path))
    }

    pub fn tokens(&self) -> u64 {
        self.sim.world(|world| world.journal.token_calls())
    }

    /// How many of the requests on a path were answered with this.
    pub fn answered(&self, path: &str, code: i64) -> usize {
        self.sim.world(|world| world.journal.on(path).filter(|entry| entry.errcode == Some(code)).count())
    }

    /// When each of them came.
    pub fn times(&self, path: &str) -> Vec<Millis> {
        self.sim.world(|world| world.journal.on(path).map(|entry| entry.at_ms).collect())
    }

    /// What phones show that contains this.
    pub fn shown(&self, words: &str) -> usize {
        self.sim.world(|world| world.inbox.shown().filter(|item| item.contains(words)).count())
    }

    /// The newest message.
    pub async fn newest(&self) -> Message {
        let log = self.post.bench.store.log(0, 100_000).await.unwrap();
        let messages = log.into_iter().filter_map(|entry| match entry.entry {
            Entry::Message(Some(stored)) => Some(stored.message.clone()),
            _ => None,
        });
        messages.last().unwrap()
    }

    /// The only delivery.
    pub async fn only(&self) -> Delivery {
        self.post.only().await
    }

    pub async fn health(&self) -> ChannelHealth {
        self.post.outbox.channel_health().await.unwrap().remove(0)
    }
}

/// How often each of the marks `#0#`, `#1#` … is in these texts.
pub fn marks<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeMap<usize, usize> {
    let mut seen = BTreeMap::new();
    for text in texts {
        for mark in text.split('#').filter_map(|part| part.parse().ok()) {
            *seen.entry(mark).or_default() += 1;
        }
    }
    seen
}

/// Somebody with this address in the company, and following the account.
fn settle_in(sim: &Simulator, address: &str) {
    sim.world(|world| {
        let member = Member {
            userid: address.into(),
            name: address.into(),
            department: vec![1],
            tags: Vec::new(),
            visible: true,
            licensed: true,
        };
        world.corp_mut().unwrap().members.insert(address.to_lowercase(), member);
        world.account_mut().unwrap().followers.insert(address.into(), Follower::new(address, ""));
    });
}

fn line(plan: &Plan, sim: &Simulator, hand: &Hand) -> Line {
    let (mut config, part, secret) = match plan.kind {
        ChannelKind::Wecom => (
            json!({"corp_id": seed::CORPID, "agent_id": seed::AGENT_ID, "base_url": sim.wecom_url()}),
            "secret",
            sim.world(|world| world.app().unwrap().secret.clone()),
        ),
        ChannelKind::Wechat => (
            json!({
                "app_id": seed::APPID,
                "template_id": seed::ALERT_TEMPLATE,
                "fields": {"thing1": "title", "time2": "time", "phrase3": "priority", "character_string4": "=1"},
                "base_url": sim.oa_url(),
            }),
            "secret",
            sim.world(|world| world.account().unwrap().secret.clone()),
        ),
        _ => (
            json!({"base_url": sim.wecom_url()}),
            "key",
            sim.world(|world| world.robot().unwrap().key.clone()),
        ),
    };
    config["proxy"] = "none".into();
    config.as_object_mut().unwrap().extend(plan.config.as_object().unwrap().clone());
    let secrets: Secrets = BTreeMap::from([(part.to_owned(), Secret::new(secret))]);
    let ground = Ground {
        cache: Arc::new(NoCache),
        clock: Arc::new(Shown(hand.clone())),
        words: Words::new(Arc::new(Locale::new(Language::En, "")), plan.page),
        timings: Timings { connect: PATIENT, call: plan.call },
    };
    Line::new(&Settings::read(plan.kind, &config).unwrap(), &secrets, &ground).unwrap()
}
