//! Everything that can be asked, asked of both.

use serde::Serialize;
use tocsin_protocol::{Priority, Receipt, ReceiptSummary, receipt::ReceiptFilter};
use tocsin_store::{InboxQuery, OwedItem, PeoplePage, ReceiptQuery, Store, Viewer, conformance::MINUTE};

use super::{schedule::Step, twins::Twins};

/// As JSON, with positions in the place of random names.
struct Plain<'a> {
    twins: &'a Twins,
    sqlite: bool,
}

impl Plain<'_> {
    fn text(&self, value: &impl Serialize) -> String {
        let mut text = serde_json::to_string(value).unwrap();
        for (a, b, seq) in &self.twins.messages {
            let id = if self.sqlite { a } else { b };
            text = text.replace(id.as_str(), &format!("#{seq}"));
        }
        let epoch = if self.sqlite { self.twins.sqlite().epoch() } else { self.twins.model.epoch() };
        text.replace(epoch.as_str(), "epoch")
    }

    fn items(&self, items: Vec<OwedItem>) -> Vec<String> {
        let item = |item| match item {
            OwedItem::Message(message) => self.text(&message),
            OwedItem::State(change) => self.text(&change),
        };
        items.into_iter().map(item).collect()
    }
}

/// Below priority 4 arrival is known to the minute, and so is which device was first.
fn rounded(mut receipt: Receipt, exact: bool) -> Receipt {
    if !exact {
        for person in &mut receipt.people {
            person.received_at = person.received_at.map(|at| at.div_euclid(MINUTE));
            person.device = None;
            person.channel = None;
        }
    }
    receipt
}

pub async fn everything(twins: &Twins, number: usize, step: &Step) {
    let context = format!("after step {number}: {step:?}");
    let (a, b) = (twins.sqlite(), &twins.model);
    let (in_a, in_b) = (Plain { twins, sqlite: true }, Plain { twins, sqlite: false });
    assert_eq!(*a.head().borrow(), *b.head().borrow(), "{context}");
    let (snapshot_a, snapshot_b) = (a.snapshot().await.unwrap(), b.snapshot().await.unwrap());
    let sorted = |mut members: Vec<(tocsin_store::TopicId, tocsin_store::UserId)>| {
        members.sort_unstable();
        members
    };
    assert_eq!(sorted(snapshot_a.members), sorted(snapshot_b.members), "{context}");
    people(twins, &in_a, &in_b, &context).await;
    devices(twins, &in_a, &in_b, &context).await;
    receipts(twins, &in_a, &in_b, &context).await;
    lists(twins, &in_a, &in_b, &context).await;
    log(twins, &context).await;
}

async fn people(twins: &Twins, in_a: &Plain<'_>, in_b: &Plain<'_>, context: &str) {
    let (a, b) = (twins.sqlite(), &twins.model);
    let users = b.users().await.unwrap();
    assert_eq!(a.users().await.unwrap(), users, "{context}");
    for user in users {
        let (id, _) = b.user(&user.name).await.unwrap();
        assert_eq!(
            a.unread(id).await.unwrap(),
            b.unread(id).await.unwrap(),
            "{context}: unread of {}",
            user.name
        );
        for (unread, unacknowledged) in [(false, false), (true, false), (false, true)] {
            let query = InboxQuery { limit: 100, unread, unacknowledged, ..Default::default() };
            let (page_a, page_b) =
                (a.inbox(id, query.clone()).await.unwrap(), b.inbox(id, query).await.unwrap());
            assert_eq!(in_a.text(&page_a), in_b.text(&page_b), "{context}: inbox of {}", user.name);
        }
        let (mut before, mut all) = (None, 0);
        loop {
            let query = InboxQuery { limit: 3, before, ..Default::default() };
            let (page_a, page_b) =
                (a.inbox(id, query.clone()).await.unwrap(), b.inbox(id, query).await.unwrap());
            assert_eq!(in_a.text(&page_a), in_b.text(&page_b), "{context}: page of {}", user.name);
            all += page_a.items.len();
            before = page_a.next;
            if before.is_none() || all > 100 {
                break;
            }
        }
    }
}

