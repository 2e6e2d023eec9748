//! The window of Tocsin.
//!
//! Tocsin is two programs, as a daemon and its face. **`tocsin`**, the resident, has the tray, the notifications, the
//! keyring, the server and the subscriber, and neither GTK nor a webview. **`tocsin-desktop`**, this one, is the Tauri
//! app that a person starts: it makes sure that the resident runs, shows the window, and ends when the window is
//! closed. The reason is what an app that is always there costs while nobody looks at it. Measured with prototypes
//! (release builds, Debian 12, `WebKitGTK` 2.50 with software rendering; PSS over the whole process tree):
//!
//! | | idle, MiB | window open, MiB | window closed again, MiB | start to tray, ms | click to pixels, ms |
//! |---|---|---|---|---|---|
//! | one Tauri process | 52–55 | 246–251 | 123–124 | 72–99 | 265–407 |
//! | Tauri resident + window process | 52–55 | 260–266 | 54–57 | 69–94 | 454–591 |
//! | **resident without GTK + window process** | **9** | 251 | **9** | **8–9** | 443–535 |
//!
//! A webview, once loaded, never gives its memory back within its process; linking it alone costs 38 MiB. The price
//! is a tenth to a fifth of a second at each opening. A crash of the webview costs nothing but the window.
//!
//! Invariants:
//!
//! - **No state and no secret**: everything is asked of the resident over the control socket (`tocsin-control`); the
//!   token to the server is the resident's and never comes here.
//! - **One window per resident**: a lock in the resident's runtime directory. Who does not get it asks the resident to
//!   bring the window that has it to the front, and ends.
//! - **The page may do two things**: hand over a request of a listed route ([`bridge`]) and hear the resident's
//!   events. Requests that make tokens or people are confirmed in a native dialog ([`confirm`]).
//! - **It ends with its reason to be**: when its window is closed, or when the resident is gone for good.

mod bridge;
mod confirm;
mod events;
mod failure;
mod resident;
mod window;

use std::process::ExitCode;

use tauri::async_runtime::block_on;

use crate::{bridge::Bridge, resident::Start};

/// Runs until the window is closed.
#[expect(clippy::print_stderr, reason = "the last resort of a program that cannot show a window")]
pub fn run() -> ExitCode {
    let start = match block_on(resident::start()) {
        Ok(start) => start,
        Err(error) => {
            eprintln!("tocsin-desktop: {error}");
            confirm::tell_failure(&error);
            return ExitCode::FAILURE;
        }
    };
    match start {
        Start::ElsewhereFocused => ExitCode::SUCCESS,
        Start::Here(resident) => match show(*resident) {
            Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            Err(error) => {
                eprintln!("tocsin-desktop: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn show(resident: resident::Resident) -> tauri::Result<i32> {
    let resident::Resident { client, events, language, paths, lock } = resident;
    let builder = tauri::Builder::default();
    #[cfg(not(target_os = "linux"))]
    let builder = builder.plugin(tauri_plugin_dialog::init());
    let app = builder
        .manage(Bridge::new(client.clone(), language))
        .invoke_handler(tauri::generate_handler![bridge::call])
        .setup(move |app| {
            window::open(app.handle(), &paths)?;
            tauri::async_runtime::spawn(events::relay(app.handle().clone(), client, events));
            Ok(())
        })
        .build(tauri::generate_context!("./tauri.conf.json"))?;
    let code = app.run_return(|_, _| {});
    // Held to the very end: another window may begin only when this one is gone.
    drop(lock);
    Ok(code)
}
