//! [`Escalations`] on the facts.

use async_trait::async_trait;
use tocsin_protocol::{
    MessageId, Policy,
    escalation::{Cancelled, DryRun, PolicySettings, ResendMessage, ResentMessage, Timeline},
};
use tokio::sync::watch;

use super::super::ModelStore;
use crate::{
    Result, Viewer,
    escalation::{Escalations, Ran, RunOrder},
};

#[async_trait]
impl Escalations for ModelStore {
    fn escalations_changed(&self) -> watch::Receiver<u64> {
        self.stirred.subscribe()
    }

    async fn policies(&self) -> Result<Vec<Policy>> {
        self.look(|facts| Ok(facts.policies()))
    }

    async fn policy(&self, name: &str) -> Result<Policy> {
        self.look(|facts| facts.policy(name))
    }

    async fn put_policy(&self, name: &str, settings: PolicySettings) -> Result<Policy> {
        self.write(|facts| facts.put_policy(name, settings))
    }

    async fn remove_policy(&self, name: &str) -> Result<()> {
        self.write(|facts| facts.remove_policy(name))
    }

    async fn dry_run(&self, what: DryRun) -> Result<Timeline> {
        self.look(|facts| facts.dry_run(&what))
    }

    async fn run_due(&self, order: RunOrder) -> Result<Ran> {
        self.write(|facts| facts.run_due(&order))
    }

    async fn cancel(&self, viewer: Viewer, message: MessageId) -> Result<Cancelled> {
        self.write(|facts| facts.cancel_escalation(viewer, message))
    }

    async fn resend_message(
        &self,
        viewer: Viewer,
        message: MessageId,
        what: ResendMessage,
    ) -> Result<ResentMessage> {
        self.write(|facts| facts.resend_message(viewer, message, &what))
    }
}
