//! Where things are: data, configuration, state (logs) and the runtime directory with the control socket.
//!
//! Without an override they follow the XDG base directories. `--data-dir` (or [`DATA_DIR_ENV`]) puts everything under
//! one directory, so that two residents can live side by side. The runtime directory carries a hash of the data
//! directory: it is the data that there is one resident for, not the user.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

#[cfg(unix)]
use crate::Unsafe;
use crate::{Error, Result, build::hex};

/// Puts everything under one directory, like `--data-dir`.
pub const DATA_DIR_ENV: &str = "TOCSIN_DATA_DIR";

/// Longest socket path: `sun_path` has 108 bytes on Linux, one of them the final zero.
const SOCKET_PATH_MOST: usize = 107;

/// The places of one resident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Databases.
    pub data: PathBuf,
    /// `settings.toml`.
    pub config: PathBuf,
    /// Logs.
    pub state: PathBuf,
    /// Sockets; this user's alone.
    pub runtime: PathBuf,
}

impl Paths {
    /// From the environment; `data_dir` (a flag) wins over [`DATA_DIR_ENV`].
    pub fn resolve(data_dir: Option<&Path>) -> Result<Self> {
        Self::from_variables(data_dir, &|name| std::env::var_os(name))
    }

    /// As [`resolve`](Self::resolve), with the variables passed in.
    pub fn from_variables(
        data_dir: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let chosen = data_dir.map(Path::to_path_buf).or_else(|| set(DATA_DIR_ENV));
        let (data, config, state) = if let Some(dir) = chosen {
            let dir = settled(&dir)?;
            (dir.clone(), dir.join("config"), dir.join("state"))
        } else {
            let home = set("HOME");
            // A relative XDG path is to be ignored, says the specification.
            let base = |name: &str, below_home: &str| {
                let dir = set(name)
                    .filter(|path| path.is_absolute())
                    .or_else(|| Some(home.as_ref()?.join(below_home)));
                dir.map(|dir| dir.join("tocsin")).ok_or(Error::NoHome)
            };
            (
                settled(&base("XDG_DATA_HOME", ".local/share")?)?,
                base("XDG_CONFIG_HOME", ".config")?,
                base("XDG_STATE_HOME", ".local/state")?,
            )
        };
        let runtime = match set("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()) {
            Some(dir) => dir.join(format!("tocsin-{}", short_hash(&data))),
            None => state.join("run"),
        };
        Ok(Self { data, config, state, runtime })
    }

    /// Whether `--data-dir` or [`DATA_DIR_ENV`] put everything under one directory.
    pub fn is_overridden(&self) -> bool {
        self.config == self.data.join("config")
    }

    /// Socket of the desktop's resident.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// What is critical on the screen: gone with the session, as popups are.
    pub fn popups_file(&self) -> PathBuf {
        self.runtime.join("popups.json")
    }

    /// Socket of a headless server (`tocsin serve`) on the same data directory: a resident beside it joins it there.
    pub fn server_socket(&self) -> PathBuf {
        self.runtime.join("serve.sock")
    }

    /// The settings file.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("settings.toml")
    }

    /// Sealed access tokens of messaging platforms.
    #[must_use]
    pub fn platform_tokens(&self) -> PathBuf {
        self.data.join("platform-tokens")
    }

    /// Secrets sealed with a passphrase, where there is no keyring.
    pub fn vault_file(&self) -> PathBuf {
        self.data.join("vault.bin")
    }

    /// Directory of the logs.
    pub fn log_dir(&self) -> PathBuf {
        self.state.join("log")
    }

    /// The resident's log; the rotated ones beside it carry a number.
    pub fn log_file(&self) -> PathBuf {
        self.log_dir().join("tocsin.log")
    }

    /// Makes the runtime directory (mode 0700) and checks that it is this user's alone and its sockets can be bound.
    pub fn prepare_runtime(&self) -> Result<()> {
        check_length(&self.control_socket())?;
        make_private(&self.runtime)?;
        check_private(&self.runtime)
    }
}

/// Checks that the kernel can take this socket path.
pub(crate) fn check_length(path: &Path) -> Result<()> {
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_MOST {
        return Err(Error::PathTooLong { path: path.into(), length, limit: SOCKET_PATH_MOST });
    }
    Ok(())
}

fn make_private(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(Error::io(format!("cannot create {}", dir.display())))
}

