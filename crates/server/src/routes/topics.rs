//! Topics and who is a member of them.

use axum::{Json as Answer, extract::State, http::StatusCode};
use tocsin_protocol::{
    NewTopic, Topic, User,
    account::TopicChange,
    escalation::{AFTER_S, EXPECT_S},
    limits::RECIPIENTS,
};
use tocsin_store::Entry;

use super::{
    check::{self, invalid},
    input::{Json, Path},
};
use crate::{AppState, Failure, auth::Identity};

/// Longest retention, days: ten years.
const RETENTION_DAYS_MOST: u32 = 3650;
/// Description, bytes: a paragraph.
const DESCRIPTION_BYTES: usize = 1024;

/// All topics.
#[utoipa::path(get, path = "/v1/topics", tag = "topics", responses((status = 200, body = Vec<Topic>)))]
pub async fn list(State(state): State<AppState>, identity: Identity) -> Result<Answer<Vec<Topic>>, Failure> {
    let (user, ..) = identity.user()?;
    Ok(Answer(state.store.topics(Some(user)).await?))
}

/// Adds a topic (admin).
#[utoipa::path(post, path = "/v1/topics", tag = "topics", request_body = NewTopic, responses((status = 201, body = Topic)))]
pub async fn add(
    State(state): State<AppState>,
    identity: Identity,
    Json(topic): Json<NewTopic>,
) -> Result<(StatusCode, Answer<Topic>), Failure> {
    check::name("name", &topic.name)?;
    fields(topic.description.as_deref(), topic.retention_days)?;
    if topic.retention_days == Some(0) {
        return Err(invalid("retention_days", "is 0; leave it out for the server's default"));
    }
    if topic.members.len() > RECIPIENTS {
        return Err(invalid("members", format!("at most {RECIPIENTS} at once")));
    }
    let (id, topic) = state.store.add_topic(topic).await?;
    tracing::debug!(topic = id.0, "topic added");
    let (user, ..) = identity.user()?;
    Ok((StatusCode::CREATED, Answer(state.store.topic(&topic.name, Some(user)).await?.1)))
}

/// Changes a topic (admin).
#[utoipa::path(patch, path = "/v1/topics/{name}", tag = "topics", params(("name" = String, Path)), request_body = TopicChange, responses((status = 200, body = Topic)))]
pub async fn change(
    State(state): State<AppState>,
    identity: Identity,
    Path(name): Path<String>,
    Json(change): Json<TopicChange>,
) -> Result<Answer<Topic>, Failure> {
    fields(change.description.as_deref(), change.retention_days)?;
    if change.expect_every_s.is_some_and(|every| every != 0 && !(EXPECT_S..=AFTER_S).contains(&every)) {
        return Err(invalid(
            "expect_every_s",
            format!("{EXPECT_S} to {AFTER_S} seconds are taken, or 0 for no"),
        ));
    }
    state.store.change_topic(&name, change).await?;
    let (user, ..) = identity.user()?;
    Ok(Answer(state.store.topic(&name, Some(user)).await?.1))
}

/// Removes a topic: all members leave, its messages stay until they are pruned (admin).
#[utoipa::path(delete, path = "/v1/topics/{name}", tag = "topics", params(("name" = String, Path)), responses((status = 204)))]
pub async fn remove(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    state.store.remove_topic(&name).await?;
    state.credentials.forget(&Entry::AccountsChanged);
    Ok(StatusCode::NO_CONTENT)
}

/// Members of a topic.
#[utoipa::path(get, path = "/v1/topics/{name}/members", tag = "topics", params(("name" = String, Path)), responses((status = 200, body = Vec<User>)))]
pub async fn members(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<Vec<User>>, Failure> {
    Ok(Answer(state.store.members(&name).await?))
}

/// Makes a person a member, from the next message on (admin).
#[utoipa::path(put, path = "/v1/topics/{name}/members/{user}", tag = "topics", params(("name" = String, Path), ("user" = String, Path)), responses((status = 204)))]
pub async fn join(
    State(state): State<AppState>,
    Path((topic, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    state.store.join_topic(&topic, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a membership; what the person is still owed of this topic is withdrawn (admin).
#[utoipa::path(delete, path = "/v1/topics/{name}/members/{user}", tag = "topics", params(("name" = String, Path), ("user" = String, Path)), responses((status = 204)))]
pub async fn leave(
    State(state): State<AppState>,
    Path((topic, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    state.store.leave_topic(&topic, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn fields(description: Option<&str>, retention_days: Option<u32>) -> Result<(), Failure> {
    check::text("description", description.unwrap_or_default(), DESCRIPTION_BYTES)?;
    if retention_days.is_some_and(|days| days > RETENTION_DAYS_MOST) {
        return Err(invalid("retention_days", format!("at most {RETENTION_DAYS_MOST}")));
    }
    Ok(())
}
