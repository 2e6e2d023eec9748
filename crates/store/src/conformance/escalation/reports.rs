//! What webhooks are told.

use tocsin_protocol::{
    DeliveryState as S, MessageId,
    delivery::{ChannelKind, Resend},
    escalation::Milestone as M,
    receipt::{Report, ReportBody},
};

use super::{SECOND, Watch, free, keyed, step, to_people, to_topic, urgent};
use crate::{
    Error, NewMessage, Pressed,
    outbox::{Confirmation, DeliveryQuery, Next, Work},
};

impl Watch {
    async fn hook(&self) {
        self.post.channel("hook", ChannelKind::Webhook).await;
    }

    /// Sends what the webhook is told, and reads it.
    async fn said(&self) -> Vec<ReportBody> {
        let mut bodies = Vec::new();
        loop {
            let jobs = self.post.claim("hook", free()).await.jobs;
            for job in &jobs {
                let Work::One(item) = &job.work else { panic!("{job:?}") };
                assert_eq!((item.mentions.len(), item.user.as_ref()), (0, None));
                bodies.push(serde_json::from_str(item.body.as_deref().unwrap()).unwrap());
                self.post.run(job, Next::Accepted).await;
            }
            if jobs.is_empty() {
                return bodies;
            }
        }
    }

    async fn kinds(&self) -> Vec<String> {
        self.said().await.into_iter().map(|body| body.kind).collect()
    }
}

fn reported(on: &[M], message: NewMessage) -> NewMessage {
    NewMessage { report: Some(Report { channel: "hook".into(), on: on.to_vec() }), ..message }
}

async fn publish(watch: &Watch, on: &[M]) -> MessageId {
    watch.bench().publish(reported(on, urgent(4, to_topic("ops")))).await.0
}

/// Each when it is reached, with what is known then.
pub async fn a_milestone_is_told_once(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.hook().await;
    let phones = [watch.bench().device(ids[0], "phone").await, watch.bench().device(ids[1], "phone").await];
    let id = publish(&watch, &M::ALL).await;
    let head = watch.bench().head();
    assert!(watch.said().await.is_empty());
    watch.bench().ack(phones[0], head - 1, head).await;
    let said = watch.said().await.remove(0);
    assert_eq!(said.kind, "receipt.received_by_any");
    assert_eq!(said.timestamp, "2027-01-15T08:00:00Z");
    assert_eq!((said.data.id, said.data.topic.as_deref(), said.data.reached), (id, Some("ops"), true));
    assert_eq!((said.data.counts.received, said.data.missing), (1, vec!["bob".to_owned()]));
    assert_eq!(said.data.unacknowledged, ["ann", "bob"]);
    watch.bench().ack(phones[1], head - 1, head).await;
    assert_eq!(watch.kinds().await, ["receipt.received_by_all"]);
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.kinds().await, ["receipt.read_by_any", "receipt.acknowledged_by_any"]);
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    watch.bench().press(ids[1], id, Pressed::Read).await;
    assert_eq!(watch.kinds().await, ["receipt.read_by_all"]);
    watch.bench().press(ids[1], id, Pressed::Acknowledge).await;
    assert_eq!(watch.kinds().await, ["receipt.acknowledged_by_all"]);
    assert_eq!(watch.post.all().await.len(), 6);
}

