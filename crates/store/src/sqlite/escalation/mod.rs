//! [`Escalations`] on SQLite: which verb runs where, and what other verbs of the store do here.

mod notify;
mod policy;
mod report;
mod resend;
mod row;
mod run;
mod settle;
mod silence;
mod start;
#[cfg(test)]
mod tests;
mod told;

use async_trait::async_trait;
use tocsin_protocol::{
    MessageId, Policy,
    escalation::{Cancelled, DryRun, PolicySettings, ResendMessage, ResentMessage, Timeline},
};
use tokio::sync::watch;

use super::SqliteStore;
use crate::{
    Result, Viewer,
    escalation::{Escalations, Ran, RunOrder},
};

pub(super) use policy::id_of as policy_id;
pub(super) use report::{arrived, pruned, stored};
pub(super) use row::Escalating;
pub(super) use settle::{left, pressed, settled, state};
pub(super) use start::{KnownPolicy, published, sets};
pub(super) use told::told;

#[async_trait]
impl Escalations for SqliteStore {
    fn escalations_changed(&self) -> watch::Receiver<u64> {
        self.shared.stirred.subscribe()
    }

    async fn policies(&self) -> Result<Vec<Policy>> {
        self.read(policy::list).await
    }

    async fn policy(&self, name: &str) -> Result<Policy> {
        let name = name.to_owned();
        self.read(move |view| policy::by_name(view.conn, &name)).await
    }

    async fn put_policy(&self, name: &str, settings: PolicySettings) -> Result<Policy> {
        let name = name.to_owned();
        self.write(move |tx| policy::put(tx, &name, &settings)).await
    }

    async fn remove_policy(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |tx| policy::remove(tx, &name)).await
    }

    async fn dry_run(&self, what: DryRun) -> Result<Timeline> {
        self.read(move |view| policy::dry_run(view, &what)).await
    }

    async fn run_due(&self, order: RunOrder) -> Result<Ran> {
        self.write(move |tx| run::run_due(tx, &order)).await
    }

    async fn cancel(&self, viewer: Viewer, message: MessageId) -> Result<Cancelled> {
        self.write(move |tx| settle::cancel(tx, viewer, message)).await
    }

    async fn resend_message(
        &self,
        viewer: Viewer,
        message: MessageId,
        what: ResendMessage,
    ) -> Result<ResentMessage> {
        self.write(move |tx| resend::resend(tx, viewer, message, &what)).await
    }
}
