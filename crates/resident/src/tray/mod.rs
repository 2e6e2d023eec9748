//! The tray: state as an icon, and a menu.
//!
//! The rest of the resident puts a [`View`] on a watch channel and reads [`Command`]s from a queue; nobody ever waits
//! for a panel. A panel that hangs (seen: a watcher that takes the name and never answers) holds up the task in here
//! and nothing else.

mod icon;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;
mod view;

use tocsin_locale::Locale;
use tocsin_protocol::MessageId;
use tokio::sync::{mpsc, watch};

pub use icon::{Face, Icon, Pixmap};
pub use view::{Facts, RECENT, View, one_line};

/// What a person asks for in the tray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open the window, or bring it to the front.
    Open {
        /// The message to show; absent: the inbox.
        message: Option<MessageId>,
        /// Lets the window come to the front on Wayland.
        token: Option<String>,
    },
    /// Open the settings.
    Settings {
        /// See [`Command::Open`].
        token: Option<String>,
    },
    /// No popups for a while.
    Pause(PauseFor),
    /// Mark all read.
    ReadAll,
    /// Show a test notification.
    Test,
    /// End the resident and the window.
    Quit,
}

/// How long to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseFor {
    /// This many minutes.
    Minutes(u32),
    /// Until tomorrow morning.
    Tomorrow,
    /// Not any more.
    Over,
}

/// Whether the icon can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A panel took it.
    Shown,
    /// It cannot.
    Missing(Absence),
}

/// Why the icon cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A panel has the name and does not answer.
    Silent,
    /// The panel went away.
    Gone,
    /// This platform has no tray yet.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "said on the other platforms"))]
    Unsupported,
    /// What the system said, in its own words.
    System(String),
}

impl Absence {
    /// What a person reads.
    pub fn sentence(&self, locale: &Locale) -> String {
        match self {
            Self::Silent => locale.t("problem.tray_missing.silent", &[]),
            Self::Gone => locale.t("problem.tray_missing.gone", &[]),
            Self::Unsupported => locale.t("problem.tray_missing.unsupported", &[]),
            Self::System(said) => said.clone(),
        }
    }
}

/// Shows the tray until `view`'s sender is dropped. Returns at once; `presence` hears whether a panel took it.
pub fn start(view: watch::Receiver<View>, commands: mpsc::Sender<Command>, presence: mpsc::Sender<Presence>) {
    #[cfg(target_os = "linux")]
    tokio::spawn(linux::run(view, commands, presence));
    #[cfg(not(target_os = "linux"))]
    tokio::spawn(unsupported::run(view, commands, presence));
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;

    use super::*;

    #[test]
    fn each_absence_has_its_sentence_in_both_languages() {
        for absence in [Absence::Silent, Absence::Gone, Absence::Unsupported] {
            let [english, chinese] =
                [Language::En, Language::ZhCn].map(|language| absence.sentence(&Locale::new(language, "")));
            assert!(!english.contains("tray_missing") && english != chinese, "{english} / {chinese}");
        }
    }
}
