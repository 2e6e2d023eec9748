//! Receipts: computed from membership intervals, acknowledged stretches and deliveries, never stored.

mod list;
pub(super) mod standing;

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{
    Counts, Cursor, MessageId, Millis, PersonReceipt, Receipt, Seq, Shown, State, receipt::Presence,
};

use super::{
    escalation,
    fault::Outcome,
    ledger::Ledger,
    log,
    message::{self, Found},
    outbox,
    owed::Item,
    view::View,
};
use crate::{DeviceId, Error, Here, PeoplePage, UserId, Viewer, rules};
pub(super) use list::receipts;
use standing::{Over, Standing};

/// Who has it and who has not, as far as the viewer may see.
pub(super) fn receipt(view: &View<'_>, viewer: Viewer, id: MessageId, page: &PeoplePage) -> Outcome<Receipt> {
    let found = message::by_id(view, id)?;
    let whole = sees_whole(viewer, &found);
    let mut people = standing::all(view, &found)?;
    people.retain(|person| whole || viewer == Viewer::Member(person.user));
    if !whole && people.is_empty() {
        return Err(Error::Forbidden("only the sender, the audience and admins may see this").into());
    }
    let named = by_name(view.conn, people)?;
    let counts = counts_of(named.iter().map(|(_, person)| person));
    let lacking = |wanted| lacking(&named, |state| rules::lacks(state, wanted));
    let (shown, next) = paged(&named, page);
    let people = shown.iter().map(|row| person(view, row)).collect::<Outcome<_>>()?;
    let as_of = Cursor::new(view.epoch.clone(), log::head(view.conn)?);
    let escalation = if whole { escalation::told(view, &found)? } else { None };
    let (unread, unacknowledged) = (lacking(State::Read), lacking(State::Acknowledged));
    let message = found.stored.message;
    Ok(Receipt {
        id,
        seq: found.seq,
        topic: message.topic,
        title: message.title,
        created_at: message.created_at,
        expires_at: message.expires_at,
        superseded_by: found.newer.map(|(id, _)| id),
        whole,
        counts,
        missing: missing(&named),
        unread,
        unacknowledged,
        people,
        next,
        escalation,
        waited: None,
        groups: Vec::new(),
        as_of,
        as_of_ms: view.now,
    })
}

/// How many are how far.
pub(super) fn counts(view: &View<'_>, id: MessageId) -> Outcome<Counts> {
    let found = message::by_id(view, id)?;
    Ok(counts_of(standing::all(view, &found)?.iter()))
}

pub(super) fn counts_of<'a>(people: impl Iterator<Item = &'a Standing>) -> Counts {
    rules::counts(people.map(|person| (person.state, person.shown.map(|(shown, _)| shown))))
}

/// A person's names.
pub(super) struct Name {
    pub(super) name: String,
    display_name: String,
}

/// People with their names, in their order.
pub(super) fn by_name(conn: &Connection, people: Vec<Standing>) -> Outcome<Vec<(Name, Standing)>> {
    let ids = log::ids_text(people.iter().map(|person| person.user.0));
    let sql = "SELECT u.id, u.name, u.display_name FROM json_each(?1) p CROSS JOIN user u ON u.id = p.value";
    let mut sql = conn.prepare_cached(sql)?;
    let rows = sql.query_map([ids], |row| {
        Ok((row.get::<_, i64>(0)?, Name { name: row.get(1)?, display_name: row.get(2)? }))
    })?;
    let mut known = rows.collect::<Result<HashMap<_, _>, _>>()?;
    let mut named: Vec<(Name, Standing)> = people
        .into_iter()
        .filter_map(|person| known.remove(&person.user.0).map(|name| (name, person)))
        .collect();
    named.sort_by(|(a, x), (b, y)| (&a.name, x.user).cmp(&(&b.name, y.user)));
    Ok(named)
}

/// The first names of those whose state says so.
pub(super) fn lacking(named: &[(Name, Standing)], lacks: impl Fn(State) -> bool) -> Vec<String> {
    rules::names(named.iter().map(|(name, person)| (person.state, name.name.as_str())), lacks)
}

/// Names of those who wait for it.
pub(super) fn missing(named: &[(Name, Standing)]) -> Vec<String> {
    lacking(named, |state| state == State::Missing)
}

