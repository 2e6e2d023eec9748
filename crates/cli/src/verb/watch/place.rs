//! Where a watch reads from and where it keeps its place.
//!
//! Beside a server of this computer it makes a token for itself through the control socket, good for a week and revoked
//! at the end: nothing secret is stored. A watch that outlives its token makes the next one the same way; one that was
//! killed leaves its token behind, which the next watch of that device revokes.

use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::Method;
use tocsin_control::Client;
use tocsin_protocol::{Me, NewToken, Token, TokenKind, account::MadeToken, control::Mode};
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
        let (endpoint, token) = if let Some(endpoint) = endpoint(&context.server)? {
            (endpoint, None)
        } else {
            let link = Link::Control(Client::find(&context.paths).await?);
            revoke_left(&link, &args.device).await?;
            here(context, &args.device).await?
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

    /// Makes another token in the place of one of its own that the server takes no more; `false` if the token is the
    /// person's.
    pub async fn renew(&mut self, context: &Context, device: &str) -> Result<bool, Failure> {
        if self.token.is_none() {
            return Ok(false);
        }
        // What others of this device hold is left alone: two watches with two inboxes would revoke each other for ever.
        (self.endpoint, self.token) = here(context, device).await?;
        Ok(true)
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

fn token_name(device: &str) -> String {
    format!("watch {device}")
}

/// Revokes what watches of this device left that were killed. One without an end was made by a person.
async fn revoke_left(link: &Link, device: &str) -> Result<(), Failure> {
    let me: Me = link.get("/v1/me").await?;
    let own = me.user.map(|user| user.name);
    let tokens: Vec<Token> = link.get("/v1/tokens").await?;
    let is_left =
        |token: &&Token| token.name == token_name(device) && token.user == own && token.expires_at.is_some();
    for token in tokens.iter().filter(is_left) {
        link.tell(Method::DELETE, &format!("/v1/tokens/{}", token.id)).await?;
    }
    Ok(())
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
        name: token_name(device),
        user: None,
        topics: Vec::new(),
        expires_in: Some(TOKEN_LIFE.as_secs()),
    };
    let made: MadeToken = Link::Control(client).send(Method::POST, "/v1/tokens", &order).await?;
    Ok((Endpoint { origin, ca_fingerprint: None, token: Secret::new(made.secret) }, Some(made.token.id)))
}
