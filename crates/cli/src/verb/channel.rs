//! Channels. A secret goes in through standard input and is never printed.

use std::io::{self, IsTerminal as _, Read as _};

use http::Method;
use serde_json::{Map, Value, json};
use tocsin_protocol::{
    channel::{
        BindingCode, Candidate, ChannelTest, ChannelView, CodeSent, Failing, NewBinding, NewSecret,
        SECRET_BYTES, Standing, TestOrder, TestStep,
    },
    delivery::{Binding, ChannelKind, ChannelSettings, Flow, Route},
};

use crate::{
    args::channel::{Channel as Args, Kind},
    context::{Context, name},
    exit::{Exit, Failure},
    link::Link,
    output::{note, one_line, plain, print_line},
};

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    match args {
        Args::List => list(context, &link).await?,
        Args::Add { name, kind, display_name, settings, disabled } => {
            let order = ChannelSettings {
                kind: kind.into(),
                display_name,
                enabled: Some(!disabled),
                config: config(&settings),
            };
            let view: ChannelView = link.send(Method::PUT, &path(&name)?, &order).await?;
            context.out.show(&view, || {
                format!("{}\n{}", context.say("added", &[("name", &name)]), standing(context, &view))
            })?;
        }
        Args::Secret { name, part, delete } => {
            let path = format!("{}/secrets/{}", path(&name)?, self::name("secret", &part)?);
            if delete {
                link.tell(Method::DELETE, &path).await?;
            } else {
                let secret = typed(context)?;
                link.pass(Method::PUT, &path, &NewSecret { secret }).await?;
            }
            let view: ChannelView = link.get(&self::path(&name)?).await?;
            context.out.show(&view, || standing(context, &view))?;
        }
        Args::Test { name, user, address, group } => {
            let order = TestOrder { user, address, group };
            let path = format!("{}/test", path(&name)?);
            let test: ChannelTest = link.send(Method::POST, &path, &order).await?;
            return tested(context, &test);
        }
        Args::People { name } => {
            let people: Vec<Candidate> = link.get(&format!("{}/candidates", path(&name)?)).await?;
            context.out.table(&people, &["ADDRESS", "NAME", "BOUND TO"], |who| {
                vec![who.address.clone(), one_line(&who.name), who.bound_to.clone().unwrap_or_default()]
            })?;
        }
        Args::Bind { name, user, address, send_code, code } => {
            return bind(context, &link, (&name, &user), address, send_code, code).await;
        }
        Args::Unbind { name, user } => {
            let path = format!("{}/bindings/{}", path(&name)?, self::name("user", &user)?);
            link.tell(Method::DELETE, &path).await?;
            context.out.show(&json!({ "removed": user }), || context.say("removed", &[("name", &user)]))?;
        }
        Args::Route { name, topic, user, from_priority, never: _, remove } => {
            route(context, &link, (name, topic, user), from_priority, remove).await?;
        }
        Args::Remove { name } => {
            link.tell(Method::DELETE, &path(&name)?).await?;
            context.out.show(&json!({ "removed": name }), || context.say("removed", &[("name", &name)]))?;
        }
    }
    Ok(Exit::Ok)
}

impl From<Kind> for ChannelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Wechat => Self::Wechat,
            Kind::Wecom => Self::Wecom,
            Kind::WecomRobot => Self::WecomRobot,
            Kind::Webhook => Self::Webhook,
        }
    }
}

fn path(channel: &str) -> Result<String, Failure> {
    Ok(format!("/v1/channels/{}", name("channel", channel)?))
}

/// `a=1` is a number and `a=true` a switch, as the server takes them; `fields.x=y` goes into the object `fields`.
fn config(settings: &[(String, String)]) -> Value {
    let mut config = Map::new();
    for (name, value) in settings {
        if let Some(field) = name.strip_prefix("fields.") {
            let fields = config.entry("fields").or_insert_with(|| json!({}));
            fields[field] = json!(value);
            continue;
        }
        let typed = match (name.as_str(), value.as_str()) {
            ("agent_id", number) => number.parse::<u64>().map_or_else(|_| json!(number), |n| json!(n)),
            ("callback", "true") => json!(true),
            ("callback", "false") => json!(false),
            (_, text) => json!(text),
        };
        config.insert(name.clone(), typed);
    }
    Value::Object(config)
}

async fn list(context: &Context, link: &Link) -> Result<(), Failure> {
    let channels: Vec<ChannelView> = link.get("/v1/channels").await?;
    context.out.table(
        &channels,
        &["CHANNEL", "KIND", "STANDING", "WAITING", "FAILED", "UNKNOWN", "NAME"],
        |view| {
            let health = &view.health;
            vec![
                view.channel.name.clone(),
                kind(view.channel.kind).into(),
                standing(context, view),
                health.queued.to_string(),
                health.failed.to_string(),
                health.unknown.to_string(),
                one_line(&view.channel.display_name),
            ]
        },
    )?;
    context.say_if_none(&channels, "none_channels");
    Ok(())
}

const fn kind(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Wechat => "wechat",
        ChannelKind::Wecom => "wecom",
        ChannelKind::WecomRobot => "wecom-robot",
        ChannelKind::Webhook => "webhook",
    }
}

