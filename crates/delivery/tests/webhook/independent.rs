//! The library of the standard's authors verifies what is sent. Installed by `tests/independent/setup.sh`.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tocsin_delivery::{Class, Outcome, Parcel};

use crate::desk::{KEY, PARCEL, ground, hook_of};

/// Another key than [`KEY`].
const OTHER: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What the set-up made. Without it the test fails: an agreement that is not looked at is none.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("webhook-independent/venv/bin/python");
    assert!(path.exists(), "{} is missing: run cargo xtask setup", path.display());
    path
}

/// Says its address first and then what it was told; ends with the test.
struct Receiver {
    program: Child,
    lines: BufReader<ChildStdout>,
    url: String,
}

impl Receiver {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/receiver.py");
        let mut command = Command::new(python());
        let mut program = command.arg(script).arg(KEY).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap());
        let url = said(&mut lines).as_str().unwrap().to_owned();
        Self { program, lines, url }
    }

    fn told(&mut self) -> Value {
        said(&mut self.lines)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn said(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn standardwebhooks_verifies_what_is_signed_with_its_key_and_nothing_else() {
    let mut receiver = Receiver::start();
    let config = json!({"url": receiver.url});
    let parcel = Parcel {
        body: r#"{"type":"message.published","data":{"title":"磁盘 \"满\" 了 🔔"}}"#,
        ..PARCEL
    };
    let outcome = hook_of(&config, KEY, &ground()).channel().send(parcel).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let told = receiver.told();
    assert_eq!(told["id"], parcel.key);
    assert_eq!(told["event"]["data"]["title"], "磁盘 \"满\" 了 🔔");

    let outcome = hook_of(&config, OTHER, &ground()).channel().send(parcel).await;
    assert_eq!(receiver.told(), json!({"refused": "No matching signature found"}));
    assert!(
        matches!(&outcome, Outcome::Refused(refusal) if refusal.class == Class::Permanent),
        "{outcome:?}"
    );
}
