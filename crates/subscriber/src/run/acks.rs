//! Acknowledgements by `POST /v1/ack`: those of event streams, the reports of polls, and whatever an earlier stream
//! acknowledged without being sure. Kept apart from the stream, so that a slow answer holds up nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use tocsin_protocol::{Cursor, stream::Ack};
use tokio::sync::{Notify, watch};

use super::{batch::REPORTS, outbox};
use crate::{Connection, Error, Inbox, connection::Backoff, http::Api};

/// Ranges of earlier streams that wait; beyond them the oldest is given up, and the receipt shows less than is true.
const RANGES: usize = 16;

/// What is owed to the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    owed: Mutex<Owed>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Owed {
    /// From where a stream started to what is stored of it; the present stream's is the last.
    ranges: Vec<(Cursor, Cursor)>,
    /// Where the present stream stands.
    position: Option<Cursor>,
    /// Whether reports go this way.
    reports: bool,
}

impl Ledger {
    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.0.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything of the stream that started at `from` is stored up to `to`.
    pub fn owe(&self, from: Cursor, to: Cursor) {
        if from.epoch != to.epoch || from.seq >= to.seq {
            return;
        }
        let mut owed = self.owed();
        match owed.ranges.iter_mut().find(|range| range.0 == from) {
            Some(range) if range.1.seq < to.seq => range.1 = to,
            Some(_) => {}
            None => owed.ranges.push((from, to)),
        }
        if owed.ranges.len() > RANGES {
            owed.ranges.remove(0);
        }
        drop(owed);
        self.0.changed.notify_one();
    }

    /// Where the present stream stands, for reports without anything new to acknowledge.
    pub fn position(&self, cursor: Cursor) {
        self.owed().position = Some(cursor);
        self.0.changed.notify_one();
    }

    /// A new stream: whether its reports go this way.
    pub fn carry_reports(&self, reports: bool) {
        let mut owed = self.owed();
        owed.reports = reports;
        owed.position = None;
    }

    /// The range that has waited longest, or the place for reports alone; and whether reports go this way.
    fn next(&self) -> Option<((Cursor, Cursor), bool)> {
        let owed = self.owed();
        let reports = owed.reports && owed.position.is_some();
        let range = owed
            .ranges
            .first()
            .cloned()
            .or_else(|| owed.position.clone().filter(|_| reports).map(|p| (p.clone(), p)))?;
        Some((range, reports))
    }

    fn settle(&self, range: &(Cursor, Cursor)) {
        // It may have grown meanwhile; then it stays.
        self.owed().ranges.retain(|owed| owed != range);
    }
}

/// Sends what is owed, while online, for as long as the subscriber runs.
pub(super) async fn run(
    ledger: Ledger,
    inbox: Inbox,
    api: Api,
    device: Arc<str>,
    mut connection: watch::Receiver<Connection>,
    seed: u64,
) {
    // Names of devices need no escaping; one that does is refused by the server.
    let path = format!("/v1/ack?device={device}");
    let mut backoff = Backoff::new(outbox::BACKOFF.0, outbox::BACKOFF.1, seed);
    loop {
        if connection.wait_for(Connection::is_online).await.is_err() {
            return;
        }
        match post_all(&ledger, &inbox, &api, &path).await {
            Ok(()) => {
                backoff.reset();
                let carries = ledger.owed().reports;
                tokio::select! {
                    () = ledger.0.changed.notified() => {}
                    () = inbox.reports_changed(), if carries => {}
                    changed = connection.changed() => if changed.is_err() { return },
                }
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::debug!(%error, "an acknowledgement did not get through");
                tokio::time::sleep(backoff.next(None)).await;
            }
        }
    }
}

async fn post_all(ledger: &Ledger, inbox: &Inbox, api: &Api, path: &str) -> Result<(), Error> {
    while let Some((range, with_reports)) = ledger.next() {
        let shown = if with_reports { inbox.take_reports(REPORTS).await? } else { Vec::new() };
        let ids: Vec<_> = shown.iter().map(|report| report.id).collect();
        let only_reports = range.0 == range.1;
        if only_reports && ids.is_empty() {
            return Ok(());
        }
        let ack = Ack { from: range.0.clone(), cursor: range.1.clone(), shown };
        let result = api.tell(Method::POST, path, &ack).await;
        match result {
            Ok(()) => inbox.settle_reports(ids, true).await?,
            Err(error) if outbox::is_final(&error) => {
                // A position of a life of the log that is over, for example: it would be refused for ever.
                tracing::warn!(%error, "an acknowledgement was refused");
                inbox.settle_reports(ids, true).await?;
            }
            Err(error) => {
                inbox.settle_reports(ids, false).await?;
                return Err(error);
            }
        }
        ledger.settle(&range);
    }
    Ok(())
}
