//! [`Store`](crate::Store) on the facts.

use std::path::Path;

use async_trait::async_trait;
use tocsin_protocol::{
    Counts, Device, Epoch, MessageId, MessageView, NewTopic, NewUser, Page, Receipt, ReceiptSummary, Seq,
    Token, Topic, User,
    account::{TopicChange, UserChange},
};
use tokio::sync::watch;

use super::ModelStore;
use crate::{
    AckRange, Claim, DeviceId, DeviceRecord, EpochReason, Error, Here, InboxQuery, JoinOrder, Joined,
    LogEntry, Lost, NewMessage, PeoplePage, Press, Principal, Pruned, Publication, ReceiptQuery, Replay,
    Result, SecretHash, SessionOrder, SessionRecord, ShownRow, Snapshot, Stats, Store, TokenId, TokenOrder,
    TopicId, UserId, Viewer,
};

#[async_trait]
impl Store for ModelStore {
    fn epoch(&self) -> Epoch {
        self.facts().epoch.clone()
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    fn instance(&self) -> &str {
        &self.instance
    }

    async fn new_epoch(&self, _why: EpochReason) -> Result<Epoch> {
        self.write(|facts| {
            facts.epoch = Epoch::random(&mut rand::rng());
            Ok(facts.epoch.clone())
        })
    }

    async fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogEntry>> {
        self.look(|facts| {
            Ok(facts.log.iter().filter(|entry| entry.seq > after).take(limit).cloned().collect())
        })
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.look(|facts| {
            let mut members = Vec::new();
            for topic in &facts.topics {
                let of_topic = facts.users.iter().filter(|user| facts.is_member(topic.id, user.id));
                members.extend(of_topic.map(|user| (topic.id, user.id)));
            }
            Ok(Snapshot { seq: facts.head(), members })
        })
    }

    async fn publish(&self, message: NewMessage) -> Result<Publication> {
        self.write(|facts| facts.publish(&message))
    }

    async fn open_device(&self, user: UserId, name: &str) -> Result<DeviceRecord> {
        self.write(|facts| facts.open_device(user, name))
    }

    async fn remove_device(&self, user: UserId, name: &str) -> Result<DeviceId> {
        self.write(|facts| facts.remove_device(user, name))
    }

    async fn set_filter(&self, device: DeviceId, filter: Option<Vec<String>>) -> Result<DeviceRecord> {
        self.write(|facts| facts.set_filter(device, filter))
    }

    async fn replay(&self, device: DeviceId, after: Seq, upto: Seq, limit: usize) -> Result<Replay> {
        self.look(|facts| facts.replay(device, after, upto, limit))
    }

    async fn lost(&self, device: DeviceId, after: Seq) -> Result<Lost> {
        self.look(|facts| Ok(facts.lost(facts.live_device(device)?.user, after)))
    }

    async fn acknowledge(&self, ranges: Vec<AckRange>) -> Result<()> {
        self.write(|facts| {
            facts.acknowledge(&ranges);
            Ok(())
        })
    }

    async fn report_shown(&self, rows: Vec<ShownRow>) -> Result<()> {
        self.write(|facts| {
            facts.report_shown(&rows);
            Ok(())
        })
    }

    async fn claim(&self, device: DeviceId, limit: usize) -> Result<Claim> {
        self.write(|facts| facts.claim(device, limit))
    }

    async fn undo_claim(&self, claim: u64) -> Result<()> {
        self.write(|facts| {
            facts.undo_claim(claim);
            Ok(())
        })
    }

    fn touch(&self, device: Option<DeviceId>, token: TokenId) -> Result<()> {
        self.write(|facts| {
            let minute = facts.now - facts.now.rem_euclid(60_000);
            let device = facts.devices.iter_mut().find(|known| Some(known.id) == device);
            if let Some(device) = device {
                device.last_seen_at = device.last_seen_at.max(Some(minute));
            }
            if let Some(token) = facts.tokens.iter_mut().find(|known| known.id == token) {
                token.last_used_at = token.last_used_at.max(Some(minute));
            }
            Ok(())
        })
    }

    async fn inbox(&self, user: UserId, query: InboxQuery) -> Result<Page<MessageView>> {
        self.look(|facts| facts.inbox(user, &query))
    }

    async fn message(&self, viewer: Viewer, id: MessageId) -> Result<MessageView> {
        self.look(|facts| facts.message(viewer, id))
    }

    async fn press(&self, press: Press) -> Result<MessageView> {
        self.write(|facts| {
            facts.press(press)?;
            Ok(facts.seen_by(Some(press.user), facts.message_of(press.message)?))
        })
    }

    async fn unread(&self, user: UserId) -> Result<u64> {
        self.look(|facts| Ok(facts.unread(user)))
    }

    async fn receipt(&self, viewer: Viewer, id: MessageId, page: PeoplePage) -> Result<Receipt> {
        self.look(|facts| facts.receipt(viewer, id, &page))
    }

    async fn counts(&self, id: MessageId) -> Result<Counts> {
        self.look(|facts| facts.counts(id))
    }

    async fn receipts(&self, viewer: Viewer, query: ReceiptQuery) -> Result<Page<ReceiptSummary>> {
        self.look(|facts| facts.receipts(viewer, &query))
    }

    async fn presences(&self, users: &[String]) -> Result<Vec<Here>> {
        self.look(|facts| Ok(facts.presences(users)))
    }

    async fn users(&self) -> Result<Vec<User>> {
        self.look(|facts| Ok(facts.users()))
    }

    async fn user(&self, name: &str) -> Result<(UserId, User)> {
        self.look(|facts| facts.user_named(name).map(|user| (user.id, user.listed())))
    }

    async fn add_user(&self, user: NewUser) -> Result<(UserId, User)> {
        self.write(|facts| facts.add_user(user))
    }

    async fn change_user(&self, name: &str, change: UserChange) -> Result<User> {
        self.write(|facts| facts.change_user(name, change))
    }

    async fn remove_user(&self, name: &str) -> Result<()> {
        self.write(|facts| facts.remove_user(name))
    }

    async fn topics(&self, asking: Option<UserId>) -> Result<Vec<Topic>> {
        self.look(|facts| Ok(facts.topics(asking)))
    }

    async fn topic(&self, name: &str, asking: Option<UserId>) -> Result<(TopicId, Topic)> {
        self.look(|facts| {
            let topic = facts.topic_named(name)?;
            Ok((topic.id, facts.listed_topic(topic, asking)))
        })
    }

    async fn add_topic(&self, topic: NewTopic) -> Result<(TopicId, Topic)> {
        self.write(|facts| facts.add_topic(topic))
    }

    async fn change_topic(&self, name: &str, change: TopicChange) -> Result<Topic> {
        self.write(|facts| facts.change_topic(name, change))
    }

    async fn remove_topic(&self, name: &str) -> Result<()> {
        self.write(|facts| facts.remove_topic(name))
    }

    async fn members(&self, topic: &str) -> Result<Vec<User>> {
        self.look(|facts| facts.members(topic))
    }

    async fn join_topic(&self, topic: &str, user: &str) -> Result<()> {
        self.write(|facts| {
            let (topic, user) = (facts.topic_named(topic)?.id, facts.user_named(user)?.id);
            facts.join(topic, user);
            Ok(())
        })
    }

    async fn leave_topic(&self, topic: &str, user: &str) -> Result<()> {
        self.write(|facts| {
            let (topic, user) = (facts.topic_named(topic)?.id, facts.user_named(user)?.id);
            facts.leave(topic, user);
            Ok(())
        })
    }

    async fn devices(&self, user: Option<UserId>) -> Result<Vec<Device>> {
        self.look(|facts| Ok(facts.devices(user)))
    }

    async fn authenticate(&self, secret: &SecretHash) -> Result<Option<Principal>> {
        self.look(|facts| Ok(facts.authenticate(secret)))
    }

    async fn add_token(&self, order: TokenOrder) -> Result<Token> {
        self.write(|facts| facts.add_token(order))
    }

    async fn tokens(&self, user: Option<UserId>) -> Result<Vec<Token>> {
        self.look(|facts| Ok(facts.tokens(user)))
    }

    async fn revoke_token(&self, id: &str, user: Option<UserId>) -> Result<()> {
        self.write(|facts| facts.revoke_token(id, user))
    }

    async fn add_session(&self, order: SessionOrder) -> Result<()> {
        self.write(|facts| facts.add_session(&order))
    }

    async fn session(&self, secret: &SecretHash) -> Result<Option<SessionRecord>> {
        self.write(|facts| Ok(facts.session(secret)))
    }

    async fn end_session(&self, secret: &SecretHash) -> Result<()> {
        self.write(|facts| {
            facts.end_session(secret);
            Ok(())
        })
    }

    async fn add_invite(&self, code: SecretHash, order: JoinOrder) -> Result<()> {
        self.write(|facts| facts.add_invite(code, order))
    }

    async fn redeem_invite(
        &self,
        code: &SecretHash,
        device: &str,
        user: Option<NewUser>,
        token: SecretHash,
    ) -> Result<Joined> {
        self.write(|facts| facts.redeem_invite(code, device, user, token))
    }

    async fn prune(&self) -> Result<Pruned> {
        self.write(|facts| Ok(facts.prune()))
    }

    async fn probe(&self) -> Result<()> {
        self.write(|_| Ok(()))
    }

    async fn stats(&self) -> Result<Stats> {
        self.look(|facts| {
            Ok(Stats {
                messages: facts.messages.iter().filter(|fact| fact.kept()).count() as u64,
                users: facts.users.iter().filter(|user| !user.removed).count() as u64,
                topics: facts.topics.iter().filter(|topic| !topic.removed).count() as u64,
                ..Stats::default()
            })
        })
    }

    async fn backup(&self, _to: &Path) -> Result<()> {
        Err(Error::Unavailable("a store in memory has no backup".into()))
    }

    async fn me(&self, principal: &Principal) -> Result<(Option<User>, Option<u64>)> {
        self.look(|facts| match &principal.user {
            None => Ok((None, None)),
            Some((id, ..)) => Ok((Some(facts.live_user(*id)?.listed()), Some(facts.unread(*id)))),
        })
    }

    async fn close(&self) {
        self.facts().closed = true;
    }
}
