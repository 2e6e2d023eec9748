//! How requests leave this computer.

use std::sync::Arc;

use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tocsin_delivery::Outcome;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    desk::{KEY, PARCEL, ground, hook_of, send},
    receiver::{Answer, Receiver},
};

#[tokio::test]
async fn a_proxy_is_told_its_login_and_the_receiver_is_not() {
    let proxy = Receiver::start(|_| Answer::Status(204, "")).await;
    let address = proxy.url.trim_end_matches("/in");
    let config = json!({"url": "http://localhost:9/in", "proxy": address, "proxy_user": "me"});
    let outcome = hook_of(&config, KEY, &ground()).channel().send(PARCEL).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let request = proxy.requests().remove(0);
    assert_eq!(request.line, "POST http://localhost:9/in HTTP/1.1");
    // me:p@ss
    assert_eq!(request.header("proxy-authorization"), "Basic bWU6cEBzcw==");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_it_before_anything_is_sent() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(server)).accept(stream).await.is_ok()
    });
    let outcome = send(&format!("https://localhost:{port}/in")).await;
    assert!(matches!(&outcome, Outcome::NotSent(words) if words.contains("certificate")), "{outcome:?}");
    assert!(!accepting.await.unwrap(), "no connection came about");
}
