//! A try begins and ends.
//!
//! Whether an answer still counts is decided by what is in the file, never by who brings it: the lease may have been
//! taken over, the delivery cancelled, the answer booked already.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis, delivery::AttemptResult};

use super::{
    super::{fault::Outcome, tx::Tx},
    address, confirm, fall, retry,
    row::{self, ChannelRow, DeliveryRow, End},
};
use crate::outbox::{
    AttemptId, DeliveryId, GIVE_UP_AFTER, LaneId, Lease, Next, Settled, Settlement, Start, StartOf, Started,
    content, cut, digest_key, health::Omen,
};

fn holds(tx: &Tx<'_>, lease: Lease) -> Outcome<bool> {
    let sql = "SELECT 1 FROM lane WHERE id = ?1 AND leased = 1 AND leases = ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists((lease.lane.0, lease.token))?)
}

/// Books a try. Nothing: there is none to be made.
pub(super) fn begin(tx: &mut Tx<'_>, lease: Lease, start: &Start) -> Outcome<Option<Started>> {
    if !holds(tx, lease)? {
        return Ok(None);
    }
    let id = match &start.what {
        StartOf::One(id) => waits(tx, lease.lane, *id)?.then_some(*id),
        StartOf::Digest(items) => merge(tx, lease.lane, items, &start.body)?,
    };
    let Some(id) = id else {
        // Cancelled or moved meanwhile: the lane may have other work.
        row::release(tx.conn, lease.lane)?;
        tx.due = true;
        return Ok(None);
    };
    let delivery = DeliveryRow::of(tx.conn, id)?;
    let sql = "INSERT INTO attempt (delivery, lane, content, started_at, result, round) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let running = row::result_number(AttemptResult::Running);
    let place = (id.0, lease.lane.0, delivery.content, tx.now, running, delivery.round);
    let attempt = tx.conn.prepare_cached(sql)?.insert(place)?;
    let sql = "UPDATE delivery SET state = 1, attempts = attempts + 1, last_attempt = ?2, body = ?3, since = ?4 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((id.0, attempt, &start.body, tx.now))?;
    let key = digest_key(&tx.shared.instance, id);
    Ok(Some(Started { attempt: AttemptId(attempt), delivery: id, key, at: tx.now }))
}

fn waits(tx: &Tx<'_>, lane: LaneId, id: DeliveryId) -> Outcome<bool> {
    let sql = "SELECT 1 FROM delivery WHERE id = ?1 AND lane = ?2 AND state = 0";
    Ok(tx.conn.prepare_cached(sql)?.exists((id.0, lane.0))?)
}

/// Makes a digest of these, if all of them still wait.
fn merge(tx: &Tx<'_>, lane: LaneId, items: &[DeliveryId], body: &str) -> Outcome<Option<DeliveryId>> {
    for item in items {
        if !waits(tx, lane, *item)? {
            return Ok(None);
        }
    }
    let sql = "INSERT INTO delivery (seq, user, channel, lane, state, due_at, give_up_at, expires, content, created_at, since) \
               SELECT 0, 0, channel, id, 0, ?2, ?3, 0, ?4, ?2, ?2 FROM lane WHERE id = ?1";
    let give_up = tx.now.saturating_add(GIVE_UP_AFTER);
    let digest = tx.conn.prepare_cached(sql)?.insert((lane.0, tx.now, give_up, content("", body)))?;
    for item in items {
        let sql = "UPDATE delivery SET state = 2, digest = ?2, body = NULL, since = ?3 WHERE id = ?1";
        tx.conn.prepare_cached(sql)?.execute((item.0, digest, tx.now))?;
    }
    Ok(Some(DeliveryId(digest)))
}

/// A try as it is booked.
struct Booked {
    started_at: Millis,
    settled: bool,
}

fn booked(tx: &Tx<'_>, id: AttemptId) -> Outcome<Option<Booked>> {
    let sql = "SELECT started_at, result FROM attempt WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let result = row::result(row.get(1)?)?;
        let settled = !matches!(result, AttemptResult::Running | AttemptResult::Lost);
        Ok(Booked { started_at: row.get(0)?, settled })
    };
    Ok(tx.conn.prepare_cached(sql)?.query_row([id.0], read).optional()?)
}

pub(super) fn settle(tx: &mut Tx<'_>, said: &Settlement) -> Outcome<Settled> {
    let held = holds(tx, said.lease)?;
    let booked = match said.attempt {
        Some(attempt) => booked(tx, attempt)?,
        None => None,
    };
    if booked.as_ref().is_some_and(|booked| booked.settled) {
        return Ok(Settled { late: true, ..Settled::default() });
    }
    if let Some(attempt) = said.attempt {
        let sql =
            "UPDATE attempt SET ended_at = ?2, result = ?3, code = ?4, reason = ?5, msgid = ?6 WHERE id = ?1";
        let reason = said.reason.clone().map(cut);
        let result = row::result_number(said.result);
        tx.conn.prepare_cached(sql)?.execute((attempt.0, tx.now, result, &said.code, reason, &said.msgid))?;
    }
    let row = DeliveryRow::of(tx.conn, said.delivery)?;
    let mine = said.attempt.map(|attempt| attempt.0) == row.last_attempt || said.attempt.is_none();
    let counts = match row.state {
        DeliveryState::Sending => held && mine && said.attempt.is_some(),
        DeliveryState::Queued if held => said.attempt.is_none(),
        // The lease was taken over, and then nothing was sent: the answer is the better knowledge.
        DeliveryState::Queued | DeliveryState::Unknown => mine && said.attempt.is_some(),
        _ => false,
    };
    let (opened, news) = omen(tx, &row, said)?;
    let mut settled = Settled { late: !held, opened, carried: carried(tx, &row)?, ..Settled::default() };
    if counts {
        settled.alerted = apply(tx, &row, said, booked.as_ref().map(|booked| booked.started_at))?;
    }
    if held {
        row::release(tx.conn, said.lease.lane)?;
    } else if counts {
        row::wake(tx.conn, row.lane, tx.now)?;
    }
    tx.due = true;
    if news && !settled.alerted {
        let end = End { state: DeliveryState::Queued, ..end_of(DeliveryState::Queued, said) };
        settled.alerted = fall::tell(tx, &row, &end, said.herald.as_ref())?;
    }
    Ok(settled)
}

