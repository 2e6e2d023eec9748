//! One message as a row.

use rusqlite::{OptionalExtension as _, Row, types::Type};
use serde::{Deserialize, Serialize};
use tocsin_protocol::{Action, Cursor, Format, Message, MessageId, Millis, Priority, Seq};

use super::{fault::Outcome, log, view::View};
use crate::{Address, Error, NewMessage, StoredMessage, TokenId, TopicId, UserId};

/// Begins every query that reads whole messages with [`read`].
pub(super) const SELECT: &str = "SELECT m.*, t.name AS topic_name, n.id AS newer_id, n.seq AS newer_seq, \
     o.id AS original_id FROM message m LEFT JOIN topic t ON t.id = m.topic LEFT JOIN message n ON n.seq = m.superseded_by \
     LEFT JOIN message o ON o.seq = m.escalates";

/// What most messages do not have, in one column.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Extras {
    #[serde(default, skip_serializing_if = "is_text")]
    format: Format,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    click: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_text(format: &Format) -> bool {
    *format == Format::Text
}

/// The extras column of a new message.
pub(super) fn extras(new: &NewMessage) -> Option<String> {
    let plain =
        new.format == Format::Text && new.tags.is_empty() && new.click.is_none() && new.actions.is_empty();
    let extras = || Extras {
        format: new.format,
        tags: new.tags.clone(),
        click: new.click.clone(),
        actions: new.actions.clone(),
    };
    if plain { None } else { serde_json::to_string(&extras()).ok() }
}

/// A stored message with what only the store knows.
pub(super) struct Found {
    pub(super) seq: Seq,
    /// As the log carries it: without the marks of a replay.
    pub(super) stored: StoredMessage,
    pub(super) token: TokenId,
    pub(super) user: Option<UserId>,
    pub(super) newer: Option<(MessageId, Seq)>,
    /// The message that this is a copy of.
    pub(super) original: Option<Seq>,
    pub(super) pruned: bool,
    pub(super) pruned_at: Option<Millis>,
}

impl Found {
    pub(super) fn topic(&self) -> Option<i64> {
        match &self.stored.address {
            Address::Topic(topic) => Some(topic.0),
            Address::People(_) => None,
        }
    }

    /// The position that its receipt is about: its own, or that of the message it is a copy of.
    pub(super) fn root(&self) -> Seq {
        self.original.unwrap_or(self.seq)
    }

    /// As a replay carries it: marked if it is expired or superseded by now.
    pub(super) fn marked(self, now: Millis) -> Message {
        let expired = self.stored.message.expires_at.is_some_and(|at| at <= now);
        Message { superseded_by: self.newer.map(|(id, _)| id), expired, ..self.stored.message }
    }
}

fn wrong(column: &str, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("{column}: {what}").into())
}

/// The id in a column.
pub(super) fn id_at(row: &Row<'_>, column: &str) -> rusqlite::Result<MessageId> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| wrong(column, "not a message id"))
}

fn id_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<MessageId>> {
    row.get_ref(column)?
        .as_str_or_null()?
        .map(|text| text.parse().map_err(|_| wrong(column, "not a message id")))
        .transpose()
}

/// Reads a row of [`SELECT`].
pub(super) fn read(row: &Row<'_>, view: &View<'_>) -> rusqlite::Result<Found> {
    let seq: Seq = row.get("seq")?;
    let id = id_at(row, "id")?;
    let extras: Extras = match row.get_ref("extras")?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map_err(|error| wrong("extras", &error.to_string()))?,
        None => Extras::default(),
    };
    let topic: Option<i64> = row.get("topic")?;
    let address = match topic {
        Some(topic) => Address::Topic(TopicId(topic)),
        None => Address::People(people(row)?.into_iter().map(UserId).collect()),
    };
    let message = Message {
        id,
        cursor: Cursor::new(view.epoch.clone(), seq),
        topic: row.get("topic_name")?,
        sender: row.get("sender")?,
        title: row.get("title")?,
        body: row.get("body")?,
        format: extras.format,
        priority: Priority::try_from(row.get::<_, u8>("priority")?).unwrap_or_default(),
        tags: extras.tags,
        click: extras.click,
        actions: extras.actions,
        key: row.get("key")?,
        thread: id_or_none(row, "thread")?.unwrap_or(id),
        supersedes: id_or_none(row, "supersedes")?,
        escalates: id_or_none(row, "original_id")?,
        resolved: row.get("resolved")?,
        created_at: row.get("at")?,
        expires_at: row.get("expires_at")?,
        superseded_by: None,
        expired: false,
    };
    let newer = match id_or_none(row, "newer_id")? {
        Some(newer) => Some((newer, row.get("newer_seq")?)),
        None => None,
    };
    let pruned_at: Option<Millis> = row.get("pruned_at")?;
    Ok(Found {
        seq,
        stored: StoredMessage { message, address },
        token: TokenId(row.get("token")?),
        user: row.get::<_, Option<i64>>("user")?.map(UserId),
        newer,
        original: row.get("escalates")?,
        pruned: pruned_at.is_some(),
        pruned_at,
    })
}

fn people(row: &Row<'_>) -> rusqlite::Result<Vec<i64>> {
    Ok(row.get_ref("people")?.as_str_or_null()?.map(log::ids).unwrap_or_default())
}

/// The message of this id.
pub(super) fn by_id(view: &View<'_>, id: MessageId) -> Outcome<Found> {
    let sql = format!("{SELECT} WHERE m.id = ?1");
    let found = view.conn.prepare_cached(&sql)?.query_row([id.as_str()], |row| read(row, view)).optional()?;
    found.ok_or_else(|| Error::NotFound("message").into())
}

/// The message at this position, if it is one.
pub(super) fn at(view: &View<'_>, seq: Seq) -> Outcome<Option<Found>> {
    let sql = format!("{SELECT} WHERE m.seq = ?1");
    Ok(view.conn.prepare_cached(&sql)?.query_row([seq], |row| read(row, view)).optional()?)
}
