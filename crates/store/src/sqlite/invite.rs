//! Invites: one use of a one-time code makes a person, their memberships, a device and its token, or nothing.

use rusqlite::OptionalExtension as _;
use subtle::ConstantTimeEq as _;
use tocsin_protocol::{Millis, NewUser, Role, TokenKind, User};

use super::{
    device,
    fault::Outcome,
    member, token,
    tx::{Tx, topic_id, user_id},
    user,
};
use crate::{Error, JoinOrder, Joined, SecretHash, UserId};

pub(super) fn add(tx: &mut Tx<'_>, code: &SecretHash, order: &JoinOrder) -> Outcome<()> {
    for topic in &order.topics {
        topic_id(tx.conn, topic)?;
    }
    let topics =
        serde_json::to_string(&order.topics).map_err(|error| Error::Unavailable(error.to_string()))?;
    let sql =
        "INSERT OR REPLACE INTO invite (hash, user, admin, topics, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let admin = order.role == Role::Admin;
    tx.conn.prepare_cached(sql)?.execute((code, &order.user, admin, topics, order.expires_at))?;
    Ok(())
}

fn find(tx: &Tx<'_>, code: &SecretHash) -> Outcome<JoinOrder> {
    let sql = "SELECT hash, user, admin, topics, expires_at FROM invite WHERE hash = ?1 AND used_at IS NULL";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let found = sql
        .query_row([code], |row| {
            let topics = serde_json::from_str(row.get_ref(3)?.as_str()?).unwrap_or_default();
            let role = user::role(row.get(2)?);
            let order = JoinOrder { user: row.get(1)?, role, topics, expires_at: row.get::<_, Millis>(4)? };
            Ok((row.get::<_, SecretHash>(0)?, order))
        })
        .optional()?;
    let good = found.filter(|(hash, order)| bool::from(hash.ct_eq(code)) && order.expires_at > tx.now);
    good.map(|(_, order)| order).ok_or_else(|| Error::Gone.into())
}

/// Uses an invite up.
pub(super) fn redeem(
    tx: &mut Tx<'_>,
    code: &SecretHash,
    device: &str,
    joining: Option<&NewUser>,
    secret: &SecretHash,
) -> Outcome<Joined> {
    let order = find(tx, code)?;
    let (id, user) = person(tx, &order, joining)?;
    tx.conn.prepare_cached("UPDATE invite SET used_at = ?2 WHERE hash = ?1")?.execute((code, tx.now))?;
    for name in &order.topics {
        // A topic that was removed since it was promised is not a reason to turn somebody away.
        if let Ok(topic) = topic_id(tx.conn, name) {
            member::begin(tx, topic, id)?;
        }
    }
    let device = device::open(tx, id, device)?.name;
    let made = token::Made {
        secret,
        kind: TokenKind::Client,
        name: &device,
        user: Some(id),
        topics: &[],
        device: Some(&device),
        expires_at: None,
    };
    let token = token::insert(tx, &made)?;
    Ok(Joined { user, token, device })
}

/// Who joins: the person the invite names, made if they are new, or a new one of a name that is free.
fn person(tx: &mut Tx<'_>, order: &JoinOrder, joining: Option<&NewUser>) -> Outcome<(UserId, User)> {
    let display_name = joining.and_then(|joining| joining.display_name.clone());
    let name = match (&order.user, joining) {
        (Some(name), _) if user_id(tx.conn, name).is_ok() => return user::by_name(tx.conn, name),
        (Some(name), _) => name.clone(),
        (None, Some(joining)) => joining.name.clone(),
        (None, None) => return Err(Error::UnknownUser(String::new()).into()),
    };
    // The role is the invite's, whatever the joining side asks for.
    user::add(tx, &NewUser { name, display_name, role: order.role })
}
