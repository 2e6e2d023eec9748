//! A message is to be shown again: an escalation or a person asked for it.
//!
//! The time of the newest reminder is kept in the row, so that one that comes again (a replay, another transport)
//! changes nothing. Whoever dealt with the message, or need not any more, is not reminded.

use rusqlite::{Connection, OptionalExtension as _, params};
use tocsin_protocol::{MessageId, Millis, Priority};

use super::rows;
use crate::{Arrival, Stored};

/// Sends the message back to pending, if the reminder is news. One that was missed only joins the summary of what was
/// missed: its row stays as it is, except for a critical message, which is never part of that summary.
pub(super) fn remind(
    connection: &Connection,
    id: MessageId,
    at: Millis,
    arrival: Arrival,
    now: Millis,
) -> rusqlite::Result<Option<Stored>> {
    let message = connection
        .prepare_cached(
            "UPDATE message SET reminded_at = ?2, shown = iif(?3 OR priority = ?4, 0, shown)
             WHERE id = ?1 AND (reminded_at IS NULL OR reminded_at < ?2) AND acknowledged_at IS NULL
               AND settled_at IS NULL AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > ?5)
             RETURNING json",
        )?
        .query_row(params![id.as_str(), at, arrival == Arrival::Live, Priority::MAX.get(), now], |row| {
            rows::message(row, 0)
        })
        .optional()?;
    Ok(message.map(|message| Stored {
        message,
        arrival,
        silent: None,
        acknowledged_at: None,
        reminded_at: Some(at),
    }))
}