/// At its end the rest is told, and nothing later.
pub async fn what_expires_unreached_is_missed(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.hook().await;
    let phone = watch.bench().device(ids[0], "phone").await;
    let short = NewMessage { expires_in_ms: Some(60 * SECOND), ..to_topic("ops") };
    let (id, seq) = watch.bench().publish(reported(&[M::ReceivedByAny, M::ReceivedByAll], short)).await;
    assert_eq!(watch.run().await.next, Some(watch.bench().hand.now() + 60 * SECOND));
    watch.bench().ack(phone, seq - 1, seq).await;
    assert_eq!(watch.kinds().await, ["receipt.received_by_any"]);
    // Noticed late: the server was down.
    watch.bench().hand.step(600 * SECOND);
    let ran = watch.run().await;
    assert_eq!((ran.missed, ran.next), (1, None));
    let said = watch.said().await.remove(0);
    assert_eq!((said.kind.as_str(), said.data.reached), ("receipt.missed", false));
    assert_eq!(said.timestamp, "2027-01-15T08:01:00Z", "when it was over");
    assert_eq!((said.data.milestone, said.data.id), (M::ReceivedByAll, id));
    // Bob, whom it came too late for; ann has it, and did not acknowledge it.
    assert_eq!(
        (said.data.missing, said.data.unacknowledged),
        (vec!["bob".into()], vec!["ann".into(), "bob".into()])
    );
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.run().await.missed, 0);
    assert!(watch.said().await.is_empty());
}

/// When nobody answered, or somebody stopped it.
pub async fn an_exhausted_escalation_is_missed(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.hook().await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let on = [M::AcknowledgedByAny];
    watch.alert_with(reported(&on, to_topic("ops"))).await;
    watch.after(60).await;
    assert!(watch.said().await.is_empty(), "there is time to answer");
    watch.after(60).await;
    assert_eq!(watch.kinds().await, ["receipt.missed"]);
    let stopped = watch.alert_with(reported(&on, to_topic("ops"))).await;
    watch.escalations.cancel(crate::Viewer::Admin(None), stopped).await.unwrap();
    assert_eq!(watch.kinds().await, ["receipt.missed"]);
}

/// What a platform says counts like a device.
pub async fn a_confirmation_reaches_a_milestone(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.hook().await;
    watch.app(&["ann"]).await;
    watch.post.route("app", None, None, 1).await;
    publish(&watch, &[M::ReceivedByAll]).await;
    assert_eq!(watch.send_all("app").await, 1);
    assert!(watch.said().await.is_empty(), "taken is not arrived");
    let query = DeliveryQuery { limit: 1, channel: Some("app".into()), ..DeliveryQuery::default() };
    let msgid = watch.post.outbox.deliveries(query).await.unwrap().remove(0).msgid;
    let said =
        Confirmation { channel: "app".into(), msgid, address: "id-ann".into(), failed: None, again: None };
    watch.post.outbox.confirm(said, None).await.unwrap();
    assert_eq!(watch.kinds().await, ["receipt.received_by_all"]);
}

/// And to nothing else.
pub async fn reports_go_to_webhooks(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.app(&[]).await;
    let head = watch.bench().head();
    let refused = async |channel: &str| {
        let report = Some(Report { channel: channel.into(), on: vec![M::ReadByAny] });
        watch.bench().store.publish(NewMessage { report, ..to_topic("ops") }).await.unwrap_err()
    };
    assert!(matches!(refused("app").await, Error::Invalid(_)));
    assert!(matches!(refused("hook").await, Error::NotFound("channel")));
    assert_eq!(watch.bench().head(), head);
}

/// Byte for byte: it is what was true then.
pub async fn a_report_sent_again_is_the_same(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    watch.hook().await;
    let id = publish(&watch, &[M::ReadByAny]).await;
    watch.bench().press(ids[0], id, Pressed::Read).await;
    let job = watch.post.job("hook", free()).await;
    let Work::One(first) = &job.work else { panic!("{job:?}") };
    let started = watch.post.outbox.begin(
        job.lease,
        crate::outbox::Start {
            what: crate::outbox::StartOf::One(first.id),
            body: first.body.clone().unwrap(),
        },
    );
    let started = started.await.unwrap();
    watch.post.settle(&job, &started, Next::Failed, crate::outbox::health::Omen::Good).await;
    let row = watch.post.all().await.into_iter().find(|row| row.channel == "hook").unwrap();
    assert_eq!((row.state, row.message), (S::Failed, Some(id)));
    // Whoever stops the message does not stop what is told about it.
    watch.post.outbox.resend(Resend::One { id: row.id, round: 0 }).await.unwrap();
    assert_eq!(watch.post.outbox.cancel_deliveries(id).await.unwrap(), 0);
    let job = watch.post.job("hook", free()).await;
    let Work::One(second) = &job.work else { panic!("{job:?}") };
    assert_eq!((&first.body, &first.key), (&second.body, &second.key));
}

