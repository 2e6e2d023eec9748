//! Both stores escalate as every one must; the one on disk goes on where it was, and costs nothing where nothing
//! escalates.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod stores;

mod in_memory {
    use super::stores::model;
    tocsin_store::escalation_cases!(model);
}

mod on_disk {
    use super::stores::sqlite;
    tocsin_store::escalation_cases!(sqlite);
}

mod on_disk_alone {
    use tocsin_protocol::{
        EscalationState, NewTopic, NewUser, Role,
        escalation::{Milestone, PolicySettings, StepOutcome},
    };
    use tocsin_store::{
        NewMessage, PeoplePage, Store, Viewer,
        conformance::{
            Hand, MINUTE,
            escalation::{next, over, step, words},
            keyed, to_topic,
        },
        escalation::{Escalations, RunOrder},
        sqlite::{Options, SqliteStore},
    };

    fn open(hand: &Hand, dir: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open(Options { clock: hand.clock(), ..Options::new(dir.path()) }).unwrap()
    }

    async fn people(store: &SqliteStore) {
        for name in ["ann", "bob"] {
            let new = NewUser { name: name.into(), display_name: None, role: Role::Member };
            store.add_user(new).await.unwrap();
        }
        let ops = NewTopic {
            name: "ops".into(),
            description: None,
            retention_days: None,
            members: vec!["ann".into()],
        };
        store.add_topic(ops).await.unwrap();
    }

    fn order() -> RunOrder {
        RunOrder { most: 100, woke: false, words: Some(words()) }
    }

    /// What was under way goes on after a restart, however long it took; no step runs twice, and none is left out.
    #[tokio::test]
    async fn steps_survive_a_restart() {
        let hand = Hand::default();
        let (store, dir) = super::stores::sqlite(&hand);
        people(&store).await;
        let steps = vec![step(60, Milestone::AcknowledgedByAny), next(120, &["bob"]), next(180, &["bob"])];
        let settings = PolicySettings { display_name: None, steps, quiet: None };
        store.put_policy("night", settings).await.unwrap();
        let message = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
        let id = store.publish(message).await.unwrap().published.id;
        let mut store = Some(store);
        for (wait, step) in [(MINUTE, 1), (90 * MINUTE, 2), (MINUTE, 3)] {
            store.take().unwrap().close().await;
            hand.step(wait);
            let again = open(&hand, &dir);
            let ran = again.run_due(order()).await.unwrap();
            let told: Vec<_> = ran.steps.iter().map(|ran| (ran.step, ran.outcome)).collect();
            assert_eq!(told, [(step, StepOutcome::Notified)]);
            assert_eq!(again.run_due(order()).await.unwrap().steps, []);
            store = Some(again);
        }
        let receipt = store.unwrap().receipt(Viewer::Admin(None), id, PeoplePage::default()).await.unwrap();
        let escalation = receipt.escalation.unwrap();
        assert_eq!((escalation.state, escalation.steps.len()), (EscalationState::Running, 3));
        assert_eq!(receipt.people.len(), 2, "bob was brought in once");
    }

    /// Several look at once: each step is somebody's, and nobody else's.
    #[tokio::test]
    async fn workers_share_the_steps() {
        let hand = Hand::default();
        let (store, _dir) = super::stores::sqlite(&hand);
        people(&store).await;
        let steps = vec![over(&["desktop"], next(60, &["bob"]))];
        let settings = PolicySettings { display_name: None, steps, quiet: None };
        store.put_policy("night", settings).await.unwrap();
        for _ in 0..20 {
            let message = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
            store.publish(message).await.unwrap();
        }
        hand.step(MINUTE);
        let few = || store.run_due(RunOrder { most: 7, woke: false, words: None });
        let (a, b, c, d) = tokio::join!(few(), few(), few(), few());
        let mut ran: Vec<_> =
            [a, b, c, d].into_iter().flat_map(|ran| ran.unwrap().steps).map(|step| step.message).collect();
        ran.sort_unstable_by_key(ToString::to_string);
        ran.dedup();
        assert_eq!(ran.len(), 20);
    }

    /// A run that looks at many people leaves the rest to the next, so that publishes get their turn.
    #[tokio::test]
    async fn one_run_looks_at_so_many_people_and_no_more() {
        const PEOPLE: usize = 60;
        const MESSAGES: usize = 100;
        let hand = Hand::default();
        let (store, _dir) = super::stores::sqlite(&hand);
        people(&store).await;
        for n in 0..PEOPLE {
            let new = NewUser { name: format!("p{n}"), display_name: None, role: Role::Member };
            store.add_user(new).await.unwrap();
            store.join_topic("ops", &format!("p{n}")).await.unwrap();
        }
        let steps = vec![step(60, Milestone::AcknowledgedByAny)];
        let settings = PolicySettings { display_name: None, steps, quiet: None };
        store.put_policy("night", settings).await.unwrap();
        for _ in 0..MESSAGES {
            let message = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
            store.publish(message).await.unwrap();
        }
        hand.step(MINUTE);
        let first = store.run_due(order()).await.unwrap();
        assert!((1..MESSAGES).contains(&first.steps.len()), "{} steps", first.steps.len());
        assert!(first.next.is_some_and(|at| at <= hand.now()), "there is more");
        let second = store.run_due(order()).await.unwrap();
        assert_eq!(first.steps.len() + second.steps.len(), MESSAGES);
    }

    /// What is planned moves with the clock when the transaction that notices it is undone, too: by the next.
    #[tokio::test]
    async fn a_clock_set_back_is_noticed_until_it_is_committed() {
        let hand = Hand::default();
        let (store, dir) = super::stores::sqlite(&hand);
        people(&store).await;
        let steps = vec![step(60, Milestone::AcknowledgedByAny)];
        let settings = PolicySettings { display_name: None, steps, quiet: None };
        store.put_policy("night", settings).await.unwrap();
        let message = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
        store.publish(message).await.unwrap();
        store.run_due(order()).await.unwrap();
        hand.step(-1000 * MINUTE);
        let other = rusqlite::Connection::open(dir.path().join("tocsin.db")).unwrap();
        other.execute_batch("ALTER TABLE report RENAME TO gone").unwrap();
        assert!(store.run_due(order()).await.is_err(), "it breaks behind the look at the clock");
        other.execute_batch("ALTER TABLE gone RENAME TO report").unwrap();
        assert_eq!(store.run_due(order()).await.unwrap().next, Some(hand.now() + MINUTE));
    }

    /// With their tables gone, every statement that reads or writes an escalation fails.
    #[tokio::test]
    async fn a_publish_without_a_policy_touches_no_escalation() {
        let hand = Hand::default();
        let (store, dir) = super::stores::sqlite(&hand);
        people(&store).await;
        // A version that supersedes another asks once whether anything escalates.
        for _ in 0..2 {
            store.publish(keyed("ops", "k")).await.unwrap();
        }
        let other = rusqlite::Connection::open(dir.path().join("tocsin.db")).unwrap();
        for table in ["escalation", "step_run", "report", "policy", "remind"] {
            other.execute_batch(&format!("PRAGMA foreign_keys = OFF; DROP TABLE {table};")).unwrap();
        }
        for _ in 0..3 {
            store.publish(to_topic("ops")).await.unwrap();
            store.publish(keyed("ops", "k")).await.unwrap();
        }
        let message = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
        assert!(store.publish(message).await.is_err(), "the tables are gone indeed");
    }
}
