//! The ceiling of one request: the server's own routes over a store that keeps nothing.
//!
//! Authentication, parsing, checks and the answer are the real ones; a publish is answered at once.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use tocsin_protocol::{
    Counts, Device, Epoch, MessageId, MessageView, NewTopic, NewUser, Page, Published, Receipt,
    ReceiptSummary, Seq, Token, TokenKind, Topic, User,
    account::{TopicChange, UserChange},
};
use tocsin_store::{
    AckRange, Claim, DeviceId, DeviceRecord, EpochReason, Error, Here, InboxQuery, JoinOrder, Joined,
    LogEntry, Lost, NewMessage, PeoplePage, Press, Principal, Pruned, Publication, ReceiptQuery, Replay,
    Result as Answer, SecretHash, SessionOrder, SessionRecord, ShownRow, Snapshot, Stats, Store, TokenId,
    TokenOrder, TopicId, UserId, Viewer,
};
use tokio::sync::watch;

/// Prints its address and serves until it is ended. Any token is that of a sender to topic `all`.
pub async fn run() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let clock: tocsin_store::Clock = Arc::new(|| 1_800_000_000_000);
    let store = Arc::new(Nothing { epoch: "aaaaaaaa".parse()?, head: watch::channel(0).0 });
    let config = tocsin_server::Config {
        rates: tocsin_server::config::Rates { publish_per_s: None, ..Default::default() },
        ..Default::default()
    };
    let state = tocsin_server::AppState::start(store, config, clock).await?;
    tocsin_server::serve(listener, state, std::future::pending()).await;
    Ok(())
}

struct Nothing {
    epoch: Epoch,
    head: watch::Sender<Seq>,
}

fn nothing() -> Error {
    Error::NotFound("thing: this store keeps nothing")
}

#[async_trait]
impl Store for Nothing {
    fn epoch(&self) -> Epoch {
        self.epoch.clone()
    }

    fn head(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    fn instance(&self) -> &'static str {
        "nothing"
    }

    async fn publish(&self, _: NewMessage) -> Answer<Publication> {
        let id: MessageId = "AAAAAAAAAAAA".parse().map_err(|_| nothing())?;
        let published = Published { id, seq: 1, audience: 1000, superseded: None, warning: None };
        Ok(Publication { published, repeated: false })
    }

    async fn authenticate(&self, _: &SecretHash) -> Answer<Option<Principal>> {
        Ok(Some(Principal {
            token: TokenId(1),
            kind: TokenKind::Sender,
            name: "bench".into(),
            user: None,
            topics: Arc::new([TopicId(1)]),
            device: None,
            expires_at: None,
        }))
    }

    async fn snapshot(&self) -> Answer<Snapshot> {
        Ok(Snapshot::default())
    }

    async fn log(&self, _: Seq, _: usize) -> Answer<Vec<LogEntry>> {
        Ok(Vec::new())
    }

    fn touch(&self, _: Option<DeviceId>, _: TokenId) -> Answer<()> {
        Ok(())
    }

    async fn prune(&self) -> Answer<Pruned> {
        Ok(Pruned::default())
    }

    async fn probe(&self) -> Answer<()> {
        Ok(())
    }

    async fn stats(&self) -> Answer<Stats> {
        Ok(Stats::default())
    }

    async fn close(&self) {}

    async fn new_epoch(&self, _: EpochReason) -> Answer<Epoch> {
        Err(nothing())
    }

    async fn open_device(&self, _: UserId, _: &str) -> Answer<DeviceRecord> {
        Err(nothing())
    }

    async fn remove_device(&self, _: UserId, _: &str) -> Answer<DeviceId> {
        Err(nothing())
    }

    async fn set_filter(&self, _: DeviceId, _: Option<Vec<String>>) -> Answer<DeviceRecord> {
        Err(nothing())
    }

    async fn replay(&self, _: DeviceId, _: Seq, _: Seq, _: usize) -> Answer<Replay> {
        Err(nothing())
    }

    async fn lost(&self, _: DeviceId, _: Seq) -> Answer<Lost> {
        Err(nothing())
    }

    async fn acknowledge(&self, _: Vec<AckRange>) -> Answer<()> {
        Err(nothing())
    }

