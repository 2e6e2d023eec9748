//! What of critical messages is on the screen, for the next start.
//!
//! A program that is killed leaves its popups behind, and their buttons reach nobody. The daemon's numbers for them are
//! kept in a file of the runtime directory, with the daemon they are of: the next start takes them over.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use tocsin_protocol::{Message, Millis};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The daemon that the numbers are of: its unique name on the bus.
    pub owner: Option<String>,
    /// By message.
    pub messages: Vec<Critical>,
}

/// A critical message that is on the screen, or presses on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Critical {
    /// The version shown.
    pub message: Message,
    /// The number of its popup.
    pub popup: Option<u32>,
    /// It presses on since then.
    pub since: Option<Millis>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    written: Kept,
}

impl Memory {
    /// What the file says, if it can be read.
    pub fn open(file: PathBuf) -> (Self, Kept) {
        let kept: Kept =
            fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        (Self { file, written: kept.clone() }, kept)
    }

    /// Writes it, if it changed.
    pub fn keep(&mut self, kept: Kept) {
        if kept == self.written {
            return;
        }
        if let Err(error) = self.write(&kept) {
            tracing::debug!(%error, "popups could not be noted for the next start");
        }
        self.written = kept;
    }

    /// Whole or not at all.
    fn write(&self, kept: &Kept) -> io::Result<()> {
        let draft = self.file.with_extension("draft");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        io::Write::write_all(&mut options.open(&draft)?, &serde_json::to_vec(kept)?)?;
        fs::rename(&draft, &self.file)
    }
}
