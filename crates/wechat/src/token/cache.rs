//! Where a sealed token waits for the next start.

use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
};

/// Keeps sealed bytes under a name of lower-case letters, digits and dashes. What it keeps is worthless without the
/// app secret; losing it costs one token request. Called on a thread that may block.
pub trait TokenCache: Send + Sync + fmt::Debug + 'static {
    /// What was stored under the name.
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Stores under the name, whole or not at all.
    fn store(&self, name: &str, sealed: &[u8]) -> io::Result<()>;
    /// Forgets the name: its credential was deleted.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// Files in a directory, readable by their owner alone, replaced atomically.
#[derive(Clone, Debug)]
pub struct FileCache(PathBuf);

impl FileCache {
    /// In this directory; it is made when something is stored.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.token"))
    }
}

impl TokenCache for FileCache {
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        // Made with 0600, and never under the name that is read until it is whole.
        let mut beside = tempfile::NamedTempFile::new_in(&self.0)?;
        beside.write_all(sealed)?;
        beside.as_file().sync_all()?;
        beside.persist(self.file(name)).map_err(|error| error.error)?;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Keeps nothing: for credentials that are tried once.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl TokenCache for NoCache {
    fn load(&self, _name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn store(&self, _name: &str, _sealed: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_replaced_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = FileCache::new(directory.path().join("tokens"));
        assert_eq!(cache.load("a").expect("a read"), None);
        cache.store("a", b"one").expect("a write");
        cache.store("a", b"two").expect("a second write");
        assert_eq!(cache.load("a").expect("a read").as_deref(), Some(b"two".as_slice()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = std::fs::metadata(directory.path().join("tokens/a.token")).expect("the file");
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
        let left = std::fs::read_dir(directory.path().join("tokens")).expect("a directory").count();
        assert_eq!(left, 1, "nothing is left beside it");
        cache.remove("a").expect("a removal");
        cache.remove("a").expect("removing what is not there");
        assert_eq!(cache.load("a").expect("a read"), None);
    }
}
