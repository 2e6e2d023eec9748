//! What arrives: one transaction for all of it and the position behind it.

use rusqlite::{Connection, OptionalExtension as _, params};
use tocsin_protocol::{
    Cursor, Message, MessageId, MessageView, Millis, Shown, StateChange, escalation::Settled,
};

use super::{fold::fold, remind::remind, rows, thread::File};
use crate::{Arrival, Result, Silent, Stored};

/// One thing that arrived.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A message from a stream.
    Message(Box<Message>, Arrival),
    /// A message listed after a reset.
    Listed(Box<MessageView>),
    /// A press on another device (or the echo of one on this), an end for all, or a reminder; the latter came so.
    State(StateChange, Arrival),
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// A new row, or one that is to be shown again.
    Stored(Box<Stored>),
    /// A row changed.
    State(StateChange),
    /// Nothing new.
    Known,
}

/// What became of a message before it came here: of the version before it, or on other devices.
#[derive(Default)]
struct Before {
    read_at: Option<Millis>,
    acknowledged_at: Option<Millis>,
    settled: Option<Settled>,
}

impl File {
    pub fn store(
        &mut self,
        batch: Vec<Entry>,
        position: Option<Cursor>,
        from: Option<Cursor>,
    ) -> Result<Vec<Outcome>> {
        let now = self.clock.now();
        let before = (self.position.clone(), self.stream_from.clone());
        if let Some(position) = position {
            self.advance(position);
        }
        if let Some(from) = from {
            self.started_from(from);
        }
        let written = self.write(|connection| {
            let mut outcomes = Vec::with_capacity(batch.len());
            for entry in batch {
                store_entry(connection, entry, now, &mut outcomes)?;
            }
            Ok(outcomes)
        });
        let mut outcomes = match written {
            Ok(outcomes) => outcomes,
            Err(error) => {
                // Not stored: the position must not be acknowledged, nor written by a later batch.
                (self.position, self.stream_from) = before;
                return Err(error);
            }
        };
        self.since_pruning += outcomes.iter().filter(|o| matches!(o, Outcome::Stored(_))).count();
        fold(&mut outcomes);
        // What is stored must be told of, or nobody shows it: no failure from here on is one of storing.
        self.prune_when_due();
        if let Err(error) = self.count_unread() {
            tracing::warn!(%error, "the unread could not be counted");
        }
        Ok(outcomes)
    }
}

fn store_entry(
    connection: &Connection,
    entry: Entry,
    now: Millis,
    outcomes: &mut Vec<Outcome>,
) -> rusqlite::Result<()> {
    match entry {
        Entry::Message(message, arrival) => {
            outcomes.push(store_message(connection, *message, arrival, Before::default(), now)?);
        }
        Entry::Listed(view) => {
            let MessageView { message, read_at, acknowledged_at, settled } = *view;
            let before = Before { read_at, acknowledged_at, settled };
            outcomes.push(store_message(connection, message, Arrival::Restored, before, now)?);
        }
        Entry::State(change, arrival) => {
            let reminder = change.remind_at.map(|at| (change.id, at));
            outcomes.push(store_state(connection, change)?);
            if let Some((id, at)) = reminder {
                let again = remind(connection, id, at, arrival, now)?;
                outcomes.extend(again.map(|again| Outcome::Stored(Box::new(again))));
            }
        }
    }
    Ok(())
}

fn store_message(
    connection: &Connection,
    message: Message,
    arrival: Arrival,
    elsewhere: Before,
    now: Millis,
) -> rusqlite::Result<Outcome> {
    if connection.prepare_cached("SELECT 1 FROM message WHERE id = ?1")?.exists([message.id.as_str()])? {
        if let Some(newer) = message.superseded_by {
            supersede(connection, message.id, newer)?;
        }
        return Ok(Outcome::Known);
    }
    let carried = carry_over(connection, &message)?;
    let acknowledged_at = elsewhere.acknowledged_at.or(carried.acknowledged_at);
    // What is acknowledged asks for no reading: one that carried over comes without a time of reading.
    let read_at = elsewhere.read_at.or(carried.read_at).or(acknowledged_at);
    let before = Before { read_at, acknowledged_at, settled: elsewhere.settled };
    let silent = if message.superseded_by.is_some() {
        Some(Silent::Superseded)
    } else if message.expired {
        Some(Silent::Expired)
    } else {
        (read_at.is_some() || before.settled.is_some()).then_some(Silent::Handled)
    };
    insert(connection, &message, arrival, &before, silent.is_some(), now)?;
    Ok(Outcome::Stored(Box::new(Stored { message, arrival, silent, acknowledged_at, reminded_at: None })))
}

