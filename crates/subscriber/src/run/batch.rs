//! What came, taken together: one transaction, one acknowledgement.

use tocsin_protocol::{Cursor, Reset, control::Transport};
use tokio::time::Instant;

use super::{Over, Run, listing};
use crate::{
    Error, Event, Reason,
    connection::{Failure, Input, Kind},
    inbox::{Entry, Outcome},
    transport::{Item, Order},
};

/// Items committed together: enough to make a sync cheap, few enough that the first is not held up by the last.
const BATCH: usize = 256;
/// Reports on one acknowledgement: some 8 KB.
pub(super) const REPORTS: usize = 100;

/// What a batch gathered so far.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    position: Option<Cursor>,
}

impl Run {
    /// Takes `first` and whatever else has arrived by now.
    pub(super) async fn take(&mut self, first: Item) -> Result<(), Over> {
        let mut gathered = Gathered::default();
        let mut item = Some(first);
        let (mut taken, mut began) = (0, false);
        while let Some(next) = item.take() {
            taken += 1;
            match next {
                Item::Opened { heartbeat, user } => {
                    if let Some(failure) = self.other_user(user) {
                        return self.failed(failure).await;
                    }
                    self.opened(false);
                    self.input(Input::Opened { heartbeat }).await?;
                }
                Item::Message(message) => {
                    gathered.position = Some(message.cursor.clone());
                    let arrival = self.stream.arrival(&message);
                    gathered.entries.push(Entry::Message(message, arrival));
                }
                Item::State(change) => {
                    gathered.position = Some(change.cursor.clone());
                    let arrival = self.stream.reminded(&change);
                    gathered.entries.push(Entry::State(change, arrival));
                }
                Item::Position(cursor) => {
                    began |= self.stream.positioned(&cursor);
                    gathered.position = Some(cursor);
                }
                Item::Alive => {}
                Item::Reset(reset) => {
                    self.commit(std::mem::take(&mut gathered)).await?;
                    self.reset(reset).await?;
                }
                Item::Failed(failure) => {
                    self.commit(gathered).await?;
                    return self.failed(failure).await;
                }
            }
            if taken < BATCH {
                item = self.current.as_mut().and_then(|wire| wire.items.try_recv().ok());
            }
        }
        self.input(Input::Heard).await?;
        let settled = self.stream.settle(Instant::now());
        if !settled.is_empty() {
            self.inbox.settle_reports(settled, true).await.map_err(|_| Over)?;
        }
        self.commit(gathered).await?;
        if began { self.report_the_rest().await } else { Ok(()) }
    }

    /// A stream began: reports that the one before it took along may not have arrived.
    async fn report_the_rest(&mut self) -> Result<(), Over> {
        if self.speaks_frames() {
            return self.report_shown().await;
        }
        if let Some(cursor) = self.stream.acknowledged() {
            self.ledger.position(cursor.clone());
        }
        Ok(())
    }

    /// Commit, acknowledge, tell: in this order.
    async fn commit(&mut self, gathered: Gathered) -> Result<(), Over> {
        let Some(position) = gathered.position else { return Ok(()) };
        if gathered.entries.is_empty() {
            if let Err(error) = self.inbox.note_position(position.clone()).await {
                return self.unwritable(error).await;
            }
            self.ask_again(position);
            return Ok(());
        }
        // A stream that did not say where it started went on from where it was asked to.
        if self.stream.from().is_none()
            && let Ok(Some(cursor)) = self.inbox.position().await
        {
            self.stream.positioned(&cursor);
        }
        let from = self.stream.from().cloned();
        match self.inbox.store(gathered.entries, Some(position.clone()), from).await {
            Ok(outcomes) => {
                self.acknowledge(position).await?;
                self.announce(outcomes).await
            }
            Err(error) => self.unwritable(error).await,
        }
    }

    /// Nothing may be acknowledged that is not stored: the stream is dropped and taken up again later.
    async fn unwritable(&mut self, error: Error) -> Result<(), Over> {
        if matches!(error, Error::Closed) {
            return Err(Over);
        }
        tracing::error!(%error, "the inbox cannot be written");
        self.failed(Failure::new(Kind::Server, Reason::InboxUnwritable(error.to_string()))).await
    }

