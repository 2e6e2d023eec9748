//! How a message stands in its row.

use rusqlite::{
    Row,
    types::{Type, ValueRef},
};
use tocsin_protocol::{
    Action, Message, MessageId, MessageView, Millis, Priority, Shown, escalation::Settled,
};

/// Columns that [`view`] reads.
pub(super) const VIEW: &str =
    "json, superseded_by, expires_at, read_at, acknowledged_at, settled_by, settled_at";

/// Reads the columns of [`VIEW`]; `now` decides whether it expired.
pub(super) fn view(row: &Row<'_>, now: Millis) -> rusqlite::Result<MessageView> {
    let mut message = message(row, 0)?;
    if row.get_ref(1)? != ValueRef::Null {
        message.superseded_by = Some(id(row, 1)?);
    }
    message.expired |= row.get::<_, Option<Millis>>(2)?.is_some_and(|at| at <= now);
    let settled = row.get::<_, Option<String>>(5)?.zip(row.get(6)?).map(|(by, at)| Settled { by, at });
    Ok(MessageView { message, read_at: row.get(3)?, acknowledged_at: row.get(4)?, settled })
}

/// Reads a message from its JSON.
pub(super) fn message(row: &Row<'_>, column: usize) -> rusqlite::Result<Message> {
    let json = row.get_ref(column)?.as_str().map_err(|e| bad(column, e))?;
    serde_json::from_str(json).map_err(|e| bad(column, e))
}

/// Reads an id.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    row.get_ref(column)?.as_str().map_err(|e| bad(column, e))?.parse().map_err(|e| bad(column, e))
}

/// A column that holds something else than was written.
pub(super) fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Whether somebody is expected to press Acknowledge: there is a button for it, it is urgent, or nobody before them did.
pub(super) fn wants_acknowledgement(message: &Message) -> bool {
    message.priority >= Priority::HIGH
        || message.escalates.is_some()
        || message.actions.iter().any(|a| matches!(a, Action::Acknowledge { .. }))
}

/// The number that stands for a state. Failed becomes suppressed, never the other way.
pub(super) fn shown_number(shown: Shown) -> i64 {
    match shown {
        Shown::Pending => 0,
        Shown::Suppressed => 1,
        Shown::Failed => 2,
        Shown::Shown => 3,
    }
}

/// The state that a number stands for.
pub(super) fn shown_of(number: i64) -> Shown {
    match number {
        0 => Shown::Pending,
        1 => Shown::Suppressed,
        2 => Shown::Failed,
        _ => Shown::Shown,
    }
}
