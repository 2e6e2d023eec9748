//! Tokens. Only hashes of their secrets are here.

use rusqlite::{Connection, OptionalExtension as _, Row};
use subtle::ConstantTimeEq as _;
use tocsin_protocol::{Millis, Token, TokenKind};

use super::{
    device,
    fault::Outcome,
    log, session,
    tx::{Tx, topic_id, user_id},
    user,
    view::View,
};
use crate::{Entry, Error, Principal, SecretHash, TokenId, TokenOrder, TopicId, UserId};

fn kind(sender: bool) -> TokenKind {
    if sender { TokenKind::Sender } else { TokenKind::Client }
}

/// Who presents this secret.
pub(super) fn authenticate(view: &View<'_>, secret: &SecretHash) -> Outcome<Option<Principal>> {
    let sql = "SELECT t.id, t.hash, t.sender, t.name, t.topics, t.device, t.expires_at, u.id, u.name, u.admin \
               FROM token t LEFT JOIN user u ON u.id = t.user AND u.removed_at IS NULL \
               WHERE t.hash = ?1 AND t.revoked_at IS NULL AND ifnull(t.expires_at > ?2, 1) \
               AND (t.sender OR u.id IS NOT NULL)";
    let mut sql = view.conn.prepare_cached(sql)?;
    let found = sql.query_row((secret, view.now), |row| {
        let hash: SecretHash = row.get(1)?;
        let user = match row.get::<_, Option<i64>>(7)? {
            Some(id) => Some((UserId(id), row.get(8)?, user::role(row.get(9)?))),
            None => None,
        };
        let topics = row.get_ref(4)?.as_str()?;
        let principal = Principal {
            token: TokenId(row.get(0)?),
            kind: kind(row.get(2)?),
            name: row.get(3)?,
            user,
            topics: log::ids(topics).into_iter().map(TopicId).collect(),
            device: row.get(5)?,
            expires_at: row.get(6)?,
        };
        Ok((hash, principal))
    });
    // The index finds by the hash of 256 random bits, of which its timing tells nothing; the comparison that decides
    // takes the same time wherever they differ.
    Ok(found.optional()?.filter(|(hash, _)| bool::from(hash.ct_eq(secret))).map(|(_, principal)| principal))
}

pub(super) fn add(tx: &mut Tx<'_>, order: &TokenOrder) -> Outcome<Token> {
    let new = &order.token;
    let user = match (new.kind, &new.user) {
        (TokenKind::Client, Some(name)) => Some(user_id(tx.conn, name)?),
        (TokenKind::Client, None) => return Err(Error::UnknownUser(String::new()).into()),
        (TokenKind::Sender, _) => None,
    };
    let topics = match new.kind {
        TokenKind::Client => Vec::new(),
        TokenKind::Sender => {
            new.topics.iter().map(|name| topic_id(tx.conn, name)).collect::<Outcome<Vec<TopicId>>>()?
        }
    };
    let span =
        new.expires_in.map(|seconds| Millis::try_from(seconds).unwrap_or(Millis::MAX).saturating_mul(1000));
    let made = Made {
        secret: &order.secret,
        kind: new.kind,
        name: &new.name,
        user,
        topics: &topics,
        device: order.device.as_deref(),
        expires_at: span.map(|span| tx.now.saturating_add(span)),
    };
    insert(tx, &made)
}

/// A token with its names resolved.
pub(super) struct Made<'a> {
    pub(super) secret: &'a SecretHash,
    pub(super) kind: TokenKind,
    pub(super) name: &'a str,
    pub(super) user: Option<UserId>,
    pub(super) topics: &'a [TopicId],
    pub(super) device: Option<&'a str>,
    pub(super) expires_at: Option<Millis>,
}

