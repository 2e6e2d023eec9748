//! The parts work together: a notification sent with a foreign program is shown, its button can be pressed, and the
//! screen can be looked at.

use std::{io::Read as _, process::Stdio, time::Duration};

use tocsin_virtual_desktop::{Home, VirtualDesktop, bus, screen, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_notification_is_seen_and_its_button_pressed() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = Home::new(dir.path().join("desk")).unwrap();
    let mut desktop = VirtualDesktop::start(&mut home).unwrap();
    let mut sender = home
        .command("notify-send", "notify-send")
        .unwrap()
        .args([
            "--wait",
            "--action=open=Open",
            "--action=acknowledge=Acknowledge",
            "Disk full",
            "sda1 on web-3",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let seen = wait_for("the notification", PATIENCE, || {
        let lines = desktop.new_notifications();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(seen.unwrap(), ["Disk full — sda1 on web-3"]);
    assert_eq!(screen::notifications_on_screen(&home).unwrap(), 1);
    let picture = dir.path().join("screen.png");
    screen::screenshot(&home, &picture).unwrap();
    assert!(picture.metadata().unwrap().len() > 1000);
    screen::press_notification(&home, "Acknowledge").unwrap();
    sender.wait().unwrap();
    let mut pressed = String::new();
    sender.stdout.take().unwrap().read_to_string(&mut pressed).unwrap();
    assert_eq!(pressed.trim(), "acknowledge");
    assert!(bus::tray_property(&home, "Title").is_err(), "nothing is in the tray yet");
}