async fn devices(twins: &Twins, in_a: &Plain<'_>, in_b: &Plain<'_>, context: &str) {
    let (a, b) = (twins.sqlite(), &twins.model);
    assert_eq!(a.devices(None).await.unwrap(), b.devices(None).await.unwrap(), "{context}");
    let head = *b.head().borrow();
    for device in &twins.devices {
        for (after, limit) in [(0, 1000), (head / 2, 3)] {
            let replays =
                (a.replay(*device, after, head, limit).await, b.replay(*device, after, head, limit).await);
            // A removed person's device has no stream.
            let (Ok(in_sqlite), Ok(in_model)) = replays else {
                assert!(replays.0.is_err() && replays.1.is_err(), "{context}: {replays:?}");
                continue;
            };
            assert_eq!(in_sqlite.reached, in_model.reached, "{context}: {device:?} after {after}");
            let items = (in_a.items(in_sqlite.items), in_b.items(in_model.items));
            assert_eq!(items.0, items.1, "{context}: {device:?} after {after}");
            let lost = (a.lost(*device, after).await.unwrap(), b.lost(*device, after).await.unwrap());
            assert_eq!(lost.0, lost.1, "{context}: lost to {device:?} after {after}");
        }
    }
}

/// What a schedule is about: the receipts of its messages, whole and in lists, and what people have open.
pub async fn what_matters(twins: &Twins, number: usize, step: &Step) {
    let context = format!("after step {number}: {step:?}");
    let (in_a, in_b) = (Plain { twins, sqlite: true }, Plain { twins, sqlite: false });
    receipts(twins, &in_a, &in_b, &context).await;
    lists(twins, &in_a, &in_b, &context).await;
}

async fn lists(twins: &Twins, in_a: &Plain<'_>, in_b: &Plain<'_>, context: &str) {
    let (a, b) = (twins.sqlite(), &twins.model);
    for filter in [ReceiptFilter::Undelivered, ReceiptFilter::Unacknowledged, ReceiptFilter::Expired] {
        let query = ReceiptQuery { filter, limit: 5, ..ReceiptQuery::default() };
        let viewer = Viewer::Admin(None);
        let (page_a, page_b) =
            (a.receipts(viewer, query.clone()).await.unwrap(), b.receipts(viewer, query).await.unwrap());
        let known = |row: &ReceiptSummary| twins.messages.iter().any(|(_, _, seq)| *seq == row.seq);
        let (rows_a, rows_b): (Vec<_>, Vec<_>) = (
            page_a.items.into_iter().filter(known).collect(),
            page_b.items.into_iter().filter(known).collect(),
        );
        assert_eq!(in_a.text(&rows_a), in_b.text(&rows_b), "{context}: {filter:?}");
    }
}

async fn receipts(twins: &Twins, in_a: &Plain<'_>, in_b: &Plain<'_>, context: &str) {
    let (a, b) = (twins.sqlite(), &twins.model);
    for (id_a, id_b, seq) in &twins.messages {
        let viewer = Viewer::Admin(None);
        let (Ok(in_sqlite), in_model) = (
            a.receipt(viewer, *id_a, PeoplePage::default()).await,
            b.receipt(viewer, *id_b, PeoplePage::default()).await,
        ) else {
            assert!(
                b.receipt(viewer, *id_b, PeoplePage::default()).await.is_err(),
                "{context}: receipt of #{seq}"
            );
            continue;
        };
        let entry = b.log(seq - 1, 1).await.unwrap().remove(0);
        let exact = matches!(&entry.entry, tocsin_store::Entry::Message(Some(stored))
            if stored.message.priority >= Priority::HIGH);
        let (in_sqlite, in_model) = (rounded(in_sqlite, exact), rounded(in_model.unwrap(), exact));
        assert_eq!(in_a.text(&in_sqlite), in_b.text(&in_model), "{context}: receipt of #{seq}");
        assert_eq!(a.counts(*id_a).await.unwrap(), in_sqlite.counts, "{context}: counts of #{seq}");
        let counts = in_sqlite.counts;
        assert!(
            counts.received + counts.missing + counts.withdrawn + counts.sent <= counts.owed,
            "{context}"
        );
    }
}

async fn log(twins: &Twins, context: &str) {
    let (a, b) = (twins.sqlite(), &twins.model);
    let (log_a, log_b) = (a.log(0, 10_000).await.unwrap(), b.log(0, 10_000).await.unwrap());
    assert_eq!(log_a.len(), log_b.len(), "{context}");
    for (entry_a, entry_b) in log_a.iter().zip(&log_b) {
        let kind = |entry: &tocsin_store::Entry| match entry {
            tocsin_store::Entry::Message(stored) => {
                format!("message {:?}", stored.as_ref().map(|s| s.address.clone()))
            }
            tocsin_store::Entry::State { user, change } => {
                let pressed = (change.read_at, change.acknowledged_at);
                format!("state {user:?} {pressed:?} {:?} {:?}", change.remind_at, change.settled)
            }
            other => format!("{other:?}"),
        };
        assert_eq!((entry_a.seq, kind(&entry_a.entry)), (entry_b.seq, kind(&entry_b.entry)), "{context}");
    }
}
