//! The tray on a real panel, and under faults that only a fake panel can make.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::Result;
use serde_json::json;
use support::{Desk, PATIENCE};
use tocsin_protocol::control::{ResidentEvent, View};
use tocsin_virtual_desktop::{Part, bus, wait_for};

/// No panel at the start, one that comes late, goes and returns.
#[test]
fn a_panel_may_come_late_go_and_return() -> Result<()> {
    let mut desk = Desk::with(&[Part::Windows])?;
    let problem = desk.wait_problem("tray_missing")?;
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("StatusNotifierWatcher")),
        "{problem:#}"
    );
    desk.desktop.begin(&desk.home, Part::Panel)?;
    desk.wait_no_problem("tray_missing")?;
    let title = wait_for("the item", PATIENCE, || bus::tray_property(&desk.home, "Title").ok())?;
    assert!(title.contains("Tocsin"), "{title}");
    desk.desktop.crash(Part::Panel);
    desk.wait_problem("tray_missing")?;
    desk.desktop.begin(&desk.home, Part::Panel)?;
    desk.wait_no_problem("tray_missing")?;
    wait_for("the item again", PATIENCE, || bus::tray_property(&desk.home, "Title").ok()).map(drop)
}

/// Tooltip and menu follow the unread count and the connection.
#[test]
fn tooltip_and_menu_follow_what_happens() -> Result<()> {
    let desk = Desk::with(&[Part::Windows, Part::Panel])?;
    let tooltip = |text: &str| {
        wait_for(&format!("the tooltip to say {text:?}"), PATIENCE, || {
            bus::tray_property(&desk.home, "ToolTip").ok().filter(|tip| tip.contains(text))
        })
    };
    let menu = |text: &str| {
        wait_for(&format!("the menu to say {text:?}"), PATIENCE, || {
            bus::tray_menu(&desk.home).ok().filter(|menu| menu.contains(&format!("<'{text}'>")))
        })
    };
    tooltip("No server chosen yet")?;
    desk.host()?;
    tooltip("Connected")?;
    menu("Connected")?;
    menu("Nothing unread")?;
    let id = desk.publish("first", 3)?;
    tooltip("1 unread")?;
    menu("1 unread")?;
    desk.call("POST", &format!("/v1/messages/{id}/read"), &json!({}))?;
    tooltip("Nothing unread")?;
    menu("Nothing unread")?;
    desk.call("POST", "/native/pause", &json!({ "until": 4_000_000_000_000_i64 }))?;
    tooltip("Paused until")?;
    Ok(())
}

/// A left click starts the window's program, once, with what lets it come to the front.
#[test]
fn a_click_starts_the_window_once() -> Result<()> {
    let desk = Desk::prepared(&[Part::Windows, Part::Panel], |home| {
        let (window, trace) = (home.join("window"), home.join("window.trace"));
        fs::write(&window, format!("#!/bin/sh\necho started >> '{}'\nexec sleep 60\n", trace.display()))?;
        fs::set_permissions(&window, fs::Permissions::from_mode(0o755))?;
        home.set("TOCSIN_DESKTOP_BIN", window.display().to_string());
        Ok(())
    })?;
    desk.wait_no_problem("tray_missing")?;
    for _ in 0..3 {
        wait_for("the item", PATIENCE, || bus::call_tray(&desk.home, "Activate", &["0", "0"]).ok())?;
    }
    let trace = || fs::read_to_string(desk.home.join("window.trace")).unwrap_or_default();
    wait_for("the window to be started", PATIENCE, || (!trace().is_empty()).then_some(()))?;
    // The clicks are done in order: when the pause is set, all of them are behind.
    desk.call("POST", "/native/window", &json!({}))?;
    assert_eq!(trace().lines().count(), 1, "{}", trace());
    Ok(())
}

/// A window that runs is told what to show instead of being started again, and to end when the resident does.
#[test]
fn a_window_that_runs_is_told() -> Result<()> {
    let desk = Desk::with(&[Part::Windows, Part::Panel])?;
    desk.wait_no_problem("tray_missing")?;
    let (_lock, mut events) = desk.as_window()?;
    wait_for("the item", PATIENCE, || bus::call_tray(&desk.home, "Activate", &["0", "0"]).ok())?;
    let shown = loop {
        match desk.next_event(&mut events)? {
            ResidentEvent::Status(_) => {}
            other => break other,
        }
    };
    assert!(matches!(shown, ResidentEvent::Show { view: View::Inbox, .. }), "{shown:?}");
    desk.call("POST", "/native/quit", &json!({}))?;
    let last = desk.next_event(&mut events)?;
    assert!(matches!(last, ResidentEvent::Quit), "{last:?}");
    Ok(())
}

