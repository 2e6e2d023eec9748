//! What an escalation, or a person who looks at a receipt, asks to be sent.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis};

use super::{
    super::{
        fault::{Fault, Outcome},
        log,
        tx::Tx,
    },
    enqueue::{self, New},
    resend,
    row::{ChannelRow, DeliveryRow},
};
use crate::{
    Error, StoredMessage, UserId,
    outbox::{ChannelId, LaneId, NOWHERE, content, give_up_at},
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
    repeat(tx, &row, mentions.as_deref(), give_up, by_hand)
}

fn repeat(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    mentions: Option<&str>,
    give_up: (Millis, bool),
    by_hand: bool,
) -> Outcome<Asked> {
    let intent = match row.state {
        DeliveryState::Queued if row.lane == NOWHERE => return Ok(Asked::Nowhere),
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Merged => return Ok(Asked::Waits),
        DeliveryState::Cancelled if !by_hand => return Ok(Asked::Nowhere),
        DeliveryState::Failed
        | DeliveryState::Unknown
        | DeliveryState::Expired
        | DeliveryState::Cancelled => 0,
        // It is there, and is to ring again.
        DeliveryState::Accepted | DeliveryState::Confirmed => 1,
    };
    if !resend::again(tx, row, intent, give_up)? {
        return Ok(Asked::Nowhere);
    }
    let sql = "UPDATE delivery SET by_step = 1, mentions = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, mentions))?;
    Ok(Asked::Queued)
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
