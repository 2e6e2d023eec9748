//! Both outboxes do what is asked of every one; the one on disk finds what is due without reading what is not.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod stores;

mod in_memory {
    use super::stores::model;
    tocsin_store::outbox_cases!(model);
}

mod on_disk {
    use super::stores::sqlite;
    tocsin_store::outbox_cases!(sqlite);
}

mod cost {
    use tocsin_protocol::{NewTopic, NewUser, Role};
    use tocsin_store::{
        Store as _,
        conformance::{Hand, keyed, to_topic},
    };

    /// With its tables gone, every statement that reads or writes the outbox fails.
    #[tokio::test]
    async fn a_publish_without_routes_does_not_touch_the_outbox() {
        let hand = Hand::default();
        let (store, dir) = super::stores::sqlite(&hand);
        let ann = NewUser { name: "ann".into(), display_name: None, role: Role::Member };
        store.add_user(ann).await.unwrap();
        let members = vec!["ann".into()];
        let ops = NewTopic { name: "ops".into(), description: None, retention_days: None, members };
        store.add_topic(ops).await.unwrap();
        store.publish(keyed("ops", "k")).await.unwrap();
        let other = rusqlite::Connection::open(dir.path().join("tocsin.db")).unwrap();
        for table in ["delivery", "attempt", "route", "binding", "lane", "channel"] {
            other.execute_batch(&format!("PRAGMA foreign_keys = OFF; DROP TABLE {table};")).unwrap();
        }
        for _ in 0..3 {
            store.publish(to_topic("ops")).await.unwrap();
            store.publish(keyed("ops", "k")).await.unwrap();
        }
        // What it knew is forgotten with a change of members: then it looks again.
        store.leave_topic("ops", "ann").await.unwrap_err();
        assert!(store.publish(to_topic("ops")).await.is_err(), "the tables are gone indeed");
    }
}
