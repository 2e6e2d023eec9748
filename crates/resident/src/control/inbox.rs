//! The person's own inbox, answered from this computer so that it works offline. A message that is not here (one they
//! sent, or an old one) is asked of the server.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{Method, Uri},
    response::{IntoResponse as _, Response},
};
use tocsin_protocol::{MessageId, MessageView, Page};
use tocsin_subscriber::{Error, InboxQuery};

use super::{Control, Fault, pass};
use crate::notify::Ask;

pub(super) async fn list(
    State(control): State<Control>,
    Query(query): Query<InboxQuery>,
) -> Result<Json<Page<MessageView>>, Fault> {
    Ok(Json(control.link()?.inbox.list(query).await?))
}

pub(super) async fn message(
    State(control): State<Control>,
    Path(id): Path<MessageId>,
    uri: Uri,
) -> Result<Response, Fault> {
    match control.link()?.inbox.message(id).await {
        Ok(view) => Ok(Json(view).into_response()),
        Err(Error::UnknownMessage(_)) => pass::on(&control, Method::GET, &uri, None, None).await,
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn read(
    State(control): State<Control>,
    Path(id): Path<MessageId>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Fault> {
    match control.link()?.read(&control.desk, id).await {
        Ok(()) => handled(&control, id, false).await,
        Err(Error::UnknownMessage(_)) => pass::on(&control, Method::POST, &uri, Some(body), None).await,
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn acknowledge(
    State(control): State<Control>,
    Path(id): Path<MessageId>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, Fault> {
    match control.link()?.acknowledge(&control.desk, id).await {
        Ok(()) => handled(&control, id, true).await,
        Err(Error::UnknownMessage(_)) => pass::on(&control, Method::POST, &uri, Some(body), None).await,
        Err(error) => Err(error.into()),
    }
}

/// The popup goes, and the answer is the message as it stands now, like the server's.
async fn handled(control: &Control, id: MessageId, over: bool) -> Result<Response, Fault> {
    let _ = control.asks.send(Ask::Handled { id, over }).await;
    Ok(Json(control.link()?.inbox.message(id).await?).into_response())
}
