//! An escalation begins with its message, in the same transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{
    EscalationState, Seq, delivery::ChannelKind, escalation::PolicySettings, receipt::Report,
};

use super::{
    super::{
        fault::Outcome,
        message, outbox, owed, publish,
        receipt::{counts_of, standing},
        thread::{self, Older},
        tx::{KnownTopic, Tx},
    },
    report,
    row::Row,
    settle,
};
use crate::{
    Authority, Error, NewMessage, StoredMessage,
    escalation::{
        self, copy,
        plan::{Progress, Rules, settles},
    },
    outbox::ChannelId,
};

/// A policy as publishing needs it.
pub(in crate::sqlite) struct KnownPolicy {
    pub(super) name: String,
    pub(super) config: PolicySettings,
    /// The same as text.
    pub(super) text: String,
}

impl KnownPolicy {
    /// By its number.
    pub(in crate::sqlite) fn of(conn: &Connection, id: i64) -> Outcome<Option<Arc<Self>>> {
        Self::find(conn, "SELECT name, config FROM policy WHERE id = ?1 AND removed_at IS NULL", id)
    }

    fn find(conn: &Connection, sql: &str, key: impl rusqlite::ToSql) -> Outcome<Option<Arc<Self>>> {
        let found: Option<(String, String)> =
            conn.prepare_cached(sql)?.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((name, text)) = found else { return Ok(None) };
        let config = serde_json::from_str(&text).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(Some(Arc::new(Self { name, config, text })))
    }

    /// As a message had it, whatever became of it since.
    fn copy_of(row: Row) -> Outcome<Self> {
        Ok(Self { name: row.policy, text: text_of(&row.config)?, config: row.config })
    }
}

/// What a message sets going: looked up, and refused, before anything is written.
#[derive(Default)]
pub(in crate::sqlite) struct Sets {
    policy: Option<Arc<KnownPolicy>>,
    report: Option<(ChannelId, Report)>,
}

/// What a new message is to set going. Only an admin chooses freely: a policy reaches people and channels, and so does a
/// report, that a topic may have nothing to do with.
pub(in crate::sqlite) fn sets(
    tx: &mut Tx<'_>,
    new: &NewMessage,
    topic: Option<&KnownTopic>,
) -> Outcome<Sets> {
    let may_choose = matches!(new.sender.authority, Authority::All);
    let own = topic.and_then(|topic| topic.policy.clone());
    let policy = match &new.policy {
        Some(name) => {
            let sql = "SELECT name, config FROM policy WHERE name = ?1 AND removed_at IS NULL";
            let named = KnownPolicy::find(tx.conn, sql, name)?.ok_or(Error::NotFound("policy"))?;
            if !may_choose && own.is_none_or(|own| own.name != named.name) {
                return Err(Error::Forbidden(escalation::NOT_ITS_POLICY).into());
            }
            Some(named)
        }
        None => own,
    };
    let report = match &new.report {
        Some(report) => {
            let (id, kind) = outbox::channel_kind(tx.conn, &report.channel)?;
            if kind != ChannelKind::Webhook {
                let why = format!("{:?} is no webhook: reports are sent to one", report.channel);
                return Err(Error::Invalid(why).into());
            }
            if !may_choose && !outbox::carries(tx, id, topic.map(|topic| topic.id.0), true)? {
                return Err(Error::Forbidden(escalation::NO_ROUTE).into());
            }
            Some((id, report.clone()))
        }
        None => None,
    };
    Ok(Sets { policy, report })
}

/// The message is stored: what it sets going begins, and what an older version set going goes on.
pub(in crate::sqlite) fn published(
    tx: &mut Tx<'_>,
    (new, sets): (&NewMessage, Sets),
    stored: &StoredMessage,
    older: Option<&Older>,
    topic: Option<&KnownTopic>,
) -> Outcome<()> {
    // To others only an admin takes along what the older version set going: it may reach whom these have nothing to do with.
    let may_choose = matches!(new.sender.authority, Authority::All);
    let before = match older {
        Some(older) => {
            let goes_along = may_choose || older.address == stored.address;
            supersede(tx, older.seq, stored, goes_along)?.filter(|_| goes_along)
        }
        None => None,
    };
    escalate(tx, stored, older, before, sets.policy)?;
    if let Some((channel, report)) = sets.report {
        report::watch(tx, stored, channel, &report)?;
    }
    match topic {
        Some(topic) if topic.expect_ms.is_some() && !copy::is_server(&new.sender) => spoke(tx, topic, stored),
        _ => Ok(()),
    }
}

/// What the older version set going goes on if the newer one says nothing worse; else steps begin anew: of its own policy,
/// or of the older one's.
fn escalate(
    tx: &mut Tx<'_>,
    stored: &StoredMessage,
    older: Option<&Older>,
    before: Option<Row>,
    own: Option<Arc<KnownPolicy>>,
) -> Outcome<()> {
    let stands = older.is_some_and(|older| stands(stored, older));
    let policy = match (before, own) {
        // It asks for no others.
        _ if stored.message.resolved => return Ok(()),
        (Some(row), _) if stands && row.state == EscalationState::Acknowledged => {
            return stay_settled(tx, stored, row);
        }
        (Some(row), own)
            if stands
                && row.state == EscalationState::Running
                && own.as_ref().is_none_or(|own| own.name == row.policy) =>
        {
            return if is_settled(tx, stored, &row.config)? { Ok(()) } else { go_on(tx, stored, row) };
        }
        (_, Some(own)) => own,
        (Some(row), None) => Arc::new(KnownPolicy::copy_of(row)?),
        (None, None) => return Ok(()),
    };
    if stands && is_settled(tx, stored, &policy.config)? { Ok(()) } else { begin(tx, stored, &policy) }
}