/// Refuses a directory that somebody else owns (they could replace the socket) or may enter (they could connect).
#[cfg(unix)]
pub(crate) fn check_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    // Not followed: a link of somebody else's would lead into a directory that passes.
    let meta =
        std::fs::symlink_metadata(dir).map_err(Error::io(format!("cannot look at {}", dir.display())))?;
    let refuse = |why| Err(Error::UnsafeDirectory { path: dir.into(), why });
    let own = rustix::process::geteuid().as_raw();
    if !meta.is_dir() {
        return refuse(Unsafe::NotADirectory);
    }
    if meta.uid() != own {
        return refuse(Unsafe::OtherOwner { owner: meta.uid(), own });
    }
    if meta.mode() & 0o077 != 0 {
        return refuse(Unsafe::Open { mode: meta.mode() & 0o777 });
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn check_private(_dir: &Path) -> Result<()> {
    Err(Error::Unsupported)
}

/// Absolute, with links resolved as far as the path exists: before and after the first start it must read the same.
fn settled(path: &Path) -> Result<PathBuf> {
    let absolute =
        std::path::absolute(path).map_err(Error::io(format!("{} is not a usable path", path.display())))?;
    let found = absolute
        .ancestors()
        .find_map(|dir| Some((dir.canonicalize().ok()?, absolute.strip_prefix(dir).ok()?)));
    Ok(match found {
        Some((real, rest)) if rest.as_os_str().is_empty() => real,
        Some((real, rest)) => real.join(rest),
        None => absolute,
    })
}

fn short_hash(path: &Path) -> String {
    hex(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    #[test]
    fn xdg_directories_and_their_defaults() {
        let home = variables(&[
            ("HOME", "/nonexistent/anna"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("XDG_CONFIG_HOME", "relative"),
        ]);
        let paths = Paths::from_variables(None, &home).unwrap();
        assert_eq!(paths.data, Path::new("/nonexistent/anna/.local/share/tocsin"));
        assert_eq!(paths.config, Path::new("/nonexistent/anna/.config/tocsin"));
        assert!(paths.control_socket().starts_with("/run/user/7"), "{paths:?}");
        assert!(matches!(Paths::from_variables(None, &|_| None), Err(Error::NoHome)));
    }

    #[test]
    fn separate_data_directories_have_separate_sockets() {
        let env = variables(&[("XDG_RUNTIME_DIR", "/run/user/7"), (DATA_DIR_ENV, "/nonexistent/a")]);
        let (a, b) = (
            Paths::from_variables(None, &env).unwrap(),
            Paths::from_variables(Some(Path::new("/nonexistent/b")), &env).unwrap(),
        );
        assert_eq!(a.data, Path::new("/nonexistent/a"));
        assert_eq!(b.data, Path::new("/nonexistent/b"));
        assert_ne!(a.runtime, b.runtime);
        let bare = Paths::from_variables(Some(Path::new("/nonexistent/b")), &|_| None).unwrap();
        assert_eq!(bare.runtime, Path::new("/nonexistent/b/state/run"));
    }

    #[test]
    fn a_link_to_the_data_directory_is_the_same_resident() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let env = variables(&[("XDG_RUNTIME_DIR", "/run/user/7")]);
        let at = |path: &Path| Paths::from_variables(Some(path), &env).unwrap();
        let before = at(&link.join("sub"));
        assert_eq!(before, at(&real.join("sub")));
        std::fs::create_dir(real.join("sub")).unwrap();
        assert_eq!(before, at(&link.join("sub")));
    }

    #[test]
    fn a_runtime_directory_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            data: "/x".into(),
            config: "/x".into(),
            state: "/x".into(),
            runtime: dir.path().join("run"),
        };
        paths.prepare_runtime().unwrap();
        std::fs::set_permissions(&paths.runtime, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = paths.prepare_runtime().unwrap_err();
        assert!(matches!(error, Error::UnsafeDirectory { .. }), "{error}");
        assert!(error.to_string().contains("755"), "{error}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_says_so() {
        let paths = Paths {
            data: "/x".into(),
            config: "/x".into(),
            state: "/x".into(),
            runtime: format!("/tmp/{}", "x".repeat(100)).into(),
        };
        let error = paths.prepare_runtime().unwrap_err();
        assert!(error.to_string().contains("at most 107"), "{error}");
    }
}
