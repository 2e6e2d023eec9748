//! Browser sessions.

use rusqlite::OptionalExtension as _;
use subtle::ConstantTimeEq as _;
use tocsin_protocol::Millis;

use super::{fault::Outcome, tx::Tx, user, view::View};
use crate::{Entry, Error, SecretHash, SessionOrder, SessionRecord, TokenId, UserId};

pub(super) fn add(tx: &mut Tx<'_>, order: &SessionOrder) -> Outcome<()> {
    user::by_id(tx.conn, order.user)?;
    let sql =
        "INSERT OR REPLACE INTO session (hash, user, token, idle_ms, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let until = tx.now.saturating_add(order.idle_ms);
    let token = order.token.map(|token| token.0);
    tx.conn.prepare_cached(sql)?.execute((order.secret, order.user.0, token, order.idle_ms, until))?;
    Ok(())
}

/// Whose session this is; puts off its idle end, in memory (see `touch.rs`).
pub(super) fn find(view: &View<'_>, secret: &SecretHash) -> Outcome<Option<SessionRecord>> {
    let sql = "SELECT s.hash, s.idle_ms, s.expires_at, s.token, u.id, u.name, u.admin, t.expires_at FROM session s \
               JOIN user u ON u.id = s.user AND u.removed_at IS NULL LEFT JOIN token t ON t.id = s.token \
               WHERE s.hash = ?1 AND (t.id IS NULL OR (t.revoked_at IS NULL AND ifnull(t.expires_at > ?2, 1)))";
    let mut sql = view.conn.prepare_cached(sql)?;
    let found = sql
        .query_row((secret, view.now), |row| {
            let record = SessionRecord {
                user: (UserId(row.get(4)?), row.get(5)?, user::role(row.get(6)?)),
                token: row.get::<_, Option<i64>>(3)?.map(TokenId),
                expires_at: row.get(7)?,
            };
            Ok((row.get::<_, SecretHash>(0)?, row.get::<_, Millis>(1)?, row.get::<_, Millis>(2)?, record))
        })
        .optional()?;
    let Some((hash, idle, written, record)) = found else { return Ok(None) };
    let mut touched = view.shared.touched();
    let until = touched.session(secret).unwrap_or(written);
    if until <= view.now || !bool::from(hash.ct_eq(secret)) {
        return Ok(None);
    }
    let extended = view.now.saturating_add(idle);
    // To the minute: a page that polls must not dirty it with every request.
    if extended >= until.saturating_add(60_000) {
        touched.extend(*secret, extended);
    }
    Ok(Some(record))
}

pub(super) fn end(tx: &mut Tx<'_>, secret: &SecretHash) -> Outcome<()> {
    if tx.conn.prepare_cached("DELETE FROM session WHERE hash = ?1")?.execute([secret])? > 0 {
        tx.append(Entry::SessionEnded { session: *secret })?;
    }
    Ok(())
}

pub(super) fn end_of_token(tx: &mut Tx<'_>, token: TokenId) -> Outcome<()> {
    end_where(tx, "SELECT hash FROM session WHERE token = ?1 ORDER BY hash", token.0)
}

pub(super) fn end_all(tx: &mut Tx<'_>, user: UserId) -> Outcome<()> {
    end_where(tx, "SELECT hash FROM session WHERE user = ?1 ORDER BY hash", user.0)
}

fn end_where(tx: &mut Tx<'_>, sql: &str, id: i64) -> Outcome<()> {
    let hashes = {
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([id], |row| row.get::<_, SecretHash>(0))?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    hashes.iter().try_for_each(|hash| end(tx, hash))
}

/// What `GET /v1/me` says of a person.
pub(super) fn me(view: &View<'_>, user: UserId) -> Outcome<(tocsin_protocol::User, u64)> {
    let known = user::by_id(view.conn, user).map_err(|_| Error::NotFound("user"))?;
    Ok((known, super::inbox::unread(view, user)?))
}
