//! Clients and messages that the tests share.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tocsin_wechat::{
    Clock, Endpoint, Millis, NoCache, Parts, Prepared, TokenMode,
    official::{self, OfficialAccount, TemplateMessage, client_msg_id},
    robot::{self, Mentions, Robot, RobotMessage},
    wecom::{self, AppMessage, Recipients, WecomApp},
};

/// Well after 2020, so that a clock at zero is told apart.
pub const START: Millis = 1_767_000_000_000;

#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

pub fn parts(clock: &Arc<ManualClock>) -> Parts {
    Parts { cache: Arc::new(NoCache), clock: clock.clone() }
}

pub fn credential() -> official::Credential {
    official::Credential {
        app_id: "wx1".into(),
        secret: "canary-secret".into(),
        token_mode: TokenMode::StableFirst,
    }
}

pub fn account(endpoint: &Endpoint, clock: &Arc<ManualClock>) -> OfficialAccount {
    OfficialAccount::new(credential(), endpoint, &parts(clock)).expect("a client")
}

pub fn app(endpoint: &Endpoint, clock: &Arc<ManualClock>) -> WecomApp {
    let credential =
        wecom::Credential { corp_id: "ww1".into(), agent_id: 1_000_002, secret: "canary-secret".into() };
    WecomApp::new(credential, endpoint, &parts(clock)).expect("a client")
}

pub fn robot(endpoint: &Endpoint) -> Robot {
    Robot::new("canary-key-0000".into(), endpoint).expect("a client")
}

pub fn template() -> Prepared {
    let data = [("thing1".to_owned(), "构建失败".to_owned())].into();
    let message = TemplateMessage {
        openid: "o1".into(),
        template_id: "T1".into(),
        url: None,
        mini_program: None,
        client_msg_id: client_msg_id("m1", "o1", 0),
        data,
    };
    message.prepare().expect("a message")
}

pub fn text() -> Prepared {
    let content = wecom::Content::Text { content: "m1: disk full".into(), more: String::new() };
    let to = Recipients { users: vec!["u1".into(), "U2".into()], ..Recipients::default() };
    let message = AppMessage { to, agent_id: 1_000_002, content, dedupe_seconds: 1800, mark: "m1".into() };
    message.prepare().expect("a message")
}

pub fn group_text() -> Prepared {
    let content = robot::Content::Text { content: "disk full".into(), more: String::new() };
    RobotMessage { content, mentions: Mentions::default() }.prepare().expect("a message")
}

/// A token's answer, numbered.
pub fn token(number: usize) -> String {
    format!(r#"{{"access_token":"canary-token-{number}","expires_in":7200}}"#)
}

pub const OK: &str = r#"{"errcode":0,"errmsg":"ok","msgid":3717005636572528642}"#;
pub const STALE: &str =
    r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: a-b-c"}"#;
