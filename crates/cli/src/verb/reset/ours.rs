//! What Tocsin makes in its directories, each directory by itself.
//!
//! `--data-dir` may have been a home directory: `log`, `inbox` or `watch` can be somebody else's there. So a file goes by
//! its whole name in the directory it belongs to, a directory goes only when it is empty then, and only the webview's
//! storage is descended into, whose shape is WebKit's. A link in them is not followed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tocsin_control::Paths;
use tocsin_store::sqlite::is_own_file;

use super::Done;

/// In the data directory, besides the databases.
const DATA: &[&str] = &["lock", "ca.pem", "ca.new", "vault.bin", "keyring.names"];
/// In the configuration directory, besides what could not be read and was kept.
const CONFIG: &[&str] = &["settings.toml", "settings.toml.new", "serve.toml"];
/// In the runtime directory.
const RUNTIME: &[&str] =
    &["control.sock", "control.lock", "serve.sock", "window.lock", "popups.json", "popups.draft"];
/// The logs; older ones have a number.
const LOGS: &[&str] = &["tocsin.log", "serve.log"];
/// What WebKit keeps for a page, under one directory for data and caches.
const WEBVIEW: &[&str] = &[
    "CacheStorage",
    "WebKitCache",
    "applications",
    "cookies",
    "databases",
    "deviceidhashsalts",
    "hsts-storage.sqlite",
    "hsts-storage.sqlite-journal",
    "hsts-storage.sqlite-shm",
    "hsts-storage.sqlite-wal",
    "itp",
    "localstorage",
    "mediakeys",
    "serviceworkers",
    "storage",
];

/// Removes it all.
pub(super) fn remove(paths: &Paths, done: &mut Done) {
    let watch = paths.data.join("watch");
    let devices = directories(&watch);
    for device in &devices {
        inside(device, |name| name == "watch.lock" || is_inbox(name), done);
    }
    leave(devices.iter().any(|device| !device.exists()), &watch, done);
    inside(&paths.platform_tokens(), is_sealed_token, done);
    files(
        &paths.data,
        |name| DATA.contains(&name) || is_vault(name) || is_own_file(name) || is_inbox(name),
        done,
    );
    files(&paths.config, is_setting, done);
    inside(&paths.log_dir(), is_log, done);
    webview(&paths.state.join("webview"), done);
    files(&paths.runtime, |name| RUNTIME.contains(&name), done);
}

