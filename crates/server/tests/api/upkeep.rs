//! Pruning, and what is said of it.

use std::sync::Arc;

use tocsin_server::upkeep;
use tocsin_store::Store;

use crate::office::{Office, send};

const DAY: i64 = 24 * 3_600_000;

#[tokio::test]
async fn what_is_pruned_unreceived_is_counted_as_lost() {
    let office = Office::open().await;
    let kept = office.publish("unseen").await;
    office.pass(8 * DAY);
    let store: Arc<dyn Store> = office.store.clone();
    upkeep::prune(&store, &office.state.metrics).await.unwrap();
    let metrics = send(office.request("GET", "/metrics")).await.text;
    assert!(metrics.contains("tocsin_pruned_messages_total 1"), "{metrics}");
    assert!(metrics.contains("tocsin_lost_to_retention_total 2"), "two people never got it");
    let receipt = office.get(&office.sender, &format!("/v1/messages/{kept}/receipt")).await.is(200);
    assert_eq!(receipt["people"][0]["state"], "lost_to_retention");
    office.close().await;
}
