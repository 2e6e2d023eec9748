//! People.

use rusqlite::{Connection, OptionalExtension as _, Row};
use tocsin_protocol::{NewUser, Role, User, account::UserChange, limits::is_name};

use super::{
    escalation,
    fault::Outcome,
    member, session, token,
    tx::{Tx, user_id},
    view::View,
    withdraw,
};
use crate::{Entry, Error, UserId};

pub(super) fn role(admin: bool) -> Role {
    if admin { Role::Admin } else { Role::Member }
}

/// Reads a row of the user table.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        role: role(row.get("admin")?),
        created_at: row.get("created_at")?,
    })
}

pub(super) fn list(view: &View<'_>) -> Outcome<Vec<User>> {
    let mut sql = view.conn.prepare_cached("SELECT * FROM user WHERE removed_at IS NULL ORDER BY name")?;
    let rows = sql.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn by_name(conn: &Connection, name: &str) -> Outcome<(UserId, User)> {
    let id = user_id(conn, name)?;
    Ok((id, by_id(conn, id)?))
}

pub(super) fn by_id(conn: &Connection, id: UserId) -> Outcome<User> {
    let sql = "SELECT * FROM user WHERE id = ?1 AND removed_at IS NULL";
    let user = conn.prepare_cached(sql)?.query_row([id.0], read).optional()?;
    user.ok_or_else(|| Error::NotFound("user").into())
}

pub(super) fn add(tx: &mut Tx<'_>, user: &NewUser) -> Outcome<(UserId, User)> {
    if !is_name(&user.name) {
        return Err(Error::Conflict(format!(
            "{:?} cannot name a person: use letters, digits, . _ -",
            user.name
        ))
        .into());
    }
    if user_id(tx.conn, &user.name).is_ok() {
        return Err(Error::Conflict(format!("there is a user named {:?} already", user.name)).into());
    }
    tx.names.forget();
    let display = user.display_name.as_ref().unwrap_or(&user.name);
    let sql = "INSERT INTO user (name, display_name, admin, created_at) VALUES (?1, ?2, ?3, ?4)";
    let id = tx.conn.prepare_cached(sql)?.insert((&user.name, display, user.role == Role::Admin, tx.now))?;
    let id = UserId(id);
    Ok((id, by_id(tx.conn, id)?))
}

pub(super) fn change(tx: &mut Tx<'_>, name: &str, change: &UserChange) -> Outcome<User> {
    let (id, user) = by_name(tx.conn, name)?;
    if change.role == Some(Role::Member) {
        not_the_last_admin(tx.conn, &user)?;
    }
    let role = change.role.unwrap_or(user.role);
    let display = change.display_name.as_ref().unwrap_or(&user.display_name);
    let sql = "UPDATE user SET display_name = ?2, admin = ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((id.0, display, role == Role::Admin))?;
    tx.append(Entry::AccountsChanged)?;
    by_id(tx.conn, id)
}

fn not_the_last_admin(conn: &Connection, user: &User) -> Outcome<()> {
    let sql = "SELECT count(*) FROM user WHERE admin AND removed_at IS NULL";
    let admins: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    if user.role == Role::Admin && admins <= 1 {
        return Err(
            Error::Conflict(format!("{} is the last admin; make another one first", user.name)).into()
        );
    }
    Ok(())
}

/// Leaves every topic, then withdraws what names them, then ends what they could act with.
pub(super) fn remove(tx: &mut Tx<'_>, name: &str) -> Outcome<()> {
    let (id, user) = by_name(tx.conn, name)?;
    not_the_last_admin(tx.conn, &user)?;
    for topic in member::of_user(tx, id)? {
        member::end(tx, topic, id)?;
    }
    token::revoke_all(tx, id)?;
    session::end_all(tx, id)?;
    tx.names.forget();
    let seq = tx.append(Entry::UserRemoved { user: id })?;
    withdraw::withdraw(tx, id, None, seq)?;
    escalation::left(tx, id, None)?;
    tx.conn.prepare_cached("UPDATE user SET removed_at = ?2 WHERE id = ?1")?.execute((id.0, tx.now))?;
    // An invite that names them would let them in again, as a new person.
    tx.conn
        .prepare_cached("DELETE FROM invite WHERE user = ?1 COLLATE NOCASE AND used_at IS NULL")?
        .execute([&user.name])?;
    // The name is free for a device of another person of this name, but the row stays: receipts speak of it.
    tx.conn.prepare_cached("UPDATE device SET removed_at = ?2 WHERE user = ?1")?.execute((id.0, tx.now))?;
    Ok(())
}
