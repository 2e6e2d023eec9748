//! One file per verb. Each says what it does to the server and how it tells people; the rest is `link` and `output`.

pub mod backup;
mod channel;
pub mod check_config;
mod device;
mod invite;
mod join;
mod login;
mod logs;
mod pause;
mod policy;
mod quit;
mod receipt;
mod receipts;
mod resend;
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

use tocsin_control::Client;
use tocsin_protocol::control::ResidentKind;

use crate::{
    args::Command,
    context::Context,
    exit::{Exit, Failure},
};

/// The resident, for what only a desktop has. `why_not` ends the sentence that begins "a headless server runs here; it".
async fn resident(context: &Context, why_not: &str) -> Result<Client, Failure> {
    let client = Client::resident(&context.paths);
    match client.hello().await {
        Ok(hello) if hello.kind == ResidentKind::Tray => Ok(client),
        Err(error) if !error.is_not_running() => Err(error.into()),
        other => {
            let headless = other.is_ok() || Client::server(&context.paths).hello().await.is_ok();
            if headless {
                return Err(Failure::failed(format!("a headless server runs here; it {why_not}"))
                    .hint("only a desktop does: `tocsin tray`"));
            }
            let socket = context.paths.control_socket();
            Err(Failure::from(tocsin_control::Error::NotRunning(socket)).hint("start it with `tocsin tray`"))
        }
    }
}

/// Runs a short command.
pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Send(args) => send::run(context, *args).await,
        Command::Receipt(args) => receipt::run(context, &args).await,
        Command::Receipts(args) => receipts::run(context, &args).await,
        Command::Resend(args) => resend::resend(context, args).await,
        Command::Cancel(args) => resend::cancel(context, &args).await,
        Command::Policy(args) => policy::run(context, args).await,
        Command::Watch(args) => watch::run(context, *args).await,
        Command::Status => status::run(context).await,
        Command::User(args) => user::run(context, args).await,
        Command::Topic(args) => topic::run(context, args).await,
        Command::Token(args) => token::run(context, args).await,
        Command::Device(args) => device::run(context, &args).await,
        Command::Channel(args) => channel::run(context, args).await,
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
