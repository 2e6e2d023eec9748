//! Receipts over all ways.

use tocsin_protocol::{
    EscalationState, MessageId, NewUser, PersonReceipt, ReceiptSummary, Role, State,
    escalation::Milestone as M,
    receipt::{NAMES_MOST, ReceiptFilter as F},
};

use super::{SECOND, Watch, keyed, next, step, to_people, to_topic, urgent};
use crate::{
    Authority, Error, NewMessage, PeoplePage, Pressed, ReceiptQuery, Sender, TokenId, UserId, Viewer,
    outbox::{ALERTS, Confirmation, Next},
};

impl Watch {
    async fn confirm(&self, channel: &str) {
        let query = crate::outbox::DeliveryQuery { limit: 1, ..Default::default() };
        let row = self.post.outbox.deliveries(query).await.unwrap().remove(0);
        let said = Confirmation {
            channel: channel.into(),
            msgid: row.msgid,
            address: format!("id-{}", row.user.unwrap()),
            failed: None,
            again: None,
        };
        assert!(self.post.outbox.confirm(said, None).await.unwrap());
    }

    async fn listed(&self, query: ReceiptQuery) -> Vec<MessageId> {
        let query = ReceiptQuery { limit: 100, ..query };
        let page = self.bench().store.receipts(Viewer::Admin(None), query).await.unwrap();
        // What failed was told, too.
        let told = |row: &ReceiptSummary| row.topic.as_deref() == Some(ALERTS);
        page.items.into_iter().filter(|row| !told(row)).map(|row| row.id).collect()
    }
}

/// By name; the counts are of all.
pub async fn people_come_in_pages(watch: Watch) {
    let names: Vec<String> = (0..7).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watch.desk(&names, &[]).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = PeoplePage { after, limit: 3 };
        let receipt = watch.bench().store.receipt(Viewer::Admin(None), id, page).await.unwrap();
        assert_eq!((receipt.counts.owed, receipt.missing.len()), (7, 7));
        seen.extend(receipt.people.into_iter().map(|row| row.user));
        after = receipt.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, names);
    let exact = PeoplePage { after: Some("p0".into()), limit: 6 };
    let receipt = watch.bench().store.receipt(Viewer::Admin(None), id, exact).await.unwrap();
    assert_eq!((receipt.people.len(), receipt.next), (6, None));
}

/// A platform's word is as good as a device's.
pub async fn a_channel_counts(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.app(&["ann"]).await;
    watch.post.route("app", None, None, 1).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    assert_eq!(watch.bench().row(id, "ann").await.state, State::Missing);
    watch.bench().hand.step(SECOND);
    let accepted = watch.bench().hand.now();
    assert_eq!(watch.send_all("app").await, 1);
    let row = watch.bench().row(id, "ann").await;
    assert_eq!((row.state, row.sent_at, row.channel.as_deref()), (State::Sent, Some(accepted), Some("app")));
    watch.bench().hand.step(SECOND);
    let confirmed = watch.bench().hand.now();
    watch.confirm("app").await;
    let row = watch.bench().row(id, "ann").await;
    assert_eq!((row.state, row.received_at), (State::Received, Some(confirmed)));
    assert_eq!((row.device, row.channel.as_deref()), (None, Some("app")));
    let counts = watch.bench().store.counts(id).await.unwrap();
    assert_eq!((counts.received, counts.missing, counts.unread), (1, 0, 1));
    assert!(counts.reached(M::ReceivedByAll));
}

