//! Tokens. A secret is printed once, on stdout, by the command that made it.

use http::Method;
use tocsin_protocol::{NewToken, Token, TokenKind, account::MadeToken};

use crate::{
    args::admin::Token as Args,
    context::{Context, name},
    exit::{Exit, Failure},
    output::{maybe_time, note, one_line, time},
};

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    match args {
        Args::List => {
            let tokens: Vec<Token> = link.get("/v1/tokens").await?;
            table(context, &tokens)?;
            context.say_if_none(&tokens, "none_tokens");
        }
        Args::Add { name, sender, topics, user, expires } => {
            let kind = if sender { TokenKind::Sender } else { TokenKind::Client };
            let order = NewToken { kind, name, user, topics, expires_in: expires.map(|time| time.as_secs()) };
            let made: MadeToken = link.send(Method::POST, "/v1/tokens", &order).await?;
            if !context.out.json {
                note(&context.say("token_once", &[("id", &made.token.id)]));
            }
            context.out.show(&made, || made.secret.clone())?;
        }
        Args::Revoke { id } => {
            link.tell(Method::DELETE, &format!("/v1/tokens/{}", name("token", &id)?))
                .await
                .map_err(|failure| failure.or_hint("`tocsin token list` shows the numbers"))?;
            let text = context.say("removed", &[("name", &id)]);
            context.out.show(&serde_json::json!({ "removed": id }), || text)?;
        }
    }
    Ok(Exit::Ok)
}

fn table(context: &Context, tokens: &[Token]) -> Result<(), Failure> {
    context.out.table(tokens, &["ID", "KIND", "NAME", "FOR", "SINCE", "LAST USED", "UNTIL"], |token| {
        let kind = if token.kind == TokenKind::Client { "client" } else { "sender" };
        let whose = token.user.clone().unwrap_or_else(|| token.topics.join(","));
        let (used, until) = (maybe_time(token.last_used_at), maybe_time(token.expires_at));
        vec![token.id.clone(), kind.into(), one_line(&token.name), whose, time(token.created_at), used, until]
    })
}