fn standing(context: &Context, view: &ChannelView) -> String {
    match &view.standing {
        Standing::Ready if view.health.flow == Flow::Parked => {
            let code = view.health.code.as_deref().unwrap_or_default();
            context.say("channel_parked", &[("code", code)])
        }
        Standing::Ready => context.say("channel_ready", &[]),
        Standing::Disabled => context.say("channel_disabled", &[]),
        Standing::SecretMissing { part } => context.say("channel_secret_missing", &[("part", part)]),
        Standing::SecretsLocked => context.say("channel_secrets_locked", &[]),
        Standing::BadConfig { detail } => context.say("channel_bad_config", &[("detail", detail)]),
    }
}

fn tested(context: &Context, test: &ChannelTest) -> Result<Exit, Failure> {
    let failed = [&test.token, &test.message].into_iter().any(|step| matches!(step, TestStep::Failed { .. }));
    context.out.show(test, || {
        let lines = [("channel_token", &test.token), ("channel_message", &test.message)];
        let lines = lines.into_iter().filter_map(|(key, step)| match step {
            TestStep::Passed => Some(context.say(&format!("{key}_passed"), &[])),
            TestStep::Skipped => None,
            TestStep::Failed { failing } => Some(why(context, &format!("{key}_failed"), failing)),
        });
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() { context.say("channel_nothing_tried", &[]) } else { lines.join("\n") }
    })?;
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

fn why(context: &Context, key: &str, failing: &Failing) -> String {
    let head = context.say(key, &[("code", &failing.code), ("message", &plain(&failing.message))]);
    format!("{head}\n{}", context.locale.remedy(&failing.remedy, &failing.params))
}

async fn bind(
    context: &Context,
    link: &Link,
    (channel, user): (&str, &str),
    address: Option<String>,
    send_code: bool,
    code: Option<String>,
) -> Result<Exit, Failure> {
    let path = format!("{}/bindings/{}", path(channel)?, name("user", user)?);
    let new = NewBinding { address: address.unwrap_or_default() };
    if send_code {
        let sent: CodeSent = link.send(Method::POST, &format!("{path}/code"), &new).await?;
        context.out.show(&sent, || match &sent.message {
            TestStep::Failed { failing } => why(context, "channel_message_failed", failing),
            _ => context.say("channel_code_sent", &[("channel", channel), ("user", user)]),
        })?;
        return Ok(if sent.message == TestStep::Passed { Exit::Ok } else { Exit::Failed });
    }
    let bound: Binding = match code {
        Some(code) => link.send(Method::POST, &format!("{path}/confirm"), &BindingCode { code }).await?,
        None => link.send(Method::PUT, &path, &new).await?,
    };
    context.out.show(&bound, || context.say("changed", &[("name", user)]))?;
    Ok(Exit::Ok)
}

async fn route(
    context: &Context,
    link: &Link,
    (channel, topic, user): (String, Option<String>, Option<String>),
    from_priority: Option<u8>,
    remove: bool,
) -> Result<(), Failure> {
    name("channel", &channel)?;
    if remove {
        let mut query = format!("/v1/routes?channel={channel}");
        for (key, value) in [("topic", &topic), ("user", &user)] {
            if let Some(value) = value {
                query.extend(["&", key, "=", name(key, value)?]);
            }
        }
        link.tell(Method::DELETE, &query).await?;
        return context
            .out
            .show(&json!({ "removed": channel }), || context.say("removed", &[("name", &channel)]));
    }
    let from_priority = from_priority
        .map(|priority| priority.try_into().map_err(|_| Failure::usage("a priority is 1 to 5")))
        .transpose()?;
    let route = Route { channel, topic, user, from_priority };
    link.pass(Method::PUT, "/v1/routes", &route).await?;
    context.out.show(&route, || context.say("changed", &[("name", &route.channel)]))
}

/// A secret from standard input: one line. On a terminal it is not shown while it is typed.
fn typed(context: &Context) -> Result<String, Failure> {
    let mut text = String::new();
    if io::stdin().is_terminal() {
        note(&context.say("type_secret", &[]));
        let quiet = Quiet::begin();
        let read = io::stdin().read_line(&mut text);
        drop(quiet);
        read.map_err(|error| Failure::failed(error.to_string()))?;
    } else {
        let most = u64::try_from(SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(2);
        let mut input = io::stdin().lock().take(most);
        input.read_to_string(&mut text).map_err(|error| Failure::failed(error.to_string()))?;
    }
    let secret = text.trim();
    if secret.is_empty() || secret.len() > SECRET_BYTES || secret.contains(char::is_control) {
        return Err(Failure::usage("standard input holds no secret: one line is expected"));
    }
    Ok(secret.to_owned())
}

/// While it lives the terminal shows nothing of what is typed.
struct Quiet(#[cfg(unix)] Option<rustix::termios::Termios>);

impl Quiet {
    #[cfg(unix)]
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        }
        Self(before)
    }

    #[cfg(not(unix))]
    fn begin() -> Self {
        Self()
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.0 {
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, before);
            let _ = print_line("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_types_that_the_server_takes() {
        let of = |text: &[(&str, &str)]| {
            let owned: Vec<_> = text.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            config(&owned)
        };
        assert_eq!(
            of(&[("corp_id", "123"), ("agent_id", "7"), ("callback", "true")]),
            json!({"corp_id": "123", "agent_id": 7, "callback": true})
        );
        assert_eq!(
            of(&[("fields.thing1", "title"), ("fields.phrase3", "=警告")]),
            json!({"fields": {"thing1": "title", "phrase3": "=警告"}})
        );
    }
}