/// The first that says so.
pub async fn the_earlier_way_is_named(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    watch.app(&["ann"]).await;
    watch.post.route("app", None, None, 1).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    let (first, seq) = watch.bench().publish(urgent(4, to_topic("ops"))).await;
    watch.bench().ack(phone, seq - 1, seq).await;
    watch.bench().hand.step(SECOND);
    watch.send_all("app").await;
    watch.confirm("app").await;
    let row = watch.bench().row(first, "ann").await;
    assert_eq!((row.device.as_deref(), row.channel), (Some("phone"), None));
    let (second, seq) = watch.bench().publish(urgent(4, to_topic("ops"))).await;
    watch.send_all("app").await;
    watch.confirm("app").await;
    watch.bench().hand.step(SECOND);
    watch.bench().ack(phone, seq - 1, seq).await;
    let row = watch.bench().row(second, "ann").await;
    assert_eq!((row.device, row.channel.as_deref()), (None, Some("app")));
}

/// Each filter finds its own.
pub async fn receipts_are_filtered(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid"]).await;
    watch.app(&["cid"]).await;
    watch.post.route("app", None, Some("cid"), 1).await;
    let begun = watch.bench().hand.now();
    let (plain, _) = watch.bench().publish(to_topic("ops")).await;
    let (urgent_one, _) = watch.bench().publish(urgent(4, to_topic("ops"))).await;
    let (gone, _) =
        watch.bench().publish(NewMessage { expires_in_ms: Some(SECOND), ..to_people(&["ann"]) }).await;
    let (older, _) = watch.bench().publish(urgent(4, keyed("ops", "disk"))).await;
    let (newer, _) = watch.bench().publish(urgent(4, keyed("ops", "disk"))).await;
    watch.bench().hand.step(2 * SECOND);
    let (failed, _) = watch.bench().publish(to_people(&["cid"])).await;
    watch.post.run(&watch.post.job("app", super::free()).await, Next::Failed).await;
    let (unknown, _) = watch.bench().publish(to_people(&["cid"])).await;
    watch.post.run(&watch.post.job("app", super::free()).await, Next::Unknown).await;
    for id in [plain, newer] {
        watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
        watch.bench().press(ids[1], id, Pressed::Acknowledge).await;
    }
    let of = |filter| ReceiptQuery { filter, ..ReceiptQuery::default() };
    assert_eq!(watch.listed(of(F::All)).await, [unknown, failed, newer, older, gone, urgent_one, plain]);
    assert_eq!(watch.listed(of(F::Undelivered)).await, [unknown, failed, urgent_one]);
    assert_eq!(watch.listed(of(F::Unacknowledged)).await, [urgent_one]);
    assert_eq!(watch.listed(of(F::Failed)).await, [failed]);
    assert_eq!(watch.listed(of(F::Unknown)).await, [unknown]);
    assert_eq!(watch.listed(of(F::Expired)).await, [gone]);
    let all = || of(F::All);
    let (ops, cid, app) = (Some("ops".to_owned()), Some("cid".to_owned()), Some("app".to_owned()));
    assert_eq!(watch.listed(ReceiptQuery { topic: ops, ..all() }).await.len(), 4);
    assert_eq!(watch.listed(ReceiptQuery { user: cid, ..all() }).await, [unknown, failed]);
    assert_eq!(watch.listed(ReceiptQuery { channel: app, ..all() }).await, [unknown, failed]);
    // Of the person alone: ann got what bob did not.
    watch.bench().press(ids[0], urgent_one, Pressed::Acknowledge).await;
    for (filter, of_ann, of_bob) in [
        (F::Undelivered, vec![], vec![urgent_one]),
        (F::Unacknowledged, vec![], vec![urgent_one]),
        (F::Expired, vec![gone], vec![]),
        (F::Failed, vec![], vec![]),
    ] {
        for (user, expected) in [("ann", of_ann), ("bob", of_bob)] {
            let query = ReceiptQuery { user: Some(user.into()), ..of(filter) };
            assert_eq!(watch.listed(query).await, expected, "{filter:?} of {user}");
        }
    }
    // Whoever left once it was over left what was over, whatever the clock says now.
    watch.bench().store.remove_user("ann").await.unwrap();
    watch.bench().hand.step(-2 * SECOND);
    assert_eq!(watch.listed(of(F::Expired)).await, [gone]);
    watch.bench().hand.step(2 * SECOND);
    let later = Some(begun + SECOND);
    assert_eq!(watch.listed(ReceiptQuery { since: later, ..all() }).await, [unknown, failed]);
    assert_eq!(watch.listed(ReceiptQuery { until: later, ..all() }).await.len(), 5);
    let stranger = ReceiptQuery { user: Some("eve".into()), limit: 10, ..all() };
    let refused = watch.bench().store.receipts(Viewer::Admin(None), stranger).await;
    assert!(matches!(refused, Err(Error::UnknownUser(_))));
}

