//! Where a watch reads from and where it keeps its place.
//!
//! Beside a server of this computer it makes a token for itself through the control socket, good for a week and
//! revoked at the end: nothing secret is stored.

use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::Method;
use tocsin_control::Client;
use tocsin_protocol::{Me, NewToken, TokenKind, account::MadeToken, control::Mode};
use tocsin_subscriber::{Endpoint, Inbox, Owner, Secret, SystemClock, http::Api};

use crate::{
    args::watch::Watch,
    context::Context,
    exit::{Exit, Failure},
    link::{Link, endpoint},
};

/// How long a token lives that a killed watch could not revoke.
const TOKEN_LIFE: Duration = Duration::from_hours(7 * 24);

/// An open place.
pub struct Place {
    /// The server.
    pub endpoint: Endpoint,
    /// The inbox.
    pub inbox: Inbox,
    /// To be revoked.
    token: Option<String>,
    /// Held while it is open.
    _lock: File,
}

impl Place {
    /// Opens it.
    pub async fn open(context: &Context, args: &Watch) -> Result<Self, Failure> {
        let dir = args.inbox.clone().unwrap_or_else(|| context.paths.data.join("watch").join(&args.device));
        let lock = lock(&dir)?;
        let (endpoint, token) = match endpoint(&context.server)? {
            Some(endpoint) => (endpoint, None),
            None => here(context, &args.device).await?,
        };
        let me: Me = Api::new(&endpoint)?.get("/v1/me").await?;
        let user = me.user.ok_or_else(|| {
            Failure::new(Exit::Refused, "forbidden", "a sender token has no messages of its own to watch")
                .hint("use a client token: `tocsin token add watch --user NAME`")
        })?;
        let owner = Owner { server: me.server.instance, user: user.name };
        let inbox = Inbox::open(&dir, owner, Arc::new(SystemClock))?;
        if let Some(damaged) = inbox.damaged() {
            crate::output::note(&format!(
                "tocsin: the inbox was damaged and is kept as {}",
                damaged.display()
            ));
        }
        Ok(Self { endpoint, inbox, token, _lock: lock })
    }

    /// Gives back what was made for this run.
    pub async fn leave(&self, context: &Context) {
        if let Some(id) = &self.token
            && let Ok(link) = context.link().await
        {
            let _ = link.tell(Method::DELETE, &format!("/v1/tokens/{id}")).await;
        }
    }
}

fn lock(dir: &PathBuf) -> Result<File, Failure> {
    let cannot = |error: std::io::Error| Failure::failed(format!("cannot use {}: {error}", dir.display()));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(cannot)?;
    let file = File::create(dir.join("watch.lock")).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(Exit::Failed, "in_use", format!("another watch uses {}", dir.display()))
                .hint("give this one a name of its own with --device NAME"))
        }
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// The server of this computer, with a token for this run.
async fn here(context: &Context, device: &str) -> Result<(Endpoint, Option<String>), Failure> {
    let client = Client::find(&context.paths).await?;
    let status = client.status().await?;
    let elsewhere = |what: &str| {
        Failure::usage(format!("{what}, so this computer has no address to watch")).hint(
            "name the server with --server URL and a token with --token-file (`tocsin token add watch`)",
        )
    };
    let addresses = match status.mode {
        Mode::Host { addresses, .. } => addresses,
        Mode::Join { .. } => return Err(elsewhere("the server is elsewhere")),
        Mode::Unset => return Err(elsewhere("no server is chosen yet")),
    };
    let origin = addresses.into_iter().find(|address| address.starts_with("http://"));
    let origin = origin.ok_or_else(|| elsewhere("the server does not listen on loopback"))?;
    let order = NewToken {
        kind: TokenKind::Client,
        name: format!("watch {device}"),
        user: None,
        topics: Vec::new(),
        expires_in: Some(TOKEN_LIFE.as_secs()),
    };
    let made: MadeToken = Link::Control(client).send(Method::POST, "/v1/tokens", &order).await?;
    Ok((Endpoint { origin, ca_fingerprint: None, token: Secret::new(made.secret) }, Some(made.token.id)))
}
