//! `tocsin serve` is killed with SIGKILL while a platform that has the message holds its answer back: the message is on the
//! phone, and nothing of that is booked. After a restart it is there once, or nobody knows; never twice.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rustix::process::Signal;
use serde_json::Value;
use support::{Home, Server, wait_for};
use tocsin_store::conformance::{MINUTE, age_outbox};
use tocsin_wechat_sim::{Fault, Kind, Options, Simulator, seed};

/// Longer than the test takes: the answer never comes.
const HELD_BACK_MS: u64 = 600_000;
/// Longer than a courier may have a lane.
const OFF_FOR: i64 = 2 * MINUTE;

struct Desk {
    home: Home,
    sim: Simulator,
    /// Where messages are posted.
    path: &'static str,
}

impl Desk {
    /// A channel with this secret, over which everything in `ops` goes.
    async fn open(kind: &str, part: &str, path: &'static str, set: &[String]) -> (Self, Server) {
        let sim = Simulator::start(Options::default()).await.unwrap();
        let secret = sim.world(|world| match kind {
            "wecom" => world.app().unwrap().secret.clone(),
            _ => world.robot().unwrap().key.clone(),
        });
        let desk = Self { home: Home::new(), sim, path };
        let server = desk.serve();
        desk.home.run(&["user", "add", "ann"]).ok();
        desk.home.run(&["topic", "add", "ops", "--member", "ann"]).ok();
        let base = format!("base_url={}", desk.sim.wecom_url());
        let mut add = vec!["channel", "add", "app", "--kind", kind, "--set", &base, "--set", "proxy=none"];
        add.extend(set.iter().flat_map(|setting| ["--set", setting]));
        desk.home.run(&add).ok();
        desk.home.run_with(&["channel", "secret", "app", part], &format!("{secret}\n")).ok();
        if kind == "wecom" {
            desk.home.run(&["channel", "bind", "app", "ann", "ZhangSan"]).ok();
        }
        desk.home.run(&["channel", "route", "app", "--topic", "ops", "--from-priority", "1"]).ok();
        (desk, server)
    }

    fn serve(&self) -> Server {
        let secrets = self.home.dir.path().join("secrets.toml");
        self.home.serve(&["--channel-secrets", secrets.to_str().unwrap()])
    }

    fn shown(&self) -> usize {
        self.sim.world(|world| world.inbox.shown().filter(|item| item.contains("disk full")).count())
    }

    fn calls(&self) -> u64 {
        self.sim.world(|world| world.journal.calls(self.path))
    }

    /// Sends a message, kills the server once it is on the phone and its answer is not, and starts it again later.
    fn killed_between_the_request_and_its_record(&self, server: Server) -> (String, Server) {
        self.sim.inject(Fault::new(Kind::Slow).on(self.path).after().delay_ms(HELD_BACK_MS).times(1));
        let sent = self.home.json(&["send", "ops", "disk full"]);
        wait_for("the message on the phone", || (self.shown() == 1).then_some(()));
        server.signal(Signal::KILL);
        assert_eq!(server.ended(), None, "it had no time to end");
        age_outbox(&self.home.data(), OFF_FOR);
        (sent["id"].as_str().unwrap().to_owned(), self.serve())
    }

    /// Waits until the receipt says this of the channel.
    fn becomes(&self, id: &str, state: &str, way: impl Fn(&Value) -> Value) {
        wait_for(state, || (way(&self.home.json(&["receipt", id])) == state).then_some(()));
    }

    /// Sends another one and waits for it: whatever was left to be sent of the first has been sent by then.
    fn settled(&self) {
        self.home.run(&["send", "ops", "and on it goes"]).ok();
        let shown =
            || self.sim.world(|world| world.inbox.shown().any(|item| item.contains("and on it goes")));
        wait_for("the next message", || shown().then_some(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_repetitions_are_recognised_it_is_accepted_and_there_once() {
    let set = [format!("corp_id={}", seed::CORPID), format!("agent_id={}", seed::AGENT_ID)];
    let (desk, server) = Desk::open("wecom", "secret", "message/send", &set).await;
    tokio::task::block_in_place(|| {
        let (id, _server) = desk.killed_between_the_request_and_its_record(server);
        desk.becomes(&id, "accepted", |receipt| receipt["people"][0]["ways"][0]["state"].clone());
        desk.settled();
        assert_eq!(desk.shown(), 1);
        assert_eq!(desk.calls(), 3, "the first, the same again, and the next message");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_they_are_not_nobody_knows_and_it_is_there_once() {
    let (desk, server) = Desk::open("wecom-robot", "key", "webhook/send", &[]).await;
    tokio::task::block_in_place(|| {
        let (id, _server) = desk.killed_between_the_request_and_its_record(server);
        desk.becomes(&id, "unknown", |receipt| receipt["groups"][0]["state"].clone());
        desk.settled();
        assert_eq!(desk.shown(), 1);
        assert_eq!(desk.calls(), 2, "the first, and the next message");
    });
}
