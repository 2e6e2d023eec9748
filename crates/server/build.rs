//! Puts the built page (`ui/dist`) into the program: a table of names, bytes and tags. Without it, a page that says how
//! to build it.

use std::{
    env,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("../../ui/dist");
    // A path that does not exist counts as changed each time; an empty folder does not.
    _ = fs::create_dir_all(&dist);
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files)?;
    }
    files.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut table = String::from("&[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let bytes = fs::read(path)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        // A copy: the compiler must not read half of a page that is being built again.
        let copy = out.join(format!("page-{number}")).display().to_string();
        fs::write(&copy, &bytes)?;
        _ = writeln!(
            table,
            "    Asset {{ path: {name:?}, tag: \"\\\"{:016x}\\\"\", bytes: include_bytes!({copy:?}) }},",
            hasher.finish()
        );
    }
    table.push(']');
    fs::write(out.join("page.rs"), table)
}

/// All files but the window's own entry and maps.
fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, into)?;
            continue;
        }
        let name =
            path.strip_prefix(root).map(|name| name.to_string_lossy().replace('\\', "/")).unwrap_or_default();
        if name != "desktop.html" && path.extension().is_none_or(|kind| kind != "map") {
            into.push((format!("/{name}"), path));
        }
    }
    Ok(())
}
