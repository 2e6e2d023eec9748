//! The message that brings somebody in who is not in the audience.

use tocsin_protocol::{Message, Millis};

use crate::{Authority, NewMessage, Sender, TokenId};

/// The server itself, saying what this name said.
pub(crate) fn server(name: &str) -> Sender {
    Sender { token: TokenId(0), user: None, name: name.to_owned(), authority: Authority::All }
}

/// Whether a message is the server's own.
pub(crate) fn is_server(sender: &Sender) -> bool {
    sender.token == TokenId(0) && sender.user.is_none()
}

/// A copy of a message for one person: all that is seen of it, and nothing that acts by itself.
pub(crate) fn of(message: &Message, person: &str, now: Millis) -> NewMessage {
    NewMessage {
        sender: server(&message.sender),
        topic: None,
        to: vec![person.to_owned()],
        title: message.title.clone(),
        body: message.body.clone(),
        format: message.format,
        priority: message.priority,
        tags: message.tags.clone(),
        click: message.click.clone(),
        actions: message.actions.clone(),
        key: None,
        replaces: None,
        resolved: message.resolved,
        expires_in_ms: message.expires_at.map(|at| at.saturating_sub(now)),
        idempotency: None,
        twins: false,
        policy: None,
        report: None,
    }
}