/// Whether what was acknowledged of the older version stays so.
fn stands(stored: &StoredMessage, older: &Older) -> bool {
    stored.message.keeps_acknowledgement((older.priority, older.resolved))
}

fn text_of(config: &PolicySettings) -> Outcome<String> {
    Ok(serde_json::to_string(config).map_err(|error| Error::Invalid(error.to_string()))?)
}

/// What somebody took care of stays so, through any number of versions, also where the newer one is not owed to them.
fn stay_settled(tx: &mut Tx<'_>, stored: &StoredMessage, row: Row) -> Outcome<()> {
    let text = text_of(&row.config)?;
    let seq = stored.message.cursor.seq;
    Row { seq, ..row }.insert(tx.conn, &text)?;
    let Some(found) = message::at(&tx.view(), seq)? else { return Ok(()) };
    let Some(settled) = settle::settled(&tx.view(), &found)? else { return Ok(()) };
    let people = standing::all(&tx.view(), &found)?;
    settle::say(tx, &found, people, &settled)
}

/// Where the older version's was.
fn go_on(tx: &mut Tx<'_>, stored: &StoredMessage, row: Row) -> Outcome<()> {
    let message = &stored.message;
    let mut progress = row.progress;
    progress.go_on(&Rules::new(&row.config, message.priority, message.expires_at));
    let text = text_of(&row.config)?;
    let seq = message.cursor.seq;
    Row { seq, policy: row.policy, progress, ..Row::running(row.config) }.insert(tx.conn, &text)?;
    tx.stirred = true;
    Ok(())
}

fn begin(tx: &mut Tx<'_>, stored: &StoredMessage, policy: &KnownPolicy) -> Outcome<()> {
    let message = &stored.message;
    let rules = Rules::new(&policy.config, message.priority, message.expires_at);
    let row = Row {
        seq: message.cursor.seq,
        policy: policy.name.clone(),
        progress: Progress::begin(&rules, message.created_at, tx.now),
        ..Row::running(PolicySettings::default())
    };
    row.insert(tx.conn, &policy.text)?;
    tx.names.escalating(tx.conn)?.used = true;
    tx.stirred = true;
    Ok(())
}

/// Whether nobody needs to be asked: what is acknowledged stays so and is enough.
fn is_settled(tx: &Tx<'_>, stored: &StoredMessage, policy: &PolicySettings) -> Outcome<bool> {
    let Some(found) = message::at(&tx.view(), stored.message.cursor.seq)? else { return Ok(false) };
    let people = standing::all(&tx.view(), &found)?;
    Ok(settles(policy, &counts_of(people.iter())))
}

/// A newer version came: the older one's steps stop. How far they were. `goes_along`: whoever was brought in gets it, too.
fn supersede(tx: &mut Tx<'_>, older: Seq, newer: &StoredMessage, goes_along: bool) -> Outcome<Option<Row>> {
    report::missed(tx, older)?;
    if !tx.names.escalating(tx.conn)?.used {
        return Ok(None);
    }
    let row = Row::of(tx.conn, older)?;
    if let Some(row) = row.as_ref().filter(|row| row.is_open()) {
        row.end(tx.conn, EscalationState::Superseded, tx.now, None)?;
    }
    renew_copies(tx, older, newer, goes_along)?;
    Ok(row)
}

/// What is new is new for those, too, whom the escalation of the older version brought in.
fn renew_copies(tx: &mut Tx<'_>, older: Seq, newer: &StoredMessage, goes_along: bool) -> Outcome<()> {
    for known in standing::copies(&tx.view(), older)? {
        if known.newer.is_some() || known.pruned {
            continue;
        }
        let crate::Address::People(people) = &known.stored.address else { continue };
        for person in people.iter() {
            if !goes_along || owed::is_owed(tx.conn, *person, newer.message.cursor.seq, &newer.address)? {
                // They belong to the audience by now, and the newer message itself follows their copy; or none does.
                thread::supersede(tx, &Older::of(&known), newer)?;
                continue;
            }
            let sql = "SELECT name FROM user WHERE id = ?1 AND removed_at IS NULL";
            let name: Option<String> =
                tx.conn.prepare_cached(sql)?.query_row([person.0], |row| row.get(0)).optional()?;
            if let Some(name) = name {
                let replaces = Some(known.stored.message.id);
                let new = NewMessage { replaces, ..copy::of(&newer.message, &name, tx.now) };
                publish::copy(tx, &new, &newer.message)?;
            }
        }
    }
    Ok(())
}

/// A topic that is expected to speak did.
fn spoke(tx: &mut Tx<'_>, topic: &KnownTopic, stored: &StoredMessage) -> Outcome<()> {
    let by = topic.expect_ms.map(|every| tx.now.saturating_add(every));
    let sql = "UPDATE topic SET expected_by = ?2, silent_since = NULL WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((topic.id.0, by))?;
    if topic.silent {
        tx.names.forget_topic(stored.message.topic.as_deref().unwrap_or_default());
        tx.stirred = true;
    }
    Ok(())
}
