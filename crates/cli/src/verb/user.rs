//! People.

use http::Method;
use tocsin_protocol::{NewUser, Role, User, account::UserChange};

use crate::{
    args::admin::User as Args,
    context::{Context, name},
    exit::{Exit, Failure},
    output::{one_line, time},
};

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let link = context.link().await?;
    match args {
        Args::List => {
            let users: Vec<User> = link.get("/v1/users").await?;
            table(context, &users)?;
        }
        Args::Add { name: new, display_name, role } => {
            let new = NewUser { name: new, display_name, role: role.into() };
            let user: User = link.send(Method::POST, "/v1/users", &new).await.map_err(|failure| {
                failure.or_hint("`tocsin user list` shows who there is; `tocsin user change` changes them")
            })?;
            context.out.show(&user, || context.say("added", &[("name", &user.name)]))?;
        }
        Args::Change { name: who, display_name, role } => {
            if display_name.is_none() && role.is_none() {
                return Err(
                    Failure::usage("there is nothing to change").hint("give --display-name or --role")
                );
            }
            let change = UserChange { display_name, role: role.map(Into::into) };
            let path = format!("/v1/users/{}", name("user", &who)?);
            let user: User = link.send(Method::PATCH, &path, &change).await?;
            context.out.show(&user, || context.say("changed", &[("name", &user.name)]))?;
        }
        Args::Remove { name: who } => {
            link.tell(Method::DELETE, &format!("/v1/users/{}", name("user", &who)?)).await?;
            let text = context.say("removed", &[("name", &who)]);
            context.out.show(&serde_json::json!({ "removed": who }), || text)?;
        }
    }
    Ok(Exit::Ok)
}

/// People as rows.
pub(super) fn table(context: &Context, users: &[User]) -> Result<(), Failure> {
    context.out.table(users, &["NAME", "DISPLAY NAME", "ROLE", "SINCE"], |user| {
        let role = if user.role == Role::Admin { "admin" } else { "member" };
        vec![user.name.clone(), one_line(&user.display_name), role.into(), time(user.created_at)]
    })
}