/// A watcher that takes the name and never answers: the worst panel there is.
#[test]
fn a_watcher_that_never_answers_holds_up_nothing() -> Result<()> {
    let mut desk = Desk::prepared(&[Part::Windows, Part::Notifications], hold_name)?;
    desk.host()?;
    desk.wait_online()?;
    desk.publish("still works", 3)?;
    desk.wait_notification("still works")?;
    let problem = desk.wait_problem("tray_missing")?;
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("does not answer")),
        "{problem:#}"
    );
    desk.publish("and goes on", 3)?;
    desk.wait_notification("and goes on")?;
    release_name(&desk)?;
    desk.desktop.begin(&desk.home, Part::Panel)?;
    desk.wait_no_problem("tray_missing")?;
    wait_for("the item", Duration::from_secs(30), || bus::tray_property(&desk.home, "Title").ok()).map(drop)
}

const HOLDER: &str = "holder.pid";

/// A process that owns the watcher's name and answers nothing. No library would let it: it writes the bytes itself and
/// never reads.
fn hold_name(home: &mut tocsin_virtual_desktop::Home) -> Result<()> {
    let script = home.join("hold.py");
    fs::write(
        &script,
        "import os, socket, sys, time\n\
         def hello(path):\n\
         \x20   s = socket.socket(socket.AF_UNIX); s.connect(path)\n\
         \x20   s.sendall(b'\\0AUTH EXTERNAL ' + str(os.getuid()).encode().hex().encode() + b'\\r\\n'); s.recv(99)\n\
         \x20   s.sendall(b'BEGIN\\r\\n'); return s\n\
         def call(member, signature=b'', body=b''):\n\
         \x20   def field(code, sig, text): return bytes([code, 1]) + sig + b'\\0' + len(text).to_bytes(4, 'little') + text + b'\\0'\n\
         \x20   fields = b''\n\
         \x20   for part in (field(1, b'o', b'/org/freedesktop/DBus'), field(2, b's', b'org.freedesktop.DBus'), field(3, b's', member), field(6, b's', b'org.freedesktop.DBus')):\n\
         \x20       fields += b'\\0' * (-len(fields) % 8) + part\n\
         \x20   if signature: fields += b'\\0' * (-len(fields) % 8) + bytes([8, 1]) + b'g\\0' + bytes([len(signature)]) + signature + b'\\0'\n\
         \x20   head = b'l\\x01\\0\\x01' + len(body).to_bytes(4, 'little') + (2 if signature else 1).to_bytes(4, 'little') + len(fields).to_bytes(4, 'little') + fields\n\
         \x20   return head + b'\\0' * (-len(head) % 8) + body\n\
         s = hello(sys.argv[1]); s.sendall(call(b'Hello')); time.sleep(0.2); s.recv(4096)\n\
         name = b'org.kde.StatusNotifierWatcher'\n\
         s.sendall(call(b'RequestName', b'su', len(name).to_bytes(4, 'little') + name + b'\\0' + b'\\0' * (-(5 + len(name)) % 4) + (4).to_bytes(4, 'little')))\n\
         time.sleep(3600)\n",
    )?;
    let socket = home.runtime().join("bus");
    let child = home.command("python3", "holder")?.arg(&script).arg(&socket).spawn()?;
    fs::write(home.join(HOLDER), child.id().to_string())?;
    wait_for("the name to be held", PATIENCE, || {
        bus::is_owned(home, "org.kde.StatusNotifierWatcher").then_some(())
    })
}

fn release_name(desk: &Desk) -> Result<()> {
    let id: i32 = fs::read_to_string(desk.home.join(HOLDER))?.parse()?;
    if let Some(id) = rustix::process::Pid::from_raw(id) {
        rustix::process::kill_process(id, rustix::process::Signal::KILL)?;
    }
    Ok(())
}
