//! Listing and searching, as `GET /v1/messages` does it.

use rusqlite::{OptionalExtension as _, ToSql};
use serde::Deserialize;
use tocsin_protocol::{Message, MessageId, MessageView, Page, Seq, limits};

use super::{Pending, rows, thread::File};
use crate::{Error, Result};

/// The query of `GET /v1/messages`, answered from the local inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InboxQuery {
    /// The `next` of the page before. Here it counts arrivals, so that pages stay in order over a change of epoch.
    pub before: Option<Seq>,
    /// Rows on the page; default 50, at most 200.
    pub limit: Option<usize>,
    /// Only of this topic.
    pub topic: Option<String>,
    /// Only unread ones.
    pub unread: bool,
    /// Only those that wait for an acknowledgement: with an Acknowledge button or priority 4 and above, and neither
    /// acknowledged nor settled.
    pub unacknowledged: bool,
    /// Only those whose title or body contains this, whatever the case.
    pub q: Option<String>,
}

impl File {
    pub fn list(&mut self, query: &InboxQuery) -> Result<Page<MessageView>> {
        let limit = query.limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_MOST);
        let before = query.before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let mut sql = format!("SELECT {}, n FROM message WHERE n < ?1", rows::VIEW);
        let mut values: Vec<&dyn ToSql> = vec![&before];
        if let Some(topic) = &query.topic {
            sql.push_str(" AND topic = ?2");
            values.push(topic);
        }
        if query.unread {
            sql.push_str(" AND read_at IS NULL AND superseded_by IS NULL");
        }
        if query.unacknowledged {
            sql.push_str(
                " AND acknowledged_at IS NULL AND settled_at IS NULL AND superseded_by IS NULL
                  AND wants_acknowledgement",
            );
        }
        sql.push_str(" ORDER BY n DESC");
        let needle = query.q.as_ref().map(|q| q.to_lowercase()).filter(|q| !q.is_empty());
        self.on_connection(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = statement.query(values.as_slice())?;
            let (mut items, mut last) = (Vec::new(), 0);
            // Case is folded here: SQLite's LIKE folds ASCII only.
            while let Some(row) = found.next()? {
                let view = rows::view(row, now)?;
                if (query.unread && view.message.expired)
                    || needle.as_ref().is_some_and(|n| !contains(&view.message, n))
                {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { items, next: u64::try_from(last).ok() });
                }
                last = row.get::<_, i64>("n")?;
                items.push(view);
            }
            Ok(Page { items, next: None })
        })
    }

    pub fn message(&mut self, id: MessageId) -> Result<MessageView> {
        let now = self.clock.now();
        let sql = format!("SELECT {} FROM message WHERE id = ?1", rows::VIEW);
        self.on_connection(|connection| {
            connection.prepare_cached(&sql)?.query_row([id.as_str()], |row| rows::view(row, now)).optional()
        })?
        .ok_or(Error::UnknownMessage(id))
    }

    pub fn pending(&mut self) -> Result<Vec<Pending>> {
        self.on_connection(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT json, stored_at, restored, reminded_at FROM message WHERE shown = 0 ORDER BY n",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Pending {
                    message: rows::message(row, 0)?,
                    stored_at: row.get(1)?,
                    restored: row.get(2)?,
                    reminded_at: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    pub fn unknown(&mut self, ids: &[MessageId]) -> Result<Vec<MessageId>> {
        self.on_connection(|connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM message WHERE id = ?1")?;
            let mut unknown = Vec::new();
            for id in ids {
                if !statement.exists([id.as_str()])? {
                    unknown.push(*id);
                }
            }
            Ok(unknown)
        })
    }
}

fn contains(message: &Message, needle: &str) -> bool {
    message.title.to_lowercase().contains(needle) || message.body.to_lowercase().contains(needle)
}
