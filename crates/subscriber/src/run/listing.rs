//! After a reset: what can be read and is not here.

use std::collections::HashSet;

use tocsin_protocol::{MessageView, Millis, Page, limits};

use crate::{
    Inbox, Result,
    http::Api,
    inbox::{Entry, KEPT_MS, KEPT_ROWS},
};

/// Bytes of titles and bodies held until they are stored together with the new position.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// What the server lists and the inbox does not have, oldest first.
pub(super) async fn unknown(api: &Api, inbox: &Inbox, now: Millis) -> Result<Vec<Entry>> {
    let oldest = now.saturating_sub(KEPT_MS);
    let pages = KEPT_ROWS / limits::PAGE_MOST + 1;
    let mut found: Vec<MessageView> = Vec::new();
    let (mut before, mut bytes) = (None, 0);
    for _ in 0..pages {
        let before_this = before.map_or_else(String::new, |before| format!("&before={before}"));
        let path = format!("/v1/messages?limit={}{before_this}", limits::PAGE_MOST);
        let page: Page<MessageView> = api.get(&path).await?;
        let too_old = page.items.last().is_none_or(|view| view.message.created_at < oldest);
        let unknown: HashSet<_> = inbox
            .unknown(page.items.iter().map(|view| view.message.id).collect())
            .await?
            .into_iter()
            .collect();
        for view in page.items.into_iter().filter(|view| unknown.contains(&view.message.id)) {
            bytes += view.message.title.len() + view.message.body.len();
            found.push(view);
        }
        before = page.next;
        if before.is_none() || too_old || bytes > HELD_BYTES {
            break;
        }
    }
    Ok(found.into_iter().rev().map(|view| Entry::Listed(Box::new(view))).collect())
}
