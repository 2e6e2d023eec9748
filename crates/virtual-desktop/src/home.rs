//! Directories and variables of one run, apart from the person's own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The directories and variables that the programs of one run see.
pub struct Home {
    directory: PathBuf,
    runtime: PathBuf,
    variables: Vec<(String, String)>,
}

impl Home {
    /// Makes the directories below `directory`.
    pub fn new(directory: PathBuf) -> Result<Self> {
        let runtime = runtime_directory(&directory)?;
        let mut variables = vec![("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string())];
        for (variable, name) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
        ] {
            let path = directory.join(name);
            fs::create_dir_all(&path)?;
            variables.push((variable.into(), path.display().to_string()));
        }
        Ok(Self { directory, runtime, variables })
    }

    /// Where sockets are.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// A file or directory of this run.
    pub fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Adds a variable.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.variables.push((variable.into(), value.into()));
    }

    /// What a program of this run sees of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(variable, _)| variable == name).map(|(_, value)| value.as_str())
    }

    /// A command that sees this home, its output going to `NAME.log`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, name: &str) -> Result<Command> {
        let log = fs::File::create(self.join(&format!("{name}.log")))?;
        let mut command = Command::new(program);
        command
            .envs(self.variables.iter().map(|(variable, value)| (variable, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Sockets of a finished run; what was stored stays.
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// A socket's path has at most 107 bytes, and a clone may lie deep: then a fresh private directory of `/tmp`.
fn runtime_directory(directory: &Path) -> Result<PathBuf> {
    const LONGEST: usize = 60;
    let mut runtime = directory.join("runtime");
    if runtime.as_os_str().len() > LONGEST {
        let made = Command::new("mktemp")
            .args(["-d", "-t", "tocsin-XXXXXX"])
            .output()
            .context("cannot start mktemp")?;
        ensure!(made.status.success(), "mktemp: {}", String::from_utf8_lossy(&made.stderr).trim());
        runtime = PathBuf::from(String::from_utf8(made.stdout)?.trim());
    }
    fs::create_dir_all(&runtime)?;
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700))?;
    Ok(runtime)
}
