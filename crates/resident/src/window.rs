//! The window's process: started when somebody asks for it, told to come to the front when it runs.
//!
//! A window that runs holds a lock in the runtime directory and listens on `/native/events`, so an event reaches it. One
//! that was started and holds no lock yet is not started twice, and what it is to show waits for it here.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tocsin_control::{DATA_DIR_ENV, Error, Paths};
use tocsin_protocol::control::{ResidentEvent, View};

use crate::desk::Desk;

/// A window that does not listen so long after its start has failed, and the next click starts another. A cold start
/// with a slow disk takes a few seconds.
const START_WAIT: Duration = Duration::from_secs(10);

/// Tells the webview to paint without a graphics card.
#[cfg(target_os = "linux")]
const GRAPHICS: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Opens the window.
pub struct Windows {
    desk: Arc<Desk>,
    paths: Paths,
    program: Option<PathBuf>,
    starting: Mutex<Option<(Instant, View)>>,
}

impl Windows {
    /// Windows of the resident with these paths; `program` overrides where the window's program is.
    pub fn new(desk: Arc<Desk>, paths: Paths, program: Option<PathBuf>) -> Self {
        Self { desk, paths, program, starting: Mutex::new(None) }
    }

    /// Brings the window to the front, or starts it.
    pub fn open(&self, view: View, activation_token: Option<String>) -> Result<(), Error> {
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_open() {
            if self.desk.listeners() == 0 {
                *starting = Some((Instant::now(), view.clone()));
            }
            self.desk.tell(ResidentEvent::Show { view, activation_token });
            return Ok(());
        }
        let on_its_way = starting.as_ref().is_some_and(|(since, _)| since.elapsed() < START_WAIT);
        *starting = Some((Instant::now(), view));
        if on_its_way {
            return Ok(());
        }
        let child = self.start(activation_token).inspect_err(|_| *starting = None)?;
        drop(starting);
        reap(child)
    }

    /// What a window that begins to listen is to show first.
    pub fn first_view(&self) -> Option<View> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner).take().map(|(_, view)| view)
    }

    /// Whether there was a window, and is none now.
    pub fn was_closed(&self) -> bool {
        self.lock_file().exists() && !self.is_open()
    }

    fn lock_file(&self) -> PathBuf {
        self.paths.runtime.join("window.lock")
    }

    /// Whether a window holds its lock. Taking it for a moment is harmless: a window that starts in this very moment
    /// asks the resident to open one, and that is what is going on.
    fn is_open(&self) -> bool {
        let lock = std::fs::File::options().write(true).open(self.lock_file());
        lock.is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    }

    fn start(&self, activation_token: Option<String>) -> Result<Child, Error> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => tocsin_control::find_desktop()?,
        };
        let mut command = Command::new(&program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if self.paths.is_overridden() {
            command.env(DATA_DIR_ENV, &self.paths.data);
        }
        // Lists and text need no graphics card, and making one ready takes longer than painting them: without a real one,
        // compiling shaders for the processor takes a third of a second at each opening. Who set it otherwise is obeyed.
        #[cfg(target_os = "linux")]
        if std::env::var_os(GRAPHICS).is_none() {
            command.env(GRAPHICS, "1");
        }
        if let Some(token) = activation_token {
            // Wayland and X11 name it differently.
            command.env("XDG_ACTIVATION_TOKEN", &token).env("DESKTOP_STARTUP_ID", token);
        }
        command.spawn().map_err(Error::io(format!("cannot start {}", program.display())))
    }
}

/// Opens an http or https address in the person's browser.
pub fn open_url(url: &str) -> Result<(), Error> {
    let allowed = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    if !allowed || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Error::Protocol("only http and https addresses can be opened".into()));
    }
    let child = Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("cannot start xdg-open"))?;
    reap(child)
}

/// Collects the process when it ends; it would stay a zombie for as long as the resident runs.
fn reap(mut child: Child) -> Result<(), Error> {
    let reaper = std::thread::Builder::new().name("reaper".into()).stack_size(64 * 1024);
    reaper.spawn(move || child.wait()).map(drop).map_err(Error::io("cannot start a thread"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_opened() {
        for bad in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "-h",
            "",
            "ftp://x",
            "https://x/ --flag",
            "https://x\n",
        ] {
            assert!(open_url(bad).is_err(), "{bad}");
        }
    }
}
