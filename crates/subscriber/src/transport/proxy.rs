//! The way to the server's port: directly, or through the HTTP proxy that the environment or the desktop names
//! (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), by the same rules as the client of the other transports.
//!
//! TLS is spoken with the server, inside the tunnel: a proxy that only passes on sees nothing of the stream.

use std::io;

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::endpoint::Origin;

/// Connects to the server, or to it through a proxy.
pub(super) async fn connect(origin: &Origin, proxies: &Matcher) -> io::Result<TcpStream> {
    match proxy(origin, proxies) {
        Some((proxy, server)) => tunnel(&proxy, server).await,
        None => TcpStream::connect((origin.host(), origin.port())).await,
    }
}

/// Whether the way leads through a proxy that this cannot speak to, but the client of the other transports can.
pub(super) fn is_foreign(origin: &Origin, proxies: &Matcher) -> bool {
    proxy(origin, proxies).is_some_and(|(proxy, _)| proxy.uri().scheme_str() != Some("http"))
}

/// The proxy to use, and the server as it is told to it. Never for loopback: a proxy has its own.
fn proxy(origin: &Origin, proxies: &Matcher) -> Option<(Intercept, Uri)> {
    if origin.is_loopback() {
        return None;
    }
    let server: Uri = origin.url("/", &[]).ok()?.as_str().parse().ok()?;
    Some((proxies.intercept(&server)?, server))
}

async fn tunnel(proxy: &Intercept, server: Uri) -> io::Result<TcpStream> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), HttpConnector::new());
    if let Some(credentials) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(credentials.clone());
    }
    tunnel.oneshot(server).await.map(TokioIo::into_inner).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_and_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                client.read_buf(&mut head).await.unwrap();
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // As in TLS, the client speaks first.
            assert_eq!(client.read_u8().await.unwrap(), b'?');
            client.write_all(b"hello").await.unwrap();
            String::from_utf8(head).unwrap()
        });
        let proxies = Matcher::builder().https(format!("http://ann:secret@{address}")).build();
        let mut stream = connect(&origin("https://server.test:8723"), &proxies).await.unwrap();
        stream.write_all(b"?").await.unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        let head = proxy.await.unwrap();
        assert!(head.starts_with("CONNECT server.test:8723 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            client.read_buf(&mut Vec::new()).await.unwrap();
            client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let proxies = Matcher::builder().https(format!("http://{address}")).build();
        assert!(connect(&origin("https://server.test:8723"), &proxies).await.is_err());
    }

    #[test]
    fn what_is_exempt_and_loopback_go_directly() {
        let proxies = Matcher::builder().https("http://proxy.test:3128").no("exempt.test,10.0.0.0/8").build();
        for (server, through) in [
            ("https://server.test:8723", true),
            ("https://exempt.test:8723", false),
            ("https://10.1.2.3:8723", false),
            ("https://127.0.0.1:8723", false),
        ] {
            assert_eq!(proxy(&origin(server), &proxies).is_some(), through, "{server}");
        }
        let socks = Matcher::builder().all("socks5://proxy.test:1080").build();
        assert!(is_foreign(&origin("https://server.test"), &socks));
        assert!(!is_foreign(&origin("https://server.test"), &proxies));
    }
}
