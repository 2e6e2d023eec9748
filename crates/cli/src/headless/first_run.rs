//! The first start: somebody must be an admin, and must get in.
//!
//! Their token is shown to a terminal only. A pipe may end in a log that many read; whoever cannot see the terminal can
//! open the control socket as the same user and make one with `tocsin token add`.

use std::io::IsTerminal as _;

use tocsin_protocol::{NewToken, NewUser, Role, TokenKind};
use tocsin_server::auth::Secret;
use tocsin_store::{Store, TokenOrder};

use crate::{
    exit::Failure,
    output::{note, print_line},
};

/// The name of an admin: the one that is there, or a new one.
pub async fn admin(store: &dyn Store, asked: Option<&str>) -> Result<String, Failure> {
    let users = store.users().await?;
    // The one who was named, or else who has been admin for longest.
    let mut admins: Vec<_> = users.into_iter().filter(|user| user.role == Role::Admin).collect();
    admins.sort_by_key(|user| (Some(user.name.as_str()) != asked, user.created_at));
    if let Some(user) = admins.into_iter().next() {
        return Ok(user.name);
    }
    let name = asked.map_or_else(login_name, ToOwned::to_owned);
    let new = NewUser { name: name.clone(), display_name: None, role: Role::Admin };
    store.add_user(new).await?;
    tracing::info!(user = %name, "first start: made the admin");
    if std::io::stdout().is_terminal() {
        let secret = Secret::token();
        let token = NewToken {
            kind: TokenKind::Client,
            name: "first start".into(),
            user: Some(name.clone()),
            topics: Vec::new(),
            expires_in: None,
        };
        let order = TokenOrder { token, secret: secret.hash(), device: None };
        store.add_token(order).await?;
        note(&format!("tocsin: made the admin {name}; this token is shown only now:"));
        print_line(secret.expose())?;
    } else {
        note(&format!("tocsin: made the admin {name}; for a token run: tocsin token add --user {name}"));
    }
    Ok(name)
}

/// The login name, if it can name a person.
fn login_name() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    if tocsin_protocol::limits::is_name(&name) { name } else { "admin".into() }
}
