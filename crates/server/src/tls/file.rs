//! The authority of a headless server: a file that only its user reads. A desktop keeps it in the keyring instead.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use super::{Error, KeyStore};

/// A PEM file of mode 0600.
#[derive(Clone, Debug)]
pub struct KeyFile(pub PathBuf);

impl KeyFile {
    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::File { path: self.0.display().to_string(), what: what.to_string() }
    }
}

impl KeyStore for KeyFile {
    fn load(&self) -> Result<Option<String>, Error> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&self.0).map_err(|error| self.error(error))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(self.error(format!(
                    "others may read this key (mode {:o}); run chmod 600 on it",
                    mode & 0o777
                )));
            }
        }
        Ok(Some(text))
    }

    fn save(&self, pem: &str) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let folder = self.0.parent().unwrap_or(&self.0);
            fs::create_dir_all(folder)?;
            // Beside its place and then renamed: a crash leaves no half a key, which would be no key.
            let draft = self.0.with_extension("new");
            if draft.exists() {
                fs::remove_file(&draft)?;
            }
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&draft)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &self.0)?;
            #[cfg(unix)]
            fs::File::open(folder)?.sync_all()?;
            Ok(())
        };
        write().map_err(|error| self.error(error))
    }
}