/// Nobody is asked any more once somebody took care of it for all.
pub async fn what_is_settled_is_not_listed_as_unacknowledged(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    let open = || ReceiptQuery { filter: F::Unacknowledged, ..ReceiptQuery::default() };
    assert_eq!(watch.listed(open()).await, [id]);
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.listed(open()).await, []);
}

/// One's own, a program's its own; copies are of their original.
pub async fn receipts_are_whose_they_are(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob"]).await;
    watch.policy(vec![next(60, &["bob"])]).await;
    let from = |token: i64, user: Option<UserId>| NewMessage {
        sender: Sender { token: TokenId(token), user, name: "x".into(), authority: Authority::All },
        ..to_topic("ops")
    };
    let (anns, _) = watch.bench().publish(from(7, Some(ids[0]))).await;
    let (programs, _) = watch.bench().publish(from(8, None)).await;
    let alert = watch.alert(4).await;
    watch.after(60).await;
    let seen = async |viewer| {
        let query = ReceiptQuery { limit: 10, ..ReceiptQuery::default() };
        let page = watch.bench().store.receipts(viewer, query).await.unwrap();
        page.items.into_iter().map(|row| (row.id, row.escalation)).collect::<Vec<_>>()
    };
    assert_eq!(seen(Viewer::Member(ids[0])).await, [(anns, None)]);
    assert_eq!(seen(Viewer::Member(ids[1])).await, []);
    assert_eq!(seen(Viewer::Sender(TokenId(8))).await, [(programs, None)]);
    let running = Some(EscalationState::Running);
    assert_eq!(seen(Viewer::Admin(None)).await, [(alert, running), (programs, None), (anns, None)]);
    // A member of the audience sees neither the others nor what the steps did.
    let own =
        watch.bench().store.receipt(Viewer::Member(ids[0]), alert, PeoplePage::default()).await.unwrap();
    assert_eq!((own.people.len(), own.escalation, own.counts.owed), (1, None, 1));
    let brought = watch.bench().store.receipt(Viewer::Member(ids[1]), alert, PeoplePage::default()).await;
    assert_eq!(brought.unwrap().people[0].user, "bob");
}

