//! No secret in anything that is kept: logs down to the finest, errors, `Debug`.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use tocsin_wechat::{BaseUrl, Endpoint, Proxy, ProxyUrl};

use crate::{
    setup::{ManualClock, account, app, group_text, robot, template, text, token},
    stage::{Play, Stage},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the log").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that clients say in every kind of trouble, with an answer that echoes the secrets.
async fn everything_said() -> String {
    let mut said = Vec::new();
    let faults: [fn(&str) -> Play; 5] = [
        |echo| Play::json(format!(r#"{{"errcode":40014,"errmsg":"invalid {echo}"}}"#)),
        |echo| Play::json(format!("<html>{echo}")),
        |_| Play::Close,
        |_| Play::Hang,
        |_| Play::Status(502, "x".into()),
    ];
    for fault in faults {
        for has_token in [true, false] {
            let stage = Stage::play(move |seen, _| {
                let echo = format!("{:?} {}", seen.query, seen.body);
                match seen.path.as_str() {
                    "/cgi-bin/stable_token" | "/cgi-bin/gettoken" if has_token => Play::json(token(1)),
                    _ => fault(&echo.replace('"', "'")),
                }
            })
            .await;
            let clock = ManualClock::new();
            let (account, app) = (account(&stage.impatient(), &clock), app(&stage.impatient(), &clock));
            let robot = robot(&stage.impatient());
            said.push(format!("{:?}", account.send(&template()).await));
            said.push(format!("{:?}", account.check().await));
            said.push(format!("{:?}", app.send(&text()).await));
            said.push(format!("{:?}", app.members(1).await));
            said.push(format!("{:?}", robot.send(&group_text()).await));
            said.push(format!("{account:?} {app:?} {robot:?}"));
        }
    }
    let proxy = ProxyUrl::parse("http://me:canary-password@127.0.0.1:9").expect("a proxy");
    let base = BaseUrl::parse("https://127.0.0.1:9").expect("a base");
    let endpoint = Endpoint::at(base).through(Proxy::Via(proxy));
    said.push(format!("{endpoint:?} {:?}", robot(&endpoint).send(&group_text()).await));
    said.join("\n")
}

#[test]
fn no_secret_is_said_or_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let said = tracing::subscriber::with_default(subscriber, || runtime.block_on(everything_said()));
    let log = String::from_utf8_lossy(&log.0.lock().expect("the log")).into_owned();
    assert!(log.contains("no access token could be fetched"), "the log was written: {log}");
    for (place, text) in [("outcomes", &said), ("log", &log)] {
        for line in text.lines() {
            assert!(!line.contains("canary"), "{place}: {line}");
        }
    }
}
