//! Joining a server by invite: the one-time code becomes this device's token, which goes into the vault before
//! anything else remembers the server. Leaving it gives the token back.

use std::time::Duration;

use axum::http::StatusCode;
use rand::Rng as _;
use tocsin_protocol::{
    Code,
    control::{Connection, JoinRequest, Mode, ProblemCode, Refusal},
    limits,
};
use tocsin_subscriber::{
    Endpoint, Owner, Secret,
    http::{self, Api, Method},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    control::Fault,
    mode::Parts,
    secrets::{Strongbox, VaultError},
    settings::Joined,
};

/// A keyring that has not answered by then waits for its password.
const KEYRING_WAIT: Duration = Duration::from_secs(2);

/// A server that is left hears of it within this, or not at all.
const LEAVE_WAIT: Duration = Duration::from_secs(30);

/// What the token is filed under, after the profile.
const TOKEN: &str = "client-token";

/// Name of the token of a profile in the vault.
pub fn token_name(profile: &str) -> String {
    format!("{profile}/{TOKEN}")
}

/// Redeems the invite; the token is in the vault when this returns.
pub async fn redeem(request: &JoinRequest, strongbox: &Strongbox) -> Result<Joined, Fault> {
    let vault = strongbox.vault();
    let profile = format!("{:08x}", rand::rng().random::<u32>());
    // The code is good once: whether its token can be kept is found out before it is spent.
    let trial = token_name(&profile);
    vault.set(&trial, &Secret::new("trial")).await.map_err(|error| keyring(&error))?;
    let device = request.device.clone().unwrap_or_else(device_name);
    let redeemed = http::redeem(&request.invite, &device, request.user.as_deref()).await;
    let (endpoint, joined) = match redeemed {
        Ok(redeemed) => redeemed,
        Err(error) => {
            let _ = vault.delete(&trial).await;
            return Err(error.into());
        }
    };
    vault.set(&token_name(&profile), &endpoint.token).await.map_err(|error| keyring(&error))?;
    Ok(Joined {
        origin: endpoint.origin,
        ca_fingerprint: endpoint.ca_fingerprint,
        user: joined.user.name,
        device: joined.device,
        profile,
    })
}

/// Gives back the token of a server that was left: revoked there if it can be reached, and gone from the vault.
pub async fn leave(joined: &Joined, strongbox: &Strongbox) {
    let (vault, name) = (strongbox.vault(), token_name(&joined.profile));
    let token = match timeout(LEAVE_WAIT, vault.get(&name)).await {
        Ok(Ok(Some(token))) => token,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return tracing::warn!(%error, "the token of the server that was left stays"),
        Err(_) => {
            return tracing::warn!("the keyring is locked: the token of the server that was left stays");
        }
    };
    let endpoint =
        Endpoint { origin: joined.origin.clone(), ca_fingerprint: joined.ca_fingerprint.clone(), token };
    let revoking = async {
        Api::new(&endpoint)?.request(Method::DELETE, "/v1/tokens/own", None).await?.success().map(drop)
    };
    let origin = &joined.origin;
    match timeout(LEAVE_WAIT, revoking).await {
        Ok(Ok(())) => tracing::info!(%origin, "left the server; its token is revoked"),
        Ok(Err(error)) => {
            tracing::warn!(%origin, %error, "the server that was left did not revoke the token: an administrator can");
        }
        Err(_) => {
            tracing::warn!(%origin, "the server that was left does not answer: an administrator can revoke the token");
        }
    }
    match timeout(LEAVE_WAIT, vault.delete(&name)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the token of the server that was left stays in the vault"),
        Err(_) => {
            tracing::warn!("the keyring does not answer: the token of the server that was left stays in it");
        }
    }
}

/// Follows the joined server until `over`. The inbox is there at once, the stream when the vault gave the token.
pub async fn run(parts: &Parts, joined: &Joined, over: &CancellationToken) {
    let mode = Mode::Join { origin: joined.origin.clone(), user: Some(joined.user.clone()) };
    parts.desk.change(|facets| {
        facets.mode = mode;
        facets.connection = Connection::Connecting;
        facets.page = Some(joined.origin.clone());
    });
    let owner = Owner { server: joined.origin.clone(), user: joined.user.clone() };
    let Some(inbox) = parts.open_inbox(&owner, over).await else { return };
    let token = tokio::select! {
        token = token(parts, joined) => token,
        () = over.cancelled() => return,
    };
    let endpoint =
        Endpoint { origin: joined.origin.clone(), ca_fingerprint: joined.ca_fingerprint.clone(), token };
    parts.connect(inbox, &endpoint, &joined.device);
}