/// Books what it says about the credential: whether that closed the channel, and whether somebody is to be told.
fn omen(tx: &Tx<'_>, row: &DeliveryRow, said: &Settlement) -> Outcome<(bool, bool)> {
    let mut channel = ChannelRow::of(tx.conn, row.channel)?;
    let before = channel.health.clone();
    let reason = said.reason.clone().map(cut).unwrap_or_default();
    let why = (said.code.as_deref().unwrap_or_default(), reason.as_str());
    let opened = channel.health.book(&said.omen, why, tx.now, said.roll);
    if said.omen == Omen::None {
        // The probe said nothing: the next one may try.
        channel.health.probe_until = 0;
    }
    channel.save_health(tx.conn)?;
    Ok((opened, channel.health.is_news(&before, &said.omen, tx.now)))
}

fn carried(tx: &Tx<'_>, row: &DeliveryRow) -> Outcome<u64> {
    if row.seq != 0 {
        return Ok(1);
    }
    let sql = "SELECT count(*) FROM delivery WHERE digest = ?1";
    Ok(tx.conn.prepare_cached(sql)?.query_row([row.id.0], |row| row.get(0))?)
}

fn end_of(state: DeliveryState, said: &Settlement) -> End<'_> {
    End { state, code: said.code.as_deref(), reason: said.reason.as_deref(), msgid: said.msgid.as_deref() }
}

/// What becomes of the delivery. Whether an alert was published.
fn apply(tx: &mut Tx<'_>, row: &DeliveryRow, said: &Settlement, started_at: Option<Millis>) -> Outcome<bool> {
    if said.next != Next::Accepted && accepted_before(tx, row)? {
        let end = End { state: DeliveryState::Accepted, code: None, reason: None, msgid: None };
        row::end(tx, row.id, &end, tx.now)?;
        return Ok(false);
    }
    let reason = said.reason.clone().map(cut);
    let said = &Settlement { reason, ..said.clone() };
    if let Some(why) = &said.broken {
        break_address(tx, row, why)?;
    }
    flag_address(tx, row, said)?;
    match said.next {
        Next::Accepted => {
            let end = End { code: None, reason: None, ..end_of(DeliveryState::Accepted, said) };
            row::end(tx, row.id, &end, tx.now)?;
            confirm::early(tx, row, said)
        }
        Next::Failed | Next::Unknown => {
            let unsure = said.next == Next::Unknown;
            let state = if unsure { DeliveryState::Unknown } else { DeliveryState::Failed };
            if unsure {
                let sql = "UPDATE delivery SET unsure_at = ifnull(unsure_at, ?2) WHERE id = ?1";
                tx.conn.prepare_cached(sql)?.execute((row.id.0, started_at))?;
            }
            row::end(tx, row.id, &end_of(state, said), tx.now)?;
            fall::tell(tx, row, &end_of(state, said), said.herald.as_ref())
        }
        Next::Retry { at, why } => {
            retry::retry(tx, row, said, (at, why), started_at)?;
            Ok(false)
        }
    }
}

/// An earlier try that was given up for lost may have brought its answer meanwhile.
fn accepted_before(tx: &Tx<'_>, row: &DeliveryRow) -> Outcome<bool> {
    let sql = "SELECT 1 FROM attempt a WHERE a.delivery = ?1 AND a.result = 1 AND a.round = ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists((row.id.0, row.round))?)
}

/// The address stands, but the person is not reached; or they are again.
fn flag_address(tx: &Tx<'_>, row: &DeliveryRow, said: &Settlement) -> Outcome<()> {
    if row.user == 0 || (said.flagged.is_none() && said.next != Next::Accepted) {
        return Ok(());
    }
    let sql = "UPDATE binding SET flagged = ?4 WHERE channel = ?1 AND user = ?2 AND lane = ?3 AND flagged IS NOT ?4";
    let flagged = said.flagged.clone().map(cut);
    tx.conn.prepare_cached(sql)?.execute((row.channel.0, row.user, row.lane.0, flagged))?;
    Ok(())
}

/// The platform does not know this address any more: nothing more is sent there until it is bound again.
fn break_address(tx: &mut Tx<'_>, row: &DeliveryRow, why: &str) -> Outcome<()> {
    if row.user == 0 {
        return Ok(());
    }
    let sql = "UPDATE binding SET broken = ?3 WHERE channel = ?1 AND lane = ?2";
    tx.conn.prepare_cached(sql)?.execute((row.channel.0, row.lane.0, cut(why.to_owned())))?;
    tx.names.forget();
    address::strand(tx, row.channel, row.user, Some(why))
}
