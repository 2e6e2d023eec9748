//! Bad input: each kind is refused with a code, a sentence and a way out, word for word as `docs/faults.md` lists them, and
//! leaves nothing behind.

use std::time::Duration;

use serde_json::{Value, json};
use tocsin_store::Store as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::office::{Answer, Office, send};

const SHAPE: &str = "the shape of every body is in /openapi.json";
const TOKEN: &str =
    "send `Authorization: Bearer tcs_…`; an administrator makes tokens with `tocsin token add`";
const CURSOR: &str = "leave the cursor out to begin where this device last acknowledged";

#[track_caller]
fn told(answer: &Answer, status: u16, code: &str, message: &str, hint: &str) {
    assert_eq!(answer.refuses(status, code), message);
    assert_eq!(answer.json["error"]["hint"], hint);
}

async fn publish(office: &Office, body: &[u8]) -> Answer {
    let request = office
        .request("POST", "/v1/messages")
        .bearer_auth(&office.root)
        .header("content-type", "application/json");
    send(request.body(body.to_vec())).await
}

/// Nothing was stored, and the next message is taken.
async fn unharmed(office: Office) {
    assert_eq!(office.store.stats().await.unwrap().messages, 0);
    office.publish("and now a good one").await;
    office.close().await;
}

#[tokio::test]
async fn malformed_json_is_told_with_its_place() {
    let office = Office::open().await;
    let message = "the body is not JSON: topic: EOF while parsing a value at line 1 column 9";
    told(&publish(&office, b"{\"topic\":").await, 400, "bad_request", message, SHAPE);
    unharmed(office).await;
}

#[tokio::test]
async fn a_wrong_type_is_told_with_its_field() {
    let office = Office::open().await;
    let answer = publish(&office, br#"{"topic": "ops", "title": 7}"#).await;
    let message = "the body does not have the documented shape: title: invalid type: integer `7`, expected a string at line 1 column 27";
    told(&answer, 400, "bad_request", message, SHAPE);
    unharmed(office).await;
}

#[tokio::test]
async fn an_unknown_topic_is_told() {
    let office = Office::open().await;
    let answer = office.post(&office.root, "/v1/messages", json!({"topic": "opps", "title": "x"})).await;
    let hint = "create it first, or check the spelling: GET /v1/topics lists them";
    told(&answer, 404, "unknown_topic", "no topic named \"opps\"", hint);
    unharmed(office).await;
}

#[tokio::test]
async fn an_unknown_user_is_told_and_nobody_gets_the_message() {
    let office = Office::open().await;
    let answer =
        office.post(&office.root, "/v1/messages", json!({"to": ["ann", "ghost"], "title": "x"})).await;
    let hint = "nothing was sent to anybody; GET /v1/users lists who can be named";
    told(&answer, 422, "unknown_user", "no user named \"ghost\"", hint);
    unharmed(office).await;
}

#[tokio::test]
async fn an_over_long_field_is_told_with_its_limit() {
    let office = Office::open().await;
    let body = json!({"topic": "ops", "title": "x".repeat(257)});
    let message = "title: 257 bytes of UTF-8, at most 256 are taken";
    let hint = "shorten it, or link to the rest with `click`";
    told(&office.post(&office.root, "/v1/messages", body).await, 422, "invalid_field", message, hint);
    unharmed(office).await;
}

#[tokio::test]
async fn an_upload_is_refused_and_a_link_proposed() {
    let office = Office::open().await;
    let part =
        "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\npng\r\n--x--\r\n";
    let request = office.request("POST", "/v1/messages").bearer_auth(&office.root);
    let answer = send(request.header("content-type", "multipart/form-data; boundary=x").body(part)).await;
    let hint = "send JSON with `Content-Type: application/json`; files can not be uploaded, link to them with `click`";
    let message = "\"multipart/form-data\" is not taken here";
    told(&answer, 415, "unsupported_media_type", message, hint);
    unharmed(office).await;
}

#[tokio::test]
async fn an_oversized_body_is_told_with_the_limit() {
    let office = Office::open().await;
    let answer = publish(&office, &vec![b' '; 1024 * 1024 + 1]).await;
    let hint = "send a link to what is large, with `click`";
    told(&answer, 413, "too_large", "the body is larger than 1048576 bytes", hint);
    unharmed(office).await;
}

#[tokio::test]
async fn broken_utf8_is_refused_wherever_it_stands() {
    let office = Office::open().await;
    let answer = publish(&office, b"{\"topic\": \"ops\", \"title\": \"\xff\xfe\"}").await;
    let message = "the body is not JSON: title: invalid unicode code point at line 1 column 28";
    told(&answer, 400, "bad_request", message, SHAPE);
    // A half surrogate: JSON's own way to break it.
    let answer = publish(&office, br#"{"topic": "ops", "title": "\ud800"}"#).await;
    assert!(answer.refuses(400, "bad_request").starts_with("the body "), "{}", answer.text);
    let request = office.request("POST", "/v1/messages").bearer_auth(&office.root);
    let key = reqwest::header::HeaderValue::from_bytes(b"k\xff").unwrap();
    let body = json!({"topic": "ops", "title": "x"});
    send(request.header("Idempotency-Key", key).json(&body)).await.refuses(422, "invalid_field");
    office.get(&office.root, "/v1/messages/%ff").await.refuses(404, "not_found");
    unharmed(office).await;
}

#[tokio::test]
async fn a_bad_cursor_is_told_on_every_transport() {
    let office = Office::open().await;
    let message = "not a cursor: expected epoch-seq, for example k3v9x0ab-1042";
    for path in ["/poll", "/events"] {
        let answer = office.get(&office.ann, &format!("{path}?cursor=yesterday")).await;
        told(&answer, 400, "bad_cursor", message, CURSOR);
    }
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "tocsin.v1"),
    ];
    let request = office.request("GET", "/ws?cursor=yesterday").bearer_auth(&office.ann);
    let request = upgrade.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    told(&send(request).await, 400, "bad_cursor", message, CURSOR);
    unharmed(office).await;
}

