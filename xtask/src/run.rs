//! `cargo xtask run`: the desktop app, hosting its own server, from a fresh clone.
//!
//! It has a home of its own in `target/run/` (messages stay between runs; delete it to begin anew) and so meets
//! neither the data nor the resident of an installed Tocsin. Without a display or a session bus it brings a virtual
//! desktop and prints each notification that was shown there. Ctrl+C ends everything that it started.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tocsin_virtual_desktop::{GLANCE, Home, Running, VirtualDesktop, wait_for};

use crate::{
    build::{self, Profile, Programs},
    debian::Scope,
    repo,
    resident::Resident,
    setup,
    step::say,
};

/// A debug build on a busy machine included.
const STARTUP: Duration = Duration::from_mins(1);
/// Topic and token that the printed line uses.
const TOPIC: &str = "hello";
const TOKEN: &str = "cargo-xtask-run";

/// The verb.
pub fn run(arguments: &[String]) -> Result<()> {
    let with_window = !arguments.iter().any(|argument| argument == "--no-window");
    let rest: Vec<String> = arguments.iter().filter(|argument| *argument != "--no-window").cloned().collect();
    let profile = Profile::from_arguments(&rest)?;
    let real = real_desktop();
    setup::setup(if real.is_some() { Scope::Build } else { Scope::VirtualDesktop })?;
    build::ui()?;
    let programs = build::programs(profile)?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let mut home = Home::new(repo::target().join("run"))?;
    // Dropped after the programs that use it.
    let mut desktop = if let Some(variables) = real {
        for (variable, value) in variables {
            home.set(variable, value);
        }
        None
    } else {
        say(
            "No display or no session bus here: starting a virtual desktop (Xvfb, D-Bus, keyring, panel, notifications)",
        );
        Some(VirtualDesktop::start(&mut home)?)
    };

    say("Starting Tocsin");
    home.set("TOCSIN_BIN", programs.tocsin.display().to_string());
    let mut resident = Running::start("tocsin tray", home.command(&programs.tocsin, "tocsin")?.arg("tray"))?;
    let outcome = start_up(&home, &programs, &mut resident, with_window, &stop).map(|mut window| {
        println!("{}", if desktop.is_some() { SHOWN_HERE } else { SHOWN_THERE });
        watch(&stop, &mut resident, &mut window, desktop.as_mut());
    });
    if stop.load(Ordering::Relaxed) {
        println!("\nEnding Tocsin");
        return Ok(());
    }
    outcome.with_context(|| {
        format!(
            "see {} and {}",
            home.join("tocsin.log").display(),
            home.join("state/tocsin/log/tocsin.log").display()
        )
    })
}

const SHOWN_HERE: &str =
    "Each notification that the virtual desktop shows is printed below. Ctrl+C ends everything.\n";
const SHOWN_THERE: &str = "Ctrl+C ends everything.\n";

/// The variables of the person's desktop, when it has both a display and a session bus.
fn real_desktop() -> Option<Vec<(&'static str, String)>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let bus = variable("DBUS_SESSION_BUS_ADDRESS").or_else(|| {
        let socket = runtime.as_ref()?.join("bus");
        socket.exists().then(|| format!("unix:path={}", socket.display()))
    })?;
    let mut variables = vec![("DBUS_SESSION_BUS_ADDRESS", bus)];
    let x11 = variable("DISPLAY");
    // The name is relative to the runtime directory, and this run has another one.
    let wayland =
        variable("WAYLAND_DISPLAY").and_then(|name| Some(runtime.as_ref()?.join(name).display().to_string()));
    if x11.is_none() && wayland.is_none() {
        return None;
    }
    variables.extend(x11.map(|value| ("DISPLAY", value)));
    variables.extend(wayland.map(|value| ("WAYLAND_DISPLAY", value)));
    Some(variables)
}

