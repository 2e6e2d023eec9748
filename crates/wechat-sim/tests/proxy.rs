//! The proxies: what goes through them comes from another address, and a wrong password is told apart.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use base64::Engine as _;
use common::Bench;
use serde_json::json;
use tocsin_wechat_sim::proxy::{EGRESS, Proxy, Speech};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn ask(proxy: &Proxy, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn clock_request(bench: &Bench, extra: &str) -> String {
    format!("GET {}/sim/clock HTTP/1.1\r\nHost: x\r\n{extra}\r\n", bench.oa)
}

#[tokio::test]
async fn an_http_proxy_asks_for_its_password() {
    let bench = Bench::new().await;
    let proxy = Proxy::start(Speech::Http, Some(("ops", "word"))).await.unwrap();
    let refused = ask(&proxy, clock_request(&bench, "").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 407"), "{refused}");
    assert_eq!(proxy.used(), 0);
    let login = base64::engine::general_purpose::STANDARD.encode("ops:word");
    let passed =
        ask(&proxy, clock_request(&bench, &format!("Proxy-Authorization: Basic {login}\r\n")).as_bytes())
            .await;
    assert!(passed.starts_with("HTTP/1.1 200") && passed.contains("now_ms"), "{passed}");
    assert_eq!(proxy.used(), 1);
}

#[tokio::test]
async fn the_platform_sees_the_proxys_address() {
    let bench = Bench::new().await;
    bench.sim.configure(&json!({"oa_allow_list": [EGRESS]})).unwrap();
    assert_eq!(common::get(&bench.classic_url()).await.code(), 40_164);
    let proxy = Proxy::start(Speech::Http, None).await.unwrap();
    let url = bench.classic_url();
    let passed = ask(&proxy, format!("GET {url} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
    assert!(passed.contains("access_token"), "{passed}");
    let address = bench.oa.trim_start_matches("http://");
    let path = url.trim_start_matches(&bench.oa);
    let tunnel = format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\nGET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    let passed = ask(&proxy, tunnel.as_bytes()).await;
    assert!(passed.contains("200 Connection established") && passed.contains("access_token"), "{passed}");
}

#[tokio::test]
async fn socks_with_and_without_a_password() {
    let bench = Bench::new().await;
    let port: u16 = bench.oa.rsplit(':').next().unwrap().parse().unwrap();
    let mut connect = vec![5, 1, 0, 1, 127, 0, 0, 1];
    connect.extend(port.to_be_bytes());
    let request = b"GET /sim/clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let open = Proxy::start(Speech::Socks5, None).await.unwrap();
    let passed = ask(&open, &[&[5, 1, 0][..], &connect[..], &request[..]].concat()).await;
    assert!(passed.contains("now_ms"), "{passed}");
    let closed = Proxy::start(Speech::Socks5, Some(("ops", "word"))).await.unwrap();
    let refused = ask(&closed, &[5, 1, 0]).await;
    assert!(!refused.contains("now_ms"), "it wants a password");
    let wrong = [&[5, 1, 2, 1, 3][..], b"ops", &[4], b"oops"].concat();
    ask(&closed, &wrong).await;
    assert_eq!(closed.used(), 0);
    let right = [&[5, 1, 2, 1, 3][..], b"ops", &[4], b"word", &connect[..], &request[..]].concat();
    assert!(ask(&closed, &right).await.contains("now_ms"));
    assert_eq!((open.used(), closed.used()), (1, 1));
}
