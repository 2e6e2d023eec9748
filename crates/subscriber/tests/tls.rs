//! Joining by invite over TLS: the CA of the invite and none other.
#![expect(clippy::unwrap_used, reason = "a test")]

mod peer;
mod real;

use real::{Server, patient, subscribe};
use tocsin_protocol::control::Transport::Websocket;
use tocsin_subscriber::{Connection, Endpoint, Error, Event, Reason, Secret, http};

async fn refused(endpoint: &Endpoint) -> String {
    let by_http = http::Api::new(endpoint).unwrap().get::<serde_json::Value>("/v1/me").await.unwrap_err();
    assert!(matches!(by_http, Error::Certificate(_)), "{by_http}");
    let mut client = subscribe(tempfile::tempdir().unwrap(), endpoint, "ana", "desk", patient());
    client
        .until(|e| match e {
            Event::Connection(Connection::Offline { reason: Reason::Certificate(why), .. }) => {
                Some(why.clone())
            }
            _ => None,
        })
        .await
}

#[tokio::test]
async fn joined_by_invite() {
    let server = Server::start_tls().await;
    let invite = server.invite("bob").await;
    assert!(invite.contains(server.ca_fingerprint.as_deref().unwrap()));
    let (endpoint, joined) = http::redeem(&invite, "laptop", None).await.unwrap();
    assert_eq!((joined.user.name.as_str(), joined.device.as_str()), ("bob", "laptop"));
    let mut client = subscribe(tempfile::tempdir().unwrap(), &endpoint, "bob", "laptop", patient());
    assert_eq!(client.until_online().await, Websocket);
    let id = server.publish("hello").await.id;
    client.until(|e| matches!(e, Event::Stored(s) if s.message.id == id).then_some(())).await;
    server.receipt_says(id, |r| r.people.iter().any(|p| p.device.as_deref() == Some("laptop"))).await;
    // The code is good once.
    let again = http::redeem(&invite, "laptop", None).await.unwrap_err();
    assert!(matches!(again, Error::Refused { .. }), "{again}");
}

#[tokio::test]
async fn a_server_under_another_authority() {
    let (server, other) = (Server::start_tls().await, Server::start_tls().await);
    let endpoint = Endpoint { ca_fingerprint: other.ca_fingerprint.clone(), ..server.endpoint() };
    let why = refused(&endpoint).await;
    assert!(why.contains("not the one of the invite"), "{why}");
}

#[tokio::test]
async fn a_private_authority_without_its_fingerprint() {
    let server = Server::start_tls().await;
    refused(&Endpoint { ca_fingerprint: None, ..server.endpoint() }).await;
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let server = Server::start_tls().await;
    let origin = format!("https://localhost:{}", server.address.port());
    refused(&Endpoint { origin, ..server.endpoint() }).await;
}

#[tokio::test]
async fn a_fingerprint_that_was_cut_off() {
    let server = Server::start_tls().await;
    let endpoint =
        Endpoint { ca_fingerprint: Some("short".into()), token: Secret::new("x"), ..server.endpoint() };
    assert!(matches!(http::Api::new(&endpoint), Err(Error::Fingerprint)));
}