/// Of the older version nothing more is waited for.
pub async fn a_newer_version_misses_the_rest(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    watch.hook().await;
    let on = [M::ReadByAny, M::AcknowledgedByAny];
    let (first, _) = watch.bench().publish(reported(&on, keyed("ops", "disk"))).await;
    watch.bench().press(ids[0], first, Pressed::Acknowledge).await;
    assert_eq!(watch.said().await.len(), 2);
    let (second, _) = watch.bench().publish(reported(&on, keyed("ops", "disk"))).await;
    let carried = watch.said().await;
    assert_eq!(
        carried.iter().map(|body| body.kind.as_str()).collect::<Vec<_>>(),
        ["receipt.read_by_any", "receipt.acknowledged_by_any"]
    );
    assert_eq!(carried[0].data.id, second, "what carried over is enough");
    watch.bench().publish(reported(&on, urgent(5, keyed("ops", "disk")))).await;
    watch.bench().publish(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.kinds().await, ["receipt.missed", "receipt.missed"]);
}

/// Those who stay may be all who are asked.
pub async fn who_leaves_may_complete_it(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.hook().await;
    let direct = reported(&[M::ReadByAll], to_people(&["ann", "bob"]));
    let (id, _) = watch.bench().publish(direct).await;
    let of_topic = publish(&watch, &[M::ReadByAll]).await;
    for id in [id, of_topic] {
        watch.bench().press(ids[0], id, Pressed::Read).await;
    }
    assert!(watch.said().await.is_empty());
    watch.bench().store.leave_topic("ops", "bob").await.unwrap();
    assert_eq!(watch.said().await.remove(0).data.id, of_topic);
    watch.bench().store.remove_user("bob").await.unwrap();
    assert_eq!(watch.said().await.remove(0).data.id, id);
}

/// That somebody does not get it any more is no way to reach everybody.
pub async fn nothing_is_reached_by_giving_up(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    let short = NewMessage { expires_in_ms: Some(60 * SECOND), ..to_topic("ops") };
    let (id, seq) = watch.bench().publish(short).await;
    watch.bench().ack(phone, seq - 1, seq).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    watch.bench().hand.step(60 * SECOND);
    let counts = watch.bench().store.counts(id).await.unwrap();
    assert_eq!((counts.missing, counts.given_up), (0, 1));
    for milestone in M::ALL {
        assert_eq!(counts.reached(milestone), !milestone.by_all(), "{milestone:?}");
    }
    watch.bench().store.remove_user("bob").await.unwrap();
    assert!(!watch.bench().store.counts(id).await.unwrap().reached(M::ReceivedByAll), "it expired first");
}

/// Whoever has not acknowledged it when somebody did is not waited for.
pub async fn what_ends_is_missed(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.hook().await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let on = [M::ReadByAny, M::ReadByAll, M::AcknowledgedByAny];
    let id = watch.alert_with(reported(&on, to_topic("ops"))).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    let told = watch.said().await;
    let told: Vec<_> = told.iter().map(|body| (body.data.milestone, body.data.reached)).collect();
    assert_eq!(told, [(M::ReadByAny, true), (M::ReadByAll, false), (M::AcknowledgedByAny, true)]);
}

/// What is told needs no body of the message.
pub async fn what_is_pruned_is_missed(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.hook().await;
    let id = publish(&watch, &[M::ReadByAny]).await;
    watch.bench().hand.step(8 * 86_400 * SECOND);
    while watch.bench().store.prune().await.unwrap().more {}
    let said = watch.said().await.remove(0);
    assert_eq!((said.kind.as_str(), said.data.id), ("receipt.missed", id));
}
