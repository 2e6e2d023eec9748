//! What an escalation, or a person who looks at a receipt, asks to be sent.

use std::collections::HashSet;

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis};

use super::{
    super::{
        fault::{Fault, Outcome},
        log, owed,
        tx::Tx,
    },
    enqueue::{self, New},
    resend,
    row::{ChannelRow, DeliveryRow},
};
use crate::{
    Error, StoredMessage, UserId,
    outbox::{ChannelId, DeliveryId, LaneId, NOWHERE, content, give_up_at},
};

/// A channel that something can be sent over now.
#[derive(Clone, Copy)]
pub(in crate::sqlite) struct Place {
    pub(in crate::sqlite) channel: ChannelId,
    pub(in crate::sqlite) group: bool,
}

impl Place {
    /// Nothing: it was removed, or is switched off.
    pub(in crate::sqlite) fn named(tx: &Tx<'_>, name: &str) -> Outcome<Option<Self>> {
        match ChannelRow::named(tx.conn, name) {
            Ok(row) => Ok(row.enabled.then(|| Self { channel: row.id, group: row.kind.is_group() })),
            Err(Fault::Refused(Error::NotFound(_))) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum Asked {
    /// It is sent.
    Queued,
    /// It is on its way already.
    Waits,
    /// There is no address, or somebody stopped it.
    Nowhere,
}

/// Sends a message to a person, or to a group about some people, whatever became of it before.
pub(in crate::sqlite) fn again_to(
    tx: &mut Tx<'_>,
    stored: &StoredMessage,
    place: Place,
    people: &[UserId],
    by_hand: bool,
) -> Outcome<Asked> {
    let message = &stored.message;
    let user = if place.group { 0 } else { people.first().map_or(0, |user| user.0) };
    let mentions = place.group.then(|| log::ids_text(people.iter().map(|user| user.0)));
    let sql = "SELECT * FROM delivery WHERE seq = ?1 AND seq > 0 AND user = ?2 AND channel = ?3 AND what = 0";
    let known = tx
        .conn
        .prepare_cached(sql)?
        .query_row((message.cursor.seq, user, place.channel.0), DeliveryRow::read)
        .optional()?;
    let until = if by_hand { None } else { message.expires_at };
    let give_up = give_up_at(tx.now, until);
    let Some(row) = known else {
        let Some(lane) = lane(tx, place, user)? else { return Ok(Asked::Nowhere) };
        let new = New {
            seq: message.cursor.seq,
            user,
            channel: place.channel,
            lane,
            give_up,
            content: content(&message.title, &message.body),
            by_step: true,
            mentions,
            ..New::default()
        };
        new.insert(tx)?;
        enqueue::sends(tx)?;
        return Ok(Asked::Queued);
    };
    match row.state {
        DeliveryState::Queued if row.lane == NOWHERE => Ok(Asked::Nowhere),
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Merged => {
            if place.group {
                afterwards(tx, &row, stored, people)
            } else {
                Ok(Asked::Waits)
            }
        }
        _ => repeat(tx, &row, mentions.as_deref(), give_up, by_hand),
    }
}

fn repeat(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    mentions: Option<&str>,
    give_up: (Millis, bool),
    by_hand: bool,
) -> Outcome<Asked> {
    let intent = match row.state {
        DeliveryState::Cancelled if !by_hand => return Ok(Asked::Nowhere),
        DeliveryState::Failed
        | DeliveryState::Unknown
        | DeliveryState::Expired
        | DeliveryState::Cancelled => 0,
        // It is there, and is to ring again.
        _ => 1,
    };
    let asked = ring(tx, row, intent, give_up, mentions)?;
    Ok(if asked { Asked::Queued } else { Asked::Nowhere })
}

/// Queues it again, of a group for these people alone. Not without a message or an address.
fn ring(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    intent: i64,
    give_up: (Millis, bool),
    mentions: Option<&str>,
) -> Outcome<bool> {
    if !resend::again(tx, row, intent, give_up)? {
        return Ok(false);
    }
    let sql = "UPDATE delivery SET by_step = 1, mentions = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, mentions))?;
    Ok(true)
}

/// What waits, or is being sent, to a group mentions whom it is for. Whoever else is asked for is mentioned after it: what
/// is sent already cannot be changed, and a platform would take the same with other mentions for a repetition.
fn afterwards(tx: &Tx<'_>, row: &DeliveryRow, stored: &StoredMessage, people: &[UserId]) -> Outcome<Asked> {
    let mut mentioned: HashSet<i64> = match &row.mentions {
        Some(mentions) => mentions.iter().copied().collect(),
        None => owed::audience(tx.conn, row.seq, &stored.address)?.into_iter().map(|user| user.0).collect(),
    };
    let mut also = row.also.clone();
    mentioned.extend(&also);
    also.extend(people.iter().map(|person| person.0).filter(|person| mentioned.insert(*person)));
    if also.len() == row.also.len() {
        return Ok(Asked::Waits);
    }
    let sql = "UPDATE delivery SET also = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, log::ids_text(also.into_iter())))?;
    Ok(Asked::Queued)
}

/// A group took something, or may have: whoever was asked for meanwhile is mentioned now, if it is still about something.
pub(super) fn mention_others(tx: &mut Tx<'_>, id: DeliveryId) -> Outcome<()> {
    let waiting: Vec<(i64, Option<Millis>)> = {
        // What a person sends is not over with its message.
        let sql = "SELECT d.id, CASE WHEN d.expires THEN m.expires_at END FROM delivery d JOIN message m ON m.seq = d.seq \
                   WHERE d.id IN (SELECT ?1 UNION SELECT id FROM delivery WHERE digest = ?1) AND d.also IS NOT NULL \
                   AND d.state IN (3, 6) AND m.superseded_by IS NULL \
                   AND (NOT d.expires OR ifnull(m.expires_at > ?2, 1)) ORDER BY d.id";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map((id.0, tx.now), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, expires_at) in waiting {
        let row = DeliveryRow::of(tx.conn, DeliveryId(id))?;
        let others = log::ids_text(row.also.iter().copied());
        ring(tx, &row, 1, give_up_at(tx.now, expires_at), Some(&others))?;
    }
    Ok(())
}

/// Where it goes: the group, or the address that the person has now and that works.
fn lane(tx: &Tx<'_>, place: Place, user: i64) -> Outcome<Option<LaneId>> {
    if place.group {
        return enqueue::lane_of(tx.conn, place.channel, "");
    }
    let sql =
        "SELECT lane FROM binding WHERE channel = ?1 AND user = ?2 AND broken IS NULL AND lane IS NOT NULL";
    let found =
        tx.conn.prepare_cached(sql)?.query_row((place.channel.0, user), |row| row.get(0)).optional()?;
    Ok(found.map(LaneId))
}
