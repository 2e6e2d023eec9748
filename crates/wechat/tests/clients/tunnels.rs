//! Proxies as the platforms meet them: https through a tunnel, a proxy that itself speaks https, and a token that is
//! fetched the same way as its message is sent.
//!
//! The clients judge certificates by the computer's own roots. A test that needs one that is trusted runs this program
//! again with `SSL_CERT_FILE`, for which the roots are read from there; this process' environment stays as it is.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tocsin_wechat::{
    BaseUrl, Cause, Clock, Endpoint, Millis, NoCache, Outcome, Parts, Proxy, ProxyUrl, Secret, TokenMode,
    official::{self, OfficialAccount},
    wecom::{self, WecomApp},
};
use tocsin_wechat_sim::{
    Options, Simulator,
    proxy::{self as sim, EGRESS, Speech},
    seed,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    setup::{OK, group_text, robot},
    simulated::{alert, follower, text, to},
    stage::{Play, Stage},
};

/// Names the folder with certificate and key, for the process that trusts it.
const TRUSTED: &str = "TOCSIN_TEST_CERTIFICATE";
const LOGIN: (&str, &str) = ("ops", "canary-password");

/// A certificate for this computer, in a folder that goes with it.
fn certificate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("certificate.pem"), made.cert.pem()).expect("written");
    std::fs::write(folder.path().join("certificate.der"), made.cert.der()).expect("written");
    std::fs::write(folder.path().join("key.der"), made.signing_key.serialize_der()).expect("written");
    folder
}

/// Speaks TLS before something that does not.
async fn tls_before(plain: SocketAddr, folder: &Path) -> SocketAddr {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a file of the certificate");
    let key = PrivateKeyDer::try_from(read("key.der")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![read("certificate.der").into()], key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(connection).await?;
                let mut inside = TcpStream::connect(plain).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    address
}

fn via(url: &str) -> Proxy {
    let url = ProxyUrl::parse(url).expect("a proxy");
    Proxy::Via(url.with_login(LOGIN.0, &Secret::new(LOGIN.1)).expect("a login"))
}

fn https(address: SocketAddr) -> Endpoint {
    Endpoint::at(BaseUrl::parse(&format!("https://{address}")).expect("a base"))
}

#[tokio::test]
async fn https_goes_through_a_tunnel_also_when_the_proxy_speaks_https() {
    let Some(folder) = std::env::var_os(TRUSTED) else {
        let folder = certificate();
        let test = "tunnels::https_goes_through_a_tunnel_also_when_the_proxy_speaks_https";
        let ended = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture"])
            .env(TRUSTED, folder.path())
            .env("SSL_CERT_FILE", folder.path().join("certificate.pem"))
            .env_remove("SSL_CERT_DIR")
            .output()
            .expect("this program again");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        return;
    };
    let stage = Stage::play(|_, _| Play::json(OK)).await;
    let platform = https(tls_before(stage.address, Path::new(&folder)).await);
    let proxy = sim::Proxy::start(Speech::Http, Some(LOGIN)).await.expect("a proxy");
    let secure = tls_before(proxy.address(), Path::new(&folder)).await;
    for (count, url) in [proxy.url(), format!("https://{secure}")].iter().enumerate() {
        let outcome = robot(&platform.clone().through(via(url))).send(&group_text()).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{url}: {outcome:?}");
        assert_eq!((proxy.used(), stage.all().len()), (count as u64 + 1, count + 1), "{url}");
    }
    assert!(!stage.all()[0].head.to_lowercase().contains("proxy-"), "the login is for the proxy alone");
    // What needs no tunnel is asked of the proxy itself, over TLS too.
    let plain = stage.endpoint().through(via(&format!("https://{secure}")));
    let outcome = robot(&plain).send(&group_text()).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    assert_eq!(proxy.used(), 3);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
    let folder = certificate();
    let stage = Stage::play(|_, _| Play::json(OK)).await;
    let platform = https(tls_before(stage.address, folder.path()).await);
    let proxy = sim::Proxy::start(Speech::Http, Some(LOGIN)).await.expect("a proxy");
    for way in [Proxy::Direct, via(&proxy.url())] {
        let outcome = robot(&platform.clone().through(way)).send(&group_text()).await;
        assert!(matches!(&outcome, Outcome::NotSent(n) if n.cause == Cause::Certificate), "{outcome:?}");
    }
    assert!(stage.all().is_empty());
}

#[derive(Debug)]
struct OneClock(tocsin_wechat_sim::Clock);

impl Clock for OneClock {
    fn now(&self) -> Millis {
        self.0.now_ms()
    }
}

fn clients(sim: &Simulator, way: &Proxy) -> (OfficialAccount, WecomApp) {
    let parts = Parts { cache: Arc::new(NoCache), clock: Arc::new(OneClock(sim.clock().clone())) };
    let at = |url: &str| Endpoint::at(BaseUrl::parse(url).expect("a base")).through(way.clone());
    let (secret, app_secret) = sim.world(|world| {
        (world.account().expect("an account").secret.clone(), world.app().expect("an app").secret.clone())
    });
    let credential = official::Credential {
        app_id: seed::APPID.into(),
        secret: secret.into(),
        token_mode: TokenMode::StableFirst,
    };
    let account = OfficialAccount::new(credential, &at(&sim.oa_url()), &parts).expect("a client");
    let agent_id = u64::try_from(seed::AGENT_ID).expect("a number");
    let credential = wecom::Credential { corp_id: seed::CORPID.into(), agent_id, secret: app_secret.into() };
    (account, WecomApp::new(credential, &at(&sim.wecom_url()), &parts).expect("a client"))
}

/// The platforms trust the proxy's address alone: of an official account at the token, of WeCom at the message.
#[tokio::test]
async fn a_token_and_its_message_leave_through_the_proxy() {
    for speech in [Speech::Http, Speech::Socks5] {
        let sim = Simulator::start(Options::default()).await.expect("a simulator");
        let trusted = json!({"oa_allow_list": [EGRESS], "wecom_allow_list": [EGRESS]});
        sim.configure(&trusted).expect("switches");
        let (account, app) = clients(&sim, &Proxy::Direct);
        let messages = (alert("m1", &follower()), to(&["zhangsan"], text("disk full")));
        for (code, outcome) in
            [(40164, account.send(&messages.0).await), (60020, app.send(&messages.1).await)]
        {
            assert!(matches!(&outcome, Outcome::Refused(refused) if refused.errcode == code), "{outcome:?}");
        }
        let proxy = sim::Proxy::start(speech, Some(LOGIN)).await.expect("a proxy");
        let (account, app) = clients(&sim, &via(&proxy.url()));
        for outcome in [account.send(&messages.0).await, app.send(&messages.1).await] {
            assert!(matches!(outcome, Outcome::Accepted(_)), "{speech:?}: {outcome:?}");
        }
        assert_eq!(sim.world(|world| world.inbox.shown().count()), 2, "{speech:?}");
        assert!(proxy.used() >= 2, "{speech:?}");
    }
}
