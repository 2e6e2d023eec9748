//! Faults of the disk under a running `tocsin serve`: it says what to do, goes on by itself, and keeps what it answered.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command},
};

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{Home, Server, until};

/// Set in the process that may mount: a file system of its own is the only disk that a test can fill.
const INSIDE: &str = "TOCSIN_TEST_OWN_MOUNTS";
/// Room on it: some write-ahead log, database and logs.
const DISK: &str = "size=12m";

/// A person who sends and reads over HTTP.
struct Anna {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    origin: String,
    token: String,
}

impl Anna {
    fn new(home: &Home, server: &Server) -> Self {
        home.run(&["user", "add", "anna"]).ok();
        home.run(&["topic", "add", "ops", "--member", "anna"]).ok();
        let made = home.json(&["token", "add", "script", "--user", "anna"]);
        let token = made["secret"].as_str().unwrap().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Another test of this process may have been first.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, runtime, origin: server.origin(), token }
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
        self.runtime.block_on(async {
            let answer = request.bearer_auth(&self.token).send().await.unwrap();
            (answer.status(), answer.json().await.unwrap_or(Value::Null))
        })
    }

    fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(self.http.get(format!("{}{path}", self.origin)))
    }

    /// Publishes. The connection stays open between calls.
    fn publish(&self, body: &str) -> (StatusCode, Value) {
        let message = json!({ "to": ["anna"], "title": "x", "body": body });
        self.ask(self.http.post(format!("{}/v1/messages", self.origin)).json(&message))
    }

    /// Every message that is stored, oldest first.
    fn stored(&self) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), None::<u64>);
        loop {
            let after = cursor.as_ref().map(|cursor| format!("&before={cursor}")).unwrap_or_default();
            let (status, page) = self.get(&format!("/v1/messages?limit=200{after}"));
            assert_eq!(status, StatusCode::OK, "{page:#}");
            ids.extend(
                page["items"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_u64() {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        ids.reverse();
        ids
    }
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [64 * 1024, 4096] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// The same test again, in a process that has mounts of its own: they go with it, however it ends.
#[test]
fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let mut inside = Command::new("unshare");
    inside.arg("--mount");
    if !rustix::process::getuid().is_root() {
        inside.arg("--map-root-user");
    }
    inside.arg(std::env::current_exe().unwrap());
    inside.args(["--exact", "full_disk", "--nocapture", "--include-ignored"]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn full_disk() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tocsin"]).arg(home.data()).status();
    assert!(mount.unwrap().success());
    let server = home.serve(&[]);
    let mut anna = Anna::new(&home, &server);
    let mut answered = Vec::new();
    let mut sent = |anna: &Anna, body: &str| {
        let (status, answer) = anna.publish(body);
        if status == StatusCode::CREATED {
            answered.push(answer["id"].as_str().unwrap().to_owned());
        }
        (status, answer)
    };
    assert_eq!(sent(&anna, "before").0, StatusCode::CREATED);

    let filler = home.data().join("filler");
    fill(&filler);
    // The write-ahead log has room of its own, until it is used up: first for large messages, then for small ones.
    let mut refused = Value::Null;
    for size in [16_000, 1] {
        until("a refusal", || {
            let (status, answer) = sent(&anna, &"x".repeat(size));
            refused = answer;
            status == StatusCode::SERVICE_UNAVAILABLE
        });
    }
    assert_eq!(refused["error"]["code"], "store_unavailable", "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(message, "nothing can be stored now: database or disk is full");
    assert_eq!(
        refused["error"]["hint"],
        "free disk space or mend the directory's rights; it recovers by itself"
    );
    until("/readyz to say so", || anna.get("/readyz").0 == StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(anna.get("/healthz").0, StatusCode::OK, "it lives");
    assert_eq!(anna.get("/v1/messages").0, StatusCode::OK, "what is stored can be read");

    fs::remove_file(&filler).unwrap();
    until("it to recover by itself", || sent(&anna, "after").0 == StatusCode::CREATED);
    until("/readyz to say so", || anna.get("/readyz").0 == StatusCode::OK);
    assert_eq!(anna.stored(), answered);

    server.signal(Signal::KILL);
    assert_eq!(server.ended(), None);
    let server = home.serve(&[]);
    anna.origin = server.origin();
    assert_eq!(anna.stored(), answered, "all that was answered is there, and nothing else");
}

/// Exchanges the kernel's answers to flushes, until it is dropped.
struct Flushes(Child);

impl Flushes {
    fn fail(server: &Server) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        strace.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &server.pid().to_string()]);
        Self(strace.spawn().unwrap())
    }
}

impl Drop for Flushes {
    fn drop(&mut self) {
        // Not killed outright: it lets go of the server first.
        let _ = Pid::from_raw(self.0.id().cast_signed()).map(|pid| kill_process(pid, Signal::TERM));
        let _ = self.0.wait();
    }
}

/// After a failed flush the kernel may have thrown away what it held, so a later success would mean nothing: nothing is
/// taken or told any more until a restart, even if the disk works again.
#[test]
fn a_failed_flush_ends_everything_until_a_restart() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut anna = Anna::new(&home, &server);
    let mut answered = vec![anna.publish("before").1["id"].as_str().unwrap().to_owned()];
    let failing = Flushes::fail(&server);
    let mut refused = Value::Null;
    until("a refusal", || {
        let (status, answer) = anna.publish("x");
        if status == StatusCode::CREATED {
            answered.push(answer["id"].as_str().unwrap().to_owned());
        }
        refused = answer;
        status == StatusCode::SERVICE_UNAVAILABLE
    });
    assert_eq!(refused["error"]["code"], "store_unavailable", "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("a flush to disk failed; restart after checking the disk: "), "{message}");
    assert_eq!(refused["error"]["hint"], "check the disk, then restart the server");

    drop(failing);
    for (what, status) in [
        ("publishing", anna.publish("the disk works again").0),
        ("reading", anna.get("/v1/messages").0),
        ("/readyz", anna.get("/readyz").0),
    ] {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
    }
    assert_eq!(anna.get("/healthz").0, StatusCode::OK, "it lives");

    server.signal(Signal::KILL);
    assert_eq!(server.ended(), None);
    let server = home.serve(&[]);
    anna.origin = server.origin();
    // What was refused may have come to the disk all the same.
    let stored = anna.stored();
    assert_eq!(stored[..answered.len()], answered, "all that was answered is there");
    assert_eq!(anna.publish("after").0, StatusCode::CREATED);
}

/// Connections take every descriptor: the log says what to do, who is connected goes on, and the next is served when some
/// are free again.
#[test]
fn without_descriptors_it_says_so_and_goes_on() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    assert_eq!(anna.publish("connected").0, StatusCode::CREATED);
    let log = home.data().join("state/log/serve.log");
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() as u64;
    let few = Rlimit { current: Some(open + 20), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Pid::from_raw(server.pid()), Resource::Nofile, few).unwrap();
    let address = server.told["addresses"][0].as_str().unwrap().to_owned();
    let held: Vec<_> = (0..60).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    let told = "no room for more connections: raise the limit of open files (ulimit -n), or close some";
    until("the log to say so", || fs::read_to_string(&log).unwrap().contains(told));
    // Its connection is open since before: it is not the server that is down.
    assert_eq!(anna.publish("in between").0, StatusCode::CREATED);
    drop(held);
    until("the log to say so", || {
        fs::read_to_string(&log).unwrap().contains("connections are accepted again")
    });
    home.run(&["send", "ops", "and a new one"]).ok();
}

/// A copy of yesterday put in the place of today's database: clients are told instead of waiting for positions that come
/// a second time.
#[test]
fn an_old_copy_that_is_put_back_is_told_to_clients() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut anna = Anna::new(&home, &server);
    let kept = anna.publish("kept").1["id"].clone();
    home.run(&["quit"]).ok();
    assert_eq!(server.ended(), Some(0));
    let (database, copy) = (home.data().join("tocsin.db"), home.dir.path().join("copy"));
    fs::copy(&database, &copy).unwrap();

    let server = home.serve(&[]);
    anna.origin = server.origin();
    anna.publish("forgotten");
    let cursor = anna.get("/poll?device=script").1["cursor"].as_str().unwrap().to_owned();
    home.run(&["quit"]).ok();
    assert_eq!(server.ended(), Some(0));
    fs::copy(&copy, &database).unwrap();

    let server = home.serve(&[]);
    anna.origin = server.origin();
    let (status, answer) = anna.get(&format!("/poll?device=script&cursor={cursor}"));
    assert_eq!((status, &answer["reset"]["reason"]), (StatusCode::OK, &json!("epoch")), "{answer:#}");
    assert_ne!(answer["cursor"].as_str().unwrap().split('-').next(), cursor.split('-').next());
    assert_eq!(json!(anna.stored()), json!([kept]), "what the copy has can be read");
}
