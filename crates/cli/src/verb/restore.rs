//! A backup in place of the data. Only while nothing has the data open.

use std::time::Duration;

use crate::{
    args::local::Restore,
    context::Context,
    exit::{Exit, Failure},
    output::progress,
};
use serde_json::json;
use tocsin_control::Client;

/// How often the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context, args: Restore) -> Result<Exit, Failure> {
    match Client::find(&context.paths).await {
        Ok(_) => {
            return Err(Failure::new(Exit::Failed, "in_use", "Tocsin is running on this data directory")
                .hint("end it first with `tocsin quit`, then restore"));
        }
        Err(error) if error.is_not_running() => {}
        Err(error) => return Err(error.into()),
    }
    if !args.file.is_file() {
        return Err(Failure::failed(format!("there is no file {}", args.file.display()))
            .hint("name a file that `tocsin backup` made"));
    }
    let (file, data) = (args.file.clone(), context.paths.data.clone());
    let now = tocsin_store::sqlite::system_clock();
    let mut restored = tokio::task::spawn_blocking(move || tocsin_store::sqlite::restore(&file, &data, now));
    let restored = loop {
        tokio::select! {
            done = &mut restored => break done.map_err(|error| Failure::failed(error.to_string()))?,
            () = tokio::time::sleep(DRAW) => progress(&stage(context, &args), false),
        }
    };
    progress(&context.say("restore_checks", &[]), true);
    let aside = restored.map_err(|error| not_a_backup(error, &args))?;
    let kept = aside.as_ref().map(|path| path.display().to_string());
    context.out.show(&json!({ "restored": args.file, "before": kept }), || {
        let mut text = context.say("restored", &[]);
        if let Some(kept) = &kept {
            text.push('\n');
            text.push_str(&context.say("restore_kept", &[("file", kept)]));
        }
        text
    })?;
    Ok(Exit::Ok)
}

/// The backup is read through first, which takes longest of all, then copied.
fn stage(context: &Context, args: &Restore) -> String {
    let size = |file: &std::path::Path| std::fs::metadata(file).map_or(0, |meta| meta.len());
    match size(&context.paths.data.join("tocsin.db.restoring")) {
        0 => context.say("restore_checks", &[]),
        bytes => super::backup::copied(&context.locale, bytes, size(&args.file)),
    }
}

/// The store speaks of its own database; here it is the file that was named.
fn not_a_backup(error: tocsin_store::Error, args: &Restore) -> Failure {
    let failure = Failure::from(error);
    if failure.code != "damaged" {
        return failure;
    }
    let message = format!("{} is not a whole backup of Tocsin", args.file.display());
    Failure { message, ..failure }
        .hint("name another file that `tocsin backup` made; the data here was not touched")
}
