//! Planted secrets must not come out again: not in logs at the finest level, not in metrics, listings, the description,
//! error answers, `Debug`, the data directory or a backup.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use serde_json::json;
use tocsin_store::Store;
use tracing_subscriber::fmt::MakeWriter;

use crate::office::{Office, send};

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that this process logs from now on.
pub fn listen() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
    .clone()
}

/// Uses every way in; the secrets that were on their way.
async fn planted(office: &Office) -> Vec<String> {
    let mut secrets = vec![office.root.clone(), office.ann.clone(), office.sender.clone()];
    let opened = send(office.request("POST", "/v1/session").json(&json!({"token": office.ann}))).await;
    secrets.push(opened.header("set-cookie").split(['=', ';']).nth(1).unwrap().into());
    let code = office.call(&office.ann, "POST", "/v1/login-codes").await.is(201);
    let code = code["url"].as_str().unwrap().split_once("#code=").unwrap().1.to_owned();
    send(office.request("POST", "/v1/session").json(&json!({"code": code}))).await.is(204);
    secrets.push(code);
    let invite = office.post(&office.root, "/v1/invites", json!({"user": "carol"})).await.is(201);
    let invite: tocsin_protocol::invite::InviteText = invite["invite"].as_str().unwrap().parse().unwrap();
    let joined = send(office.request("POST", "/v1/join").json(&json!({"code": invite.code, "device": "pc"})))
        .await
        .is(201);
    secrets.push(joined["secret"].as_str().unwrap().into());
    secrets.push(invite.code);
    let ticket = office.post(&office.ann, "/v1/tickets", json!({"for": "sse"})).await.is(201)["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    drop(office.request("GET", &format!("/events?ticket={ticket}")).send().await.unwrap());
    secrets.push(ticket);
    secrets
}

/// What the server answers when it is asked for all it knows, and when `wrong` is presented to it.
async fn answers(office: &Office, wrong: &str) -> Vec<(&'static str, String)> {
    let answers = [
        ("metrics", send(office.request("GET", "/metrics")).await),
        ("description", send(office.request("GET", "/openapi.json")).await),
        ("tokens", office.get(&office.root, "/v1/tokens").await),
        ("devices", office.get(&office.root, "/v1/devices").await),
        ("me", office.get(&office.ann, "/v1/me").await),
        ("refusal", office.get(wrong, "/v1/me").await),
        ("refused token", send(office.request("POST", "/v1/session").json(&json!({"token": wrong}))).await),
        (
            "refused code",
            send(office.request("POST", "/v1/join").json(&json!({"code": wrong, "device": "d"}))).await,
        ),
        ("refused body", office.post(&office.ann, "/v1/session", json!({"tokens": wrong})).await),
    ];
    answers.into_iter().map(|(what, answer)| (what, answer.text)).collect()
}

#[tokio::test]
async fn no_secret_comes_out_again() {
    let log = listen();
    let office = Office::open().await;
    let mut secrets = planted(&office).await;
    let wrong = "tcs_CANARYcanaryCANARYcanaryCANARYcanaryCANARYcan";
    secrets.push(wrong.into());

    let mut outputs = vec![("config", format!("{:?}", office.state.config))];
    outputs.extend(answers(&office, wrong).await);
    office.publish("so that something is logged and stored").await;
    outputs.push(("metrics at the end", send(office.request("GET", "/metrics")).await.text));
    let dir = office.data_dir();
    let copy = tempfile::tempdir().unwrap();
    let backup = copy.path().join("backup.db");
    office.store.backup(&backup).await.unwrap();
    let backup = String::from_utf8_lossy(&std::fs::read(backup).unwrap()).into_owned();
    assert!(backup.contains("so that something is logged and stored"), "the backup is read as it is");
    outputs.push(("backup", backup));
    office.close().await;
    outputs.push(("log", log.text()));
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        outputs.push(("data directory", String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()));
    }
    assert!(
        outputs.iter().any(|(what, text)| *what == "log" && text.contains("a device joined by invite")),
        "the log is heard"
    );
    for (what, text) in &outputs {
        for secret in &secrets {
            assert!(!text.contains(secret.trim_start_matches("tcs_")), "a secret came out in {what}");
        }
    }
}
