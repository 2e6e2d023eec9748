//! A stretch of a person's stream from the file: what live routing would have sent.

use tocsin_protocol::{Message, Seq, StateChange};

use super::{
    device,
    fault::Outcome,
    ledger::{Device, Ledger},
    log, message,
    owed::{self, Item, Owed, Walk},
    receipt,
    view::View,
};
use crate::{DeviceId, Lost, OwedItem, Replay, UserId};

/// What is owed to the device, oldest first, at most `limit` items.
pub(super) fn replay(view: &View<'_>, id: DeviceId, after: Seq, upto: Seq, limit: usize) -> Outcome<Replay> {
    let record = device::known(view.conn, id)?;
    let device = Device::load(view.conn, id)?;
    let upto = upto.min(log::head(view.conn)?).max(after);
    // One more than asked for tells whether there is more.
    let wanted = limit.saturating_add(1);
    let mut found: Vec<(Seq, OwedItem)> = Vec::new();
    for message in messages(view, record.user, &device, (after, upto), wanted)? {
        found.push((message.cursor.seq, OwedItem::Message(Box::new(message))));
    }
    for change in states(view, record.user, (after, upto), wanted)? {
        found.push((change.cursor.seq, OwedItem::State(change)));
    }
    found.sort_unstable_by_key(|(seq, _)| *seq);
    let more = found.len() > limit;
    found.truncate(limit);
    let reached = match found.last() {
        Some((last, _)) if more => *last,
        None if more => after,
        _ => upto,
    };
    Ok(Replay { items: found.into_iter().map(|(_, item)| item).collect(), reached })
}

fn messages(
    view: &View<'_>,
    user: UserId,
    device: &Device,
    stretch: (Seq, Seq),
    wanted: usize,
) -> Outcome<Vec<Message>> {
    let mut found = Vec::new();
    Owed::kept(view.conn, user)?.walk(view.conn, stretch, |item| {
        if let Some(message) = deliverable(view, user, device, item)? {
            found.push(message);
        }
        Ok(if found.len() >= wanted { Walk::Stop } else { Walk::On })
    })?;
    Ok(found)
}

/// The message, if this device is to get it.
pub(super) fn deliverable(
    view: &View<'_>,
    user: UserId,
    device: &Device,
    item: Item,
) -> Outcome<Option<Message>> {
    if !device.takes(item) || owed::is_withdrawn(view.conn, user, item.seq)? {
        return Ok(None);
    }
    let found = message::at(view, item.seq)?.filter(|found| !found.pruned);
    Ok(found.map(|found| found.marked(view.now)))
}

fn states(
    view: &View<'_>,
    user: UserId,
    (after, upto): (Seq, Seq),
    wanted: usize,
) -> Outcome<Vec<StateChange>> {
    let sql = "SELECT seq, b, c, d, data, by FROM entry WHERE kind = 5 AND a = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4";
    let mut sql = view.conn.prepare_cached(sql)?;
    let rows = sql.query_map((user.0, after, upto, wanted), |row| log::state(row, row.get("seq")?, view))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the person was owed after `after` and never got because it was pruned.
pub(super) fn lost(view: &View<'_>, id: DeviceId, after: Seq) -> Outcome<Lost> {
    let user = device::known(view.conn, id)?.user;
    let mut lost = Lost::default();
    // The usual case costs nothing: nothing behind this position was ever pruned.
    if after >= view.pruned() {
        return Ok(lost);
    }
    let ledger = Ledger::load(view.conn, user)?;
    Owed::all(view.conn, user)?.walk(view.conn, (after, view.pruned()), |item| {
        if let Some(found) = message::at(view, item.seq)?.filter(|found| found.pruned)
            && receipt::is_lost(view.conn, &ledger, user, &found)?
        {
            lost.count += 1;
            let sent = found.stored.message.created_at;
            lost.since = Some(lost.since.map_or(sent, |since| since.min(sent)));
        }
        Ok(Walk::On)
    })?;
    Ok(lost)
}
