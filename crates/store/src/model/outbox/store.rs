//! [`Outbox`] on the facts.

use async_trait::async_trait;
use tocsin_protocol::{
    Delivery, MessageId, Millis,
    delivery::{Binding, Channel, ChannelHealth, ChannelSettings, DeliveryDetail, Resend, Route},
};
use tokio::sync::watch;

use super::super::{ModelStore, facts::Facts};
use crate::{
    Result, UserId,
    outbox::{
        Bound, ClaimOrder, Claimed, Confirmation, DeliveryId, DeliveryQuery, Herald, Lease, Outbox, Settled,
        Settlement, Start, Started,
    },
};

#[async_trait]
impl Outbox for ModelStore {
    fn outbox_changed(&self) -> watch::Receiver<u64> {
        self.outbox.subscribe()
    }

    async fn channels(&self) -> Result<Vec<Channel>> {
        self.look(|facts| Ok(facts.list_channels()))
    }

    async fn channel_health(&self) -> Result<Vec<ChannelHealth>> {
        self.look(|facts| Ok(facts.list_health()))
    }

    async fn put_channel(&self, name: &str, settings: ChannelSettings) -> Result<Channel> {
        self.write(|facts| facts.put_channel(name, &settings))
    }

    async fn remove_channel(&self, name: &str) -> Result<()> {
        self.write(|facts| facts.remove_channel(name))
    }

    async fn reopen_channel(&self, name: &str) -> Result<()> {
        self.write(|facts| facts.reopen_channel(name))
    }

    async fn bindings(&self, channel: &str) -> Result<Vec<Binding>> {
        self.look(|facts| facts.list_bindings(channel))
    }

    async fn bind(&self, channel: &str, user: &str, address: &str) -> Result<Binding> {
        self.write(|facts| facts.bind(channel, user, address))
    }

    async fn unbind(&self, channel: &str, who: Bound) -> Result<Option<Binding>> {
        self.write(|facts| facts.unbind(channel, &who))
    }

    async fn routes(&self) -> Result<Vec<Route>> {
        self.look(|facts| Ok(facts.list_routes()))
    }

    async fn put_route(&self, route: Route) -> Result<()> {
        self.write(|facts| facts.put_route(&route))
    }

    async fn remove_route(&self, channel: &str, topic: Option<&str>, user: Option<&str>) -> Result<()> {
        self.write(|facts| facts.remove_route(channel, topic, user))
    }

    async fn claim_lanes(&self, order: ClaimOrder) -> Result<Claimed> {
        self.write(|facts| facts.claim_lanes(&order))
    }

    async fn mend_times(&self, lease_ms: Millis) -> Result<u64> {
        self.write(|facts| Ok(facts.mend_times(lease_ms)))
    }

    async fn begin(&self, lease: Lease, start: Start) -> Result<Started> {
        Facts::begun(self.write(|facts| Ok(facts.begin(lease, &start, &self.instance)))?)
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled> {
        self.write(|facts| facts.settle(&settlement))
    }

    async fn confirm(&self, confirmation: Confirmation, herald: Option<Herald>) -> Result<bool> {
        self.write(|facts| facts.confirm(&confirmation, herald.as_ref()))
    }

    async fn ways(
        &self,
        messages: Vec<MessageId>,
        people: Vec<UserId>,
    ) -> Result<Vec<(Option<UserId>, Delivery)>> {
        self.look(|facts| Ok(facts.ways(&messages, &people)))
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>> {
        self.look(|facts| Ok(facts.list_deliveries(&query)))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail> {
        self.look(|facts| facts.one_delivery(id))
    }

    async fn resend(&self, what: Resend) -> Result<u64> {
        self.write(|facts| facts.resend(&what))
    }

    async fn cancel_deliveries(&self, message: MessageId) -> Result<u64> {
        self.write(|facts| facts.cancel_message(message))
    }
}
