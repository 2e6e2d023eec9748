//! Where things are in this repository.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."))
}

/// The directory that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The web UI.
pub fn ui() -> PathBuf {
    root().join("ui")
}

/// The version of the workspace, as its manifest says.
pub fn version() -> anyhow::Result<String> {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    manifest["workspace"]["package"]["version"]
        .as_str()
        .map(Into::into)
        .ok_or_else(|| anyhow::anyhow!("Cargo.toml: workspace.package.version is not a string"))
}
