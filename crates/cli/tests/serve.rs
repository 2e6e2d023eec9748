//! The server and the command line as one installs them: the real program, its control socket, its files.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;
use support::{Home, private_file, wait_for};
use tocsin_control::{Client, Paths};

fn team(home: &Home) {
    home.run(&["user", "add", "anna", "--display-name", "Anna Li"]).ok();
    home.run(&["user", "add", "bo"]).ok();
    home.run(&["topic", "add", "ops", "--member", "anna,bo", "--description", "Servers"]).ok();
}

#[test]
fn from_people_to_a_receipt() {
    let home = Home::new();
    let _server = home.serve(&[]);
    team(&home);
    let users = home.json(&["user", "list"]);
    let names: Vec<&str> =
        users.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anna", "bo", "root"]);
    assert_eq!(home.json(&["topic", "list"])[0]["members"], 2);
    home.run(&["topic", "remove-member", "ops", "bo"]).ok();
    home.run(&["topic", "add-member", "ops", "bo"]).ok();
    assert_eq!(home.json(&["topic", "members", "ops"]).as_array().unwrap().len(), 2);

    let sent =
        home.json(&["send", "ops", "disk full", "--title", "db-1", "--priority", "5", "--tag", "disk,db"]);
    assert_eq!(sent["audience"], 2);
    let id = sent["id"].as_str().unwrap();
    let receipt = home.json(&["receipt", id]);
    assert_eq!(receipt["missing"], serde_json::json!(["anna", "bo"]));
    let human = home.run(&["receipt", id]).ok().out;
    assert!(human.contains("Anna Li") && human.contains("Not received: anna, bo"), "{human}");

    let piped = home.run_with(&["send", "ops", "-", "--markdown"], "# hello\n").ok();
    assert_eq!(piped.line().len(), 12, "without --json only the id is printed: {}", piped.out);
    let direct = home.json(&["send", "--to", "anna", "lunch?"]);
    assert_eq!(direct["audience"], 1);
}

#[test]
fn a_repeated_key_sends_once() {
    let home = Home::new();
    let _server = home.serve(&[]);
    team(&home);
    let first = home.run(&["send", "ops", "once", "--idempotency-key", "k1"]).ok();
    let second = home.run(&["send", "ops", "once", "--idempotency-key", "k1"]).ok();
    assert_eq!(first.line(), second.line());
    let other = home.run(&["send", "ops", "another", "--idempotency-key", "k1", "--json"]).code(1);
    assert_eq!(other.json()["error"]["code"], "idempotency_conflict");
}

#[test]
fn exit_codes_tell_what_happened() {
    let home = Home::new();
    let away = home.run(&["send", "ops", "hello", "--json"]).code(3);
    assert_eq!(away.json()["error"]["code"], "not_running");
    assert!(away.err.contains("tocsin serve") && away.err.contains("--idempotency-key"), "{}", away.err);
    let status = home.run(&["status", "--json"]).code(3);
    assert_eq!(status.json()["running"], false);
    home.run(&["quit"]).code(3);
    home.run(&["send"]).code(2);
    home.run(&["send", "ops", "x", "--priority", "9"]).code(2);
    home.run(&["no-such-verb"]).code(2);
    home.run(&[]).code(2);

    let server = home.serve(&[]);
    team(&home);
    let unknown = home.run(&["send", "nowhere", "hello", "--json"]).code(1);
    assert_eq!(unknown.json()["error"]["code"], "unknown_topic");
    assert!(unknown.json()["error"]["hint"].is_string());
    let late = home.run(&["send", "ops", "hello", "--wait", "received", "--timeout", "1s"]).code(5);
    assert!(late.out.contains("Not received: anna, bo"), "{}", late.out);

    let token = home.dir.path().join("token");
    private_file(&token, "tcs_wrong");
    let (origin, file) = (server.origin(), token.to_str().unwrap().to_owned());
    let remote = ["--server", &origin, "--token-file", &file];
    let refused = [&["send", "ops", "hello", "--json"], &remote[..]].concat();
    assert_eq!(home.run(&refused).code(4).json()["error"]["code"], "unauthorised");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.run(&refused).code(2).err.contains("chmod 600"));
    drop(server);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let gone = [&["send", "ops", "hello", "--retry", "0s"], &remote[..]].concat();
    home.run(&gone).code(3);
}