    async fn announce(&mut self, outcomes: Vec<Outcome>) -> Result<(), Over> {
        for outcome in outcomes {
            match outcome {
                Outcome::Stored(stored) => {
                    self.stream.stored(stored.arrival, Instant::now());
                    self.tell(Event::Stored(stored)).await?;
                }
                Outcome::State(change) => self.tell(Event::State(change)).await?,
                Outcome::Known => {}
            }
        }
        Ok(())
    }

    /// A poll waits to hear that its answer is stored, whatever it held.
    fn ask_again(&mut self, cursor: Cursor) {
        if let Some(wire) = self.current.as_ref().filter(|wire| wire.transport == Transport::Poll) {
            let _ = wire.orders.try_send(Order::Ack { cursor: cursor.clone(), shown: Vec::new() });
            self.stream.acknowledge(cursor.clone());
            self.ledger.position(cursor);
        }
    }

    async fn acknowledge(&mut self, cursor: Cursor) -> Result<(), Over> {
        self.stream.acknowledge(cursor.clone());
        match self.current.as_ref().map(|wire| wire.transport) {
            Some(Transport::Websocket) => self.report_shown_with(true).await,
            Some(Transport::Sse) => {
                if let Some(from) = self.stream.from() {
                    self.ledger.owe(from.clone(), cursor.clone());
                }
                self.ledger.position(cursor);
                Ok(())
            }
            Some(Transport::Poll) => {
                self.ask_again(cursor);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Something was shown since the last acknowledgement: says so with an acknowledgement of the same position.
    pub(super) async fn report_shown(&mut self) -> Result<(), Over> {
        self.report_shown_with(false).await
    }

    async fn report_shown_with(&mut self, mut even_if_empty: bool) -> Result<(), Over> {
        loop {
            let Some(cursor) = self.stream.acknowledged().cloned() else { return Ok(()) };
            let shown = self.inbox.take_reports(REPORTS).await.map_err(|_| Over)?;
            if shown.is_empty() && !std::mem::take(&mut even_if_empty) {
                return Ok(());
            }
            let (ids, full) = (shown.iter().map(|r| r.id).collect::<Vec<_>>(), shown.len() == REPORTS);
            let order = Order::Ack { cursor, shown };
            let sent = self.current.as_ref().is_some_and(|wire| wire.orders.try_send(order).is_ok());
            if !sent {
                // The next acknowledgement covers this one; the reports must be taken anew for it.
                return self.inbox.settle_reports(ids, false).await.map_err(|_| Over);
            }
            self.stream.sent(Instant::now(), ids);
            if !full {
                return Ok(());
            }
        }
    }

    /// The position cannot be continued: list what can be read, keep what is new, go on from the position given.
    async fn reset(&mut self, reset: Reset) -> Result<(), Over> {
        tracing::warn!(reason = ?reset.reason, lost = reset.lost, cursor = %reset.cursor, "the position was reset");
        let entries = match listing::unknown(&self.dial.api, &self.inbox, self.clock.now()).await {
            Ok(entries) => entries,
            // The old position stands, so that the server says it again.
            Err(Error::Closed) => return Err(Over),
            Err(error) => {
                tracing::warn!(%error, "what can be read could not be listed after a reset");
                return self.failed(Failure::new(Kind::Server, Reason::Unreachable(error.to_string()))).await;
            }
        };
        self.stream.restarted(&reset.cursor);
        let stored = self.inbox.store(entries, Some(reset.cursor.clone()), Some(reset.cursor.clone())).await;
        match stored {
            Ok(outcomes) => {
                self.tell(Event::Reset(reset)).await?;
                self.announce(outcomes).await
            }
            Err(error) => self.unwritable(error).await,
        }
    }

    /// Drops the current stream; what it acknowledged without being sure is acknowledged again on the next.
    pub(super) async fn end_stream(&mut self) {
        if self.current.take().is_none() {
            return;
        }
        let (range, reports) = self.stream.end();
        if let Some((from, to)) = range {
            self.ledger.owe(from, to);
        }
        // If the inbox is closed there is nothing to take note of.
        let _ = self.inbox.settle_reports(reports, false).await;
    }

    /// The last run may have been killed between committing and acknowledging.
    pub(super) async fn owe_the_last_run(&mut self) {
        if let (Ok(Some(from)), Ok(Some(to))) = (self.inbox.stream_from().await, self.inbox.position().await)
        {
            self.ledger.owe(from, to);
        }
    }
}
