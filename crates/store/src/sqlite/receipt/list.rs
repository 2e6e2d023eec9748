//! Receipts without their people, newest first.
//!
//! What is asked for may be rare, and each receipt costs its audience: a call looks at so many people and no more, and
//! says where to go on.

use rusqlite::{Connection, OptionalExtension as _, types::Value};
use tocsin_protocol::{
    DeliveryState, EscalationState, Millis, Page, ReceiptSummary, Seq, State, receipt::ReceiptFilter,
};

use super::{
    super::{
        escalation,
        fault::Outcome,
        message::{self, Found},
        outbox, owed,
        tx::{topic_id, user_id},
        view::View,
    },
    by_name, counts_of, missing, standing,
};
use crate::{ReceiptQuery, UserId, Viewer, outbox::ChannelId, rules};

/// Messages looked at in one call: a tenth of a second where nothing else is asked of them.
const SCAN_MOST: usize = 2000;
/// People looked at in one call: some tens of milliseconds.
const PEOPLE_MOST: usize = 20_000;
/// Clocks are set back: so much earlier or later by position is looked at too.
const SLACK_MS: Millis = 3_600_000;
/// Messages read in one step.
const CHUNK: usize = 100;

/// One page.
pub(in crate::sqlite) fn receipts(
    view: &View<'_>,
    viewer: Viewer,
    query: &ReceiptQuery,
) -> Outcome<Page<ReceiptSummary>> {
    let asked = Asked::of(view, viewer, query)?;
    let mut items: Vec<ReceiptSummary> = Vec::new();
    let (mut before, mut scanned, mut people) = (query.before.unwrap_or(owed::END), 0, 0);
    loop {
        let chunk = asked.chunk(view, before)?;
        for found in &chunk {
            if scanned >= SCAN_MOST || people >= PEOPLE_MOST {
                return Ok(Page { items, next: Some(before) });
            }
            scanned += 1;
            if let Some(row) = asked.row(view, found, &mut people)? {
                if items.len() >= query.limit {
                    let next = items.last().map(|last| last.seq);
                    return Ok(Page { items, next });
                }
                items.push(row);
            }
            before = found.seq;
        }
        if chunk.len() < CHUNK {
            return Ok(Page { items, next: None });
        }
    }
}

/// The query with its names looked up.
struct Asked<'a> {
    query: &'a ReceiptQuery,
    sql: String,
    values: Vec<Value>,
    user: Option<UserId>,
    channel: Option<ChannelId>,
}

impl<'a> Asked<'a> {
    fn of(view: &View<'_>, viewer: Viewer, query: &'a ReceiptQuery) -> Outcome<Self> {
        let mut clauses = vec!["m.seq < ?1".to_owned(), "m.escalates IS NULL".to_owned()];
        let mut values = vec![Value::Null];
        let mut given = |clause: &str, value: Option<i64>| {
            if let Some(value) = value {
                values.push(Value::Integer(value));
                clauses.push(clause.replace('?', &format!("?{}", values.len())));
            }
        };
        given("m.user = ?", if let Viewer::Member(user) = viewer { Some(user.0) } else { None });
        given("m.token = ?", if let Viewer::Sender(token) = viewer { Some(token.0) } else { None });
        let topic = query.topic.as_ref().map(|name| topic_id(view.conn, name)).transpose()?;
        given("m.topic = ?", topic.map(|topic| topic.0));
        given("m.at >= ?", query.since);
        given("m.at < ?", query.until);
        // Times have no index, positions are one.
        let since = query.since.map(|at| first_at(view.conn, at.saturating_sub(SLACK_MS))).transpose()?;
        let until = query.until.map(|at| first_at(view.conn, at.saturating_add(SLACK_MS))).transpose()?;
        given("m.seq >= ?", since.and_then(|seq| i64::try_from(seq).ok()));
        given("m.seq < ?", until.and_then(|seq| i64::try_from(seq).ok()));
        if query.filter == ReceiptFilter::Expired {
            // Not only what is over by now: somebody may have left after it was, by a clock that was set back since.
            clauses.push("m.expires_at IS NOT NULL".to_owned());
        }
        let sql =
            format!("{} WHERE {} ORDER BY m.seq DESC LIMIT {CHUNK}", message::SELECT, clauses.join(" AND "));
        Ok(Self {
            query,
            sql,
            values,
            user: query.user.as_ref().map(|name| user_id(view.conn, name)).transpose()?,
            channel: query.channel.as_ref().map(|name| outbox::channel_id(view.conn, name)).transpose()?,
        })
    }

