//! Many receipts: what was sent, and who has not got it.

use std::fmt::Write as _;

use jiff::Timestamp;
use tocsin_protocol::{Page, ReceiptSummary, limits::PAGE_MOST, receipt::ReceiptFilter};

use crate::{
    args::escalation::Receipts as Args,
    context::{Context, name},
    exit::{Exit, Failure},
    link::Link,
    output::{one_line, time},
};

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    let rows = fetch(&link, args).await?;
    let head = ["ID", "SENT", "TOPIC", "OWED", "MISSING", "ACKED", "FAILED", "TITLE"];
    context.out.table(&rows, &head, |row| {
        vec![
            row.id.to_string(),
            time(row.created_at),
            row.topic.clone().unwrap_or_default(),
            row.counts.owed.to_string(),
            row.counts.missing.to_string(),
            row.counts.acknowledged.to_string(),
            (row.failed + row.unknown).to_string(),
            one_line(&row.title),
        ]
    })?;
    context.say_if_none(&rows, "none_receipts");
    Ok(Exit::Ok)
}

/// As many as were asked for. One answer looks at a bounded number of messages, so a page may be short.
async fn fetch(link: &Link, args: &Args) -> Result<Vec<ReceiptSummary>, Failure> {
    let query = query(args)?;
    let mut rows: Vec<ReceiptSummary> = Vec::new();
    let mut before = None;
    while rows.len() < args.limit {
        let limit = (args.limit - rows.len()).min(PAGE_MOST);
        let mut path = format!("/v1/receipts?{query}&limit={limit}");
        if let Some(seq) = before {
            _ = write!(path, "&before={seq}");
        }
        let page: Page<ReceiptSummary> = link.get(&path).await?;
        rows.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(rows)
}

fn query(args: &Args) -> Result<String, Failure> {
    let filter = serde_json::to_value(ReceiptFilter::from(args.filter));
    let filter = filter.map_err(|error| Failure::failed(error.to_string()))?;
    let mut query = format!("filter={}", filter.as_str().unwrap_or_default());
    for (key, value) in [("topic", &args.topic), ("user", &args.user), ("channel", &args.channel)] {
        if let Some(value) = value {
            // The topic of alerts begins with an underscore.
            _ = write!(query, "&{key}={}", name(key, value.trim_start_matches('_')).map(|_| value)?);
        }
    }
    if let Some(span) = args.since {
        let now = Timestamp::now().as_millisecond();
        let since = now.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        _ = write!(query, "&since={since}");
    }
    Ok(query)
}