#[test]
fn a_server_elsewhere_with_a_token_in_a_file() {
    let home = Home::new();
    let server = home.serve(&[]);
    team(&home);
    let made = home.json(&["token", "add", "script", "--sender", "--topic", "ops"]);
    let token = home.dir.path().join("token");
    private_file(&token, made["secret"].as_str().unwrap());
    let away = Home::new();
    let (origin, file) = (server.origin(), token.to_str().unwrap().to_owned());
    let remote = ["--server", &origin, "--token-file", &file];
    let sent = away.json(&[&["send", "ops", "from elsewhere"], &remote[..]].concat());
    let id = sent["id"].as_str().unwrap();
    assert_eq!(away.json(&[&["receipt", id], &remote[..]].concat())["counts"]["owed"], 2);
    away.run(&[&["user", "list"], &remote[..]].concat()).code(4);
    let by_environment = away
        .command(["send", "ops", "again", "--server", &origin])
        .env("TOCSIN_TOKEN", made["secret"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(by_environment.status.success(), "{}", String::from_utf8_lossy(&by_environment.stderr));
    home.run(&["token", "revoke", made["id"].as_str().unwrap()]).ok();
    away.run(&[&["send", "ops", "too late"], &remote[..]].concat()).code(4);
}

#[test]
fn every_listing_is_json() {
    let home = Home::new();
    let _server = home.serve(&[]);
    team(&home);
    for args in [&["user", "list"][..], &["topic", "list"], &["token", "list"], &["device"]] {
        assert!(home.json(args).is_array(), "{args:?}");
        home.run(args).ok();
    }
    let status = home.json(&["status"]);
    assert_eq!(status["running"], true);
    assert_eq!(status["hello"]["kind"], "headless");
    let log = status["log_file"].as_str().unwrap();
    assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600, "{log}");
    assert_eq!(home.json(&["logs"])["file"], log);
    let human = home.run(&["status"]).ok().out;
    assert!(human.contains(log) && human.contains("127.0.0.1"), "{human}");
    assert!(
        home.json(&["invite", "--user", "cy", "--topic", "ops"])["invite"]
            .as_str()
            .unwrap()
            .starts_with("tocsin:http")
    );
    let login = home.json(&["login"])["url"].as_str().unwrap().to_owned();
    assert!(login.starts_with(status["page"].as_str().unwrap()) && login.contains('#'), "{login}");
}

#[test]
fn no_secret_reaches_the_log() {
    let home = Home::new();
    let server = home.serve(&["--log", "trace"]);
    team(&home);
    let made = home.json(&["token", "add", "canary"]);
    let secret = made["secret"].as_str().unwrap();
    let token = home.dir.path().join("token");
    private_file(&token, secret);
    let (origin, file) = (server.origin(), token.to_str().unwrap().to_owned());
    home.run(&["send", "ops", "hello", "--server", &origin, "--token-file", &file, "--log", "trace"]).ok();
    let invite = home.json(&["invite"])["invite"].as_str().unwrap().to_owned();
    let login = home.json(&["login"])["url"].as_str().unwrap().to_owned();
    let log = fs::read_to_string(home.json(&["status"])["log_file"].as_str().unwrap()).unwrap();
    let stderr = fs::read_to_string(home.dir.path().join("serve.stderr")).unwrap();
    assert!(log.contains("DEBUG"), "the log holds what was asked for: {log}");
    for canary in [&secret[4..], invite.rsplit('#').next().unwrap(), login.rsplit('#').next().unwrap()] {
        assert!(!log.contains(canary) && !stderr.contains(canary), "{canary} is in the log");
    }
}

#[test]
fn a_backup_while_running_and_back_again() {
    let home = Home::new();
    let server = home.serve(&[]);
    team(&home);
    let kept = home.run(&["send", "ops", "kept"]).ok().line().to_owned();
    let file = home.dir.path().join("copy.db");
    let copy = file.to_str().unwrap();
    let made = home.json(&["backup", copy]);
    assert_eq!(made["bytes"].as_u64().unwrap(), fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    home.run(&["backup", copy]).code(1);
    home.run(&["backup", copy, "--force"]).ok();
    let lost = home.run(&["send", "ops", "after the backup"]).ok().line().to_owned();
    let refused = home.run(&["restore", copy, "--json"]).code(1);
    assert_eq!(refused.json()["error"]["code"], "in_use");
    assert!(refused.err.contains("tocsin quit"), "{}", refused.err);

    home.run(&["quit"]).ok();
    assert_eq!(server.ended(), Some(0));
    let restored = home.json(&["restore", copy]);
    assert!(fs::exists(restored["before"].as_str().unwrap()).unwrap(), "the old data is kept: {restored}");
    let _server = home.serve(&[]);
    home.run(&["receipt", &kept]).ok();
    home.run(&["receipt", &lost]).code(1);

    fs::write(home.dir.path().join("junk"), "not a database, and long enough to look like one ".repeat(100))
        .unwrap();
    home.run(&["quit"]).ok();
    let junk = home.run(&["restore", home.dir.path().join("junk").to_str().unwrap(), "--json"]).code(1);
    assert_eq!(junk.json()["error"]["code"], "damaged");
    let _server = home.serve(&[]);
    home.run(&["receipt", &kept]).ok();
}

#[test]
fn signals_let_it_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let server = home.serve(&[]);
        let ready = server.ready.clone();
        server.signal(signal);
        assert_eq!(server.ended(), Some(0));
        assert!(!ready.exists(), "the ready file of a server that ended is gone");
        home.run(&["status"]).code(3);
    }
}

#[test]
fn a_killed_server_leaves_nothing_in_the_way() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.signal(Signal::KILL);
    assert_eq!(server.ended(), None);
    home.run(&["status"]).code(3);
    let _server = home.serve(&[]);
    home.run(&["status"]).ok();
}