    async fn report_shown(&self, _: Vec<ShownRow>) -> Answer<()> {
        Err(nothing())
    }

    async fn claim(&self, _: DeviceId, _: usize) -> Answer<Claim> {
        Err(nothing())
    }

    async fn undo_claim(&self, _: u64) -> Answer<()> {
        Err(nothing())
    }

    async fn inbox(&self, _: UserId, _: InboxQuery) -> Answer<Page<MessageView>> {
        Err(nothing())
    }

    async fn message(&self, _: Viewer, _: MessageId) -> Answer<MessageView> {
        Err(nothing())
    }

    async fn press(&self, _: Press) -> Answer<MessageView> {
        Err(nothing())
    }

    async fn unread(&self, _: UserId) -> Answer<u64> {
        Err(nothing())
    }

    async fn receipt(&self, _: Viewer, _: MessageId, _: PeoplePage) -> Answer<Receipt> {
        Err(nothing())
    }

    async fn counts(&self, _: MessageId) -> Answer<Counts> {
        Err(nothing())
    }

    async fn receipts(&self, _: Viewer, _: ReceiptQuery) -> Answer<Page<ReceiptSummary>> {
        Err(nothing())
    }

    async fn presences(&self, _: &[String]) -> Answer<Vec<Here>> {
        Err(nothing())
    }

    async fn users(&self) -> Answer<Vec<User>> {
        Err(nothing())
    }

    async fn user(&self, _: &str) -> Answer<(UserId, User)> {
        Err(nothing())
    }

    async fn add_user(&self, _: NewUser) -> Answer<(UserId, User)> {
        Err(nothing())
    }

    async fn change_user(&self, _: &str, _: UserChange) -> Answer<User> {
        Err(nothing())
    }

    async fn remove_user(&self, _: &str) -> Answer<()> {
        Err(nothing())
    }

    async fn topics(&self, _: Option<UserId>) -> Answer<Vec<Topic>> {
        Err(nothing())
    }

    async fn topic(&self, _: &str, _: Option<UserId>) -> Answer<(TopicId, Topic)> {
        Err(nothing())
    }

    async fn add_topic(&self, _: NewTopic) -> Answer<(TopicId, Topic)> {
        Err(nothing())
    }

    async fn change_topic(&self, _: &str, _: TopicChange) -> Answer<Topic> {
        Err(nothing())
    }

    async fn remove_topic(&self, _: &str) -> Answer<()> {
        Err(nothing())
    }

    async fn members(&self, _: &str) -> Answer<Vec<User>> {
        Err(nothing())
    }

    async fn join_topic(&self, _: &str, _: &str) -> Answer<()> {
        Err(nothing())
    }

    async fn leave_topic(&self, _: &str, _: &str) -> Answer<()> {
        Err(nothing())
    }

    async fn devices(&self, _: Option<UserId>) -> Answer<Vec<Device>> {
        Err(nothing())
    }

    async fn add_token(&self, _: TokenOrder) -> Answer<Token> {
        Err(nothing())
    }

    async fn tokens(&self, _: Option<UserId>) -> Answer<Vec<Token>> {
        Err(nothing())
    }

    async fn revoke_token(&self, _: &str, _: Option<UserId>) -> Answer<()> {
        Err(nothing())
    }

    async fn add_session(&self, _: SessionOrder) -> Answer<()> {
        Err(nothing())
    }

    async fn session(&self, _: &SecretHash) -> Answer<Option<SessionRecord>> {
        Err(nothing())
    }

    async fn end_session(&self, _: &SecretHash) -> Answer<()> {
        Err(nothing())
    }

    async fn add_invite(&self, _: SecretHash, _: JoinOrder) -> Answer<()> {
        Err(nothing())
    }

    async fn redeem_invite(
        &self,
        _: &SecretHash,
        _: &str,
        _: Option<NewUser>,
        _: SecretHash,
    ) -> Answer<Joined> {
        Err(nothing())
    }

    async fn backup(&self, _: &std::path::Path) -> Answer<()> {
        Err(nothing())
    }

    async fn me(&self, _: &Principal) -> Answer<(Option<User>, Option<u64>)> {
        Err(nothing())
    }
}
