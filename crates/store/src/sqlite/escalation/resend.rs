//! A person who looks at a receipt has a message sent again.

use std::collections::{HashMap, HashSet};

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{
    MessageId, Millis, Seq, State,
    escalation::{ResendMessage, ResentMessage, VIA_DESKTOP},
};

use super::{
    super::{
        fault::Outcome,
        message::{self, Found},
        outbox::{self, Place},
        receipt::standing::{self, Standing},
        tx::{Tx, user_id},
    },
    notify::{self, Target},
    settle,
};
use crate::{Address, Error, UserId, Viewer, escalation};

pub(super) fn resend(
    tx: &mut Tx<'_>,
    viewer: Viewer,
    id: MessageId,
    what: &ResendMessage,
) -> Outcome<ResentMessage> {
    let asked = settle::owned(&tx.view(), viewer, id)?;
    let root = message::at(&tx.view(), asked.root())?.ok_or(Error::NotFound("message"))?;
    if root.pruned {
        return Err(Error::NotFound("message").into());
    }
    if let Some((newer, _)) = root.newer {
        let why = format!("the message was replaced already: {newer} is the newer version");
        return Err(Error::Conflict(why).into());
    }
    check_ways(tx, viewer, &root, &what.via)?;
    if what.via.iter().any(|way| way == VIA_DESKTOP) {
        let settled = settle::settled(&tx.view(), &root)?;
        if let Some(why) = escalation::not_shown_again(&root.stored.message, settled.as_ref(), tx.now) {
            return Err(Error::Conflict(why).into());
        }
    }
    let people = chosen(tx, &root, what)?;
    let mut ways: Vec<(&str, Vec<Target>)> = Vec::new();
    for way in &what.via {
        if ways.iter().any(|(known, _)| *known == way.as_str()) {
            continue;
        }
        let told = told_over(tx, root.seq, way, &people)?;
        // At the very time of the receipt too: a second click within the same millisecond does nothing.
        let is_due = |target: &Target| told.get(&target.user).is_none_or(|at| *at < what.until);
        let targets: Vec<Target> = people
            .iter()
            .map(|person| {
                let seq = person.copy.map_or(root.seq, |(_, seq)| seq);
                Target { user: person.user, seq, is_new: false }
            })
            .filter(is_due)
            .collect();
        ways.push((way, targets));
    }
    let told = notify::tell(tx, &root, &ways, true)?;
    let already =
        |person: &&Standing| !told.anew.contains(&person.user) && !told.unreachable.contains(&person.user);
    Ok(ResentMessage {
        reminded: told.reminded,
        queued: told.queued,
        already: people.iter().filter(already).count() as u64,
        unreachable: names(tx, &told.unreachable)?,
    })
}

/// When each of these people was last told over a way; not what a clock that was set back since says.
fn told_over(tx: &Tx<'_>, root: Seq, way: &str, people: &[Standing]) -> Outcome<HashMap<UserId, Millis>> {
    let mut told = HashMap::new();
    let mut sql =
        tx.conn.prepare_cached("SELECT at FROM remind WHERE seq = ?1 AND user = ?2 AND way = ?3")?;
    for person in people.iter().filter(|person| person.reminded_at.is_some()) {
        let seq = person.copy.map_or(root, |(_, seq)| seq);
        let at: Option<Millis> = sql.query_row((seq, person.user.0, way), |row| row.get(0)).optional()?;
        let latest = tx.now.saturating_add(escalation::BACK_MS);
        told.extend(at.filter(|at| *at <= latest).map(|at| (person.user, at)));
    }
    Ok(told)
}

/// Every way is one that something can be sent over, and that this viewer may use.
fn check_ways(tx: &mut Tx<'_>, viewer: Viewer, root: &Found, via: &[String]) -> Outcome<()> {
    if via.is_empty() {
        return Err(Error::Invalid("name a way at least: desktop, or a channel".into()).into());
    }
    for way in via.iter().filter(|way| *way != VIA_DESKTOP) {
        let id = outbox::channel_id(tx.conn, way)?;
        let Some(place) = Place::named(tx, way)? else {
            return Err(Error::Conflict(format!("the channel {way:?} is switched off")).into());
        };
        if place.group && matches!(root.stored.address, Address::People(_)) {
            return Err(Error::Invalid(escalation::not_for_a_group(way)).into());
        }
        if !matches!(viewer, Viewer::Admin(_)) && !outbox::carries(tx, id, root.topic(), place.group)? {
            return Err(Error::Forbidden(escalation::NO_ROUTE).into());
        }
    }
    Ok(())
}

/// The people that are named, or all who have not received it.
fn chosen(tx: &Tx<'_>, root: &Found, what: &ResendMessage) -> Outcome<Vec<Standing>> {
    let mut people = standing::all(&tx.view(), root)?;
    let Some(names) = &what.people else {
        people.retain(|person| matches!(person.state, State::Missing | State::Expired));
        return Ok(people);
    };
    let owed = people.iter().filter(|person| person.state != State::Withdrawn);
    let owed: HashSet<UserId> = owed.map(|person| person.user).collect();
    let mut users: HashSet<UserId> = HashSet::new();
    for name in names {
        let user = user_id(tx.conn, name)?;
        if !owed.contains(&user) {
            return Err(Error::Invalid(format!("the message is not owed to {name}")).into());
        }
        users.insert(user);
    }
    people.retain(|person| users.contains(&person.user));
    Ok(people)
}

fn names(tx: &Tx<'_>, users: &[UserId]) -> Outcome<Vec<String>> {
    let mut names = Vec::with_capacity(users.len());
    for user in users {
        let sql = "SELECT name FROM user WHERE id = ?1";
        names.push(tx.conn.prepare_cached(sql)?.query_row([user.0], |row| row.get(0))?);
    }
    names.sort();
    Ok(names)
}
