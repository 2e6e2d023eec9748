//! How far a message is with each person, for everybody at once.
//!
//! A few statements for the whole audience, whatever its size: what is rare (reads, reports of showing, deliveries,
//! withdrawals) is read as the rows there are of the message, and each device costs one seek among its
//! acknowledgements, since rows of one device do not overlap: the first that ends at or after a position is the only
//! one that can cover it.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};
use tocsin_protocol::{DeliveryState, MessageId, Millis, Seq, Shown, State};

use super::super::{
    fault::Outcome,
    ledger::Device,
    log,
    message::{self, Found},
    outbox, owed, shown,
    view::View,
};
use crate::{DeviceId, UserId, outbox::ChannelId};

/// Over what a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum Over {
    Device(DeviceId),
    Channel(ChannelId),
}

/// One person.
pub(in crate::sqlite) struct Standing {
    pub(in crate::sqlite) user: UserId,
    pub(in crate::sqlite) state: State,
    pub(in crate::sqlite) received: Option<(Millis, Over)>,
    pub(in crate::sqlite) sent: Option<(Millis, Over)>,
    pub(in crate::sqlite) read_at: Option<Millis>,
    pub(in crate::sqlite) acknowledged_at: Option<Millis>,
    pub(in crate::sqlite) withdrawn: Option<(Seq, Millis)>,
    lost: bool,
    pub(in crate::sqlite) shown: Option<(Shown, Millis)>,
    pub(in crate::sqlite) reminded_at: Option<Millis>,
    /// The copy that an escalation made for them, and its position.
    pub(in crate::sqlite) copy: Option<(MessageId, Seq)>,
}

impl Standing {
    fn new(user: UserId) -> Self {
        Self {
            user,
            state: State::Missing,
            received: None,
            sent: None,
            read_at: None,
            acknowledged_at: None,
            withdrawn: None,
            lost: false,
            shown: None,
            reminded_at: None,
            copy: None,
        }
    }

    /// The state, once everything else is known.
    fn decide(&mut self, found: &Found, now: Millis) {
        // A time kept to the minute may lie before the message, or the copy, itself.
        let created = found.stored.message.created_at;
        self.received = self.received.map(|(at, over)| (at.max(created), over));
        // What was withdrawn or lost was not received; an acknowledgement that came too late changes nothing.
        if self.withdrawn.is_some() || self.lost {
            self.received = None;
        }
        if self.lost {
            self.sent = None;
        }
        self.state = if self.acknowledged_at.is_some() {
            State::Acknowledged
        } else if self.read_at.is_some() {
            State::Read
        } else if self.received.is_some() {
            State::Received
        } else if self.sent.is_some() {
            State::Sent
        } else {
            not_arrived(found, self.withdrawn, now)
        };
    }
}

