//! What a person sees: their inbox, one message, how much is unread.

use tocsin_protocol::{MessageId, MessageView, Page};

use super::{
    escalation,
    fault::Outcome,
    message::{self, Found},
    owed::{self, Item, Order, Owed, Walk},
    receipt,
    tx::topic_id,
    view::View,
};
use crate::{Error, InboxQuery, UserId, Viewer, rules};

/// Messages looked at for one page: a search for something rare answers with a short page and a `next`, rather than
/// holding a reader for the whole history.
const SCAN_MOST: usize = 5000;
/// Messages looked at in one step.
const CHUNK: usize = 128;

/// One page, newest first.
pub(super) fn inbox(view: &View<'_>, user: UserId, query: &InboxQuery) -> Outcome<Page<MessageView>> {
    let mut owed = Owed::kept(view.conn, user)?;
    if let Some(topic) = &query.topic {
        owed.only(topic_id(view.conn, topic)?);
    }
    let needle = query.search.as_ref().map(|text| text.to_lowercase());
    let mut before = query.before.unwrap_or(owed::END);
    let mut items: Vec<MessageView> = Vec::new();
    let mut scanned = 0;
    loop {
        let page = owed.page(view.conn, (0, before.saturating_sub(1)), CHUNK, Order::NewestFirst)?;
        for item in &page {
            if scanned >= SCAN_MOST {
                return Ok(Page { items, next: Some(before) });
            }
            scanned += 1;
            if let Some(row) = row(view, user, *item, query, needle.as_deref())? {
                if items.len() >= query.limit {
                    let next = items.last().map(|last| last.message.cursor.seq);
                    return Ok(Page { items, next });
                }
                items.push(row);
            }
            before = item.seq;
        }
        if page.len() < CHUNK {
            return Ok(Page { items, next: None });
        }
    }
}

/// The message, if it belongs on the page.
fn row(
    view: &View<'_>,
    user: UserId,
    item: Item,
    query: &InboxQuery,
    needle: Option<&str>,
) -> Outcome<Option<MessageView>> {
    if owed::is_withdrawn(view.conn, user, item.seq)? {
        return Ok(None);
    }
    let Some(found) = message::at(view, item.seq)?.filter(|found| !found.pruned) else { return Ok(None) };
    let row = seen_by(view, Some(user), found)?;
    Ok(rules::fits(&row, query, needle).then_some(row))
}

/// A message with what one person did with it.
pub(super) fn seen_by(view: &View<'_>, user: Option<UserId>, found: Found) -> Outcome<MessageView> {
    let (read_at, acknowledged_at) = match user {
        Some(user) => receipt::pressed(view.conn, user, found.seq)?,
        None => (None, None),
    };
    let settled = if acknowledged_at.is_none() { escalation::settled(view, &found)? } else { None };
    Ok(MessageView { message: found.marked(view.now), read_at, acknowledged_at, settled })
}

/// One message, as far as the viewer may see it.
pub(super) fn message(view: &View<'_>, viewer: Viewer, id: MessageId) -> Outcome<MessageView> {
    let found = message::by_id(view, id)?;
    let person = match viewer {
        Viewer::Admin(person) => person,
        Viewer::Member(person) => Some(person),
        Viewer::Sender(_) => None,
    };
    let owed = || match person {
        Some(user) => Ok::<_, super::fault::Fault>(
            owed::is_owed(view.conn, user, found.seq, &found.stored.address)?
                && !owed::is_withdrawn(view.conn, user, found.seq)?,
        ),
        None => Ok(false),
    };
    if !receipt::sees_whole(viewer, &found) && !owed()? {
        return Err(Error::Forbidden("only the sender, the audience and admins may see this").into());
    }
    if found.pruned {
        return Err(Error::NotFound("message").into());
    }
    seen_by(view, person, found)
}

/// Number of messages that a person has neither read nor acknowledged nor been spared. An
/// acknowledgement that carried over counts, though its person has not opened the new version.
pub(super) fn unread(view: &View<'_>, user: UserId) -> Outcome<u64> {
    let mut unread = 0;
    // Answered from indexes alone: message_topic has all that is asked of a message.
    let waits = "SELECT 1 FROM message WHERE topic IS ?1 AND seq = ?2 AND superseded_by IS NULL AND ifnull(expires_at > ?3, 1)";
    let spared = "SELECT 1 FROM press WHERE seq = ?1 AND user = ?2 AND (read_at IS NOT NULL OR acknowledged_at IS NOT NULL)";
    Owed::kept(view.conn, user)?.walk(view.conn, (0, owed::END), |item: Item| {
        let counts = !view.conn.prepare_cached(spared)?.exists((item.seq, user.0))?
            && view.conn.prepare_cached(waits)?.exists((item.topic, item.seq, view.now))?
            && !owed::is_withdrawn(view.conn, user, item.seq)?;
        unread += u64::from(counts);
        Ok(Walk::On)
    })?;
    Ok(unread)
}
