//! The database away, with every copy that this program ever made of it, and nothing else: the directory may be
//! somebody's home, and `tocsin.db.bak` theirs.

use std::{fs, path::Path};

use super::{
    copy::broken_file,
    open::{self, BOOT_DRAFT, BOOT_FILE, DATABASE},
    restore::{ASIDE, RESTORING},
};
use crate::Result;

/// What SQLite keeps beside a database.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Removes the database in `dir`, which nobody may have open, and all its copies of earlier versions and restores.
pub fn reset(dir: &Path) -> Result<()> {
    let _lock = open::lock(dir)?;
    let entries = fs::read_dir(dir).map_err(|error| broken_file(dir, &error))?;
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
        if is_file && entry.file_name().to_str().is_some_and(is_own_file) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file of this name in a data directory is the database, what belongs to it, or a copy that a migration or a
/// restore made.
#[must_use]
pub fn is_own_file(name: &str) -> bool {
    if name == BOOT_FILE || name == BOOT_DRAFT {
        return true;
    }
    let name = SIDE_FILES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let Some(copy) = name.strip_prefix(DATABASE) else { return false };
    let numbered = |prefix: &str| copy.strip_prefix(prefix).is_some_and(is_number);
    copy.is_empty() || copy == RESTORING || numbered(".v") || numbered(ASIDE)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken_file(path, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_ones_own_are_told_from_those_of_others() {
        for ours in [
            "tocsin.db",
            "tocsin.db-wal",
            "tocsin.db-shm",
            "tocsin.db.v3",
            "tocsin.db.before-1760000000000",
            "tocsin.db.before-1760000000000-wal",
            "tocsin.db.restoring",
            "tocsin.db.restoring-journal",
            "boot-id",
            "boot-id.new",
        ] {
            assert!(is_own_file(ours), "{ours}");
        }
        for theirs in [
            "tocsin.db.bak",
            "tocsin.db.v",
            "tocsin.db.v3.gz",
            "tocsin.db.before-christmas",
            "tocsin.db-old",
            "tocsin.db2",
            "my-tocsin.db",
            "boot-id.txt",
        ] {
            assert!(!is_own_file(theirs), "{theirs}");
        }
    }
}