/// Newest first, and where to go on.
pub async fn receipts_come_in_pages(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, watch.bench().publish(to_topic("ops")).await.0);
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let query = ReceiptQuery { before, limit: 2, ..ReceiptQuery::default() };
        let page = watch.bench().store.receipts(Viewer::Admin(None), query).await.unwrap();
        seen.extend(page.items.into_iter().map(|row| row.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
}

/// Of the people asked for, by name, without those that were removed.
pub async fn presences_are_of_who_is_asked(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid"]).await;
    let desk = watch.bench().device(ids[1], "desk").await;
    watch.bench().device(ids[0], "phone").await;
    watch.bench().device(ids[0], "old").await;
    watch.bench().device(ids[2], "phone").await;
    watch.bench().store.remove_device(ids[0], "old").await.unwrap();
    watch.bench().store.touch(Some(desk), TokenId(1)).unwrap();
    let asked = ["bob".to_owned(), "ann".into(), "eve".into()];
    let here = watch.bench().store.presences(&asked).await.unwrap();
    let rows: Vec<_> = here
        .iter()
        .map(|here| (here.user.as_str(), here.presence.device.as_str(), here.presence.last_seen_at.is_some()))
        .collect();
    assert_eq!(rows, [("ann", "phone", false), ("bob", "desk", true)]);
    assert_eq!(here[1].id, desk);
}

/// The first hundred of each, and the number of all.
pub async fn lists_name_who_lacks_what(watch: Watch) {
    let mut names = Vec::new();
    let mut ids = Vec::new();
    for n in 0..NAMES_MOST + 5 {
        let name = format!("p{n:03}");
        let new = NewUser { name: name.clone(), display_name: None, role: Role::Member };
        ids.push(watch.bench().store.add_user(new).await.unwrap().0);
        names.push(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watch.bench().topic("ops", &names).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    watch.bench().press(ids[1], id, Pressed::Read).await;
    let receipt = watch.bench().receipt(id).await;
    let counts = receipt.counts;
    assert_eq!((counts.missing, counts.unread, counts.unacknowledged), (103, 103, 104));
    assert_eq!(receipt.missing, names[2..102]);
    assert_eq!(receipt.unread, names[2..102]);
    assert_eq!(receipt.unacknowledged, names[1..101]);
    assert_eq!(receipt.as_of_ms, watch.bench().hand.now());
}

/// A step names the first hundred that it told, and has the number of all.
pub async fn a_step_names_the_first_it_told(watch: Watch) {
    let names: Vec<String> = (0..NAMES_MOST + 5).map(|n| format!("p{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watch.desk(&names, &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    watch.after(60).await;
    let run = watch.escalation(id).await.steps.remove(0);
    assert_eq!(run.people, names[..NAMES_MOST]);
    assert_eq!(run.told, names.len() as u64);
}

/// Whoever has the name of somebody who was removed is another person: ways and devices are of one of them.
pub async fn a_name_used_again_is_another_person(watch: Watch) {
    let ids = watch.desk(&["ann", "yan"], &[]).await;
    watch.app(&["yan"]).await;
    watch.post.route("app", None, None, 1).await;
    watch.policy(vec![next(60, &["yan"])]).await;
    let id = watch.alert(4).await;
    watch.bench().store.remove_user("yan").await.unwrap();
    let other = watch.bench().user("yan").await;
    watch.bench().device(other, "phone").await;
    watch.after(60).await;
    let whose = |people: &[PersonReceipt]| people.iter().map(|row| row.whose).collect::<Vec<_>>();
    assert_eq!(whose(&watch.bench().receipt(id).await.people), [ids[0].0, ids[1].0, other.0]);
    let ways = watch.post.outbox.ways(vec![id], vec![ids[1], other]).await.unwrap();
    assert_eq!(ways.iter().map(|(whose, _)| *whose).collect::<Vec<_>>(), [Some(ids[1])]);
    assert!(watch.post.outbox.ways(vec![id], vec![other]).await.unwrap().is_empty());
    let here = watch.bench().store.presences(&["yan".to_owned(), "yan".into()]).await.unwrap();
    assert_eq!(here.iter().map(|here| here.owner).collect::<Vec<_>>(), [other]);
    // The next page begins after a name: both are on this one.
    let page = PeoplePage { after: None, limit: 2 };
    let receipt = watch.bench().store.receipt(Viewer::Admin(None), id, page).await.unwrap();
    assert_eq!((whose(&receipt.people).len(), receipt.next), (3, None));
}

/// What came over a channel is not taken from whoever leaves.
pub async fn a_channel_that_delivered_withdraws_nothing(watch: Watch) {
    watch.desk(&["ann", "bob"], &[]).await;
    watch.app(&["ann"]).await;
    watch.post.route("app", None, None, 1).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    watch.send_all("app").await;
    watch.confirm("app").await;
    for name in ["ann", "bob"] {
        watch.bench().store.leave_topic("ops", name).await.unwrap();
    }
    assert_eq!(watch.bench().state(id, "ann").await, State::Received);
    assert_eq!(watch.bench().state(id, "bob").await, State::Withdrawn);
}
