//! A client without cleverness: one connection for each request, nothing retried, nothing cached.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part; what fails here fails the test"
)]

pub mod listener;

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tocsin_wechat_sim::{Clock, Options, Simulator, seed};
use tokio::net::{TcpSocket, TcpStream};

/// Long enough for a busy machine; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// 2026-01-02 01:06 in Shanghai.
pub const START_MS: i64 = 1_767_287_160_000;

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub content_type: String,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn code(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or(0)
    }
}

/// A simulator in virtual time.
pub async fn frozen() -> Simulator {
    let options = Options { clock: Clock::frozen(START_MS), ..Options::default() };
    Simulator::start(options).await.unwrap()
}

pub async fn get(url: &str) -> Got {
    request(Ipv4Addr::LOCALHOST, url, None).await.unwrap()
}

pub async fn post(url: &str, body: &Value) -> Got {
    request(Ipv4Addr::LOCALHOST, url, Some(("application/json", body.to_string().into_bytes())))
        .await
        .unwrap()
}

pub async fn try_post(url: &str, body: &Value) -> Result<Got, String> {
    request(Ipv4Addr::LOCALHOST, url, Some(("application/json", body.to_string().into_bytes()))).await
}

pub async fn post_raw(url: &str, content_type: &str, body: &[u8]) -> Got {
    request(Ipv4Addr::LOCALHOST, url, Some((content_type, body.to_vec()))).await.unwrap()
}

/// One request from one of the addresses of this machine.
pub async fn request(from: Ipv4Addr, url: &str, body: Option<(&str, Vec<u8>)>) -> Result<Got, String> {
    send(from, if body.is_some() { "POST" } else { "GET" }, url, body).await
}

pub async fn send(
    from: Ipv4Addr,
    method: &str,
    url: &str,
    body: Option<(&str, Vec<u8>)>,
) -> Result<Got, String> {
    let uri: http::Uri = url.parse().map_err(|error| format!("{error}"))?;
    let address = uri.authority().unwrap().as_str().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream: TcpStream = socket.connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let running = tokio::spawn(connection);
    let mut builder = http::Request::builder()
        .method(method)
        .uri(uri.path_and_query().unwrap().as_str())
        .header("host", uri.authority().unwrap().as_str());
    let mut bytes = Bytes::new();
    if let Some((content_type, body)) = body {
        builder = builder.header("content-type", content_type);
        bytes = body.into();
    }
    let response = sender
        .send_request(builder.body(Full::new(bytes)).unwrap())
        .await
        .map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    running.abort();
    Ok(Got {
        status,
        content_type,
        text: String::from_utf8(body.to_vec()).map_err(|error| error.to_string())?,
    })
}

/// The simulator with what a client needs to call it.
pub struct Bench {
    pub sim: Simulator,
    pub oa: String,
    pub wecom: String,
    pub appid: String,
    pub secret: String,
    pub corpid: String,
    pub corp_secret: String,
    pub robot: String,
}

impl Bench {
    pub async fn new() -> Self {
        Self::of(frozen().await)
    }

    pub fn of(sim: Simulator) -> Self {
        let (secret, corp_secret, robot) = sim.world(|world| {
            let robot = world.robot().unwrap().key.clone();
            (world.account().unwrap().secret.clone(), world.app().unwrap().secret.clone(), robot)
        });
        Self {
            oa: sim.oa_url(),
            wecom: sim.wecom_url(),
            appid: seed::APPID.into(),
            secret,
            corpid: seed::CORPID.into(),
            corp_secret,
            robot: sim.robot_url(&robot),
            sim,
        }
    }

    pub fn classic_url(&self) -> String {
        format!(
            "{}/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
            self.oa, self.appid, self.secret
        )
    }

    pub async fn stable(&self, force: bool) -> Value {
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self.secret,
            "force_refresh": force,
        });
        post(&format!("{}/cgi-bin/stable_token", self.oa), &body).await.json()
    }

    /// A stable token of the official account.
    pub async fn oa_token(&self) -> String {
        self.stable(false).await["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn wecom_token(&self) -> String {
        let url =
            format!("{}/cgi-bin/gettoken?corpid={}&corpsecret={}", self.wecom, self.corpid, self.corp_secret);
        get(&url).await.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn oa_url(&self, path: &str, token: &str) -> String {
        format!("{}/cgi-bin/{path}?access_token={token}", self.oa)
    }

    pub fn wecom_url(&self, path: &str, token: &str) -> String {
        format!("{}/cgi-bin/{path}?access_token={token}", self.wecom)
    }

    pub async fn template(&self, token: &str, body: &Value) -> Got {
        post(&self.oa_url("message/template/send", token), body).await
    }

    pub async fn wecom_send(&self, token: &str, body: &Value) -> Got {
        post(&self.wecom_url("message/send", token), body).await
    }

    pub fn shown(&self) -> usize {
        self.sim.world(|world| world.inbox.shown().count())
    }

    pub fn advance(&self, seconds: u64) {
        self.sim.clock().advance(Duration::from_secs(seconds));
    }
}

/// A template message to a ready-made follower that passes every check.
pub fn alert(client_msg_id: &str) -> Value {
    json!({
        "touser": seed::openid("wangfang"),
        "template_id": seed::ALERT_TEMPLATE,
        "url": "https://tocsin.example/m/1",
        "client_msg_id": client_msg_id,
        "data": {
            "thing1": {"value": "磁盘将满"},
            "time2": {"value": "2026-01-02 09:06"},
            "phrase3": {"value": "严重"},
            "character_string4": {"value": "m-1"},
        },
    })
}

/// A text of the ready-made app.
pub fn text(to: &str, words: &str) -> Value {
    json!({"touser": to, "msgtype": "text", "agentid": seed::AGENT_ID, "text": {"content": words}})
}

/// A card with a button.
pub fn card(to: &str, task_id: &str) -> Value {
    json!({
        "touser": to,
        "msgtype": "template_card",
        "agentid": seed::AGENT_ID,
        "template_card": {
            "card_type": "button_interaction",
            "main_title": {"title": "磁盘将满", "desc": "db-1"},
            "task_id": task_id,
            "button_list": [{"text": "确认", "style": 1, "key": "ack"}],
        },
    })
}
