//! What a connection may not do to the server: be slow with its head, send too much of it, use up the descriptors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../streams/desk.rs"]
#[expect(dead_code, reason = "each test crate uses a part of it")]
mod desk;
#[path = "../streams/http.rs"]
#[expect(dead_code, reason = "each test crate uses a part of it")]
mod http;

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use desk::{Desk, soon, until};
use tocsin_server::listen::PAUSE;

/// Set in the child process that runs one test with few descriptors.
const CHILD: &str = "TOCSIN_TEST_FEW_DESCRIPTORS";

async fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset instead of an end still tells what was answered before.
    _ = soon("the end", socket.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_half_sent_request_is_cut_off() {
    let desk = Desk::with(|config| config.connections.header_timeout = Duration::from_millis(100)).await;
    let told = "{\"error\":{\"code\":\"bad_request\",\"message\":\"the head of the request did not arrive within 0 s\",\"hint\":\"send it whole, or check the network between\"}}";
    for (begun, status, told) in
        [("", "", ""), ("GET /poll HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", "HTTP/1.1 408 ", told)]
    {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        socket.write_all(begun.as_bytes()).await.unwrap();
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with(status) && answer.ends_with(told), "{answer}");
        assert_eq!(answer.is_empty(), told.is_empty(), "nothing was asked, nothing is answered: {answer}");
    }
    until("the connections' end", async || desk.state.connections.is_empty()).await;
}

#[tokio::test]
async fn too_many_headers_and_too_long_ones_are_refused() {
    let desk = Desk::open().await;
    let many: String = "X-Many: 1\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "x".repeat(100 * 1024));
    for headers in [many, long] {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        _ = socket.write_all(request.as_bytes()).await;
        let answer = rest(&mut socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_nobody_else_notices() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n"] {
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        socket.shutdown().await.unwrap();
        let answer = rest(&mut socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(http::get(desk.address, "/poll", &ann, &[]).await.status, 200);
}

/// Runs in a process of its own, so that nobody else's descriptors are in the way.
#[test]
fn without_descriptors_it_waits_and_answers_when_they_return() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "few_descriptors", "--nocapture", "--include-ignored"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "run by the test above in a process of its own"]
async fn few_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    // The store's own files are open by now.
    assert_eq!(http::get(desk.address, "/poll", &ann, &[]).await.status, 200);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    // The clients are in another process, or they would use up the descriptors themselves.
    let mut clients = Command::new(std::env::current_exe().unwrap());
    clients.args(["--exact", "many_connections", "--nocapture", "--quiet", "--include-ignored"]);
    clients
        .env(CHILD, desk.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut clients = clients.spawn().unwrap();
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 20), maximum }).unwrap();
    clients.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let mut held = [0; 4];
    // Their connections stand as soon as the kernel has queued them, so this may block.
    clients.stderr.take().unwrap().read_exact(&mut held).unwrap();
    until("the last descriptor's use", async || std::fs::read_dir("/proc/self/fd").is_err()).await;
    // From here on none becomes free, so that no pause is cut short by a connection that was taken.
    let (since, before) = (std::time::Instant::now(), desk.state.metrics.exhausted_times());
    let failed = || desk.state.metrics.exhausted_times() - before;
    until("accepting to fail several times", async || failed() >= 4).await;
    // Not how long it took is asserted, but that in that time, however long, it failed no more often than pauses allow.
    let (times, most) = (failed(), attempts_within(since.elapsed()));
    assert!(times <= most, "it span: failed {times} times, at most {most} fit between the pauses");
    drop(clients.stdin.take());
    clients.wait().unwrap();
    until("descriptors", async || std::fs::read_dir("/proc/self/fd").is_ok()).await;
    assert_eq!(http::get(desk.address, "/poll", &ann, &[]).await.status, 200);
}

/// The clients of the test above: connects when told to, and holds on until its standard input ends.
#[test]
#[ignore = "run by the test above in a process of its own"]
fn many_connections() {
    let Ok(address) = std::env::var(CHILD) else { return };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let held: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    eprint!("held");
    std::io::stdin().read_line(&mut line).unwrap();
    drop(held);
}

/// How often accepting can fail in this time, with the pauses between.
fn attempts_within(mut time: Duration) -> u64 {
    let (mut pause, longest) = PAUSE;
    let mut attempts = 1;
    while let Some(left) = time.checked_sub(pause) {
        (time, pause, attempts) = (left, (pause * 2).min(longest), attempts + 1);
    }
    attempts
}
