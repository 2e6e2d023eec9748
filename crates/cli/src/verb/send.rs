//! Sending: once, however often it has to be tried; into the resident's spool when the server stays away.

use std::{io::Read as _, time::Duration};

use http::Method;
use rand::{Rng as _, distr::Alphanumeric};
use serde::Serialize;
use tocsin_control::{Client, Request};
use tocsin_protocol::{
    Action, Format, Publish, Published, Receipt,
    control::{ResidentKind, Spool},
    limits,
};
use tokio::time::{Instant, sleep};

use crate::{
    args::send::Send,
    context::Context,
    exit::{Exit, Failure},
    output::{note, print_json, print_line},
};

/// How long a server that does not answer is tried when nothing else was asked for: a restart is over by then.
const RETRY: Duration = Duration::from_secs(10);
/// First and longest wait between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Characters of a key made here: 142 random bits.
const KEY_LENGTH: usize = 24;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    published: &'a Published,
    idempotency_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a Receipt>,
}

pub(super) async fn run(context: &Context, args: Send) -> Result<Exit, Failure> {
    let key = args.idempotency_key.clone().unwrap_or_else(new_key);
    let (retry, wait) = (args.retry, args.wait.until.is_some());
    let publish = compose(&args)?;
    let published = match deliver(context, &publish, &key, retry).await {
        Ok(published) => published,
        Err(failure) if failure.is_temporary() => return spool(context, publish, &key, failure).await,
        Err(failure) => return Err(failure),
    };
    if let Some(warning) = &published.warning {
        note(&format!("tocsin: {warning}"));
    }
    if !context.out.json {
        print_line(published.id.as_str())?;
    }
    if !wait {
        if context.out.json {
            print_json(&Sent { published: &published, idempotency_key: &key, receipt: None })?;
        }
        return Ok(Exit::Ok);
    }
    let (receipt, exit) = super::receipt::wait(context, published.id, &args.wait).await?;
    if context.out.json {
        print_json(&Sent { published: &published, idempotency_key: &key, receipt: Some(&receipt) })?;
    } else {
        super::receipt::summary(context, &receipt)?;
    }
    Ok(exit)
}

/// The message, as the options and standard input say.
fn compose(args: &Send) -> Result<Publish, Failure> {
    let (topic, body) = match (args.to.is_empty(), args.words.as_slice()) {
        (true, [topic]) => (Some(topic.clone()), None),
        (true, [topic, body]) => (Some(topic.clone()), Some(body.clone())),
        (false, []) => (None, None),
        (false, [body]) => (None, Some(body.clone())),
        (true, _) => {
            return Err(
                Failure::usage("name a topic, or people with --to").hint("tocsin send TOPIC \"text\"")
            );
        }
        (false, _) => {
            return Err(Failure::usage("with --to there is no topic: only the text")
                .hint("tocsin send --to anna \"text\""));
        }
    };
    let body = match body.as_deref() {
        Some("-") => Some(read_stdin()?),
        _ => body,
    };
    if args.title.is_none() && body.as_ref().is_none_or(String::is_empty) {
        return Err(Failure::usage("there is nothing to say: give a text or --title")
            .hint("`-` as the text reads it from standard input"));
    }
    let mut actions = args.actions.clone();
    if let Some(label) = &args.ack_button {
        actions.push(Action::Acknowledge { label: Some(label.clone()).filter(|label| !label.is_empty()) });
    }
    Ok(Publish {
        topic,
        to: args.to.clone(),
        title: args.title.clone(),
        body: body.filter(|body| !body.is_empty()),
        format: if args.markdown { Format::Markdown } else { Format::Text },
        priority: args.priority.unwrap_or_default(),
        tags: args.tags.clone(),
        click: args.click.clone(),
        key: args.key.clone(),
        replaces: args.replaces,
        resolved: args.resolved,
        expires_in: args.expires.map(|time| time.as_secs()),
        actions,
        policy: args.policy.clone(),
        report: args.report.clone(),
    })
}

