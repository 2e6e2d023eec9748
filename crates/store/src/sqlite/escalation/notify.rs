//! People are told of a message again, over some ways.

use std::collections::{HashMap, HashSet, hash_map};

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{Cursor, Seq, StateChange, escalation::VIA_DESKTOP};

use super::super::{
    fault::Outcome,
    message::{self, Found},
    outbox::{self, Asked, Place},
    publish,
    tx::Tx,
};
use crate::{Address, Entry, Error, UserId, escalation::copy};

/// Somebody, and what they have of the message: itself, or their copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) user: UserId,
    pub(super) seq: Seq,
    /// It was made in this step: it comes up by itself.
    pub(super) is_new: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Told {
    /// Each whom a way leads to, once, in the order given.
    pub(super) people: Vec<UserId>,
    pub(super) reminded: u64,
    pub(super) queued: u64,
    /// Each to whom something goes out that was not on its way already.
    pub(super) anew: HashSet<UserId>,
    /// Each who has no address at a channel, once.
    pub(super) unreachable: Vec<UserId>,
    /// Ways that led to somebody.
    pub(super) via: Vec<String>,
    known: HashSet<UserId>,
    lost: HashSet<UserId>,
}

impl Told {
    /// Somebody is told over a way. For the next who asks.
    fn reached(&mut self, tx: &Tx<'_>, target: Target, way: &str) -> Outcome<()> {
        if self.known.insert(target.user) {
            self.people.push(target.user);
        }
        if self.via.last().map(String::as_str) != Some(way) {
            self.via.push(way.to_owned());
        }
        let sql = "INSERT OR REPLACE INTO remind (seq, user, way, at) VALUES (?1, ?2, ?3, ?4)";
        tx.conn.prepare_cached(sql)?.execute((target.seq, target.user.0, way, tx.now))?;
        Ok(())
    }

    fn unreachable(&mut self, user: UserId) {
        if self.lost.insert(user) {
            self.unreachable.push(user);
        }
    }
}

/// What is sent, each read once: the message itself for most people.
struct Shelf<'a> {
    root: &'a Found,
    copies: HashMap<Seq, Option<Found>>,
}

impl Shelf<'_> {
    fn at(&mut self, tx: &Tx<'_>, seq: Seq) -> Outcome<Option<&Found>> {
        if seq == self.root.seq {
            return Ok(Some(self.root));
        }
        Ok(match self.copies.entry(seq) {
            hash_map::Entry::Occupied(known) => known.into_mut().as_ref(),
            hash_map::Entry::Vacant(place) => place.insert(message::at(&tx.view(), seq)?).as_ref(),
        })
    }
}

/// Tells these people over each way. `by_hand`: a person asked for it, not a step.
pub(super) fn tell(
    tx: &mut Tx<'_>,
    root: &Found,
    ways: &[(&str, Vec<Target>)],
    by_hand: bool,
) -> Outcome<Told> {
    let mut told = Told::default();
    let mut shelf = Shelf { root, copies: HashMap::new() };
    for (way, targets) in ways {
        if *way == VIA_DESKTOP {
            for target in targets {
                if !target.is_new
                    && let Some(found) = shelf.at(tx, target.seq)?
                {
                    remind(tx, target.user, found)?;
                    told.reminded += 1;
                    told.anew.insert(target.user);
                }
                told.reached(tx, *target, way)?;
            }
            continue;
        }
        let Some(place) = Place::named(tx, way)? else { continue };
        if place.group {
            group(tx, (root, targets), (way, place), by_hand, &mut told)?;
            continue;
        }
        for target in targets {
            let Some(found) = shelf.at(tx, target.seq)? else { continue };
            match outbox::again_to(tx, &found.stored, place, &[target.user], by_hand)? {
                Asked::Queued => {
                    told.queued += 1;
                    told.anew.insert(target.user);
                    told.reached(tx, *target, way)?;
                }
                Asked::Waits => told.reached(tx, *target, way)?,
                Asked::Nowhere => told.unreachable(target.user),
            }
        }
    }
    Ok(told)
}

/// A group gets the message once, for all of them. What names people is nothing for a group to read.
fn group(
    tx: &mut Tx<'_>,
    (root, targets): (&Found, &[Target]),
    (way, place): (&str, Place),
    by_hand: bool,
    told: &mut Told,
) -> Outcome<()> {
    let mut people: Vec<UserId> = targets.iter().map(|target| target.user).collect();
    people.sort_unstable();
    if people.is_empty() || matches!(root.stored.address, Address::People(_)) {
        return Ok(());
    }
    let asked = outbox::again_to(tx, &root.stored, place, &people, by_hand)?;
    if asked == Asked::Queued {
        told.queued += 1;
        told.anew.extend(&people);
    }
    if asked != Asked::Nowhere {
        for target in targets {
            told.reached(tx, *target, way)?;
        }
    }
    Ok(())
}

/// Their devices show it again: those that are there, and those that come later.
fn remind(tx: &mut Tx<'_>, user: UserId, found: &Found) -> Outcome<()> {
    let cursor = Cursor::new(tx.epoch.clone(), tx.head + 1);
    let change = StateChange {
        cursor,
        id: found.stored.message.id,
        read_at: None,
        acknowledged_at: None,
        remind_at: Some(tx.now),
        settled: None,
    };
    tx.append(Entry::State { user, change })?;
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
    watch(tx, root.seq, seq)?;
    Ok(Target { user, seq, is_new: true })
}

/// What is reported of a message is read off its copies too.
pub(super) fn watch(tx: &mut Tx<'_>, root: Seq, copy: Seq) -> Outcome<()> {
    let escalating = tx.names.escalating(tx.conn)?;
    if escalating.watched.contains_key(&root) {
        escalating.watched.insert(copy, root);
    }
    Ok(())
}
