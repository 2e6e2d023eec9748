//! A person who looks at a receipt has a message sent again.

use tocsin_protocol::{
    MessageId, State,
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
use crate::{Error, UserId, Viewer};

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
    ways(tx, &what.via)?;
    let people = chosen(tx, &root, what)?;
    // At the very time of the receipt too: a second click within the same millisecond does nothing.
    let (again, already): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|person| person.reminded_at.is_none_or(|at| at < what.until));
    let targets: Vec<Target> = again
        .iter()
        .map(|person| Target { user: person.user, seq: person.copy.map_or(root.seq, |(_, seq)| seq) })
        .collect();
    let told = notify::tell(tx, &root, &targets, &what.via, true)?;
    Ok(ResentMessage {
        reminded: told.reminded,
        queued: told.queued,
        already: already.len() as u64,
        unreachable: names(tx, &told.unreachable)?,
    })
}

/// Every way is one that something can be sent over.
fn ways(tx: &Tx<'_>, via: &[String]) -> Outcome<()> {
    if via.is_empty() {
        return Err(Error::Invalid("name a way at least: desktop, or a channel".into()).into());
    }
    for way in via.iter().filter(|way| *way != VIA_DESKTOP) {
        outbox::channel_id(tx.conn, way)?;
        if Place::named(tx, way)?.is_none() {
            return Err(Error::Conflict(format!("the channel {way:?} is switched off")).into());
        }
    }
    Ok(())
}

/// The people that are named, or all who have not received it.
fn chosen(tx: &Tx<'_>, root: &Found, what: &ResendMessage) -> Outcome<Vec<Standing>> {
    let mut people = standing::all(&tx.view(), root)?;
    let Some(names) = &what.people else {
        people.retain(|person| person.state == State::Missing);
        return Ok(people);
    };
    let mut users: Vec<UserId> = Vec::new();
    for name in names {
        let user = user_id(tx.conn, name)?;
        let owed = people.iter().any(|person| person.user == user && person.state != State::Withdrawn);
        if !owed {
            return Err(Error::Invalid(format!("the message is not owed to {name}")).into());
        }
        users.push(user);
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