/// The token, waited for as long as it takes: a keyring that is missing may come, a locked one may be unlocked.
async fn token(parts: &Parts, joined: &Joined) -> Secret {
    const CODES: [ProblemCode; 3] =
        [ProblemCode::KeyringMissing, ProblemCode::KeyringLocked, ProblemCode::KeyringFailed];
    'ask: loop {
        // Listening begins before asking, so that an unlock in between is not missed.
        let mut changed = std::pin::pin!(parts.strongbox.changed());
        let mut has_changed = false;
        let (vault, name) = (parts.strongbox.vault(), token_name(&joined.profile));
        let mut asking = std::pin::pin!(vault.get(&name));
        let mut late = std::pin::pin!(tokio::time::sleep(KEYRING_WAIT));
        let mut told = false;
        let answer = loop {
            tokio::select! {
                answer = &mut asking => break answer,
                () = &mut late, if !told => {
                    told = true;
                    parts.desk.raise(ProblemCode::KeyringLocked, None);
                    parts.say_offline("reason.keyring_locked", "");
                }
                () = &mut changed, if !has_changed => has_changed = true,
                // Another vault was chosen: the prompt of the keyring is nobody's concern any more.
                // So is a choice made before this began: asking again is harmless.
                () = parts.vault_chosen.notified() => continue 'ask,
            }
        };
        let problem = match answer {
            Ok(Some(token)) => {
                for code in CODES {
                    parts.desk.clear(code);
                }
                parts.desk.change(|facets| facets.connection = Connection::Connecting);
                return token;
            }
            Ok(None) => {
                let (reason, since) = (parts.desk.locale().t("reason.no_token", &[]), parts.desk.now());
                parts.desk.change(|facets| facets.connection = Connection::Refused { since, reason });
                parts.desk.raise(ProblemCode::TokenRefused, None);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the token could not be read");
                let detail = error.to_string();
                parts.say_offline(error.reason(), &detail);
                parts.desk.raise(error.problem(), Some(detail).filter(|_| error != VaultError::Locked));
                Some(error.problem())
            }
        };
        for code in CODES.into_iter().filter(|code| Some(*code) != problem) {
            parts.desk.clear(code);
        }
        if !has_changed && !parts.strongbox.was_chosen_since(&vault) {
            tokio::select! {
                () = &mut changed => {}
                () = parts.vault_chosen.notified() => {}
            }
        }
    }
}

/// This computer's name, as far as it can name a device.
pub fn device_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    named(&name, "desktop")
}

/// Name of the person at this computer, as far as it can name a user.
pub fn login_name() -> String {
    let name =
        ["USER", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok()).unwrap_or_default();
    named(&name.to_lowercase(), "admin")
}

fn named(text: &str, otherwise: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(limits::NAME_BYTES)
        .collect();
    if limits::is_name(&name) { name } else { otherwise.into() }
}

fn keyring(error: &VaultError) -> Fault {
    const OTHERWISE: &str = "start a keyring, or choose a sealed file or this run only in the settings";
    let (reason, hint) = match error {
        VaultError::Locked => (Refusal::KeyringLocked, "unlock the keyring and try again"),
        VaultError::Sealed => {
            (Refusal::KeyringSealed, "enter the passphrase of the sealed file in the settings")
        }
        VaultError::Missing(_) => (Refusal::KeyringMissing, OTHERWISE),
        VaultError::Failed(_) => (Refusal::KeyringFailed, OTHERWISE),
    };
    tracing::warn!(%error, "a secret could not be kept");
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, Code::Keyring, error.to_string()).hint(hint).because(reason)
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::{HeaderMap, Uri, header::AUTHORIZATION},
    };
    use tocsin_protocol::control::VaultChoice;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn any_name_of_a_computer_or_person_becomes_one_that_can_be_used() {
        for (text, name) in
            [("Anna's PC", "Anna-s-PC"), ("-x", "x"), ("", "admin"), ("李雷", "admin"), ("büro-1", "b-ro-1")]
        {
            assert_eq!(named(text, "admin"), name);
        }
        assert!(limits::is_name(&named(&"a".repeat(300), "admin")));
        assert!(limits::is_name(&device_name()) && limits::is_name(&login_name()));
    }

    /// A server that says what it was asked, and a vault with a token for it.
    async fn left(origin: Option<String>) -> (mpsc::Receiver<String>, Option<Secret>) {
        let (asked_tx, asked) = mpsc::channel(4);
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| async move {
            let bearer = headers[AUTHORIZATION].to_str().unwrap().to_owned();
            asked_tx.send(format!("{method} {uri} {bearer}")).await.unwrap();
            StatusCode::NO_CONTENT
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let dir = tempfile::tempdir().unwrap();
        let strongbox = Strongbox::new(&dir.path().join("vault.bin"));
        strongbox.choose(VaultChoice::ThisRunOnly).await.unwrap();
        let vault = strongbox.vault();
        vault.set(&token_name("p1"), &Secret::new("tcs_old")).await.unwrap();
        let joined = Joined {
            origin: origin.unwrap_or(here),
            ca_fingerprint: None,
            user: "anna".into(),
            device: "desk".into(),
            profile: "p1".into(),
        };
        leave(&joined, &strongbox).await;
        serving.abort();
        (asked, vault.get(&token_name("p1")).await.unwrap())
    }

    #[tokio::test]
    async fn the_token_of_a_server_that_is_left_is_revoked_and_forgotten() {
        let (mut asked, kept) = left(None).await;
        assert_eq!(asked.recv().await.unwrap(), "DELETE /v1/tokens/own Bearer tcs_old");
        assert_eq!(kept, None);
    }

    #[tokio::test]
    async fn the_token_of_a_server_that_is_gone_is_forgotten_all_the_same() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_, kept) = left(Some(format!("http://{gone}"))).await;
        assert_eq!(kept, None);
    }
}
