//! The database away, with every copy of it.

use std::{fs, path::Path};

use super::{
    copy::broken_file,
    open::{self, BOOT_FILE, DATABASE},
};
use crate::Result;

/// What SQLite keeps beside a database.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Removes the database in `dir`, which nobody may have open, and all its copies of earlier versions and restores.
pub fn reset(dir: &Path) -> Result<()> {
    let _lock = open::lock(dir)?;
    let entries = fs::read_dir(dir).map_err(|error| broken_file(dir, &error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(DATABASE) || name == BOOT_FILE);
        if ours {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken_file(path, &error)),
        _ => Ok(()),
    }
}
