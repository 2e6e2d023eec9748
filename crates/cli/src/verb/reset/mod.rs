//! Everything away: what was stored in this user's directories, in the keyring, and for the login.
//!
//! What is Tocsin's own is told by exact names ([`ours`]): `--data-dir` could have been a home directory.

mod ours;

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

use crate::{
    args::local::Reset,
    context::Context,
    exit::{Exit, Failure},
    output::{note, print_line},
};
use serde_json::json;
use tocsin_control::Paths;
use tocsin_resident::forget;

/// What was done, line by line.
#[derive(Default)]
struct Done {
    removed: Vec<String>,
    failed: Vec<(String, String)>,
}

pub(super) async fn run(context: &Context, args: &Reset) -> Result<Exit, Failure> {
    let paths = &context.paths;
    if !args.yes && !confirmed(context)? {
        return Err(Failure::failed(context.say("reset_kept", &[])).hint("`tocsin reset --yes` does not ask"));
    }
    if super::quit::end(paths).await? {
        note(&context.say("ended", &[]));
    }
    let mut done = Done::default();
    let database = paths.data.join("tocsin.db");
    if database.exists() {
        // Takes the lock first: a server that does not answer on its socket is noticed.
        let data = paths.data.clone();
        let reset = tokio::task::spawn_blocking(move || tocsin_store::sqlite::reset(&data)).await;
        reset.map_err(|error| Failure::failed(error.to_string()))??;
        done.removed.push(database.display().to_string());
    }
    // Reads the settings to know what is in the keyring, so it comes before the files.
    let outside = forget(paths).await;
    let mut items = 0;
    match outside.secrets {
        Ok(names) => items = names.len(),
        Err(reason) => done.failed.push(("keyring".into(), reason)),
    }
    let autostart = outside.autostart.unwrap_or_else(|error| {
        done.failed.push(("autostart".into(), error.to_string()));
        false
    });
    ours::remove(paths, &mut done);
    directories(paths, &mut done);
    report(context, &done, items, autostart)
}

fn confirmed(context: &Context) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("reset asks, and there is no terminal to answer on")
            .hint("`tocsin reset --yes` does not ask"));
    }
    let path = context.paths.data.display().to_string();
    let mut err = io::stderr().lock();
    let _ = write!(err, "{}", context.say("reset_ask", &[("path", &path)]));
    let _ = err.flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(answer.trim() == "yes")
}

/// The four directories themselves, those that are empty now; one with something of somebody else's stays.
fn directories(paths: &Paths, done: &mut Done) {
    let mut dirs = [&paths.runtime, &paths.state, &paths.config, &paths.data];
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
    for dir in dirs {
        if fs::remove_dir(dir).is_ok() {
            done.removed.push(dir.display().to_string());
        }
    }
}

fn report(context: &Context, done: &Done, items: usize, autostart: bool) -> Result<Exit, Failure> {
    let value = json!({
        "removed": done.removed, "keyring_items": items, "autostart": autostart,
        "failed": done.failed.iter().map(|(path, reason)| json!({ "path": path, "reason": reason })).collect::<Vec<_>>(),
    });
    let mut lines: Vec<String> =
        done.removed.iter().map(|path| context.say("reset_removed", &[("path", path)])).collect();
    if items > 0 {
        lines.push(context.say("reset_keyring", &[("count", &items.to_string())]));
    }
    if autostart {
        lines.push(context.say("reset_autostart", &[]));
    }
    let failed = done
        .failed
        .iter()
        .map(|(path, reason)| context.say("reset_failed", &[("path", path), ("reason", reason)]));
    lines.extend(failed);
    if lines.is_empty() {
        lines.push(context.say("reset_none", &[]));
    }
    if context.out.json {
        crate::output::print_json(&value)?;
    } else {
        print_line(&lines.join("\n"))?;
    }
    Ok(if done.failed.is_empty() { Exit::Ok } else { Exit::Failed })
}
