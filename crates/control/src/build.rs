//! Which build a program is: version and a fingerprint of the very file.
//!
//! A package upgrade replaces the file while the old resident runs; version numbers alone would not show that during
//! development, so the fingerprint takes the file's size, time and inode. The resident works its own out **at start**,
//! before the file can be replaced; a client works out that of the program it would start and compares.

use std::{path::Path, sync::OnceLock};

use sha2::{Digest, Sha256};

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names the build in the file `program`.
pub fn build_of(program: &Path) -> Option<String> {
    let meta = std::fs::metadata(program).ok()?;
    let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let mut hash = Sha256::new();
    hash.update(meta.len().to_le_bytes());
    hash.update(modified.as_nanos().to_le_bytes());
    #[cfg(unix)]
    hash.update(std::os::unix::fs::MetadataExt::ino(&meta).to_le_bytes());
    let digest = hash.finalize();
    Some(format!("{VERSION}+{}", hex(&digest[..6])))
}

/// Names the build of the running program. Call it once early: later the file may be another.
pub fn own_build() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| {
        std::env::current_exe()
            .ok()
            .and_then(|exe| build_of(&exe))
            .unwrap_or_else(|| format!("{VERSION}+unknown"))
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_another_build() {
        let dir = tempfile::tempdir().unwrap();
        let (program, update) = (dir.path().join("tocsin"), dir.path().join("update"));
        std::fs::write(&program, "same size").unwrap();
        let before = build_of(&program).unwrap();
        assert_eq!(build_of(&program).unwrap(), before);
        std::fs::write(&update, "equal len").unwrap();
        std::fs::rename(&update, &program).unwrap();
        assert_ne!(build_of(&program).unwrap(), before);
        assert!(before.starts_with(VERSION));
        assert_eq!(build_of(&update), None);
    }
}
