//! Policies.

use rusqlite::{Connection, OptionalExtension as _, Row};
use tocsin_protocol::{
    Policy,
    escalation::{DryRun, PolicySettings, Timeline},
};

use super::super::{
    fault::{Fault, Outcome},
    outbox,
    tx::{Tx, topic_id, user_id},
    user,
    view::View,
};
use crate::{
    Entry, Error,
    escalation::{
        check::{self, Known},
        dry_run::{self, Desk},
    },
};

/// What the file knows.
struct InFile<'a>(&'a Connection);

impl Known for InFile<'_> {
    fn person(&self, name: &str) -> crate::Result<String> {
        Ok(user::by_id(self.0, user_id(self.0, name)?)?.name)
    }

    fn channel(&self, name: &str) -> crate::Result<bool> {
        match outbox::channel_id(self.0, name) {
            Ok(_) => Ok(true),
            Err(Fault::Refused(Error::NotFound(_))) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Policy, String)> {
    let topics: String = row.get("topics")?;
    let mut topics: Vec<String> = serde_json::from_str(&topics).unwrap_or_default();
    topics.sort();
    let policy = Policy {
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        steps: Vec::new(),
        quiet: None,
        topics,
        created_at: row.get("created_at")?,
    };
    Ok((policy, row.get("config")?))
}

fn whole((policy, config): (Policy, String)) -> Outcome<Policy> {
    let settings: PolicySettings =
        serde_json::from_str(&config).map_err(|error| Error::Damaged(error.to_string()))?;
    Ok(Policy { steps: settings.steps, quiet: settings.quiet, ..policy })
}

const SELECT: &str = "SELECT p.*, (SELECT json_group_array(t.name) FROM topic t WHERE t.policy = p.id AND t.removed_at IS NULL) \
     AS topics FROM policy p WHERE p.removed_at IS NULL";

pub(super) fn list(view: &View<'_>) -> Outcome<Vec<Policy>> {
    let mut sql = view.conn.prepare_cached(&format!("{SELECT} ORDER BY p.name"))?;
    let rows = sql.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(whole).collect()
}

pub(super) fn by_name(conn: &Connection, name: &str) -> Outcome<Policy> {
    let mut sql = conn.prepare_cached(&format!("{SELECT} AND p.name = ?1"))?;
    let found = sql.query_row([name], read).optional()?;
    whole(found.ok_or(Error::NotFound("policy"))?)
}

/// The number of the policy of this name.
pub(in crate::sqlite) fn id_of(conn: &Connection, name: &str) -> Outcome<i64> {
    let sql = "SELECT id FROM policy WHERE name = ?1 AND removed_at IS NULL";
    let found = conn.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Error::NotFound("policy").into())
}

pub(super) fn put(tx: &mut Tx<'_>, name: &str, settings: &PolicySettings) -> Outcome<Policy> {
    check::name(name)?;
    let settings = check::policy(settings.clone(), &InFile(tx.conn))?;
    tx.names.forget();
    let known = by_name(tx.conn, name).ok();
    let display = settings.display_name.clone();
    let display = display.or_else(|| known.as_ref().map(|known| known.display_name.clone()));
    let display = display.unwrap_or_else(|| name.to_owned());
    let config = PolicySettings { display_name: None, ..settings };
    let config = serde_json::to_string(&config).map_err(|error| Error::Invalid(error.to_string()))?;
    if known.is_some() {
        let sql = "UPDATE policy SET display_name = ?2, config = ?3 WHERE name = ?1 AND removed_at IS NULL";
        tx.conn.prepare_cached(sql)?.execute((name, display, config))?;
    } else {
        let sql = "INSERT INTO policy (name, display_name, config, created_at) VALUES (?1, ?2, ?3, ?4)";
        tx.conn.prepare_cached(sql)?.execute((name, display, config, tx.now))?;
    }
    by_name(tx.conn, name)
}

pub(super) fn remove(tx: &mut Tx<'_>, name: &str) -> Outcome<()> {
    let id = id_of(tx.conn, name)?;
    tx.names.forget();
    tx.conn.prepare_cached("UPDATE policy SET removed_at = ?2 WHERE id = ?1")?.execute((id, tx.now))?;
    let sql = "UPDATE topic SET policy = NULL WHERE policy = ?1";
    if tx.conn.prepare_cached(sql)?.execute([id])? > 0 {
        tx.append(Entry::AccountsChanged)?;
    }
    Ok(())
}

pub(super) fn dry_run(view: &View<'_>, what: &DryRun) -> Outcome<Timeline> {
    let policy = check::policy(what.policy.clone(), &InFile(view.conn))?;
    let mut desk = Desk::default();
    if let Some(topic) = &what.topic {
        let topic = topic_id(view.conn, topic)?;
        let sql = "SELECT u.name FROM member m JOIN user u ON u.id = m.user WHERE m.topic = ?1 AND m.to_seq IS NULL";
        let mut sql = view.conn.prepare_cached(sql)?;
        let mut names = sql.query_map([topic.0], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        names.sort();
        desk.audience = Some(names);
    }
    for channel in outbox::channels(view)? {
        desk.channels.insert(channel.name, (channel.enabled, channel.kind.is_group()));
    }
    let sql = "SELECT c.name, u.name FROM binding b JOIN channel c ON c.id = b.channel JOIN user u ON u.id = b.user \
               WHERE b.broken IS NULL AND b.lane IS NOT NULL";
    let mut sql = view.conn.prepare_cached(sql)?;
    let rows = sql.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    desk.bound = rows.collect::<Result<_, _>>()?;
    Ok(dry_run::timeline(what, &policy, &desk, view.now))
}
