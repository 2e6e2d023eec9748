//! What a host holds of a running subscriber.

use tocsin_protocol::{MessageId, StateChange};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Connection, Inbox, Result, http::Api};

/// What the host asks of the running task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Tell the event channel of presses made here.
    Pressed(Vec<StateChange>),
}

/// A running subscriber; clones share it. It goes on until [`Handle::stop`], or until the last handle or the receiver
/// of its events is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) connection: watch::Receiver<Connection>,
    pub(crate) inbox: Inbox,
    pub(crate) api: Api,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Handle {
    /// Closes the connection and waits until nothing runs any more. The inbox stays open.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Marks a message as read: at once in the inbox and as an [`crate::Event::State`], on the server when it can be told.
    pub async fn read(&self, id: MessageId) -> Result<StateChange> {
        let change = self.inbox.read(id).await?;
        self.announce(vec![change.clone()]);
        Ok(change)
    }

    /// Acknowledges a message, as [`Handle::read`] does.
    pub async fn acknowledge(&self, id: MessageId) -> Result<StateChange> {
        let change = self.inbox.acknowledge(id).await?;
        self.announce(vec![change.clone()]);
        Ok(change)
    }

    /// Marks everything as read; says how many messages that were.
    pub async fn read_all(&self) -> Result<usize> {
        let changes = self.inbox.read_all().await?;
        let count = changes.len();
        self.announce(changes);
        Ok(count)
    }

    /// The connection, now and as it changes.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// The inbox.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// The server's API with this device's token.
    pub fn api(&self) -> &Api {
        &self.api
    }

    fn announce(&self, changes: Vec<StateChange>) {
        // Never waits: the host may be the one that has to empty the queue of events first. The press is stored; a
        // view that misses the event sees it when it lists again.
        if self.commands.try_send(Command::Pressed(changes)).is_err() {
            tracing::debug!("a press was not announced");
        }
    }
}