#[test]
fn a_second_start_says_who_is_there() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let second = home.run(&["serve", "--listen", "127.0.0.1:0", "--json"]).code(1);
    assert_eq!(second.json()["error"]["code"], "in_use");
    assert!(second.err.contains("tocsin status"), "{}", second.err);
    home.run(&["status"]).ok();
}

#[test]
fn a_port_in_use_names_it() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = home.run(&["serve", "--listen", &address, "--json"]).code(1);
    assert_eq!(refused.json()["error"]["code"], "port_in_use");
    assert!(refused.err.contains(&address) && refused.err.contains("--listen"), "{}", refused.err);
    let who = format!("(process {})", std::process::id());
    assert!(refused.err.contains(&who), "it names the process: {}", refused.err);
    assert!(!home.data().join("tocsin.db").exists(), "nothing was opened before");
}

#[test]
fn an_unwritable_data_directory_is_told() {
    let home = Home::new();
    let file = home.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("data");
    let refused = home
        .run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", below.to_str().unwrap(), "--json"])
        .code(1);
    assert!(refused.err.contains(below.to_str().unwrap()), "{}", refused.err);
    assert!(refused.err.contains("--data-dir"), "{}", refused.err);
}

#[test]
fn a_newer_database_is_left_alone() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.run(&["quit"]).ok();
    assert_eq!(server.ended(), Some(0));
    let path = home.data().join("tocsin.db");
    let mut bytes = fs::read(&path).unwrap();
    // SQLite keeps `user_version` big-endian at byte 60 of the file.
    bytes[60..64].copy_from_slice(&9999u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0", "--json"]).code(1);
    assert_eq!(refused.json()["error"]["code"], "newer");
    assert!(refused.err.contains("9999"), "{}", refused.err);
    assert_eq!(fs::read(&path).unwrap(), bytes, "it was not touched");
}

#[test]
fn mistakes_in_the_configuration_have_place_and_way_out() {
    let home = Home::new();
    let file = home.dir.path().join("serve.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "name = \"x\"\nlisten = [\"0.0.0.0:8723\"]\ntls_cert = \"/nonexistent.pem\"\n").unwrap();
    let wrong = home.run(&["check-config", "--config", path]).code(2);
    assert!(wrong.err.contains("serve.toml:2") && wrong.err.contains("--tls"), "{}", wrong.err);
    assert!(wrong.err.contains("serve.toml:3") && wrong.err.contains("--tls-key"), "{}", wrong.err);
    home.run(&["serve", "--config", path]).code(2);
    fs::write(&file, "listn = 3\n").unwrap();
    let typing = home.run(&["check-config", "--config", path]).code(2);
    assert!(typing.err.contains("line 1") && typing.err.contains("listn"), "{}", typing.err);
    home.run(&["check-config", "--config", "/nonexistent.toml"]).code(2);

    fs::write(&file, "listen = [\"127.0.0.1:9\"]\npublish_per_s = 7\n").unwrap();
    let args = ["check-config", "--config", path, "--json"];
    let output = home
        .command(args)
        .env("TOCSIN_PUBLISH_PER_S", "8")
        .env("TOCSIN_NAME", "by environment")
        .output()
        .unwrap();
    let effective: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(effective["publish_per_s"], 8, "the environment wins over the file");
    assert_eq!(effective["name"], "by environment");
    assert_eq!(effective["listen"][0], "127.0.0.1:9");
    let flag =
        home.command(args).args(["--name", "by flag"]).env("TOCSIN_NAME", "by environment").output().unwrap();
    let effective: serde_json::Value = serde_json::from_slice(&flag.stdout).unwrap();
    assert_eq!(effective["name"], "by flag", "a flag wins over the environment");
}

#[test]
fn a_follower_sees_lines_as_they_come() {
    use std::io::{BufRead as _, BufReader};
    let home = Home::new();
    let _server = home.serve(&["--log", "debug"]);
    let mut command = home.command(["logs", "-f", "-n", "1"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    home.run(&["quit"]).ok();
    let ended = wait_for("the last line", || lines.next()?.ok().filter(|line| line.contains("ended")));
    assert!(ended.contains("INFO"), "{ended}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Segments that a client of HTTP resolves would lead out of what the socket passes on.
#[test]
fn the_control_socket_passes_plain_paths_of_the_api_only() {
    let home = Home::new();
    let _server = home.serve(&[]);
    let paths = Paths::from_variables(Some(&home.data()), &|_| None).unwrap();
    let client = Client::server(&paths);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |path: &str| runtime.block_on(client.request("GET", path, None)).unwrap();
    for path in ["/v1/../metrics", "/v1/%2e%2e/metrics", "/metrics"] {
        let answer = ask(path);
        assert!(!answer.is_success(), "{path}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["error"]["code"]), (404, &serde_json::json!("not_found")), "{path}");
    }
    assert!(ask("/v1/users").is_success());
}
