//! `tocsin serve` is killed again and again while people send and receive.
//!
//! Four publishers try each message under its key until it is answered with 201, and repeat some of them afterwards. One
//! subscriber for each transport keeps its cursor and goes on from it. The clients here are simple and share no code
//! with Tocsin's own. The oracle: every 201 was received exactly once after dropping repetitions by id, in the order of
//! the log; a repeated key gave the same id; nothing was received that was never answered; no history was reset.
//!
//! What was published and received stands in `target/crash-oracle/`, one JSON line each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "crash/clients.rs"]
mod clients;
#[path = "crash/oracle.rs"]
mod oracle;
mod support;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clients::{Publisher, Team, poll, sse, websocket};
use oracle::Oracle;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use support::{Home, Server};
use tokio_util::sync::CancellationToken;

/// How often the server is killed.
const KILLS: u32 = 50;
/// Messages answered between two kills, at least: each life of the server does some work.
const WORK: u64 = 12;
/// One kill in so many is followed by another one into the start.
const INTO_START: u32 = 5;
/// How far into it, at most: a start takes about 40 ms here.
const START: Duration = Duration::from_millis(40);
/// And up to this much longer, at random, so that kills fall everywhere: into starts, commits, replays.
const LONGER: Duration = Duration::from_millis(150);
/// Publishers at once.
const PUBLISHERS: u32 = 4;
/// How long the subscribers may take to catch up after the last kill.
const CATCH_UP: Duration = Duration::from_mins(1);

#[test]
fn nothing_is_lost_nothing_comes_twice_and_the_order_stays() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("crash-oracle");
    let oracle = Arc::new(Oracle::new(&directory));
    let home = Home::new();
    // The clients come back to the same address.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = start(&home, port);
    let team = Team::new(&home, server.origin());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seed = rand::random();
    println!("seed {seed}, oracle in {}", directory.display());
    let restarts = runtime.block_on(crash(&home, port, server, &team, &oracle, seed));
    let (slowest, kills) = (restarts.iter().max().unwrap(), restarts.len());
    println!("{kills} kills, slowest restart {slowest:?}; {}", oracle.check());
}

fn start(home: &Home, port: u16) -> Server {
    home.serve(&["--listen", &format!("127.0.0.1:{port}"), "--publish-per-s", "0"])
}

/// A start that is cut off, ready or not.
fn killed_start(home: &Home, port: u16, after: Duration) {
    let listen = format!("127.0.0.1:{port}");
    let mut command = home.command(["serve", "--listen", &listen, "--publish-per-s", "0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn crash(
    home: &Home,
    port: u16,
    mut server: Server,
    team: &Team,
    oracle: &Arc<Oracle>,
    seed: u64,
) -> Vec<Duration> {
    let (stop_publishing, stop_receiving) = (CancellationToken::new(), CancellationToken::new());
    let answered = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let publisher = Publisher::new(number, team.clone(), oracle.clone(), answered.clone());
            tokio::spawn(publisher.run(stop_publishing.clone(), seed))
        })
        .collect();
    let receivers = [
        tokio::spawn(poll(team.clone(), oracle.clone(), stop_receiving.clone())),
        tokio::spawn(sse(team.clone(), oracle.clone(), stop_receiving.clone())),
        tokio::spawn(websocket(team.clone(), oracle.clone(), stop_receiving.clone())),
    ];
    let mut rng = StdRng::seed_from_u64(seed);
    let mut restarts = Vec::new();
    for kill in 0..KILLS {
        let before = answered.load(Ordering::Relaxed);
        let worked = || answered.load(Ordering::Relaxed) >= before + WORK;
        tokio::task::block_in_place(|| support::until(&format!("work before kill {kill}"), worked));
        tokio::time::sleep(LONGER.mul_f64(rng.random())).await;
        server.signal(Signal::KILL);
        assert_eq!(server.ended(), None, "it was killed");
        if kill % INTO_START == 0 {
            tokio::task::block_in_place(|| killed_start(home, port, START.mul_f64(rng.random())));
        }
        let began = Instant::now();
        server = tokio::task::block_in_place(|| start(home, port));
        restarts.push(began.elapsed());
    }
    stop_publishing.cancel();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let deadline = Instant::now() + CATCH_UP;
    while !oracle.all_received() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop_receiving.cancel();
    for receiver in receivers {
        receiver.await.unwrap();
    }
    drop(server);
    restarts
}
