//! Escalations, what is sent, and what a platform says of it, in both stores.

use tocsin_protocol::{account::TopicChange, delivery::AttemptResult, escalation::ResendMessage};
use tocsin_store::{
    Store, Viewer,
    conformance::{
        escalation::words,
        outbox::{LEASE, free, said},
    },
    escalation::{Escalations, Ran, RunOrder},
    outbox::{ClaimOrder, Confirmation, Next, Outbox, Settlement, Start, StartOf, Work, health::Omen},
};

use super::{
    schedule::{Step, TOPICS, USERS},
    twins::{Twins, named, same},
};

/// Sends what is due. Names of the messages at the platform, and whom those to the group mention.
async fn deliver<S: Store + Outbox>(store: &S, answer: AttemptResult) -> (Vec<String>, Vec<String>) {
    let order = ClaimOrder {
        channels: ["app", "robot"].map(|channel| (channel.to_owned(), free())).to_vec(),
        most: 100,
        lease_ms: LEASE,
        herald: None,
    };
    let next = match answer {
        AttemptResult::Accepted => Next::Accepted,
        AttemptResult::Refused => Next::Failed,
        _ => Next::Unknown,
    };
    let (mut names, mut group) = (Vec::new(), Vec::new());
    loop {
        let jobs = store.claim_lanes(order.clone()).await.unwrap().jobs;
        if jobs.is_empty() {
            names.sort();
            group.sort();
            return (names, group);
        }
        for job in jobs {
            let Work::One(item) = &job.work else { panic!("{job:?}") };
            let start = Start { what: StartOf::One(item.id), body: "body".into() };
            let started = store.begin(job.lease, start).await.unwrap();
            let (seq, round) = (item.message.cursor.seq, item.key.matches('-').count());
            let name = match &item.user {
                Some(user) => format!("{seq}-{user}-{round}"),
                None => format!("{seq}-{}-{round}", item.mentions.join(",")),
            };
            let settlement =
                Settlement { msgid: Some(name.clone()), ..said(&job, &started, next, Omen::Good) };
            store.settle(settlement).await.unwrap();
            if item.user.is_some() { names.push(name) } else { group.push(name) }
        }
    }
}

/// What a look at the timers did, without what differs between the stores.
fn told(ran: Ran) -> impl PartialEq + std::fmt::Debug {
    let steps: Vec<_> =
        ran.steps.into_iter().map(|ran| (ran.step, ran.repeat, ran.outcome, ran.late_ms)).collect();
    (steps, ran.ended, ran.silences, ran.missed, ran.next)
}

impl Twins {
    pub async fn escalate(&mut self, step: &Step) {
        let (a, b) = (self.sqlite(), &self.model);
        match step {
            Step::Run => {
                let order = RunOrder { most: 100, woke: false, words: Some(words()) };
                let ran = (a.run_due(order.clone()).await, b.run_due(order).await);
                same(step, ran.0.map(told), ran.1.map(told));
            }
            Step::Resend(message, people, via, age) => {
                self.resend(step, *message, *people, (*via, *age)).await;
            }
            Step::Cancel(message) => {
                let Some((id_a, id_b, _)) = self.message(*message).copied() else { return };
                let viewer = Viewer::Admin(None);
                same(step, a.cancel(viewer, id_a).await, b.cancel(viewer, id_b).await);
            }
            Step::Deliver(answer) => {
                let sent = deliver(a, *answer).await;
                assert_eq!(sent, deliver(b, *answer).await, "{step:?}");
                if *answer == AttemptResult::Accepted {
                    self.accepted.extend(sent.0);
                }
            }
            Step::Confirm(back) => {
                let Some(msgid) = self.accepted.iter().rev().nth(*back).cloned() else { return };
                let said = Confirmation {
                    channel: "app".into(),
                    msgid: Some(msgid),
                    address: String::new(),
                    failed: None,
                    again: None,
                };
                same(step, a.confirm(said.clone(), None).await, b.confirm(said, None).await);
            }
            Step::Expect(topic, every_s) => {
                let change = TopicChange { expect_every_s: Some(*every_s), ..TopicChange::default() };
                let topic = TOPICS[*topic];
                same(step, a.change_topic(topic, change.clone()).await, b.change_topic(topic, change).await);
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn resend(&self, step: &Step, message: usize, people: Option<u8>, (via, age): (u8, i64)) {
        let Some((id_a, id_b, _)) = self.message(message).copied() else { return };
        let what = ResendMessage {
            people: people.map(|mask| named(&USERS, mask).into_iter().map(Into::into).collect()),
            via: named(&["desktop", "app", "robot"], via).into_iter().map(Into::into).collect(),
            until: self.hand.now() - age * 1000,
        };
        let (a, b, viewer) = (self.sqlite(), &self.model, Viewer::Admin(None));
        same(
            step,
            a.resend_message(viewer, id_a, what.clone()).await,
            b.resend_message(viewer, id_b, what).await,
        );
    }
}
