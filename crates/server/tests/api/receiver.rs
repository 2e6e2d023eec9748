//! A receiver of webhooks: an address, what comes there, and the answers it is told to give.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tocsin_delivery::webhook::Key;
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    desk::PATIENCE,
    office::{Office, send},
};

/// What both sides have.
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The channel of [`Receiver::connected`].
pub const HOOK: &str = "hook";

pub struct Receiver {
    pub url: String,
    told: mpsc::Receiver<(HeaderMap, Bytes)>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

/// A request whose signature was right.
#[derive(Debug)]
pub struct Told {
    /// The same for every try.
    pub id: String,
    pub text: String,
    pub body: Value,
}

impl Receiver {
    pub async fn open() -> Self {
        let (tell, told) = mpsc::channel(8);
        let answers: Arc<Mutex<VecDeque<StatusCode>>> = Arc::default();
        let said = answers.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let (tell, said) = (tell.clone(), said.clone());
            async move {
                let answer = said.lock().unwrap().pop_front().unwrap_or(StatusCode::OK);
                tell.send((headers, body)).await.unwrap();
                answer
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/in", post(take))).await });
        Self { url, told, answers }
    }

    /// One that an office reaches over its channel [`HOOK`]; no route leads there.
    pub async fn connected(office: &Office) -> Self {
        let receiver = Self::open().await;
        let put = async |path: &str, body: Value| {
            send(office.request("PUT", path).bearer_auth(&office.root).json(&body)).await
        };
        let settings = json!({"kind": "webhook", "config": {"url": receiver.url}});
        put("/v1/channels/hook", settings).await.is(200);
        put("/v1/channels/hook/secrets/key", json!({"secret": KEY})).await.is(204);
        receiver
    }

    /// The next request is answered with this; whatever is not spoken of, with 200.
    pub fn answer(&self, status: StatusCode) {
        self.answers.lock().unwrap().push_back(status);
    }

    /// The next request, once it came.
    pub async fn next(&mut self) -> Told {
        let came = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        let (headers, body) = came.expect("nothing came").unwrap();
        let header = |name: &str| headers[name].to_str().unwrap();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(header("webhook-signature"), Key::parse(KEY).unwrap().sign(id, at, &text));
        assert_eq!(header("content-type"), "application/json");
        Told { id: id.to_owned(), body: serde_json::from_str(&text).unwrap(), text }
    }

    /// Nothing is on its way: what an administrator has told now is what comes next. They keep their order.
    pub async fn nothing_else(&mut self, office: &Office) {
        let report = json!({"channel": HOOK, "on": ["read_by_any"]});
        let message = json!({"to": ["ann"], "title": "the last", "report": report});
        let made = office.post(&office.root, "/v1/messages", message).await.is(201);
        let id = made["id"].as_str().unwrap();
        office.call(&office.ann, "POST", &format!("/v1/messages/{id}/read")).await.is(200);
        let next = self.next().await;
        assert_eq!(next.body["data"]["id"], id, "{}", next.text);
    }
}
