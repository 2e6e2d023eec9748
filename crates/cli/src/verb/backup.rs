//! A copy of the server's data, while it runs: taken by SQLite from outside, so that the server does not notice.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tocsin_locale::Locale;

use crate::{
    args::local::Backup,
    context::Context,
    exit::{Exit, Failure},
    output::progress,
};

/// The file that is copied.
const DATABASE: &str = "tocsin.db";
/// How often the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context, args: Backup) -> Result<Exit, Failure> {
    if context.server.url.is_some() {
        return Err(Failure::usage("a backup is taken on the computer where the data is"));
    }
    possible(context, &args)?;
    // What stands there goes when the new copy is whole, not before.
    let file = if args.force { beside(&args.file) } else { args.file.clone() };
    let copy_to = file.clone();
    let data = context.paths.data.clone();
    let mut copy = tokio::task::spawn_blocking(move || tocsin_store::sqlite::backup_from(&data, &copy_to));
    let whole = size(&context.paths.data.join(DATABASE));
    loop {
        tokio::select! {
            done = &mut copy => {
                done.map_err(|error| Failure::failed(error.to_string()))??;
                break;
            }
            () = tokio::time::sleep(DRAW) => {
                progress(&copied(&context.locale, size(&file), whole), false);
            }
        }
    }
    if file != args.file {
        std::fs::rename(&file, &args.file)
            .map_err(|error| Failure::failed(format!("cannot replace {}: {error}", args.file.display())))?;
    }
    let bytes = size(&args.file);
    progress(&context.say("backup_progress", &[("percent", "100")]), true);
    let path = args.file.display().to_string();
    let text = context.say("backup_done", &[("file", &path), ("kib", &bytes.div_ceil(1024).to_string())]);
    context.out.show(&json!({ "file": args.file, "bytes": bytes }), || text)?;
    Ok(Exit::Ok)
}

/// How far a copy is. Never 100 before it is whole: what is checked and flushed at the end takes time too.
pub(super) fn copied(locale: &Locale, bytes: u64, whole: u64) -> String {
    let percent = (bytes * 100).checked_div(whole).unwrap_or(0).min(99);
    locale.t("cli.backup_progress", &[("percent", &percent.to_string())])
}

/// What would go wrong is said in the words of the command, before anything is written.
fn possible(context: &Context, args: &Backup) -> Result<(), Failure> {
    let file = args.file.display();
    if args.file.is_dir() {
        return Err(Failure::usage(format!("{file} is a directory")).hint("name the file to make"));
    }
    if args.file.exists() && !args.force {
        return Err(Failure::new(Exit::Failed, "conflict", format!("{file} exists already"))
            .hint("choose another name, or replace it with --force"));
    }
    let directory = args.file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return Err(Failure::failed(format!("there is no directory {}", directory.display()))
            .hint(format!("make it first: `mkdir -p {}`", directory.display())));
    }
    if !context.paths.data.join(DATABASE).exists() {
        let data = context.paths.data.display();
        return Err(Failure::failed(format!(
            "there is nothing to back up: no server has stored anything in {data}"
        ))
        .hint("name the data directory of the server with --data-dir"));
    }
    if args.force {
        // Of a copy that was killed.
        let _ = std::fs::remove_file(beside(&args.file));
    }
    Ok(())
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;

    use super::*;

    #[test]
    fn a_copy_says_how_far_it_is_and_never_that_it_is_whole() {
        for language in [Language::En, Language::ZhCn] {
            let locale = Locale::new(language, "");
            for (bytes, whole, percent) in [
                (0, 0, " 0 "),
                (0, 4096, " 0 "),
                (1024, 4096, " 25 "),
                (4096, 4096, " 99 "),
                (9000, 4096, " 99 "),
            ] {
                let line = copied(&locale, bytes, whole);
                assert!(line.contains(percent), "{line}");
            }
        }
    }
}
