//! Channels: settings, secrets (in, never out), tests.

use axum::{Json as Answer, extract::State, http::StatusCode};
use std::sync::Arc;
use tocsin_delivery::{
    Outcome,
    line::{self, BadSettings, Line, Part, Settings, Unable},
    webhook,
};
use tocsin_protocol::{
    Code, Cursor, Format, Message, MessageId, Priority,
    channel::{
        ChannelQuota, ChannelTest, ChannelView, Failing, NewSecret, SECRET_BYTES, Standing, TemplateInfo,
        TestOrder, TestStep,
    },
    delivery::{Channel, ChannelKind, ChannelSettings, Flow},
};
use tocsin_wechat::{Secret, crypto::AesKey, robot::Webhook};

use super::{
    bindings::one_address,
    check::{self, invalid},
    input::{Json, MaybeJson, Path},
};
use crate::{
    AppState, Failure,
    auth::Identity,
    channels::{Outside, SecretError},
};

/// All channels, and how each stands (admin).
#[utoipa::path(get, path = "/v1/channels", tag = "channels", responses((status = 200, body = Vec<ChannelView>)))]
pub async fn list(State(state): State<AppState>) -> Result<Answer<Vec<ChannelView>>, Failure> {
    Ok(Answer(outside(&state)?.views().await?))
}

