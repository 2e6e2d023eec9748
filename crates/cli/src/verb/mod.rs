//! One file per verb. Each says what it does to the server and how it tells people; the rest is `link` and `output`.

pub mod backup;
pub mod check_config;
mod device;
mod invite;
mod join;
mod login;
mod logs;
mod pause;
mod quit;
mod receipt;
mod reset;
mod restore;
mod send;
pub mod serve;
mod status;
mod token;
mod topic;
pub mod tray;
mod user;
mod watch;

use crate::{
    args::Command,
    context::Context,
    exit::{Exit, Failure},
};

/// Runs a short command.
pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Send(args) => send::run(context, *args).await,
        Command::Receipt(args) => receipt::run(context, &args).await,
        Command::Watch(args) => watch::run(context, *args).await,
        Command::Status => status::run(context).await,
        Command::User(args) => user::run(context, args).await,
        Command::Topic(args) => topic::run(context, args).await,
        Command::Token(args) => token::run(context, args).await,
        Command::Device(_) => device::run(context).await,
        Command::Invite(args) => invite::run(context, args).await,
        Command::Join(args) => join::run(context, args).await,
        Command::Login => login::run(context).await,
        Command::Backup(args) => backup::run(context, args).await,
        Command::Restore(args) => restore::run(context, args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Reset(args) => reset::run(context, &args).await,
        Command::Pause(args) => pause::pause(context, &args).await,
        Command::Resume => pause::resume(context).await,
        Command::Quit => quit::run(context).await,
        Command::Tray | Command::Serve(_) | Command::CheckConfig(_) => {
            Err(Failure::failed("this command has a runtime of its own"))
        }
    }
}
