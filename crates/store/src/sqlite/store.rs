//! [`Store`](crate::Store) on SQLite: which verb runs where. Only what writes goes to the writer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tocsin_protocol::{
    Counts, Device, Epoch, MessageId, MessageView, NewTopic, NewUser, Page, Receipt, ReceiptSummary, Seq,
    Token, Topic, User,
    account::{TopicChange, UserChange},
};
use tokio::sync::{oneshot, watch};

use super::{
    SqliteStore, ack, claim, copy, device, inbox, invite, log, member, open, press, prune, publish, receipt,
    replay, session, shown, token, topic, upkeep, user, writer::Terms,
};
use crate::{
    AckRange, Claim, DeviceId, DeviceRecord, EpochReason, Error, Here, InboxQuery, JoinOrder, Joined,
    LogEntry, Lost, NewMessage, PeoplePage, Press, Principal, Pruned, Publication, ReceiptQuery, Replay,
    Result, SecretHash, SessionOrder, SessionRecord, ShownRow, Snapshot, Stats, Store, TokenId, TokenOrder,
    TopicId, UserId, Viewer, escalation::Escalations, outbox::Outbox,
};

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> Epoch {
        self.shared.epoch()
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.shared.head.subscribe()
    }

    fn instance(&self) -> &str {
        &self.shared.instance
    }

    async fn new_epoch(&self, why: EpochReason) -> Result<Epoch> {
        self.write(move |tx| upkeep::new_epoch(tx, why)).await
    }

    async fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogEntry>> {
        self.shared.healthy()?;
        let recent = self.shared.recent().read(after, limit);
        match recent {
            Some(entries) => Ok(entries),
            None => self.read(move |view| log::read(view, after, limit)).await,
        }
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.read(log::snapshot).await
    }

    async fn publish(&self, message: NewMessage) -> Result<Publication> {
        self.write_on(Terms::CHECKED, move |tx| publish::publish(tx, &message)).await
    }

    async fn open_device(&self, user: UserId, name: &str) -> Result<DeviceRecord> {
        let name = name.to_owned();
        let wanted = name.clone();
        match self.read(move |view| device::look_up(view, user, &wanted)).await? {
            Some(known) => Ok(known),
            None => self.write(move |tx| device::open(tx, user, &name)).await,
        }
    }

    async fn remove_device(&self, user: UserId, name: &str) -> Result<DeviceId> {
        let name = name.to_owned();
        self.write(move |tx| device::remove(tx, user, &name)).await
    }

    async fn set_filter(&self, device: DeviceId, filter: Option<Vec<String>>) -> Result<DeviceRecord> {
        self.write(move |tx| device::set_filter(tx, device, filter.as_deref())).await
    }

    async fn replay(&self, device: DeviceId, after: Seq, upto: Seq, limit: usize) -> Result<Replay> {
        self.read(move |view| replay::replay(view, device, after, upto, limit)).await
    }

    async fn lost(&self, device: DeviceId, after: Seq) -> Result<Lost> {
        // The usual case costs nothing: nothing behind this position was ever pruned.
        if after >= self.shared.pruned() {
            self.shared.healthy()?;
            return Ok(Lost::default());
        }
        self.read(move |view| replay::lost(view, device, after)).await
    }

    async fn acknowledge(&self, ranges: Vec<AckRange>) -> Result<()> {
        // In turns, so that a publisher never waits for the acknowledgements of a thousand devices; the last takes all
        // of them to the disk.
        let mut turns = ranges.chunks(ack::TURN).peekable();
        while let Some(turn) = turns.next() {
            let turn = turn.to_vec();
            let terms = if turns.peek().is_some() { Terms::LATER } else { Terms::CHECKED };
            self.write_on(terms, move |tx| ack::acknowledge(tx, &turn)).await?;
        }
        Ok(())
    }

    async fn report_shown(&self, rows: Vec<ShownRow>) -> Result<()> {
        self.write_on(Terms::CHECKED, move |tx| shown::report(tx, &rows)).await
    }

    async fn claim(&self, device: DeviceId, limit: usize) -> Result<Claim> {
        self.write(move |tx| claim::claim(tx, device, limit)).await
    }

    async fn undo_claim(&self, claim: u64) -> Result<()> {
        self.write(move |tx| claim::undo(tx, claim)).await
    }

    fn touch(&self, device: Option<DeviceId>, token: TokenId) -> Result<()> {
        self.shared.healthy()?;
        self.shared.touched().touch(device, token, self.shared.now());
        Ok(())
    }

    async fn inbox(&self, user: UserId, query: InboxQuery) -> Result<Page<MessageView>> {
        self.read(move |view| inbox::inbox(view, user, &query)).await
    }

    async fn message(&self, viewer: Viewer, id: MessageId) -> Result<MessageView> {
        self.read(move |view| inbox::message(view, viewer, id)).await
    }

    async fn press(&self, press: Press) -> Result<MessageView> {
        self.write(move |tx| press::press(tx, press)).await
    }

    async fn unread(&self, user: UserId) -> Result<u64> {
        self.read(move |view| inbox::unread(view, user)).await
    }

    async fn receipt(&self, viewer: Viewer, id: MessageId, page: PeoplePage) -> Result<Receipt> {
        self.read(move |view| receipt::receipt(view, viewer, id, &page)).await
    }

    async fn counts(&self, id: MessageId) -> Result<Counts> {
        self.read(move |view| receipt::counts(view, id)).await
    }

    async fn receipts(&self, viewer: Viewer, query: ReceiptQuery) -> Result<Page<ReceiptSummary>> {
        self.read(move |view| receipt::receipts(view, viewer, &query)).await
    }

    async fn presences(&self, users: &[String]) -> Result<Vec<Here>> {
        let users = users.to_vec();
        self.read(move |view| receipt::presences(view, &users)).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        self.read(user::list).await
    }

    async fn user(&self, name: &str) -> Result<(UserId, User)> {
        let name = name.to_owned();
        self.read(move |view| user::by_name(view.conn, &name)).await
    }

    async fn add_user(&self, user: NewUser) -> Result<(UserId, User)> {
        self.write(move |tx| user::add(tx, &user)).await
    }

    async fn change_user(&self, name: &str, change: UserChange) -> Result<User> {
        let name = name.to_owned();
        self.write(move |tx| user::change(tx, &name, &change)).await
    }

    async fn remove_user(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |tx| user::remove(tx, &name)).await
    }

    async fn topics(&self, asking: Option<UserId>) -> Result<Vec<Topic>> {
        self.read(move |view| topic::list(view, asking)).await
    }

    async fn topic(&self, name: &str, asking: Option<UserId>) -> Result<(TopicId, Topic)> {
        let name = name.to_owned();
        self.read(move |view| topic::by_name(view.conn, &name, asking)).await
    }

    async fn add_topic(&self, topic: NewTopic) -> Result<(TopicId, Topic)> {
        self.write(move |tx| topic::add(tx, &topic)).await
    }

    async fn change_topic(&self, name: &str, change: TopicChange) -> Result<Topic> {
        let name = name.to_owned();
        self.write(move |tx| topic::change(tx, &name, &change)).await
    }

    async fn remove_topic(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |tx| topic::remove(tx, &name)).await
    }

    async fn members(&self, topic: &str) -> Result<Vec<User>> {
        let topic = topic.to_owned();
        self.read(move |view| member::list(view, &topic)).await
    }

    async fn join_topic(&self, topic: &str, user: &str) -> Result<()> {
        let (topic, user) = (topic.to_owned(), user.to_owned());
        self.write(move |tx| member::join(tx, &topic, &user)).await
    }

    async fn leave_topic(&self, topic: &str, user: &str) -> Result<()> {
        let (topic, user) = (topic.to_owned(), user.to_owned());
        self.write(move |tx| member::leave(tx, &topic, &user)).await
    }

    async fn devices(&self, user: Option<UserId>) -> Result<Vec<Device>> {
        self.read(move |view| device::list(view, user)).await
    }

    async fn authenticate(&self, secret: &SecretHash) -> Result<Option<Principal>> {
        let secret = *secret;
        self.read(move |view| token::authenticate(view, &secret)).await
    }

    async fn add_token(&self, order: TokenOrder) -> Result<Token> {
        self.write(move |tx| token::add(tx, &order)).await
    }

    async fn tokens(&self, user: Option<UserId>) -> Result<Vec<Token>> {
        self.read(move |view| token::list(view, user)).await
    }

    async fn revoke_token(&self, id: &str, user: Option<UserId>) -> Result<()> {
        let id = id.to_owned();
        self.write(move |tx| token::revoke(tx, &id, user)).await
    }

    async fn add_session(&self, order: SessionOrder) -> Result<()> {
        self.write(move |tx| session::add(tx, &order)).await
    }

    async fn session(&self, secret: &SecretHash) -> Result<Option<SessionRecord>> {
        let secret = *secret;
        self.read(move |view| session::find(view, &secret)).await
    }

    async fn end_session(&self, secret: &SecretHash) -> Result<()> {
        let secret = *secret;
        self.write(move |tx| session::end(tx, &secret)).await
    }

    async fn add_invite(&self, code: SecretHash, order: JoinOrder) -> Result<()> {
        self.write(move |tx| invite::add(tx, &code, &order)).await
    }

    async fn redeem_invite(
        &self,
        code: &SecretHash,
        device: &str,
        user: Option<NewUser>,
        token: SecretHash,
    ) -> Result<Joined> {
        let (code, device) = (*code, device.to_owned());
        self.write(move |tx| invite::redeem(tx, &code, &device, user.as_ref(), &token)).await
    }

    async fn prune(&self) -> Result<Pruned> {
        self.write(prune::prune).await
    }

    async fn probe(&self) -> Result<()> {
        self.write(|tx| upkeep::probe(tx)).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.read(|view| upkeep::stats(view, view.shared)).await
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        self.shared.healthy()?;
        let (file, to): (PathBuf, PathBuf) = (self.shared.options.dir.join(open::DATABASE), to.to_owned());
        // A thread of its own: it may take minutes, and the readers are few.
        on_thread("store-backup", move || copy::backup(&file, &to).map_err(Error::from)).await?
    }

    async fn me(&self, principal: &Principal) -> Result<(Option<User>, Option<u64>)> {
        match &principal.user {
            None => Ok((None, None)),
            Some((id, ..)) => {
                let id = *id;
                let (user, unread) = self.read(move |view| session::me(view, id)).await?;
                Ok((Some(user), Some(unread)))
            }
        }
    }

    fn outbox(self: Arc<Self>) -> Option<Arc<dyn Outbox>> {
        Some(self)
    }

    fn escalations(self: Arc<Self>) -> Option<Arc<dyn Escalations>> {
        Some(self)
    }

    async fn close(&self) {
        self.readers.end();
        if let Some(thread) = self.writer.end() {
            let ended = on_thread("store-close", move || thread.join().is_ok()).await;
            if !matches!(ended, Ok(true)) {
                tracing::error!("the store's writer did not end cleanly");
            }
        }
    }
}

/// Runs something that blocks, off the runtime.
async fn on_thread<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (done, wait) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let _ = done.send(work());
        })
        .map_err(|error| Error::Unavailable(error.to_string()))?;
    wait.await.map_err(|_| Error::Unavailable("it ended early".into()))
}
