//! The last lines of the log, and what is added.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use tocsin_control::{Client, Paths};

use crate::{
    args::local::Logs,
    context::Context,
    exit::{Exit, Failure},
    log::SERVE_LOG,
    output::{print_json, print_line},
};

/// How often an open log is looked at: a person reads along.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn run(context: &Context, args: &Logs) -> Result<Exit, Failure> {
    let file = which(&context.paths).await?;
    let text = read_from(&file, 0)?.0;
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    if lines.len() < args.lines {
        // Just rotated: the lines of before are in the file with the number 1.
        let older = read_from(&numbered(&file), 0).map(|(text, _)| text).unwrap_or_default();
        lines.splice(0..0, older.lines().map(ToOwned::to_owned));
    }
    let last = lines.split_off(lines.len().saturating_sub(args.lines));
    if context.out.json && !args.follow {
        print_json(&serde_json::json!({ "file": file, "lines": last }))?;
        return Ok(Exit::Ok);
    }
    for line in &last {
        show(context, line)?;
    }
    if args.follow {
        follow(context, &file, text.len() as u64).await?;
    }
    Ok(Exit::Ok)
}

fn show(context: &Context, line: &str) -> Result<(), Failure> {
    if context.out.json { print_json(&line) } else { print_line(&crate::output::plain(line)) }
}

async fn follow(context: &Context, file: &Path, mut position: u64) -> Result<(), Failure> {
    let mut rest = String::new();
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
        // Shorter than before: it was rotated. What was added to the old one since the last look stands in number 1.
        if std::fs::metadata(file).map_or(0, |meta| meta.len()) < position {
            rest.push_str(&read_from(&numbered(file), position).map(|(text, _)| text).unwrap_or_default());
            position = 0;
        }
        let Ok((text, end)) = read_from(file, position) else { continue };
        position = end;
        rest.push_str(&text);
        while let Some((line, after)) = rest.split_once('\n') {
            show(context, line)?;
            rest = after.to_owned();
        }
    }
}

/// The log of what runs, or else the one that was written last.
async fn which(paths: &Paths) -> Result<PathBuf, Failure> {
    if let Ok(client) = Client::find(paths).await
        && let Ok(status) = client.status().await
    {
        return Ok(status.log_file.into());
    }
    let newest = [paths.log_file(), paths.log_dir().join(SERVE_LOG)]
        .into_iter()
        .filter_map(|file| Some((std::fs::metadata(&file).ok()?.modified().ok()?, file)))
        .max();
    newest.map(|(_, file)| file).ok_or_else(|| {
        Failure::failed(format!("there is no log in {}", paths.log_dir().display()))
            .hint("it is made when `tocsin tray` or `tocsin serve` starts")
    })
}

fn read_from(file: &Path, position: u64) -> Result<(String, u64), Failure> {
    let cannot = |error| Failure::failed(format!("cannot read {}: {error}", file.display()));
    let mut open = File::open(file).map_err(cannot)?;
    open.seek(SeekFrom::Start(position)).map_err(cannot)?;
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).map_err(cannot)?;
    let end = position + bytes.len() as u64;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), end))
}

fn numbered(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    name.into()
}
