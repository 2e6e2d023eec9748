//! What every schedule begins with, made once: opening a store then costs a copy of its file.

use std::{path::Path, sync::OnceLock};

use tempfile::TempDir;
use tocsin_protocol::{
    NewTopic, NewUser, Role,
    delivery::{ChannelKind, ChannelSettings},
    escalation::{Milestone, PolicySettings, Step},
};
use tocsin_store::{
    Store,
    conformance::{
        Hand,
        escalation::{next, over, repeated, step},
    },
    escalation::Escalations,
    outbox::Outbox,
    sqlite::{Options, SqliteStore},
};

use super::schedule::{DEVICES, POLICIES, TOPICS, USERS};

pub static TEMPLATE: OnceLock<Template> = OnceLock::new();

/// A data directory that is not used any more.
pub struct Template(TempDir);

/// In memory where that is possible: a flush is not what is tested here.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl Template {
    pub fn make() -> Self {
        let dir = directory();
        let path = dir.path().to_owned();
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let hand = Hand::default();
                let store = SqliteStore::open(Options { clock: hand.clock(), ..Options::new(path) }).unwrap();
                begin(&store).await;
                store.close().await;
            });
        });
        made.join().unwrap();
        Self(dir)
    }

    pub fn copy(&self) -> TempDir {
        let dir = directory();
        for file in std::fs::read_dir(self.0.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        dir
    }
}

fn policy(name: &str) -> Vec<Step> {
    match name {
        "missing" => vec![
            over(&["desktop", "app"], step(60, Milestone::ReceivedByAll)),
            repeated(2, 60, step(120, Milestone::ReadByAny)),
        ],
        "list" => vec![
            over(&["desktop", "robot"], repeated(1, 30, next(10, &["bob", "cy"]))),
            over(&["app", "robot"], next(60, &["cy", "ann"])),
        ],
        _ => vec![
            step(30, Milestone::AcknowledgedByAll),
            over(&["app", "robot"], step(60, Milestone::ReadByAll)),
        ],
    }
}

/// People, topics, devices, policies, a channel that two of the people have an address at, and a group that mentions them.
pub async fn begin<S: Store + Outbox + Escalations>(store: &S) {
    for name in USERS {
        let new = NewUser { name: name.into(), display_name: None, role: Role::Member };
        store.add_user(new).await.unwrap();
    }
    for (topic, count) in [(0, 3), (1, 2)] {
        let members = USERS.iter().take(count).map(|&name| name.to_owned()).collect();
        // Kept for different times, so that what is lost lies between what is not.
        let retention_days = (topic == 1).then_some(1);
        let new = NewTopic { name: TOPICS[topic].into(), description: None, retention_days, members };
        store.add_topic(new).await.unwrap();
    }
    for name in USERS {
        let (user, _) = store.user(name).await.unwrap();
        for device in DEVICES {
            store.open_device(user, device).await.unwrap();
        }
    }
    for (channel, kind) in [("app", ChannelKind::Wecom), ("robot", ChannelKind::WecomRobot)] {
        let config = serde_json::json!({});
        let settings = ChannelSettings { kind, display_name: None, enabled: None, config };
        store.put_channel(channel, settings).await.unwrap();
        for name in &USERS[..2] {
            store.bind(channel, name, &format!("id-{name}")).await.unwrap();
        }
    }
    for name in POLICIES {
        let settings = PolicySettings { display_name: None, steps: policy(name), quiet: None };
        store.put_policy(name, settings).await.unwrap();
    }
}
