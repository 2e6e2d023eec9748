//! Lets tauri-build read `tauri.conf.json` and generate the permissions of the one command.
//!
//! tauri-build wants `./Cargo.toml` and writes `gen/` and `permissions/` into the current directory; it runs in a
//! scratch directory under `OUT_DIR`, so that generated files never show up in the repository.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let scratch = PathBuf::from(env::var("OUT_DIR")?).join("tauri");
    fs::create_dir_all(&scratch)?;
    let manifest = scratch.join("Cargo.toml");
    if manifest.symlink_metadata().is_ok() {
        fs::remove_file(&manifest)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("Cargo.toml"), &manifest)?;
    #[cfg(not(unix))]
    fs::copy(root.join("Cargo.toml"), &manifest)?;
    env::set_current_dir(&scratch)?;
    for input in
        ["src-tauri/build.rs", "src-tauri/capabilities", "tauri.conf.json", "icons", "ui/dist", "Cargo.toml"]
    {
        println!("cargo:rerun-if-changed={}", root.join(input).display());
    }
    if !root.join("ui/dist/desktop.html").is_file() {
        return Err("ui/dist/desktop.html is missing: build the UI first (cargo xtask build)".into());
    }
    tauri_build::try_build(
        tauri_build::Attributes::new()
            .config_path(root.join("tauri.conf.json"))
            .capabilities_path_pattern(concat!(env!("CARGO_MANIFEST_DIR"), "/src-tauri/capabilities/**/*"))
            .windows_attributes(
                tauri_build::WindowsAttributes::new().window_icon_path(root.join("icons/icon.ico")),
            )
            .app_manifest(tauri_build::AppManifest::new().commands(&["call"])),
    )?;
    Ok(())
}
