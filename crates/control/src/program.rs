//! The two programs find each other: a variable (development and tests), the same directory, then PATH.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The resident, and what names it in the environment.
pub const RESIDENT_PROGRAM: (&str, &str) = ("tocsin", "TOCSIN_BIN");
/// The window, and what names it in the environment.
pub const DESKTOP_PROGRAM: (&str, &str) = ("tocsin-desktop", "TOCSIN_DESKTOP_BIN");

/// The resident's program.
pub fn find_resident() -> Result<PathBuf> {
    find_program(RESIDENT_PROGRAM.0, RESIDENT_PROGRAM.1)
}

/// The window's program.
pub fn find_desktop() -> Result<PathBuf> {
    find_program(DESKTOP_PROGRAM.0, DESKTOP_PROGRAM.1)
}

/// Looks for `name`: in `variable`, beside the running program, in PATH.
pub fn find_program(name: &str, variable: &str) -> Result<PathBuf> {
    let missing = || Error::NoProgram { name: name.into(), variable: variable.into() };
    if let Some(path) = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from) {
        // Named and not there is a mistake to be told, not a reason to take another one.
        return if is_program(&path) { Ok(path) } else { Err(missing()) };
    }
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&file)));
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    // A relative entry of PATH would be looked up in whatever directory this program was started in.
    let in_path = std::env::split_paths(&in_path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(&file));
    beside.into_iter().chain(in_path).find(|path| is_program(path)).ok_or_else(missing)
}

fn is_program(path: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(path) else { return false };
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = true;
    meta.is_file() && executable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_searched_and_a_miss_names_the_variable() {
        let shell = find_program("sh", "TOCSIN_TEST_UNSET_VARIABLE").unwrap();
        assert!(shell.is_absolute() && is_program(&shell));
        let error = find_program("tocsin-no-such-program", "TOCSIN_TEST_UNSET_VARIABLE").unwrap_err();
        assert!(error.to_string().contains("TOCSIN_TEST_UNSET_VARIABLE"), "{error}");
    }
}