/// The rows of a page, and the name that the next one begins after.
fn paged<'a>(named: &'a [(Name, Standing)], page: &PeoplePage) -> (&'a [(Name, Standing)], Option<String>) {
    let start = page.after.as_ref().map_or(0, |after| named.partition_point(|(name, _)| name.name <= *after));
    let rest = &named[start..];
    let mut end = rest.len().min(page.limit);
    // People of the same name, removed but one, stay together: the next page begins after the name.
    while end > 0 && rest.get(end).is_some_and(|(name, _)| name.name == rest[end - 1].0.name) {
        end += 1;
    }
    let shown = &rest[..end];
    let next = shown.last().filter(|_| shown.len() < rest.len()).map(|(name, _)| name.name.clone());
    (shown, next)
}

fn person(view: &View<'_>, (name, person): &(Name, Standing)) -> Outcome<PersonReceipt> {
    let (device, channel) = match person.received.or(person.sent.filter(|(_, over)| over.is_channel())) {
        Some((_, Over::Device(id))) => (device_name(view.conn, id)?, None),
        Some((_, Over::Channel(id))) => (None, outbox::channel_name(view.conn, id)?),
        None => (None, None),
    };
    Ok(PersonReceipt {
        whose: person.user.0,
        user: name.name.clone(),
        display_name: name.display_name.clone(),
        state: person.state,
        sent_at: person.sent.map(|(at, _)| at),
        received_at: person.received.map(|(at, _)| at),
        device,
        channel,
        why: None,
        escalated: person.copy.map(|(id, _)| id),
        reminded_at: person.reminded_at,
        devices: Vec::new(),
        shown: person.shown.map(|(shown, _)| shown),
        shown_at: person.shown.filter(|(shown, _)| *shown == Shown::Shown).map(|(_, at)| at),
        read_at: person.read_at,
        acknowledged_at: person.acknowledged_at,
        ways: Vec::new(),
    })
}

impl Over {
    fn is_channel(self) -> bool {
        matches!(self, Self::Channel(_))
    }
}

fn device_name(conn: &Connection, id: DeviceId) -> Outcome<Option<String>> {
    let sql = "SELECT name FROM device WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0)).optional()?)
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

/// Whether a pruned message never came to a person who waited for it.
pub(super) fn is_lost(conn: &Connection, ledger: &Ledger, user: UserId, found: &Found) -> Outcome<bool> {
    let item = Item { seq: found.seq, topic: found.topic() };
    let sql = "SELECT by_seq, at FROM withdrawn WHERE seq = ?1 AND user = ?2";
    let withdrawn = conn
        .prepare_cached(sql)?
        .query_row((found.seq, user.0), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // `now` plays no part: it is pruned.
    let lost = standing::not_arrived(found, withdrawn, Millis::MIN) == State::LostToRetention;
    let was_lost = "SELECT 1 FROM lost WHERE seq = ?1 AND user = ?2";
    Ok(lost
        && pressed(conn, user, found.seq)? == (None, None)
        && (conn.prepare_cached(was_lost)?.exists((found.seq, user.0))?
            || (ledger.received(conn, item)?.is_none()
                && ledger.sent(conn, item)?.is_none()
                && !outbox::arrived(conn, user, found.seq, true)?)))
}

/// The devices of these people, by name.
pub(super) fn presences(view: &View<'_>, users: &[String]) -> Outcome<Vec<Here>> {
    let names = serde_json::to_string(users).map_err(|error| Error::Invalid(error.to_string()))?;
    let sql = "SELECT u.name, d.name, d.last_seen_at, d.id, u.id FROM (SELECT DISTINCT value FROM json_each(?1)) p \
               CROSS JOIN user u ON u.name = p.value AND u.removed_at IS NULL \
               CROSS JOIN device d ON d.user = u.id WHERE d.removed_at IS NULL ORDER BY u.name, d.name";
    let mut sql = view.conn.prepare_cached(sql)?;
    let touched = view.shared.touched();
    let rows = sql.query_map([names], |row| {
        let seen: Option<Millis> = row.get(2)?;
        let id = DeviceId(row.get(3)?);
        let last_seen_at = touched.device(id).max(seen);
        Ok(Here {
            owner: UserId(row.get(4)?),
            user: row.get(0)?,
            id,
            presence: Presence { device: row.get(1)?, online: false, last_seen_at },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
