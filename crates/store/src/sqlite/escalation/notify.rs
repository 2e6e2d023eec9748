//! People are told of a message again, over some ways.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{Cursor, Seq, StateChange, escalation::VIA_DESKTOP};

use super::super::{
    fault::Outcome,
    message::{self, Found},
    outbox::{self, Asked, Place},
    publish,
    tx::Tx,
};
use crate::{Entry, Error, UserId, escalation::copy};

/// Somebody, and what they have of the message: itself, or their copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) user: UserId,
    pub(super) seq: Seq,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Told {
    /// Each whom a way leads to, once, in the order given.
    pub(super) people: Vec<UserId>,
    pub(super) reminded: u64,
    pub(super) queued: u64,
    /// Each who has no address at a channel, once.
    pub(super) unreachable: Vec<UserId>,
    /// Ways that led to somebody.
    pub(super) via: Vec<String>,
}

impl Told {
    fn reached(&mut self, user: UserId, way: &str) {
        if !self.people.contains(&user) {
            self.people.push(user);
        }
        if self.via.last().map(String::as_str) != Some(way) {
            self.via.push(way.to_owned());
        }
    }
}

/// Tells them. `by_hand`: a person asked for it, not a step.
pub(super) fn tell(
    tx: &mut Tx<'_>,
    root: &Found,
    targets: &[Target],
    via: &[String],
    by_hand: bool,
) -> Outcome<Told> {
    let mut told = Told::default();
    for way in via {
        if way == VIA_DESKTOP {
            for target in targets {
                remind(tx, *target)?;
                told.reminded += 1;
                told.reached(target.user, way);
            }
            continue;
        }
        let Some(place) = Place::named(tx, way)? else { continue };
        if place.group {
            group(tx, (root, targets), (way, place), by_hand, &mut told)?;
            continue;
        }
        for target in targets {
            let Some(found) = message::at(&tx.view(), target.seq)? else { continue };
            match outbox::again_to(tx, &found.stored, place, &[target.user], by_hand)? {
                Asked::Queued => {
                    told.queued += 1;
                    told.reached(target.user, way);
                }
                Asked::Waits => told.reached(target.user, way),
                Asked::Nowhere if told.unreachable.contains(&target.user) => {}
                Asked::Nowhere => told.unreachable.push(target.user),
            }
        }
    }
    for user in &told.people {
        let seq = targets.iter().find(|target| target.user == *user).map_or(root.seq, |target| target.seq);
        let sql = "INSERT OR REPLACE INTO remind (seq, user, at) VALUES (?1, ?2, ?3)";
        tx.conn.prepare_cached(sql)?.execute((seq, user.0, tx.now))?;
    }
    Ok(told)
}

/// A group gets the message once, for all of them.
fn group(
    tx: &mut Tx<'_>,
    (root, targets): (&Found, &[Target]),
    (way, place): (&str, Place),
    by_hand: bool,
    told: &mut Told,
) -> Outcome<()> {
    let mut people: Vec<UserId> = targets.iter().map(|target| target.user).collect();
    people.sort_unstable();
    if people.is_empty() {
        return Ok(());
    }
    let asked = outbox::again_to(tx, &root.stored, place, &people, by_hand)?;
    told.queued += u64::from(asked == Asked::Queued);
    if asked != Asked::Nowhere {
        for target in targets {
            told.reached(target.user, way);
        }
    }
    Ok(())
}

/// Their devices show it again: those that are there, and those that come later.
fn remind(tx: &mut Tx<'_>, target: Target) -> Outcome<()> {
    let Some(found) = message::at(&tx.view(), target.seq)? else { return Ok(()) };
    let cursor = Cursor::new(tx.epoch.clone(), tx.head + 1);
    let change = StateChange {
        cursor,
        id: found.stored.message.id,
        read_at: None,
        acknowledged_at: None,
        remind_at: Some(tx.now),
        settled: None,
    };
    tx.append(Entry::State { user: target.user, change })?;
    Ok(())
}

/// Brings somebody in who is not in the audience: a message of their own.
pub(super) fn bring_in(tx: &mut Tx<'_>, root: &Found, user: UserId) -> Outcome<Target> {
    let sql = "SELECT name FROM user WHERE id = ?1 AND removed_at IS NULL";
    let name: Option<String> =
        tx.conn.prepare_cached(sql)?.query_row([user.0], |row| row.get(0)).optional()?;
    let name = name.ok_or(Error::NotFound("user"))?;
    let message = &root.stored.message;
    let seq = publish::copy(tx, &copy::of(message, &name, tx.now), message)?;
    let escalating = tx.names.escalating(tx.conn)?;
    if escalating.watched.contains_key(&root.seq) {
        escalating.watched.insert(seq, root.seq);
    }
    Ok(Target { user, seq })
}
