//! People.

use axum::{Json as Answer, extract::State, http::StatusCode};
use tocsin_protocol::{Code, NewUser, User, account::UserChange};
use tocsin_store::Entry;

use super::{
    check,
    input::{Json, Path},
};
use crate::{AppState, Failure, auth::Identity};

/// Everybody.
#[utoipa::path(get, path = "/v1/users", tag = "people", responses((status = 200, body = Vec<User>)))]
pub async fn list(State(state): State<AppState>) -> Result<Answer<Vec<User>>, Failure> {
    Ok(Answer(state.store.users().await?))
}

/// Adds a person (admin).
#[utoipa::path(post, path = "/v1/users", tag = "people", request_body = NewUser, responses((status = 201, body = User)))]
pub async fn add(
    State(state): State<AppState>,
    Json(user): Json<NewUser>,
) -> Result<(StatusCode, Answer<User>), Failure> {
    check::user_name("name", &user.name)?;
    check::display_name("display_name", user.display_name.as_deref())?;
    let (_, user) = state.store.add_user(user).await?;
    Ok((StatusCode::CREATED, Answer(user)))
}

/// Changes a person (admin; oneself: the display name).
#[utoipa::path(patch, path = "/v1/users/{name}", tag = "people", params(("name" = String, Path)), request_body = UserChange, responses((status = 200, body = User)))]
pub async fn change(
    State(state): State<AppState>,
    identity: Identity,
    Path(name): Path<String>,
    Json(change): Json<UserChange>,
) -> Result<Answer<User>, Failure> {
    let (_, own, _) = identity.user()?;
    let allowed = identity.is_admin() || (own == name && change.role.is_none());
    if !allowed {
        return Err(Failure::new(Code::Forbidden, "only an administrator may change other people or roles"));
    }
    check::display_name("display_name", change.display_name.as_deref())?;
    let user = state.store.change_user(&name, change).await?;
    // On this node at once; elsewhere when the tail reaches the entry.
    state.credentials.forget(&Entry::AccountsChanged);
    Ok(Answer(user))
}

/// Removes a person: their tokens, sessions and devices end, what they are still owed is withdrawn (admin).
#[utoipa::path(delete, path = "/v1/users/{name}", tag = "people", params(("name" = String, Path)), responses((status = 204)))]
pub async fn remove(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    let (id, _) = state.store.user(&name).await?;
    state.store.remove_user(&name).await?;
    state.credentials.forget(&Entry::UserRemoved { user: id });
    Ok(StatusCode::NO_CONTENT)
}
