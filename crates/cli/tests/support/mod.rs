//! A home of its own for each test, the real program in it, and waiting without guessing.
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tocsin_wechat_sim::seed;

/// The program.
pub const TOCSIN: &str = env!("CARGO_BIN_EXE_tocsin");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A home: data directory, runtime directory, nothing of the surroundings.
pub struct Home {
    pub dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("tcs").tempdir().unwrap();
        Self { dir }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A command in this home.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(TOCSIN);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy().into_owned();
            if name_text.starts_with("TOCSIN_") || name_text.starts_with("XDG_") || name_text == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.dir.path())
            .env("TOCSIN_DATA_DIR", self.data())
            .env("LANG", "C.UTF-8")
            .env("USER", "root")
            .env_remove("SUDO_USER")
            .env_remove("LC_ALL")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        Done::of(args, self.command(args).output().unwrap())
    }

    /// Starts it.
    pub fn start(&self, args: &[&str]) -> Running {
        let child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { args: args.join(" "), child }
    }

    /// Runs it with text on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Done {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Done::of(args, child.wait_with_output().unwrap())
    }

    /// Runs it with `--json` and returns what it printed.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        self.run(&all).ok().json()
    }

    /// Adds the simulator's WeCom app as the channel `app`, reached at this address.
    pub fn add_app(&self, base_url: &str) -> Done {
        let set = [
            format!("corp_id={}", seed::CORPID),
            format!("agent_id={}", seed::AGENT_ID),
            format!("base_url={base_url}"),
            "proxy=none".to_owned(),
        ];
        let mut args = vec!["channel", "add", "app", "--kind", "wecom"];
        args.extend(set.iter().flat_map(|setting| ["--set", setting]));
        self.run(&args)
    }

    /// Starts a server on a free port and waits until it is ready.
    pub fn serve(&self, flags: &[&str]) -> Server {
        self.serve_with(flags, &[])
    }

    /// The same, with these variables in the server's environment alone.
    pub fn serve_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let ready = self.dir.path().join("ready.json");
        let _ = fs::remove_file(&ready);
        let ready_text = ready.to_str().unwrap().to_owned();
        let mut args = vec!["serve", "--ready-file", &ready_text];
        if !flags.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(flags);
        let mut command = self.command(&args);
        let err = fs::File::create(self.dir.path().join("serve.stderr")).unwrap();
        let mut child =
            command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(err).spawn().unwrap();
        let told = wait_for("the server to be ready", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "serve ended with {status}: {}",
                    fs::read_to_string(self.dir.path().join("serve.stderr")).unwrap()
                );
            }
            serde_json::from_str::<Value>(&fs::read_to_string(&ready).ok()?).ok()
        });
        Server { child: Some(child), told, ready }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub child: Option<Child>,
    pub told: Value,
    pub ready: PathBuf,
}

impl Server {
    pub fn origin(&self) -> String {
        self.told["origins"][0].as_str().unwrap().to_owned()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().unwrap().id()).unwrap()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Waits for its end; its exit code.
    pub fn ended(mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        wait_for("the server to end", || child.try_wait().unwrap()).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A member, who reads and acknowledges over HTTP.
pub struct Person {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    origin: String,
    token: String,
}

impl Person {
    pub fn new(home: &Home, server: &Server, name: &str, display_name: &str) -> Self {
        home.run(&["user", "add", name, "--display-name", display_name]).ok();
        let made = home.json(&["token", "add", "script", "--user", name]);
        let token = home.dir.path().join(format!("{name}.token"));
        private_file(&token, made["secret"].as_str().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Another test of this process may have been first.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, runtime, origin: server.origin(), token: token.to_str().unwrap().to_owned() }
    }

    fn ask(&self, method: Method, path: &str) -> Value {
        let token = fs::read_to_string(&self.token).unwrap();
        let request = self.http.request(method, format!("{}{path}", self.origin)).bearer_auth(token).body("");
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {answer:?}");
            answer.json().await.unwrap()
        })
    }

    /// The message with this text, once it is in the inbox.
    pub fn finds(&self, body: &str) -> String {
        wait_for("the message in the inbox", || {
            let inbox = self.ask(Method::GET, "/v1/messages");
            let found = inbox["items"].as_array()?.iter().find(|item| item["body"] == body)?;
            found["id"].as_str().map(str::to_owned)
        })
    }

    /// Does what a button does: `read`, `acknowledge`.
    pub fn press(&self, what: &str, id: &str) {
        self.ask(Method::POST, &format!("/v1/messages/{id}/{what}"));
    }

    /// The command as this person gives it.
    pub fn say<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--server", &self.origin, "--token-file", &self.token]].concat()
    }
}

/// A command that runs.
pub struct Running {
    args: String,
    pub child: Child,
}

impl Running {
    /// Waits for its end.
    pub fn end(self) -> Done {
        Done::of(&[&self.args], self.child.wait_with_output().unwrap())
    }
}

/// A command that ended.
pub struct Done {
    pub args: String,
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    fn of(args: &[&str], output: Output) -> Self {
        Self {
            args: args.join(" "),
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It must have ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// It must have ended with this.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "tocsin {}\nstdout: {}\nstderr: {}", self.args, self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("tocsin {}: {error}: {}", self.args, self.out))
    }

    pub fn line(&self) -> &str {
        self.out.trim()
    }
}

/// Waits until `condition` gives something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Every file below this folder that holds the text.
pub fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Writes a file that only this user may read.
pub fn private_file(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
