//! A copy of the server's data, while it runs: taken by SQLite from outside, so that the server does not notice.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::{
    args::local::Backup,
    context::Context,
    exit::{Exit, Failure},
    output::progress,
};

/// How often the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context, args: Backup) -> Result<Exit, Failure> {
    if context.server.url.is_some() {
        return Err(Failure::usage("a backup is taken on the computer where the data is"));
    }
    if args.force && args.file.exists() {
        std::fs::remove_file(&args.file)
            .map_err(|error| Failure::failed(format!("cannot replace {}: {error}", args.file.display())))?;
    }
    let file = args.file.clone();
    let data = context.paths.data.clone();
    let mut copy = tokio::task::spawn_blocking(move || tocsin_store::sqlite::backup_from(&data, &file));
    let whole = size(&context.paths.data.join("tocsin.db"));
    loop {
        tokio::select! {
            done = &mut copy => {
                done.map_err(|error| Failure::failed(error.to_string()))??;
                break;
            }
            () = tokio::time::sleep(DRAW) => {
                let percent = (size(&args.file) * 100).checked_div(whole).unwrap_or(0).min(99);
                progress(&context.say("backup_progress", &[("percent", &percent.to_string())]), false);
            }
        }
    }
    let bytes = size(&args.file);
    progress(&context.say("backup_progress", &[("percent", "100")]), true);
    let path = args.file.display().to_string();
    let text = context.say("backup_done", &[("file", &path), ("kib", &bytes.div_ceil(1024).to_string())]);
    context.out.show(&json!({ "file": args.file, "bytes": bytes }), || text)?;
    Ok(Exit::Ok)
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}
