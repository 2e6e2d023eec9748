//! Receipts: computed from membership intervals and acknowledged stretches, never stored.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Cursor, MessageId, Millis, PersonReceipt, Receipt, Seq, Shown, State};

use super::{
    fault::Outcome,
    ledger::Ledger,
    log,
    message::{self, Found},
    owed::{self, Item},
    shown,
    view::View,
};
use crate::{Error, UserId, Viewer, rules};

/// Who has it and who has not, as far as the viewer may see.
pub(super) fn receipt(view: &View<'_>, viewer: Viewer, id: MessageId) -> Outcome<Receipt> {
    let found = message::by_id(view, id)?;
    let whole = sees_whole(viewer, &found);
    let mut people = Vec::new();
    for user in owed::audience(view.conn, found.seq, &found.stored.address)? {
        if whole || viewer == Viewer::Member(user) {
            people.push(person(view, user, &found)?);
        }
    }
    if !whole && people.is_empty() {
        return Err(Error::Forbidden("only the sender, the audience and admins may see this").into());
    }
    people.sort_by(|a, b| a.user.cmp(&b.user));
    let as_of = Cursor::new(view.epoch.clone(), log::head(view.conn)?);
    let message = found.stored.message;
    Ok(Receipt {
        id,
        seq: found.seq,
        topic: message.topic,
        title: message.title,
        created_at: message.created_at,
        expires_at: message.expires_at,
        superseded_by: found.newer.map(|(id, _)| id),
        counts: rules::counts(&people),
        missing: rules::missing(&people),
        people,
        groups: Vec::new(),
        as_of,
    })
}

/// Whether the viewer may see everybody of it.
pub(super) fn sees_whole(viewer: Viewer, found: &Found) -> bool {
    match viewer {
        Viewer::Admin(_) => true,
        Viewer::Member(user) => found.user == Some(user),
        Viewer::Sender(token) => found.token == token,
    }
}

/// What a person pressed.
pub(super) fn pressed(
    conn: &Connection,
    user: UserId,
    seq: Seq,
) -> Outcome<(Option<Millis>, Option<Millis>)> {
    let sql = "SELECT read_at, acknowledged_at FROM press WHERE seq = ?1 AND user = ?2";
    let row = conn
        .prepare_cached(sql)?
        .query_row((seq, user.0), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.unwrap_or_default())
}

fn person(view: &View<'_>, user: UserId, found: &Found) -> Outcome<PersonReceipt> {
    let conn = view.conn;
    let item = Item { seq: found.seq, topic: found.topic() };
    let sql = "SELECT name, display_name FROM user WHERE id = ?1";
    let (name, display_name) =
        conn.prepare_cached(sql)?.query_row([user.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ledger = Ledger::load(conn, user)?;
    let withdrawn = withdrawal(conn, user, found.seq)?;
    let lost = was_lost(conn, user, found)?;
    // What was withdrawn or lost was not received; an acknowledgement that came too late changes nothing.
    let received = if withdrawn.is_none() && !lost { ledger.received(conn, item)? } else { None };
    let sent = if lost { None } else { ledger.sent(conn, item)? };
    let (read_at, acknowledged_at) = pressed(conn, user, found.seq)?;
    let shown = shown::best(conn, user, found.seq)?;
    let state = if acknowledged_at.is_some() {
        State::Acknowledged
    } else if read_at.is_some() {
        State::Read
    } else if received.is_some() {
        State::Received
    } else if sent.is_some() {
        State::Sent
    } else {
        not_arrived(found, withdrawn, view.now)
    };
    // A time kept to the minute may lie before the message itself.
    let created = found.stored.message.created_at;
    Ok(PersonReceipt {
        user: name,
        display_name,
        state,
        sent_at: sent.map(|has| has.at),
        received_at: received.as_ref().map(|has| has.at.max(created)),
        device: received.map(|has| has.device.name.clone()),
        shown: shown.map(|(shown, _)| shown),
        shown_at: shown.filter(|(shown, _)| *shown == Shown::Shown).map(|(_, at)| at),
        read_at,
        acknowledged_at,
        ways: Vec::new(),
    })
}

/// The position and time at which a person lost their claim to a message.
fn withdrawal(conn: &Connection, user: UserId, seq: Seq) -> Outcome<Option<(Seq, Millis)>> {
    let sql = "SELECT by_seq, at FROM withdrawn WHERE seq = ?1 AND user = ?2";
    Ok(conn.prepare_cached(sql)?.query_row((seq, user.0), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Why somebody has not got it: what ended their waiting first.
fn not_arrived(found: &Found, withdrawn: Option<(Seq, Millis)>, now: Millis) -> State {
    let ended_seq = withdrawn.map_or(owed::END, |(seq, _)| seq);
    let ended_at = withdrawn.map(|(_, at)| at).or(found.pruned_at).unwrap_or(now);
    let superseded = found.newer.is_some_and(|(_, newer)| newer < ended_seq);
    let expired = found.stored.message.expires_at.is_some_and(|at| at <= ended_at);
    if superseded {
        State::Superseded
    } else if expired {
        State::Expired
    } else if withdrawn.is_some() {
        State::Withdrawn
    } else if found.pruned {
        State::LostToRetention
    } else {
        State::Missing
    }
}

/// Whether it was pruned before it came to a person who waited for it, as found when it was pruned.
fn was_lost(conn: &Connection, user: UserId, found: &Found) -> Outcome<bool> {
    let sql = "SELECT 1 FROM lost WHERE seq = ?1 AND user = ?2";
    Ok(found.pruned && conn.prepare_cached(sql)?.exists((found.seq, user.0))?)
}

/// Whether a pruned message never came to a person who waited for it.
pub(super) fn is_lost(conn: &Connection, ledger: &Ledger, user: UserId, found: &Found) -> Outcome<bool> {
    let item = Item { seq: found.seq, topic: found.topic() };
    let withdrawn = withdrawal(conn, user, found.seq)?;
    // `now` plays no part: it is pruned.
    let lost = not_arrived(found, withdrawn, Millis::MIN) == State::LostToRetention;
    Ok(lost
        && pressed(conn, user, found.seq)? == (None, None)
        && (was_lost(conn, user, found)?
            || (ledger.received(conn, item)?.is_none() && ledger.sent(conn, item)?.is_none())))
}