/// Standard input as text; more than a body can be is refused before it is read.
pub(super) fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = limits::BODY_BYTES as u64;
    let read = std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > most {
        return Err(Failure::failed(format!("the text is longer than {most} bytes"))
            .hint("send its end: … | tail -c 16000"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::failed("standard input is not UTF-8"))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

fn new_key() -> String {
    rand::rng().sample_iter(Alphanumeric).take(KEY_LENGTH).map(char::from).collect()
}

/// Tries until it is stored, refused, or the time is over. The key makes every further try harmless.
async fn deliver(
    context: &Context,
    publish: &Publish,
    key: &str,
    retry: Option<Duration>,
) -> Result<Published, Failure> {
    let start = Instant::now();
    let mut pause = BACKOFF.0;
    let mut told = false;
    loop {
        let attempt = async { context.link().await?.publish(publish, key).await };
        let failure = match attempt.await {
            Ok(published) => return Ok(published),
            Err(failure) => failure,
        };
        // Nothing runs here: waiting helps only if somebody asked for it.
        let patience = retry.unwrap_or(if failure.code == "not_running" { Duration::ZERO } else { RETRY });
        let next = rand::rng().random_range(pause / 2..=pause);
        if !failure.is_temporary() || start.elapsed() + next > patience {
            return Err(failure);
        }
        if !std::mem::replace(&mut told, true) {
            note(&format!("tocsin: {}", context.say("trying_again", &[("reason", &failure.message)])));
        }
        sleep(next).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Leaves the message with the resident, if it is its server that stays away.
async fn spool(context: &Context, publish: Publish, key: &str, failure: Failure) -> Result<Exit, Failure> {
    let resident = Client::resident(&context.paths);
    let takes = context.server.url.is_none()
        && resident.hello().await.is_ok_and(|hello| hello.kind == ResidentKind::Tray);
    if !takes {
        let key_hint = context.say("not_spooled", &[("key", key)]);
        let hint =
            failure.hint.clone().map_or_else(|| key_hint.clone(), |hint| format!("{hint}\n  {key_hint}"));
        return Err(failure.hint(hint));
    }
    let order = Spool { idempotency_key: key.into(), publish };
    resident.send(Request::new(Method::POST, "/native/spool").json(&order)?).await?.check()?;
    note(&format!("tocsin: {}", context.say("spooled", &[("reason", &failure.message)])));
    if context.out.json {
        print_json(&serde_json::json!({
            "spooled": true, "idempotency_key": key, "error": failure.to_json()["error"], "exit": Exit::Unreachable as u8,
        }))?;
    }
    Ok(Exit::Unreachable)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn parsed(words: &[&str]) -> Send {
        let cli = Cli::try_parse_from(["tocsin", "send"].iter().chain(words)).unwrap();
        let Some(Command::Send(send)) = cli.command else { panic!("not send") };
        *send
    }

    #[test]
    fn a_topic_and_a_text_or_people_and_a_text() {
        let publish =
            compose(&parsed(&["ops", "disk full", "-t", "db-1", "-p", "5", "--ack-button"])).unwrap();
        assert_eq!((publish.topic.as_deref(), publish.body.as_deref()), (Some("ops"), Some("disk full")));
        assert_eq!(publish.actions, [Action::Acknowledge { label: None }]);
        let publish = compose(&parsed(&["--to", "anna,bo", "lunch?"])).unwrap();
        assert_eq!((publish.topic, publish.to), (None, vec!["anna".to_owned(), "bo".to_owned()]));
        for bad in [&["ops"][..], &[], &["--to", "anna", "a", "b"]] {
            assert_eq!(compose(&parsed(bad)).unwrap_err().exit, Exit::Usage, "{bad:?}");
        }
        assert!(compose(&parsed(&["ops", "--title", "only a title"])).is_ok());
    }

    #[test]
    fn a_key_is_always_there_and_new() {
        assert_ne!(new_key(), new_key());
        assert_eq!(new_key().len(), KEY_LENGTH);
    }
}
