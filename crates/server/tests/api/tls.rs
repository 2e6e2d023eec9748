//! Our own certificate authority, over real handshakes.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Certificate, Client};
use serde_json::json;
use sha2::{Digest, Sha256};
use tocsin_server::{
    listen,
    tls::{Error, Identity, KeyFile, KeyStore},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::office::{Office, send};

#[derive(Default)]
struct Keyring {
    kept: Mutex<Option<String>>,
    saved: AtomicUsize,
}

impl Keyring {
    /// The authority's certificate as PEM, without its key.
    fn certificate(&self) -> String {
        let kept = self.kept.lock().unwrap().clone().unwrap();
        let end = "-----END CERTIFICATE-----";
        kept[..kept.find(end).unwrap() + end.len()].to_owned()
    }
}

impl KeyStore for Keyring {
    fn load(&self) -> Result<Option<String>, Error> {
        Ok(self.kept.lock().unwrap().clone())
    }

    fn save(&self, pem: &str) -> Result<(), Error> {
        self.saved.fetch_add(1, Ordering::Relaxed);
        *self.kept.lock().unwrap() = Some(pem.into());
        Ok(())
    }
}

struct Locked;

impl KeyStore for Locked {
    fn load(&self) -> Result<Option<String>, Error> {
        Err(Error::Store("the keyring is locked".into()))
    }

    fn save(&self, _: &str) -> Result<(), Error> {
        panic!("a locked keyring is not a missing key");
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A client that trusts this authority alone.
fn trusting(pem: &str) -> Client {
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(pem.as_bytes()).unwrap()])
        .build()
        .unwrap()
}

/// Serves the office over TLS too.
fn secure(office: &Office, identity: &Identity) -> (u16, CancellationToken, JoinHandle<()>) {
    let listener: TcpListener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let serving = listen::serve_tls(
        listener,
        identity.server_config.clone(),
        office.state.clone(),
        stop.clone().cancelled_owned(),
    );
    (port, stop, tokio::spawn(serving))
}

#[tokio::test]
async fn a_client_that_pins_the_authority_connects_and_one_that_does_not_refuses() {
    let keyring = Keyring::default();
    let identity = Identity::own(&keyring, &names(&["localhost", "127.0.0.1"])).unwrap();
    let fingerprint = identity.ca_fingerprint.clone().unwrap();
    let office = Office::with(|config| config.ca_fingerprint = Some(fingerprint.clone())).await;
    let (port, stop, serving) = secure(&office, &identity);
    let pem = keyring.certificate();
    let origin = format!("https://127.0.0.1:{port}");

    let client = trusting(&pem);
    let opened = send(
        client
            .post(format!("{origin}/v1/session"))
            .header("origin", &origin)
            .json(&json!({"token": office.ann})),
    )
    .await;
    assert!(opened.header("set-cookie").ends_with("; Secure"), "{}", opened.text);
    let invite = send(client.post(format!("{origin}/v1/invites")).bearer_auth(&office.root).json(&json!({})))
        .await
        .is(201);
    let invite: tocsin_protocol::invite::InviteText = invite["invite"].as_str().unwrap().parse().unwrap();
    assert_eq!(invite.origin, origin);
    assert_eq!(invite.ca_fingerprint.as_deref(), Some(fingerprint.as_str()));

    let other = Keyring::default();
    Identity::own(&other, &names(&["127.0.0.1"])).unwrap();
    let stranger = trusting(&other.certificate());
    assert!(stranger.get(format!("{origin}/healthz")).send().await.is_err());
    let plain = office.http.get(format!("http://127.0.0.1:{port}/healthz")).send().await;
    assert!(plain.is_err(), "no plain HTTP on a TLS port");
    stop.cancel();
    serving.await.unwrap();
    office.close().await;
}

#[tokio::test]
async fn the_authority_is_made_once_and_the_fingerprint_is_of_its_certificate() {
    let keyring = Keyring::default();
    let first = Identity::own(&keyring, &names(&["localhost"])).unwrap();
    let second = Identity::own(&keyring, &names(&["localhost"])).unwrap();
    assert_eq!(first.ca_fingerprint, second.ca_fingerprint);
    assert_eq!(keyring.saved.load(Ordering::Relaxed), 1);
    let pem = keyring.certificate();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    assert_eq!(first.ca_fingerprint.unwrap(), URL_SAFE_NO_PAD.encode(Sha256::digest(der)));
}

#[tokio::test]
async fn a_new_name_gets_a_new_certificate_under_the_same_authority() {
    let keyring = Keyring::default();
    let identity = Identity::own(&keyring, &names(&["127.0.0.1"])).unwrap();
    let office = Office::open().await;
    let (port, stop, serving) = secure(&office, &identity);
    let pem = keyring.certificate();
    let by_name = || trusting(&pem).get(format!("https://localhost:{port}/healthz")).send();
    assert!(by_name().await.is_err(), "the certificate does not have this name");
    assert!(!identity.reissue(&names(&["127.0.0.1"])).unwrap(), "nothing changed");
    assert!(identity.reissue(&names(&["localhost", "127.0.0.1"])).unwrap());
    assert_eq!(by_name().await.unwrap().status().as_u16(), 200);
    stop.cancel();
    serving.await.unwrap();
    office.close().await;
}

#[test]
fn a_locked_keyring_makes_no_new_authority() {
    let error = Identity::own(&Locked, &names(&["localhost"])).unwrap_err();
    assert!(error.to_string().contains("the keyring is locked"), "{error}");
}

#[test]
fn a_damaged_or_mixed_up_key_is_said_and_not_replaced() {
    let (a, b) = (Keyring::default(), Keyring::default());
    Identity::own(&a, &names(&["localhost"])).unwrap();
    Identity::own(&b, &names(&["localhost"])).unwrap();
    let split = |keyring: &Keyring| {
        let pem = keyring.load().unwrap().unwrap();
        let at = pem.find("-----BEGIN PRIVATE KEY").unwrap();
        (pem[..at].to_owned(), pem[at..].to_owned())
    };
    let mixed = format!("{}{}", split(&a).0, split(&b).1);
    for pem in ["", "not pem", &split(&a).0, &split(&a).1, &mixed] {
        let keyring = Keyring { kept: Mutex::new(Some(pem.to_owned())), saved: AtomicUsize::new(0) };
        let error = Identity::own(&keyring, &names(&["localhost"])).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        assert_eq!(keyring.saved.load(Ordering::Relaxed), 0);
    }
}

#[test]
#[cfg(unix)]
fn a_key_file_is_for_its_user_alone() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let dir = tempfile::tempdir().unwrap();
    let file = KeyFile(dir.path().join("tls/authority.pem"));
    let first = Identity::own(&file, &names(&["localhost"])).unwrap();
    assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Identity::own(&file, &names(&["localhost"])).unwrap().ca_fingerprint, first.ca_fingerprint);
    fs::set_permissions(&file.0, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Identity::own(&file, &names(&["localhost"])).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn the_operators_own_files_are_used_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(names(&["localhost"])).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let identity = Identity::from_files(&certificate, &key).unwrap();
    assert_eq!(identity.ca_fingerprint, None);
    let office = Office::open().await;
    let (port, stop, serving) = secure(&office, &identity);
    let client = trusting(&made.cert.pem());
    assert_eq!(
        client.get(format!("https://localhost:{port}/healthz")).send().await.unwrap().status().as_u16(),
        200
    );
    stop.cancel();
    serving.await.unwrap();
    office.close().await;

    let other = rcgen::generate_simple_self_signed(names(&["localhost"])).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    assert!(Identity::from_files(&certificate, &key).is_err(), "another's key");
    let missing = Identity::from_files(Path::new("/nonexistent/cert.pem"), &key).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/cert.pem"), "{missing}");
    let _: Arc<rustls::ServerConfig> = identity.server_config;
}