    fn chunk(&self, view: &View<'_>, before: Seq) -> Outcome<Vec<Found>> {
        let mut values = self.values.clone();
        values[0] = Value::Integer(i64::try_from(before).unwrap_or(i64::MAX));
        let mut sql = view.conn.prepare_cached(&self.sql)?;
        let rows = sql.query_map(rusqlite::params_from_iter(values), |row| message::read(row, view))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The receipt, if it belongs in the list. What costs nothing is asked first.
    fn row(&self, view: &View<'_>, found: &Found, people: &mut usize) -> Outcome<Option<ReceiptSummary>> {
        let tally = tally(view.conn, found.seq)?;
        let asked = tally.of(self.user, self.channel);
        let hopeless = match self.query.filter {
            ReceiptFilter::Failed => asked.failed() == 0,
            ReceiptFilter::Unknown => asked.unknown() == 0,
            _ => false,
        };
        if hopeless || (self.channel.is_some() && asked.0.is_empty()) {
            return Ok(None);
        }
        let standings = standing::all(view, found)?;
        *people += standings.len().max(1);
        // Who is asked about alone, if somebody is.
        let theirs = || standings.iter().filter(|person| self.user.is_none_or(|user| person.user == user));
        if self.user.is_some() && theirs().next().is_none() {
            return Ok(None);
        }
        let message = &found.stored.message;
        let escalation = escalation::state(view.conn, found.seq)?;
        let listed = rules::Listed {
            message,
            superseded: found.newer.is_some(),
            counts: counts_of(theirs()),
            expired: theirs().filter(|person| person.state == State::Expired).count() as u64,
            failed: asked.failed(),
            unknown: asked.unknown(),
            settled: escalation == Some(EscalationState::Acknowledged),
        };
        if !rules::is_listed(self.query.filter, &listed, view.now) {
            return Ok(None);
        }
        Ok(Some(ReceiptSummary {
            id: message.id,
            seq: found.seq,
            topic: message.topic.clone(),
            sender: message.sender.clone(),
            title: message.title.clone(),
            priority: message.priority,
            created_at: message.created_at,
            expires_at: message.expires_at,
            superseded_by: found.newer.map(|(id, _)| id),
            counts: counts_of(standings.iter()),
            missing: missing(&by_name(view.conn, standings)?),
            failed: tally.failed(),
            unknown: tally.unknown(),
            escalation,
        }))
    }
}

/// The first position whose message was stored at this time or later, as if times only grew.
fn first_at(conn: &Connection, at: Millis) -> Outcome<Seq> {
    let last: Option<Seq> =
        conn.prepare_cached("SELECT max(seq) FROM message")?.query_row([], |row| row.get(0))?;
    let mut sql = conn.prepare_cached("SELECT seq, at FROM message WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let (mut low, mut high) = (0, last.unwrap_or_default() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let next: Option<(Seq, Millis)> =
            sql.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match next {
            Some((seq, stored)) if stored < at => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// What became of the deliveries of a message and its copies.
#[derive(Default)]
struct Tally(Vec<Sent>);

#[derive(Clone, Copy)]
struct Sent {
    /// 0: a group.
    user: i64,
    channel: i64,
    state: DeliveryState,
}

impl Tally {
    /// Those to this person (or a group) over this channel.
    fn of(&self, user: Option<UserId>, channel: Option<ChannelId>) -> Self {
        let to = |sent: &&Sent| user.is_none_or(|user| sent.user == user.0 || sent.user == 0);
        let over = |sent: &&Sent| channel.is_none_or(|channel| sent.channel == channel.0);
        Self(self.0.iter().filter(to).filter(over).copied().collect())
    }

    fn failed(&self) -> u64 {
        self.count(DeliveryState::Failed)
    }

    fn unknown(&self) -> u64 {
        self.count(DeliveryState::Unknown)
    }

    fn count(&self, state: DeliveryState) -> u64 {
        self.0.iter().filter(|sent| sent.state == state).count() as u64
    }
}

fn tally(conn: &Connection, seq: Seq) -> Outcome<Tally> {
    let sql = "SELECT d.user, d.channel, d.state FROM delivery d WHERE d.what = 0 AND d.seq > 0 AND d.seq IN \
               (SELECT ?1 UNION ALL SELECT seq FROM message WHERE escalates = ?1)";
    let mut sql = conn.prepare_cached(sql)?;
    let mut rows = sql.query([seq])?;
    let mut tally = Tally::default();
    while let Some(row) = rows.next()? {
        tally.0.push(Sent { user: row.get(0)?, channel: row.get(1)?, state: outbox::state(row.get(2)?)? });
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::{super::super::migrate, *};

    fn file() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut conn, std::path::Path::new(""), migrate::STEPS).unwrap();
        // Positions have gaps: other entries have theirs in between.
        for (seq, at) in [(3, 100), (4, 100), (9, 200), (20, 300)] {
            conn.execute(
                "INSERT INTO message (seq, id, at, token, sender, title, body, priority, resolved) \
                 VALUES (?1, ?1, ?2, 0, '', '', '', 3, 0)",
                (seq, at),
            )
            .unwrap();
        }
        conn
    }

    #[test]
    fn a_time_is_found_by_position() {
        let conn = file();
        for (at, first) in [(0, 0), (100, 0), (101, 5), (200, 5), (201, 10), (300, 10), (301, 21)] {
            assert_eq!(first_at(&conn, at).unwrap(), first, "{at}");
        }
        let empty = Connection::open_in_memory().unwrap();
        empty.execute_batch("CREATE TABLE message (seq INTEGER PRIMARY KEY, at INTEGER)").unwrap();
        assert_eq!(first_at(&empty, 5).unwrap(), 0);
    }

    /// However many others sent.
    #[test]
    fn what_one_sent_is_found_by_an_index() {
        let conn = file();
        for (whose, index) in [("m.user = 1", "message_user"), ("m.token = 1", "message_token")] {
            let sql = format!(
                "EXPLAIN QUERY PLAN {} WHERE m.seq < 9 AND m.escalates IS NULL AND {whose} ORDER BY m.seq DESC LIMIT 1",
                message::SELECT
            );
            let mut sql = conn.prepare(&sql).unwrap();
            let plan: Vec<String> =
                sql.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
            let found = plan.iter().any(|line| line.contains(index));
            assert!(found && !plan.iter().any(|line| line.contains("TEMP B-TREE")), "{whose}: {plan:?}");
        }
    }
}
