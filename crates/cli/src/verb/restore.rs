//! A backup in place of the data. Only while nothing has the data open.

use crate::{
    args::local::Restore,
    context::Context,
    exit::{Exit, Failure},
    output::note,
};
use serde_json::json;
use tocsin_control::Client;

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
        return Err(Failure::failed(format!("there is no file {}", args.file.display())));
    }
    note(&context.say("restore_checks", &[]));
    let (file, data) = (args.file.clone(), context.paths.data.clone());
    let now = tocsin_store::sqlite::system_clock();
    let restored =
        tokio::task::spawn_blocking(move || tocsin_store::sqlite::restore(&file, &data, now)).await;
    let aside = restored.map_err(|error| Failure::failed(error.to_string()))??;
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