fn insert(
    connection: &Connection,
    message: &Message,
    arrival: Arrival,
    before: &Before,
    silent: bool,
    now: Millis,
) -> rusqlite::Result<()> {
    let json = serde_json::to_string(message).map_err(|e| rows::bad(0, e))?;
    let shown = if silent { Shown::Suppressed } else { Shown::Pending };
    connection
        .prepare_cached(
            "INSERT INTO message (id, thread, topic, priority, wants_acknowledgement, created_at, expires_at, stored_at,
                                  superseded_by, read_at, acknowledged_at, settled_by, settled_at, shown, shown_at,
                                  restored, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            message.id.as_str(),
            message.thread.as_str(),
            message.topic,
            message.priority.get(),
            rows::wants_acknowledgement(message),
            message.created_at,
            // A message that came flagged stays out of the unread count even if this clock is behind the server's.
            if message.expired { Some(message.expires_at.unwrap_or(0).min(now)) } else { message.expires_at },
            now,
            message.superseded_by.as_ref().map(MessageId::as_str),
            before.read_at,
            before.acknowledged_at,
            before.settled.as_ref().map(|settled| &settled.by),
            before.settled.as_ref().map(|settled| settled.at),
            rows::shown_number(shown),
            silent.then_some(now),
            arrival == Arrival::Restored,
            json,
        ])?;
    Ok(())
}

/// Marks the older versions as superseded, and says what of them stands for the new one: an acknowledgement does,
/// unless the new version raises the priority or reopens what was resolved.
fn carry_over(connection: &Connection, message: &Message) -> rusqlite::Result<Before> {
    let (Some(old), None) = (message.supersedes, message.superseded_by) else {
        return Ok(Before::default());
    };
    let row = connection
        .prepare_cached("SELECT json, read_at, acknowledged_at FROM message WHERE id = ?1")?
        .query_row([old.as_str()], |row| {
            let carried = Before { read_at: row.get(1)?, acknowledged_at: row.get(2)?, settled: None };
            Ok((rows::message(row, 0)?, carried))
        })
        .optional()?;
    // All of the thread, not only the one named: a version between them may never have come to this device.
    let mut older = connection
        .prepare_cached("SELECT id FROM message WHERE thread = ?1 AND superseded_by IS NULL")?
        .query_map([message.thread.as_str()], |row| rows::id(row, 0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    older.push(old);
    for id in older {
        supersede(connection, id, message.id)?;
    }
    Ok(match row {
        Some((old, carried))
            if carried.acknowledged_at.is_some()
                && message.keeps_acknowledgement((old.priority, old.resolved)) =>
        {
            carried
        }
        _ => Before::default(),
    })
}

/// A superseded message that was not shown yet needs no popup any more.
fn supersede(connection: &Connection, id: MessageId, newer: MessageId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE message SET superseded_by = ?2, shown = max(shown, 1)
             WHERE id = ?1 AND superseded_by IS NULL",
        )?
        .execute([id.as_str(), newer.as_str()])?;
    Ok(())
}

/// Applies a press from elsewhere, or that somebody took care of it for all; the first time stands, so an echo of a
/// press of this device changes nothing. Who only hears that it is settled has not read it: it stays unread.
fn store_state(connection: &Connection, mut change: StateChange) -> rusqlite::Result<Outcome> {
    // Acknowledging implies reading.
    change.read_at = change.read_at.or(change.acknowledged_at);
    let changed = connection
        .prepare_cached(
            "UPDATE message SET read_at = coalesce(read_at, ?2), acknowledged_at = coalesce(acknowledged_at, ?3),
                                settled_by = coalesce(settled_by, ?4), settled_at = coalesce(settled_at, ?5),
                                shown = max(shown, 1)
             WHERE id = ?1 AND ((read_at IS NULL AND ?2 IS NOT NULL) OR (acknowledged_at IS NULL AND ?3 IS NOT NULL)
                                OR (settled_at IS NULL AND ?5 IS NOT NULL))",
        )?
        .execute(params![
            change.id.as_str(),
            change.read_at,
            change.acknowledged_at,
            change.settled.as_ref().map(|settled| &settled.by),
            change.settled.as_ref().map(|settled| settled.at),
        ])?;
    Ok(if changed > 0 { Outcome::State(change) } else { Outcome::Known })
}