/// Why somebody has not got it: what ended their waiting first.
pub(super) fn not_arrived(found: &Found, withdrawn: Option<(Seq, Millis)>, now: Millis) -> State {
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

/// The audience of a message, and whoever its escalation brought in.
pub(in crate::sqlite) fn all(view: &View<'_>, found: &Found) -> Outcome<Vec<Standing>> {
    let mut people = audience(view, found)?;
    for copy in copies(view, found.seq)? {
        for mut person in audience(view, &copy)? {
            person.copy = Some((copy.stored.message.id, copy.seq));
            // Who left and was brought in again is there as the one who was brought in; else the further state counts.
            match people.iter_mut().find(|known| known.user == person.user) {
                Some(known) if known.state == State::Withdrawn || person.state > known.state => {
                    *known = person;
                }
                Some(_) => {}
                None => people.push(person),
            }
        }
    }
    Ok(people)
}

/// The copies of a message that its escalation made, in the order of the log.
pub(in crate::sqlite) fn copies(view: &View<'_>, seq: Seq) -> Outcome<Vec<Found>> {
    let sql = format!("{} WHERE m.escalates = ?1 ORDER BY m.seq", message::SELECT);
    let mut sql = view.conn.prepare_cached(&sql)?;
    let rows = sql.query_map([seq], |row| message::read(row, view))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The audience alone, by the number of the person.
pub(in crate::sqlite) fn audience(view: &View<'_>, found: &Found) -> Outcome<Vec<Standing>> {
    let mut users = owed::audience(view.conn, found.seq, &found.stored.address)?;
    users.sort_unstable();
    users.dedup();
    let text = log::ids_text(users.iter().map(|user| user.0));
    let mut gathered = Gathered {
        places: users.iter().enumerate().map(|(place, user)| (user.0, place)).collect(),
        people: users.into_iter().map(Standing::new).collect(),
    };
    gathered.facts(view.conn, found)?;
    gathered.devices(view.conn, found, &text)?;
    gathered.channels(view.conn, found.seq)?;
    for person in &mut gathered.people {
        person.decide(found, view.now);
    }
    Ok(gathered.people)
}

struct Gathered {
    places: HashMap<i64, usize>,
    people: Vec<Standing>,
}

impl Gathered {
    fn person(&mut self, user: i64) -> Option<&mut Standing> {
        self.people.get_mut(*self.places.get(&user)?)
    }

    /// Calls `each` with the person of every row; the first column is the person.
    fn rows(
        &mut self,
        conn: &Connection,
        (sql, seq): (&str, Seq),
        each: impl Fn(&mut Standing, &Row<'_>) -> rusqlite::Result<()>,
    ) -> Outcome<()> {
        let mut sql = conn.prepare_cached(sql)?;
        let mut rows = sql.query([seq])?;
        while let Some(row) = rows.next()? {
            if let Some(person) = self.person(row.get(0)?) {
                each(person, row)?;
            }
        }
        Ok(())
    }

    /// What has rows of its own for a person.
    fn facts(&mut self, conn: &Connection, found: &Found) -> Outcome<()> {
        let seq = found.seq;
        self.rows(
            conn,
            ("SELECT user, read_at, acknowledged_at FROM press WHERE seq = ?1", seq),
            |p, row| {
                (p.read_at, p.acknowledged_at) = (row.get(1)?, row.get(2)?);
                Ok(())
            },
        )?;
        self.rows(conn, ("SELECT user, by_seq, at FROM withdrawn WHERE seq = ?1", seq), |p, row| {
            p.withdrawn = Some((row.get(1)?, row.get(2)?));
            Ok(())
        })?;
        self.rows(conn, ("SELECT user, max(at) FROM remind WHERE seq = ?1 GROUP BY user", seq), |p, row| {
            p.reminded_at = row.get(1)?;
            Ok(())
        })?;
        if found.pruned {
            self.rows(conn, ("SELECT user FROM lost WHERE seq = ?1", seq), |p, _| {
                p.lost = true;
                Ok(())
            })?;
        }
        let sql = "SELECT d.user, s.shown, s.at FROM shown s JOIN device d ON d.id = s.device WHERE s.seq = ?1 \
                   ORDER BY s.device";
        self.rows(conn, (sql, seq), |p, row| {
            let (number, at): (i64, Millis) = (row.get(1)?, row.get(2)?);
            p.shown = Some(shown::better(p.shown, (shown::state(number), at)));
            Ok(())
        })
    }

    /// What their devices stored or were handed.
    fn devices(&mut self, conn: &Connection, found: &Found, users: &str) -> Outcome<()> {
        let sql = "SELECT d.user, d.id, \
             (SELECT CASE WHEN a.from_seq < ?2 THEN a.at END FROM ack a \
              WHERE a.device = d.id AND a.to_seq >= ?2 ORDER BY a.to_seq LIMIT 1), \
             (SELECT CASE WHEN c.from_seq < ?2 THEN c.at END FROM claim c \
              WHERE c.device = d.id AND c.to_seq >= ?2 ORDER BY c.to_seq LIMIT 1), \
             ?3 AND EXISTS (SELECT 1 FROM filter f WHERE f.device = d.id) \
             FROM json_each(?1) p CROSS JOIN device d ON d.user = p.value ORDER BY d.id";
        let item = owed::Item { seq: found.seq, topic: found.topic() };
        let mut sql = conn.prepare_cached(sql)?;
        let mut rows = sql.query(params![users, found.seq, item.topic.is_some()])?;
        while let Some(row) = rows.next()? {
            let (user, device) = (row.get(0)?, DeviceId(row.get(1)?));
            let (stored, handed): (Option<Millis>, Option<Millis>) = (row.get(2)?, row.get(3)?);
            if stored.is_none() && handed.is_none() {
                continue;
            }
            if row.get::<_, bool>(4)? && !Device::load(conn, device)?.takes(item) {
                continue;
            }
            if let Some(person) = self.person(user) {
                first(&mut person.received, stored, Over::Device(device));
                first(&mut person.sent, handed, Over::Device(device));
            }
        }
        Ok(())
    }

    /// What came to them over channels.
    fn channels(&mut self, conn: &Connection, seq: Seq) -> Outcome<()> {
        let sql = "SELECT user, channel, state, since FROM delivery WHERE seq = ?1 AND seq > 0 AND what = 0 ORDER BY channel";
        self.rows(conn, (sql, seq), |person, row| {
            let (over, at) = (Over::Channel(ChannelId(row.get(1)?)), Some(row.get(3)?));
            match outbox::state(row.get(2)?)? {
                DeliveryState::Accepted => first(&mut person.sent, at, over),
                DeliveryState::Confirmed => first(&mut person.received, at, over),
                _ => {}
            }
            Ok(())
        })
    }
}

/// Keeps the earliest; of two at once the one that is there already.
fn first(known: &mut Option<(Millis, Over)>, at: Option<Millis>, over: Over) {
    if let Some(at) = at
        && known.is_none_or(|(first, _)| at < first)
    {
        *known = Some((at, over));
    }
}