/// One channel, and how it stands (admin).
#[utoipa::path(get, path = "/v1/channels/{name}", tag = "channels", params(("name" = String, Path)), responses((status = 200, body = ChannelView)))]
pub async fn one(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<ChannelView>, Failure> {
    Ok(Answer(view(outside(&state)?, &name).await?))
}

/// Makes or changes a channel; the settings replace the old ones whole (admin).
#[utoipa::path(put, path = "/v1/channels/{name}", tag = "channels", params(("name" = String, Path)), request_body = ChannelSettings, responses((status = 200, body = ChannelView)))]
pub async fn put(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Json(mut settings): Json<ChannelSettings>,
) -> Result<Answer<ChannelView>, Failure> {
    let outside = outside(&state)?;
    check::name("name", &name)?;
    check::display_name("display_name", settings.display_name.as_deref())?;
    if settings.config.is_null() {
        settings.config = serde_json::json!({});
    }
    Settings::read(settings.kind, &settings.config).map_err(refused)?;
    outside.outbox.put_channel(&name, settings).await?;
    outside.changed(&name).await?;
    Ok(Answer(view(outside, &name).await?))
}

/// Removes a channel with its secrets, bindings and routes; what waits is cancelled, the past stays (admin).
#[utoipa::path(delete, path = "/v1/channels/{name}", tag = "channels", params(("name" = String, Path)), responses((status = 204)))]
pub async fn remove(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    let outside = outside(&state)?;
    let channel = outside.channel(&name).await?;
    outside.remove(&channel).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets or replaces a secret. It is never told again (admin).
#[utoipa::path(put, path = "/v1/channels/{name}/secrets/{part}", tag = "channels", params(("name" = String, Path), ("part" = String, Path)), request_body = NewSecret, responses((status = 204)))]
pub async fn set_secret(
    State(state): State<AppState>,
    Path((name, part)): Path<(String, String)>,
    Json(new): Json<NewSecret>,
) -> Result<StatusCode, Failure> {
    let outside = outside(&state)?;
    let channel = outside.channel(&name).await?;
    let part = known_part(&channel, &part)?;
    let secret = new.secret.trim();
    if secret.is_empty() || secret.len() > SECRET_BYTES || secret.contains(char::is_control) {
        return Err(invalid("secret", format!("1 to {SECRET_BYTES} characters on one line")));
    }
    shape(channel.kind, part, secret)?;
    outside.set_secret(&name, part, &Secret::new(secret)).await?;
    outside.changed(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret (admin).
#[utoipa::path(delete, path = "/v1/channels/{name}/secrets/{part}", tag = "channels", params(("name" = String, Path), ("part" = String, Path)), responses((status = 204)))]
pub async fn delete_secret(
    State(state): State<AppState>,
    Path((name, part)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let outside = outside(&state)?;
    let channel = outside.channel(&name).await?;
    let part = known_part(&channel, &part)?;
    outside.delete_secret(&name, part).await?;
    outside.changed(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries the credential, and then a message if one is asked for. What the platform refuses is in the answer (admin).
#[utoipa::path(post, path = "/v1/channels/{name}/test", tag = "channels", params(("name" = String, Path)), request_body(content = Option<TestOrder>), responses((status = 200, body = ChannelTest)))]
pub async fn test(
    State(state): State<AppState>,
    identity: Identity,
    Path(name): Path<String>,
    MaybeJson(order): MaybeJson<TestOrder>,
) -> Result<Answer<ChannelTest>, Failure> {
    let outside = outside(&state)?;
    let line = ready(outside, &name).await?;
    let address = recipient(outside, &name, line.kind(), order).await?;
    let token = match line.check().await {
        Ok(()) => TestStep::Passed,
        Err(Unable::NotHere) => TestStep::Skipped,
        Err(Unable::Failed(failing)) => TestStep::Failed { failing },
    };
    let mut test = ChannelTest { token, message: TestStep::Skipped, msgid: None };
    if let Some(address) = address.filter(|_| !matches!(test.token, TestStep::Failed { .. })) {
        let (_, asking, _) = identity.user()?;
        let words = outside.words();
        let (title, body) = (words.say("test_title", &[]), words.say("test_body", &[("user", asking)]));
        let message = unlogged(&state, asking, title, body);
        let key = format!("{}-t", message.id);
        let outcome = line.try_out(&message, &address, &key).await;
        test.message = match line::of_outcome(line.kind(), &outcome, &address) {
            Some(failing) => TestStep::Failed { failing },
            None => TestStep::Passed,
        };
        if let Outcome::Accepted { msgid, .. } = outcome {
            test.msgid = msgid;
        }
    }
    let works = [&test.token, &test.message].into_iter().any(|step| *step == TestStep::Passed)
        && !matches!(test.message, TestStep::Failed { .. });
    if works && view(outside, &name).await?.health.flow != Flow::Open {
        // What waits behind the fault that parked it need not wait any longer.
        outside.outbox.reopen_channel(&name).await?;
    }
    Ok(Answer(test))
}

/// What was wrong is mended: sends again at once (admin).
#[utoipa::path(post, path = "/v1/channels/{name}/reopen", tag = "channels", params(("name" = String, Path)), responses((status = 204)))]
pub async fn reopen(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    outside(&state)?.changed(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Templates of an official account, to choose from (admin).
#[utoipa::path(get, path = "/v1/channels/{name}/templates", tag = "channels", params(("name" = String, Path)), responses((status = 200, body = Vec<TemplateInfo>)))]
pub async fn templates(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<Vec<TemplateInfo>>, Failure> {
    let line = ready(outside(&state)?, &name).await?;
    Ok(Answer(line.templates().await.map_err(unable)?))
}

/// How many template messages an official account may send today (admin).
#[utoipa::path(get, path = "/v1/channels/{name}/quota", tag = "channels", params(("name" = String, Path)), responses((status = 200, body = ChannelQuota)))]
pub async fn quota(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<ChannelQuota>, Failure> {
    let line = ready(outside(&state)?, &name).await?;
    Ok(Answer(line.quota().await.map_err(unable)?))
}

/// Channels, where the store keeps them.
pub(super) fn outside(state: &AppState) -> Result<&Arc<Outside>, Failure> {
    state.outside.as_ref().ok_or_else(|| Failure::new(Code::NotFound, "this server has no channels"))
}

async fn view(outside: &Outside, name: &str) -> Result<ChannelView, Failure> {
    let all = outside.views().await?;
    let found = all.into_iter().find(|view| view.channel.name == name);
    found.ok_or_else(|| tocsin_store::Error::NotFound("channel").into())
}

/// A channel that can be used now.
pub(super) async fn ready(outside: &Outside, name: &str) -> Result<Line, Failure> {
    let view = view(outside, name).await?;
    if let Some(line) = outside.line(name) {
        return Ok(line);
    }
    let (what, hint) = match view.standing {
        Standing::SecretMissing { part } => (
            format!("the channel has no {part} yet"),
            format!("set it with PUT /v1/channels/{name}/secrets/{part}"),
        ),
        Standing::SecretsLocked => {
            ("its secrets cannot be read now".into(), "unlock the keyring of the computer that hosts".into())
        }
        Standing::BadConfig { detail } => (detail, "correct the settings".into()),
        Standing::Ready | Standing::Disabled => ("the channel is not ready".into(), "switch it on".into()),
    };
    Err(Failure::new(Code::Conflict, what).hint(hint))
}

/// What a call to the platform failed with.
pub(super) fn unable(why: Unable) -> Failure {
    match why {
        Unable::NotHere => invalid("kind", "this kind of channel has no such thing"),
        Unable::Failed(Failing { code, message, remedy, .. }) => {
            Failure::new(Code::Busy, format!("{code}: {message}")).hint(format!("remedy: {remedy}"))
        }
    }
}

fn refused(bad: BadSettings) -> Failure {
    invalid(&bad.field, bad.what)
}

fn known_part(channel: &Channel, part: &str) -> Result<&'static Part, Failure> {
    let parts = line::parts(channel.kind);
    parts.iter().find(|known| known.name == part).ok_or_else(|| {
        let names: Vec<_> = parts.iter().map(|part| part.name).collect();
        invalid("part", format!("{part:?} is no secret of this channel")).hint(names.join(", "))
    })
}

/// What can be seen to be wrong before the platform is asked.
fn shape(kind: ChannelKind, part: &Part, secret: &str) -> Result<(), Failure> {
    match (kind, part.name) {
        (_, "callback_key") => AesKey::parse(secret).map(drop).map_err(|bad| invalid("secret", bad)),
        (ChannelKind::WecomRobot, "key") => {
            Webhook::parse(secret).map(drop).map_err(|bad| invalid("secret", bad))
        }
        (ChannelKind::Webhook, "key") => {
            webhook::Key::parse(secret).map(drop).map_err(|bad| invalid("secret", bad))
        }
        _ => Ok(()),
    }
}

/// Where a test message goes; nothing: none is sent.
async fn recipient(
    outside: &Outside,
    channel: &str,
    kind: ChannelKind,
    order: TestOrder,
) -> Result<Option<String>, Failure> {
    let TestOrder { user, address, group } = order;
    if kind.is_group() {
        if user.is_some() || address.is_some() {
            return Err(invalid(
                "user",
                "this kind of channel has one place for all: send {\"group\": true}",
            ));
        }
        // A webhook has no credential to try without a request, and a test event disturbs nobody.
        return Ok((group || kind == ChannelKind::Webhook).then(String::new));
    }
    match (user, address, group) {
        (None, None, false) => Ok(None),
        (Some(user), None, false) => {
            let bound = outside.outbox.bindings(channel).await?.into_iter().find(|bound| bound.user == user);
            let bound = bound.ok_or_else(|| {
                invalid("user", format!("{user:?} has no address at this channel")).hint("bind them first")
            })?;
            Ok(Some(bound.address))
        }
        (None, Some(address), false) => Ok(Some(one_address(&address)?.to_owned())),
        _ => Err(invalid("user", "one of user and address is taken")),
    }
}

/// A message that is in no log.
pub(super) fn unlogged(state: &AppState, asking: &str, title: String, body: String) -> Message {
    let id = MessageId::random(&mut rand::rng());
    Message {
        id,
        cursor: Cursor { epoch: state.store.epoch(), seq: 0 },
        topic: None,
        sender: asking.to_owned(),
        title,
        body,
        format: Format::default(),
        priority: Priority::DEFAULT,
        tags: Vec::new(),
        click: None,
        actions: Vec::new(),
        key: None,
        thread: id,
        supersedes: None,
        escalates: None,
        resolved: false,
        created_at: (state.clock)(),
        expires_at: None,
        superseded_by: None,
        expired: false,
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Locked(why) => Self::new(Code::Keyring, why)
                .hint("unlock the keyring of the computer that hosts, or choose another place in its window"),
            SecretError::ReadOnly(why) => Self::new(Code::Conflict, why),
            SecretError::Failed(why) => Self::new(Code::Keyring, why),
        }
    }
}