pub(super) fn insert(tx: &mut Tx<'_>, made: &Made<'_>) -> Outcome<Token> {
    if tx.conn.prepare_cached("SELECT 1 FROM token WHERE hash = ?1")?.exists([made.secret])? {
        return Err(Error::Conflict("there is a token with this secret already".into()).into());
    }
    let sql = "INSERT INTO token (hash, sender, name, user, topics, device, created_at, expires_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let id = tx.conn.prepare_cached(sql)?.insert((
        made.secret,
        made.kind == TokenKind::Sender,
        made.name,
        made.user.map(|user| user.0),
        log::ids_text(made.topics.iter().map(|id| id.0)),
        made.device,
        tx.now,
        made.expires_at,
    ))?;
    let sql = format!("{SELECT} AND t.id = ?1");
    let row = tx.conn.prepare_cached(&sql)?.query_row([id], read)?;
    named(tx.conn, row)
}

const SELECT: &str = "SELECT t.id, t.sender, t.name, u.name, t.topics, t.created_at, t.expires_at, t.last_used_at \
     FROM token t LEFT JOIN user u ON u.id = t.user WHERE t.revoked_at IS NULL";

/// A listed token, its topics still as ids.
fn read(row: &Row<'_>) -> rusqlite::Result<(Token, Vec<i64>)> {
    let token = Token {
        id: row.get::<_, i64>(0)?.to_string(),
        kind: kind(row.get(1)?),
        name: row.get(2)?,
        user: row.get(3)?,
        topics: Vec::new(),
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        last_used_at: row.get(7)?,
    };
    Ok((token, log::ids(row.get_ref(4)?.as_str()?)))
}

fn named(conn: &Connection, (token, topics): (Token, Vec<i64>)) -> Outcome<Token> {
    let topics: Vec<TopicId> = topics.into_iter().map(TopicId).collect();
    Ok(Token { topics: device::topic_names(conn, &topics)?, ..token })
}

/// Tokens of one person, or all; the revoked are gone, the expired are still listed.
pub(super) fn list(view: &View<'_>, user: Option<UserId>) -> Outcome<Vec<Token>> {
    let sql = format!("{SELECT} AND (?1 IS NULL OR t.user = ?1) ORDER BY t.id");
    let rows = {
        let mut sql = view.conn.prepare_cached(&sql)?;
        let rows = sql.query_map([user.map(|user| user.0)], read)?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    let mut tokens = Vec::with_capacity(rows.len());
    for row in rows {
        let mut token = named(view.conn, row)?;
        let noted = token.id.parse().ok().and_then(|id| view.shared.touched().token(TokenId(id)));
        token.last_used_at = token.last_used_at.max(noted);
        tokens.push(token);
    }
    Ok(tokens)
}

/// Revokes one, if it is there and, with `user`, theirs.
pub(super) fn revoke(tx: &mut Tx<'_>, id: &str, user: Option<UserId>) -> Outcome<()> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound("token"))?;
    let sql = "SELECT 1 FROM token WHERE id = ?1 AND revoked_at IS NULL AND (?2 IS NULL OR user = ?2)";
    if !tx.conn.prepare_cached(sql)?.exists((id, user.map(|user| user.0)))? {
        return Err(Error::NotFound("token").into());
    }
    end(tx, TokenId(id))
}

fn end(tx: &mut Tx<'_>, id: TokenId) -> Outcome<()> {
    tx.conn.prepare_cached("UPDATE token SET revoked_at = ?2 WHERE id = ?1")?.execute((id.0, tx.now))?;
    tx.append(Entry::Revoked { token: id })?;
    session::end_of_token(tx, id)
}

/// Revokes all that a person has.
pub(super) fn revoke_all(tx: &mut Tx<'_>, user: UserId) -> Outcome<()> {
    let ids = {
        let mut sql = tx
            .conn
            .prepare_cached("SELECT id FROM token WHERE user = ?1 AND revoked_at IS NULL ORDER BY id")?;
        let rows = sql.query_map([user.0], |row| Ok(TokenId(row.get(0)?)))?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    ids.into_iter().try_for_each(|id| end(tx, id))
}
