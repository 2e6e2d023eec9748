//! The same over TLS, where the socket under a stream is another.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tocsin_protocol::{ServerFrame, State, stream::close};
use tocsin_server::listen;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message as Wire, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use futures_util::{SinkExt, StreamExt};

use crate::{
    desk::{Desk, soon},
    http,
};

fn pair() -> (Arc<ServerConfig>, TlsConnector) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn streams_work_and_end_properly_over_tls() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (server, connector) = pair();
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving =
        tokio::spawn(listen::serve_tls(listener, server, desk.state.clone(), stop.clone().cancelled_owned()));
    let connect = async || {
        let socket = TcpStream::connect(address).await.unwrap();
        soon("a TLS handshake", connector.connect("localhost".try_into().unwrap(), socket)).await.unwrap()
    };

    let mut request = "ws://localhost/ws?cursor=".into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", ann.token).parse().unwrap());
    let (mut socket, _) = client_async(request, connect().await).await.unwrap();
    socket.send(Wire::text(r#"{"type":"resume"}"#)).await.unwrap();
    let mut events = connect().await;
    events.write_all(http::head("GET", "/events?device=tab", Some(&ann), &[]).as_bytes()).await.unwrap();
    desk.until_connections(2).await;
    // Larger than a TLS record, so that it goes in pieces.
    let body = "x".repeat(16 * 1024);
    let (id, _) = desk.publish_body("ops", "one", &body).await;
    let cursor = loop {
        if let Some(Ok(Wire::Text(text))) = soon("a frame", socket.next()).await
            && let ServerFrame::Message(message) = serde_json::from_str(&text).unwrap()
        {
            assert_eq!((message.id, message.body.len()), (id, body.len()));
            break message.cursor;
        }
    };
    socket.send(Wire::text(format!(r#"{{"type":"ack","cursor":"{cursor}"}}"#))).await.unwrap();
    desk.until_state(id, &ann, State::Received).await;

    stop.cancel();
    let code = loop {
        match soon("a close", socket.next()).await {
            Some(Ok(Wire::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(close::GOING_AWAY));
    let mut rest = Vec::new();
    soon("the end of the events", events.read_to_end(&mut rest)).await.unwrap();
    assert!(http::parse(&rest).body.contains(id.as_str()), "and the body is whole");
    drop(socket);
    soon("the end of the server", serving).await.unwrap();
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_cut_off() {
    let desk = Desk::open().await;
    let (server, _) = pair();
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let serving =
        tokio::spawn(listen::serve_tls(listener, server, desk.state.clone(), std::future::pending()));
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    _ = soon("the end", socket.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"));
    desk.stop();
    soon("the end of the server", serving).await.unwrap();
}