/// Waits for the resident, makes it host, makes a token, opens the window and prints how to send a message.
fn start_up(
    home: &Home,
    programs: &Programs,
    resident: &mut Running,
    with_window: bool,
    stop: &AtomicBool,
) -> Result<Option<Running>> {
    let tocsin = wait_for("the resident to answer", STARTUP, || {
        let ended = resident.has_ended().then(|| Err(anyhow::anyhow!("the resident ended at once")));
        ended.or_else(|| stopped(stop)).or_else(|| Resident::find(home).ok().map(|(found, _)| Ok(found)))
    })
    .flatten()?;
    tocsin.host()?;
    let page = wait_for("the server and the stream to it", STARTUP, || {
        stopped(stop).or_else(|| tocsin.online().ok().map(Ok))
    })
    .flatten()
    .with_context(|| {
        format!("{:#}", tocsin.online().err().unwrap_or_else(|| anyhow::anyhow!("online at last")))
    })?;
    let secret = sender_token(&tocsin)?;
    let window = if with_window {
        Some(Running::start("tocsin-desktop", &mut home.command(&programs.desktop, "window")?)?)
    } else {
        None
    };
    let login = tocsin.ask("POST", "/v1/login-codes", None).ok();
    print_addresses(&page, login.as_ref().and_then(|login| login["url"].as_str()), &secret);
    Ok(window)
}

/// Ends a wait after Ctrl+C.
fn stopped<T>(stop: &AtomicBool) -> Option<Result<T>> {
    stop.load(Ordering::Relaxed).then(|| Err(anyhow::anyhow!("stopped")))
}

/// A token that may publish to [`TOPIC`], of which this person is a member. The one of an earlier run is revoked.
fn sender_token(tocsin: &Resident) -> Result<String> {
    let me = tocsin.ask("GET", "/v1/me", None)?;
    let user = me["user"]["name"].as_str().context("the resident has no user")?;
    match tocsin.try_to("POST", "/v1/topics", &json!({"name": TOPIC, "members": [user]}))? {
        (200..=299, _) => {}
        (409, _) => {
            tocsin.ask("PUT", &format!("/v1/topics/{TOPIC}/members/{user}"), None)?;
        }
        (status, answer) => bail!("making the topic {TOPIC}: {status} {answer}"),
    }
    let tokens = tocsin.ask("GET", "/v1/tokens", None)?;
    for token in tokens.as_array().into_iter().flatten().filter(|token| token["name"] == TOKEN) {
        let id = token["id"].as_str().unwrap_or_default();
        tocsin.ask("DELETE", &format!("/v1/tokens/{id}"), None)?;
    }
    let made = tocsin.ask(
        "POST",
        "/v1/tokens",
        Some(&json!({"kind": "sender", "name": TOKEN, "topics": [TOPIC]})),
    )?;
    made["secret"].as_str().map(Into::into).context("the new token has no secret")
}

fn print_addresses(page: &str, login: Option<&str>, secret: &str) {
    println!("\nThe page:  {page}/");
    if let Some(url) = login {
        println!("signed in: {url}   (once, within 5 minutes)");
    }
    println!("\nSend a message (the token is good until the next run):\n");
    println!("{}\n", curl(page, secret, std::env::var_os("http_proxy").is_some()));
}

/// One line, ready to paste.
fn curl(page: &str, secret: &str, behind_proxy: bool) -> String {
    let direct = if behind_proxy { " --noproxy '*'" } else { "" };
    let headers = format!("-H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json'");
    let message = format!(r#"{{"topic":"{TOPIC}","title":"Hello from Tocsin","body":"It arrived."}}"#);
    format!("curl{direct} {page}/v1/messages {headers} -d '{message}'")
}

/// Until Ctrl+C, or until the resident ends.
fn watch(
    stop: &AtomicBool,
    resident: &mut Running,
    window: &mut Option<Running>,
    mut desktop: Option<&mut VirtualDesktop>,
) {
    while !stop.load(Ordering::Relaxed) {
        for line in desktop.as_mut().map(|desktop| desktop.new_notifications()).unwrap_or_default() {
            println!("notification: {line}");
        }
        if window.as_mut().is_some_and(Running::has_ended) {
            println!("The window was closed; the tray goes on.");
            *window = None;
        }
        if resident.has_ended() {
            println!("The resident has ended.");
            return;
        }
        thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_pasted() {
        let line = curl("http://127.0.0.1:8722", "tcs_x", false);
        assert!(!line.contains('\n'));
        assert!(line.starts_with("curl http://127.0.0.1:8722/v1/messages -H 'Authorization: Bearer tcs_x'"));
        let body = line.split("-d '").nth(1).unwrap().trim_end_matches('\'');
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["topic"], TOPIC);
        assert!(curl("http://127.0.0.1:8722", "tcs_x", true).contains("--noproxy"));
    }
}
