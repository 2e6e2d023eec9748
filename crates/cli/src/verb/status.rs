//! How things stand.

use serde_json::{Value, json};
use tocsin_control::Client;
use tocsin_protocol::{
    Me,
    control::{Connection, Mode, Problem, ResidentKind, Status, Transport},
};

use crate::{
    context::Context,
    exit::{Exit, Failure},
    link::Link,
    output::{one_line, plain, print_json, print_line, time},
};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    if context.server.url.is_some() {
        return remote(context).await;
    }
    let status = match Client::find(&context.paths).await {
        Ok(client) => client.status().await?,
        Err(error) if error.is_not_running() => return not_running(context),
        Err(error) => return Err(error.into()),
    };
    if context.out.json {
        let mut value = serde_json::to_value(&status).unwrap_or(Value::Null);
        value["running"] = Value::Bool(true);
        print_json(&value)?;
    } else {
        print_line(&human(context, &status))?;
    }
    Ok(Exit::Ok)
}

fn not_running(context: &Context) -> Result<Exit, Failure> {
    let (data, log) = (&context.paths.data, context.paths.log_file());
    let value = json!({ "running": false, "data_dir": data, "log_file": log });
    context.out.show(&value, || {
        let rows = [
            (context.say("status.state", &[]), context.say("status.not_running", &[])),
            (context.say("status.data", &[]), data.display().to_string()),
            (context.say("status.log", &[]), log.display().to_string()),
        ];
        lines(&rows)
    })?;
    Ok(Exit::Unreachable)
}

/// Of a server elsewhere only this much is known.
async fn remote(context: &Context) -> Result<Exit, Failure> {
    let me: Me = match context.link().await? {
        link @ Link::Remote(_) => link.get("/v1/me").await?,
        Link::Control(_) => return Err(Failure::failed("no server was named")),
    };
    context.out.show(&me, || {
        let user = me.user.as_ref().map(|user| user.name.clone()).unwrap_or_default();
        let server = format!("{} {}", one_line(&me.server.name), one_line(&me.server.version));
        let mut rows =
            vec![(context.say("status.server", &[]), server), (context.say("status.user", &[]), user)];
        if let Some(unread) = me.unread {
            rows.push((context.say("status.unread", &[]), unread.to_string()));
        }
        lines(&rows)
    })?;
    Ok(Exit::Ok)
}

fn human(context: &Context, status: &Status) -> String {
    let kind = match status.hello.kind {
        ResidentKind::Tray => "status.tray",
        ResidentKind::Headless => "status.headless",
    };
    let process = [("version", status.hello.version.as_str()), ("pid", &status.hello.pid.to_string())];
    let mut rows = vec![
        (context.say("status.state", &[]), context.say(kind, &process)),
        (context.say("status.mode", &[]), mode(context, &status.mode)),
    ];
    if status.hello.kind == ResidentKind::Tray {
        rows.push((context.say("status.connection", &[]), connection(context, &status.connection)));
        rows.push((context.say("status.unread", &[]), status.unread.to_string()));
    }
    if let Some(until) = status.paused_until {
        rows.push((
            context.say("status.notifications", &[]),
            context.say("paused", &[("time", &time(until))]),
        ));
    }
    if let Some(page) = &status.page {
        rows.push((context.say("status.page", &[]), page.clone()));
    }
    if status.kept_awake {
        rows.push((context.say("status.sleep", &[]), context.say("status.kept_awake", &[])));
    } else if let Some(slept) = status.slept {
        let (from, to) = (time(slept.from), time(slept.to));
        let slept = context.say("status.slept", &[("from", &from), ("to", &to)]);
        rows.push((context.say("status.sleep", &[]), slept));
    }
    rows.push((context.say("status.data", &[]), status.data_dir.clone()));
    rows.push((context.say("status.log", &[]), status.log_file.clone()));
    let problems = status.problems.iter().map(|found| problem(context, status, found));
    std::iter::once(lines(&rows)).chain(problems).collect::<Vec<_>>().join("\n")
}

fn mode(context: &Context, mode: &Mode) -> String {
    match mode {
        Mode::Unset => context.say("status.unset", &[]),
        Mode::Host { addresses, .. } => context.say("status.host", &[("addresses", &addresses.join(", "))]),
        Mode::Join { origin, user } => {
            context.say("status.join", &[("origin", origin), ("user", user.as_deref().unwrap_or("?"))])
        }
    }
}

fn connection(context: &Context, connection: &Connection) -> String {
    match connection {
        Connection::Idle => context.say("status.idle", &[]),
        Connection::Connecting => context.say("status.connecting", &[]),
        Connection::Online { transport, since } => {
            let transport = match transport {
                Transport::Websocket => "WebSocket",
                Transport::Sse => "SSE",
                Transport::Poll => "poll",
            };
            context.say("status.online", &[("since", &time(*since)), ("transport", transport)])
        }
        Connection::Offline { since, reason, .. } => {
            context.say("status.offline", &[("since", &time(*since)), ("reason", &one_line(reason))])
        }
        Connection::Refused { since, reason } => {
            context.say("status.refused", &[("since", &time(*since)), ("reason", &one_line(reason))])
        }
    }
}

/// A problem with its remedy, in the words that tray and window use.
fn problem(context: &Context, status: &Status, problem: &Problem) -> String {
    let code =
        serde_json::to_value(problem.code).ok().and_then(|value| value.as_str().map(ToOwned::to_owned));
    let code = code.unwrap_or_default();
    let detail = problem.detail.clone().unwrap_or_default();
    let values = [("path", status.data_dir.as_str()), ("port", &detail), ("detail", &detail)];
    let title = context.locale.t(&format!("problem.{code}.title"), &values);
    let hint = context.locale.t(&format!("problem.{code}.remedy"), &values);
    let detail = if detail.is_empty() { detail } else { format!(" ({})", one_line(&detail)) };
    format!("! {}{detail}\n  {}", plain(&title), plain(&hint))
}

/// Label and value, the values in one column.
fn lines(rows: &[(String, String)]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|(label, value)| vec![label.clone(), value.clone()]).collect();
    let text = crate::output::table(&["", ""], &rows);
    text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned())
}