/// An inbox, the one of another owner or a damaged one that was set aside, with what SQLite keeps beside it.
fn is_inbox(name: &str) -> bool {
    let name = ["-wal", "-shm"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let Some(which) = name.strip_prefix("inbox").and_then(|rest| rest.strip_suffix(".db")) else {
        return false;
    };
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    which.is_empty() || ["-of-", "-damaged-"].iter().any(|kind| which.strip_prefix(kind).is_some_and(is_name))
}

/// A vault that was being written when a process was killed, under a name that no other write uses.
fn is_vault(name: &str) -> bool {
    let hex = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.strip_prefix("vault.new.").is_some_and(hex)
}

/// The token, or what was being written when a process was killed.
fn is_sealed_token(name: &str) -> bool {
    name.strip_suffix(".token").is_some() || name.starts_with(".tmp")
}

fn is_setting(name: &str) -> bool {
    CONFIG.contains(&name) || name.strip_prefix("settings.toml.bad").is_some_and(is_digits)
}

fn is_log(name: &str) -> bool {
    LOGS.iter().any(|log| {
        let older = |rest: &str| rest.strip_prefix('.').is_some_and(|n| !n.is_empty() && is_digits(n));
        name.strip_prefix(log).is_some_and(|rest| rest.is_empty() || older(rest))
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Directories in one that is no link, links left out.
fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = is_directory(dir).then(|| fs::read_dir(dir)).into_iter().flatten().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| is_directory(path)).collect()
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Removes the files in `dir` whose names are ours; whether there were any.
fn files(dir: &Path, is_ours: impl Fn(&str) -> bool, done: &mut Done) -> bool {
    let mut any = false;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = !is_directory(&entry.path());
        if is_file && entry.file_name().to_str().is_some_and(&is_ours) {
            any = true;
            done.note(&entry.path(), fs::remove_file(entry.path()));
        }
    }
    any
}

/// The same in a directory that Tocsin made, which goes with its last file.
fn inside(dir: &Path, is_ours: impl Fn(&str) -> bool, done: &mut Done) {
    if is_directory(dir) {
        let any = files(dir, is_ours, done);
        leave(any, dir, done);
    }
}

/// Removes a directory that held something of ours, if nothing else is in it.
fn leave(held_ours: bool, dir: &Path, done: &mut Done) {
    if held_ours && fs::remove_dir(dir).is_ok() {
        done.removed.push(dir.display().to_string());
    }
}

fn webview(dir: &Path, done: &mut Done) {
    if !is_directory(dir) {
        return;
    }
    let mut any = files(dir, |name| WEBVIEW.contains(&name), done);
    for inner in directories(dir) {
        if inner.file_name().and_then(|name| name.to_str()).is_some_and(|name| WEBVIEW.contains(&name)) {
            any = true;
            done.note(&inner, fs::remove_dir_all(&inner));
        }
    }
    leave(any, dir, done);
}

impl Done {
    fn note(&mut self, path: &Path, removed: io::Result<()>) {
        match removed {
            Ok(()) => self.removed.push(path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.failed.push((path.display().to_string(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path) -> Paths {
        Paths {
            data: root.into(),
            config: root.join("config"),
            state: root.join("state"),
            runtime: root.join("state/run"),
        }
    }

    fn make(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    fn left(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                found.extend(left(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
                if fs::read_dir(entry.path()).unwrap().next().is_none() {
                    found.push(format!("{name}/"));
                }
            } else {
                found.push(name);
            }
        }
        found.sort_unstable();
        found
    }

    const OURS: &[&str] = &[
        "lock",
        "ca.new",
        "vault.new.0123456789abcdef",
        "keyring.names",
        "boot-id.new",
        "tocsin.db",
        "tocsin.db.before-1760000000000",
        "inbox.db",
        "inbox.db-wal",
        "inbox-of-AbC_-9.db",
        "inbox-damaged-1760000000000.db",
        "watch/watch/watch.lock",
        "watch/watch/inbox.db",
        "platform-tokens/official-1.token",
        "platform-tokens/.tmpAbCdEf",
        "config/settings.toml",
        "config/settings.toml.bad0",
        "config/serve.toml",
        "state/log/tocsin.log",
        "state/log/serve.log.4",
        "state/webview/storage/salt",
        "state/webview/hsts-storage.sqlite",
        "state/run/control.lock",
        "state/run/popups.json",
    ];

    #[test]
    fn everything_of_ours_goes() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), OURS);
        let mut done = Done::default();
        remove(&paths(dir.path()), &mut done);
        assert!(done.failed.is_empty(), "{:?}", done.failed);
        assert_eq!(left(dir.path()), ["config/", "state/run/"]);
    }

    #[test]
    fn in_a_home_directory_what_others_keep_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), OURS);
        // Names that are ours in another directory, or only begin like ours; directories where ours are files.
        let theirs = [
            "config/ssh/id",
            "control.txt",
            "inbox-zero.db",
            "inbox.mbox",
            "inbox/cur/1:2,S",
            "log/tocsin.log",
            "platform-tokens/readme",
            "serve.sock.txt",
            "settings.toml",
            "settings.toml.d/x",
            "state/log/other.log",
            "state/log/tocsin.log.txt",
            "state/webview/bookmarks",
            "tocsin.db.bak",
            "watch/series/inbox.txt",
            "watch/series/s01/e01",
            "webview/storage/page",
            "window.txt",
        ];
        make(dir.path(), &theirs);
        fs::create_dir_all(dir.path().join("watch/empty")).unwrap();
        let mut done = Done::default();
        remove(&paths(dir.path()), &mut done);
        let mut expected: Vec<_> = theirs.iter().map(|name| (*name).to_owned()).collect();
        expected.extend(["state/run/".to_owned(), "watch/empty/".to_owned()]);
        expected.sort_unstable();
        assert_eq!(left(dir.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(elsewhere.path(), &["tocsin.log", "watch.lock", "storage/page"]);
        fs::create_dir_all(dir.path().join("state")).unwrap();
        fs::create_dir_all(dir.path().join("watch")).unwrap();
        for link in ["state/log", "state/webview", "watch/watch"] {
            std::os::unix::fs::symlink(elsewhere.path(), dir.path().join(link)).unwrap();
        }
        // But the four directories are where the person says that they are.
        let settings = tempfile::tempdir().unwrap();
        make(settings.path(), &["settings.toml"]);
        std::os::unix::fs::symlink(settings.path(), dir.path().join("config")).unwrap();
        remove(&paths(dir.path()), &mut Done::default());
        assert_eq!(left(elsewhere.path()), ["storage/page", "tocsin.log", "watch.lock"]);
        assert!(left(settings.path()).is_empty());
    }
}
