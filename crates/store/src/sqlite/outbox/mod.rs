//! [`Outbox`] on SQLite: which verb runs where.

mod address;
mod channel;
mod claim;
mod confirm;
mod enqueue;
mod fall;
mod list;
mod once_more;
mod recover;
mod resend;
mod retry;
mod route;
mod row;
mod settle;
mod step;

use async_trait::async_trait;
use tocsin_protocol::{
    Delivery, MessageId, Millis,
    delivery::{Binding, Channel, ChannelHealth, ChannelSettings, DeliveryDetail, Resend, Route},
};
use tokio::sync::watch;

use super::SqliteStore;
use crate::{
    Error, Result, UserId,
    outbox::{
        Bound, ClaimOrder, Claimed, Confirmation, DeliveryId, DeliveryQuery, Herald, Lease, Outbox, Settled,
        Settlement, Start, Started,
    },
};

pub(super) use channel::{
    id_of as channel_id, kind_of as channel_kind, list as channels, name_of as channel_name,
};
pub(super) use enqueue::{
    Outgoing, cancel, cancel_steps, carries, enqueue, forget, queue_report, supersede, withdraw,
};
pub(super) use row::{arrived, state};
pub(super) use step::{Asked, Place, again_to};

#[async_trait]
impl Outbox for SqliteStore {
    fn outbox_changed(&self) -> watch::Receiver<u64> {
        self.shared.outbox.subscribe()
    }

    async fn channels(&self) -> Result<Vec<Channel>> {
        self.read(channel::list).await
    }

    async fn channel_health(&self) -> Result<Vec<ChannelHealth>> {
        self.read(channel::health).await
    }

    async fn put_channel(&self, name: &str, settings: ChannelSettings) -> Result<Channel> {
        let name = name.to_owned();
        self.write(move |tx| channel::put(tx, &name, &settings)).await
    }

    async fn remove_channel(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |tx| channel::remove(tx, &name)).await
    }

    async fn reopen_channel(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |tx| channel::reopen(tx, &name)).await
    }

    async fn bindings(&self, channel: &str) -> Result<Vec<Binding>> {
        let channel = channel.to_owned();
        self.read(move |view| address::list(view, &channel)).await
    }

    async fn bind(&self, channel: &str, user: &str, address: &str) -> Result<Binding> {
        let (channel, user, place) = (channel.to_owned(), user.to_owned(), address.to_owned());
        self.write(move |tx| address::bind(tx, &channel, &user, &place)).await
    }

    async fn unbind(&self, channel: &str, who: Bound) -> Result<Option<Binding>> {
        let channel = channel.to_owned();
        self.write(move |tx| address::unbind(tx, &channel, &who)).await
    }

    async fn routes(&self) -> Result<Vec<Route>> {
        self.read(route::list).await
    }

    async fn put_route(&self, route: Route) -> Result<()> {
        self.write(move |tx| route::put(tx, &route)).await
    }

    async fn remove_route(&self, channel: &str, topic: Option<&str>, user: Option<&str>) -> Result<()> {
        let (channel, topic, user) = (channel.to_owned(), topic.map(str::to_owned), user.map(str::to_owned));
        self.write(move |tx| route::remove(tx, &channel, topic.as_deref(), user.as_deref())).await
    }

    async fn claim_lanes(&self, order: ClaimOrder) -> Result<Claimed> {
        self.write(move |tx| claim::claim(tx, &order)).await
    }

    async fn mend_times(&self, lease_ms: Millis) -> Result<u64> {
        self.write(move |tx| claim::mend(tx, lease_ms)).await
    }

    async fn begin(&self, lease: Lease, start: Start) -> Result<Started> {
        self.write(move |tx| settle::begin(tx, lease, &start)).await?.ok_or(Error::Gone)
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled> {
        self.write(move |tx| settle::settle(tx, &settlement)).await
    }

    async fn confirm(&self, confirmation: Confirmation, herald: Option<Herald>) -> Result<bool> {
        self.write(move |tx| confirm::confirm(tx, &confirmation, herald.as_ref())).await
    }

    async fn ways(
        &self,
        messages: Vec<MessageId>,
        people: Vec<UserId>,
    ) -> Result<Vec<(Option<UserId>, Delivery)>> {
        self.read(move |view| list::ways(view.conn, &messages, &people)).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>> {
        self.read(move |view| list::list(view.conn, &query)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail> {
        self.read(move |view| list::detail(view.conn, id)).await
    }

    async fn resend(&self, what: Resend) -> Result<u64> {
        self.write(move |tx| resend::resend(tx, &what)).await
    }

    async fn cancel_deliveries(&self, message: MessageId) -> Result<u64> {
        self.write(move |tx| resend::cancel(tx, message)).await
    }
}
