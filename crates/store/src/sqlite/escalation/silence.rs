//! The dead-man switch: a topic that is expected to speak does not.
//!
//! One message says so, however long it lasts; the topic's next message, or the end of the expectation, has it followed
//! by one that it is over.

use tocsin_protocol::{Millis, Priority, Seq};

use super::super::{fault::Outcome, publish, tx::Tx};
use crate::{
    NewMessage,
    escalation::{GRACE_MS, SILENCE_KEY, Silence, Words, copy},
};

pub(super) const NEXT: &str = "SELECT expected_by FROM topic INDEXED BY topic_expected WHERE expected_by IS NOT NULL \
     ORDER BY expected_by LIMIT 1";
pub(super) const SILENT: &str = "SELECT id, name, expect_every_ms, expected_by FROM topic INDEXED BY topic_expected \
     WHERE expected_by <= ?1 ORDER BY expected_by, id LIMIT ?2";
pub(super) const SPOKE: &str = "SELECT id, name, expect_every_ms, NULL FROM topic INDEXED BY topic_spoke \
     WHERE silence IS NOT NULL AND silent_since IS NULL ORDER BY id LIMIT ?2";

pub(super) const SPEAKS: &str =
    "SELECT 1 FROM topic INDEXED BY topic_spoke WHERE silence IS NOT NULL AND silent_since IS NULL LIMIT 1";

/// Nobody looked for long, nor could anybody be heard: topics have some time to speak before they count as silent.
pub(super) fn wait(tx: &Tx<'_>) -> Outcome<()> {
    let sql = "UPDATE topic SET expected_by = max(expected_by, ?1 + min(expect_every_ms, ?2)) \
               WHERE expected_by IS NOT NULL AND expect_every_ms IS NOT NULL";
    tx.conn.prepare_cached(sql)?.execute((tx.now, GRACE_MS))?;
    Ok(())
}

/// Tells of topics that fell silent, and of those that speak again. How many.
pub(super) fn look(tx: &mut Tx<'_>, words: &Words, most: usize) -> Outcome<u64> {
    // Those that speak again first: their key is free for a new silence.
    let mut told = 0;
    for sql in [SPOKE, SILENT] {
        for (id, silence) in found(tx, sql, most)? {
            let seq = say(tx, words, &silence)?;
            let sql = "UPDATE topic SET silence = ?2, silent_since = ?3, expected_by = CASE WHEN ?3 IS NULL THEN expected_by END \
                       WHERE id = ?1";
            let silent = silence.since.map(|_| seq);
            tx.conn.prepare_cached(sql)?.execute((id, silent, silence.since))?;
            tx.names.forget_topic(&silence.topic);
            told += 1;
        }
    }
    Ok(told)
}

fn found(tx: &Tx<'_>, sql: &str, most: usize) -> Outcome<Vec<(i64, Silence)>> {
    let mut sql = tx.conn.prepare_cached(sql)?;
    let rows = sql.query_map((tx.now, most), |row| {
        let every_ms = row.get::<_, Option<Millis>>(2)?.unwrap_or_default();
        Ok((row.get(0)?, Silence { topic: row.get(1)?, every_ms, since: row.get(3)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn say(tx: &mut Tx<'_>, words: &Words, silence: &Silence) -> Outcome<Seq> {
    let message = words(silence);
    let new = NewMessage {
        sender: copy::server(&message.sender.name),
        topic: Some(silence.topic.clone()),
        to: Vec::new(),
        key: Some(SILENCE_KEY.to_owned()),
        priority: Priority::HIGH,
        resolved: silence.since.is_none(),
        replaces: None,
        idempotency: None,
        policy: None,
        report: None,
        ..message
    };
    Ok(publish::publish(tx, &new)?.published.seq)
}