#[tokio::test]
async fn an_expired_token_is_told() {
    let office = Office::open().await;
    let order = json!({"kind": "client", "name": "script", "user": "ann", "expires_in": 60});
    let made = office.post(&office.root, "/v1/tokens", order).await.is(201);
    let secret = made["secret"].as_str().unwrap();
    office.get(secret, "/v1/me").await.is(200);
    office.pass(60_000);
    let answer = office.get(secret, "/v1/me").await;
    told(&answer, 401, "unauthorised", "the token is unknown, expired or revoked", TOKEN);
    unharmed(office).await;
}

#[tokio::test]
async fn a_revoked_token_is_told() {
    let office = Office::open().await;
    let order = json!({"kind": "client", "name": "script", "user": "ann"});
    let made = office.post(&office.root, "/v1/tokens", order).await.is(201);
    let (secret, id) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    office.get(secret, "/v1/me").await.is(200);
    office.call(&office.root, "DELETE", &format!("/v1/tokens/{id}")).await.is(204);
    let answer = office.get(secret, "/v1/me").await;
    told(&answer, 401, "unauthorised", "the token is unknown, expired or revoked", TOKEN);
    unharmed(office).await;
}

#[tokio::test]
async fn a_wrong_host_is_told_with_the_setting() {
    let office = Office::open().await;
    let request = office.request("GET", "/v1/me").bearer_auth(&office.root);
    let hint = "add the name to `hosts` in the server's settings, or set `public_url` to the address that people use";
    let message = "this server does not answer to \"evil.example\"";
    told(&send(request.header("host", "evil.example")).await, 421, "wrong_host", message, hint);
    unharmed(office).await;
}

#[tokio::test]
async fn a_wrong_origin_is_told_with_the_setting() {
    let office = Office::open().await;
    let request = office.request("POST", "/v1/messages").bearer_auth(&office.root);
    let request = request.header("origin", "http://evil.example");
    let answer = send(request.json(&json!({"topic": "ops", "title": "x"}))).await;
    let hint = "behind a proxy set `public_url` to the address that people use, or name the proxy in `trusted_proxies`";
    let message = "pages of \"http://evil.example\" may not use this server";
    told(&answer, 403, "wrong_origin", message, hint);
    unharmed(office).await;
}

#[tokio::test]
async fn a_half_sent_body_is_told() {
    let office = Office::with(|config| config.connections.body_timeout = Duration::from_millis(100)).await;
    let mut socket = TcpStream::connect(office.address).await.unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{\"topic\"",
        office.address, office.root
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    // The connection cannot be used any further: the server closes it after its answer.
    _ = tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["error"]["code"], "bad_request");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the body did not arrive within "), "{message}");
    unharmed(office).await;
}
