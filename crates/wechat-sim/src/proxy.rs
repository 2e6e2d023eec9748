//! A proxy on loopback, HTTP or SOCKS5, with or without a password: how a desk with a changing address reaches a platform
//! that trusts only one.
//!
//! What goes through it leaves from an address of its own (`127.0.0.2` on Linux, where all of 127/8 is loopback), so
//! that an allow-list can tell the two ways apart.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::Engine as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
};
use tokio_util::sync::CancellationToken;

/// The head of a proxy request is no longer.
const HEAD_BYTES: usize = 16 * 1024;
/// Where proxied connections come from.
pub const EGRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How the proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Absolute URLs, and CONNECT.
    Http,
    /// SOCKS version 5.
    Socks5,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    speech: Speech,
    used: Arc<AtomicU64>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Rules {
    speech: Speech,
    login: Option<(String, String)>,
    used: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts one on any port. With `login`, whoever does not name these is refused (407 over HTTP).
    pub async fn start(speech: Speech, login: Option<(&str, &str)>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, stop, used) =
            (listener.local_addr()?, CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let login = login.map(|(name, word)| (name.to_owned(), word.to_owned()));
        let rules = Rules { speech, login, used: Arc::clone(&used) };
        let stopped = stop.clone();
        tokio::spawn(stopped.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let rules = rules.clone();
                let work = async move {
                    if let Err(error) = rules.serve(stream).await {
                        tracing::debug!(%error, "a proxied connection ended");
                    }
                };
                tokio::spawn(stopped.clone().run_until_cancelled_owned(work));
            }
        }));
        Ok(Self { address, speech, used, stop })
    }

    /// Its URL without name and password.
    pub fn url(&self) -> String {
        let scheme = if self.speech == Speech::Http { "http" } else { "socks5" };
        format!("{scheme}://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it passed on.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Rules {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        match self.speech {
            Speech::Http => self.http(stream).await,
            Speech::Socks5 => self.socks(stream).await,
        }
    }

    async fn http(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, rest) = read_head(&mut client).await?;
        let mut lines = head.split("\r\n");
        let request = lines.next().unwrap_or_default();
        let headers: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if !self.admits(&headers) {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"sim\"\r\n\
                           Content-Length: 0\r\nConnection: close\r\n\r\n";
            return client.write_all(refusal.as_bytes()).await;
        }
        let mut words = request.splitn(3, ' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if method == "CONNECT" {
            let mut server = self.connect(target).await?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            server.write_all(&rest).await?;
            copy_bidirectional(&mut client, &mut server).await?;
            return Ok(());
        }
        let Some((authority, path)) = target.strip_prefix("http://").map(|whole| match whole.find('/') {
            Some(slash) => whole.split_at(slash),
            None => (whole, "/"),
        }) else {
            return client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        };
        let mut server = self.connect(authority).await?;
        // One request for each connection: the next could be for another server.
        let own = |line: &&&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !name.starts_with("proxy-") && name != "connection"
        };
        let kept: Vec<&str> = headers.iter().filter(own).copied().collect();
        let head = format!("{method} {path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", kept.join("\r\n"));
        server.write_all(head.as_bytes()).await?;
        server.write_all(&rest).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }

    fn admits(&self, headers: &[&str]) -> bool {
        let Some((name, word)) = &self.login else { return true };
        let expected = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{word}"));
        headers.iter().any(|line| {
            let (field, value) = line.split_once(':').unwrap_or_default();
            field.eq_ignore_ascii_case("proxy-authorization") && value.trim() == format!("Basic {expected}")
        })
    }

    async fn socks(&self, mut client: TcpStream) -> io::Result<()> {
        let mut start = [0; 2];
        client.read_exact(&mut start).await?;
        let mut methods = vec![0; usize::from(start[1])];
        client.read_exact(&mut methods).await?;
        let wanted = if self.login.is_some() { 2 } else { 0 };
        if start[0] != 5 || !methods.contains(&wanted) {
            return client.write_all(&[5, 0xff]).await;
        }
        client.write_all(&[5, wanted]).await?;
        if let Some((name, word)) = &self.login {
            client.read_u8().await?;
            let (given_name, given_word) = (short(&mut client).await?, short(&mut client).await?);
            let right = given_name == *name && given_word == *word;
            client.write_all(&[1, u8::from(!right)]).await?;
            if !right {
                return Ok(());
            }
        }
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        let host = match request[3] {
            1 => Ipv4Addr::from_bits(client.read_u32().await?).to_string(),
            3 => short(&mut client).await?,
            _ => return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]).await,
        };
        let port = client.read_u16().await?;
        let Ok(mut server) = self.connect(&format!("{host}:{port}")).await else {
            return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        };
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }

    async fn connect(&self, authority: &str) -> io::Result<TcpStream> {
        let with_port =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let mut found = lookup_host(with_port).await?;
        let address = found.find(SocketAddr::is_ipv4).ok_or_else(|| io::Error::other("no IPv4 address"))?;
        let socket = TcpSocket::new_v4()?;
        if cfg!(target_os = "linux") && address.ip().is_loopback() {
            socket.bind((EGRESS, 0).into())?;
        }
        let stream = socket.connect(address).await?;
        self.used.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }
}

async fn short(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read[..end]).into_owned(), rest));
        }
        if read.len() > HEAD_BYTES || stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other("no whole request head"));
        }
    }
}
