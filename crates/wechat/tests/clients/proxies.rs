//! Proxies: http and socks5, with and without a login, and the ways in which they fail.

use std::net::Ipv4Addr;

use tocsin_wechat::{BaseUrl, Cause, Endpoint, Outcome, Proxy, ProxyUrl, errcode::Class};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    setup::{group_text, robot},
    stage::{Play, Stage},
};

fn via(endpoint: Endpoint, proxy: &str) -> Endpoint {
    endpoint.through(Proxy::Via(ProxyUrl::parse(proxy).expect("a proxy")))
}

fn cause(outcome: &Outcome) -> (Cause, Class) {
    match outcome {
        Outcome::NotSent(not_sent) => (not_sent.cause, not_sent.class),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_http_proxy_is_asked_also_for_this_computer() {
    // To a proxy, plain http is sent with the whole address: the stage is the proxy.
    let proxy = Stage::play(|_, _| Play::json(r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    let base = BaseUrl::parse("http://127.0.0.1:9").expect("a base");
    let endpoint = via(Endpoint::at(base), &format!("http://me:canary-password@{}", proxy.address));
    let outcome = robot(&endpoint).send(&group_text()).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let seen = &proxy.all()[0];
    assert!(seen.path.starts_with("http://127.0.0.1:9/cgi-bin/webhook/send"), "{}", seen.path);
    assert!(seen.head.to_lowercase().contains("proxy-authorization: basic "));
}

#[tokio::test]
async fn a_proxy_that_asks_for_a_login_is_told_from_one_that_is_down() {
    let asks = Stage::play(|_, _| Play::Status(407, String::new())).await;
    let plain = BaseUrl::parse("http://127.0.0.1:9").expect("a base");
    let endpoint = via(Endpoint::at(plain), &format!("http://{}", asks.address));
    let outcome = robot(&endpoint).send(&group_text()).await;
    assert_eq!(cause(&outcome), (Cause::ProxyLogin, Class::Config));

    // https goes through a tunnel, which is refused before anything of the message is said.
    let secure = BaseUrl::parse("https://127.0.0.1:9").expect("a base");
    let endpoint = via(Endpoint::at(secure.clone()), &format!("http://{}", asks.address));
    let outcome = robot(&endpoint).send(&group_text()).await;
    assert_eq!(cause(&outcome), (Cause::ProxyLogin, Class::Config));

    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    for scheme in ["http", "socks5"] {
        let endpoint = via(Endpoint::at(secure.clone()), &format!("{scheme}://{free}"));
        let outcome = robot(&endpoint).send(&group_text()).await;
        assert_eq!(cause(&outcome), (Cause::Proxy, Class::Busy), "{scheme}");
    }
}

#[tokio::test]
async fn a_socks_proxy_passes_on() {
    let stage = Stage::play(|_, _| Play::json(r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    let proxy = socks(Some(("me", "canary-password"))).await;
    let endpoint = via(stage.endpoint(), &format!("socks5://me:canary-password@{proxy}"));
    let outcome = robot(&endpoint).send(&group_text()).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    assert_eq!(stage.all().len(), 1);

    let endpoint = via(stage.endpoint(), &format!("socks5://me:wrong@{proxy}"));
    let outcome = robot(&endpoint).send(&group_text()).await;
    assert_eq!(cause(&outcome), (Cause::ProxyLogin, Class::Config));
    assert!(!format!("{outcome:?}").contains("wrong"));
}

/// A SOCKS5 proxy (RFC 1928, RFC 1929) for IPv4 addresses.
async fn socks(login: Option<(&'static str, &'static str)>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(async move { pass_on(connection, login).await });
        }
    });
    address
}

async fn pass_on(mut client: TcpStream, login: Option<(&str, &str)>) -> std::io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head).await?;
    client.read_exact(&mut vec![0; usize::from(head[1])]).await?;
    client.write_all(&[5, if login.is_some() { 2 } else { 0 }]).await?;
    if let Some((user, password)) = login {
        client.read_exact(&mut head).await?;
        let mut given_user = vec![0; usize::from(head[1])];
        client.read_exact(&mut given_user).await?;
        let mut length = [0; 1];
        client.read_exact(&mut length).await?;
        let mut given = vec![0; usize::from(length[0])];
        client.read_exact(&mut given).await?;
        let is_right = given_user == user.as_bytes() && given == password.as_bytes();
        client.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    }
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    let port = u16::from_be_bytes([request[8], request[9]]);
    let mut server =
        TcpStream::connect((Ipv4Addr::new(request[4], request[5], request[6], request[7]), port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
