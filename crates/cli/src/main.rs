//! The `tocsin` binary: the desktop's resident, the headless server and the command line in one program.
//!
//! This file only reads the command line and picks a runtime: short commands get a single thread, the server two or
//! more workers, the resident what it asks for. Each verb is a file of `verb/`.

mod args;
mod context;
mod exit;
mod headless;
mod link;
mod log;
mod output;
mod settings;
mod verb;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use crate::{
    args::{Cli, Command},
    context::Context,
    exit::{Exit, Failure},
};

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&args::command().get_matches()).unwrap_or_else(|error| error.exit());
    let json = cli.global.json;
    // One TLS provider for the whole process, before anything can ask for one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exit = run(cli).unwrap_or_else(|failure| {
        report(&failure, json);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let Some(command) = cli.command else {
        if is_desktop() {
            return verb::tray::run(&cli.global);
        }
        let _ = args::command().print_help();
        return Ok(Exit::Usage);
    };
    match command {
        Command::Tray => verb::tray::run(&cli.global),
        Command::Serve(serve) => verb::serve::run(&cli.global, *serve),
        Command::CheckConfig(serve) => verb::check_config::run(&cli.global, &serve),
        command => {
            log::to_stderr(cli.global.log.as_deref())?;
            let context = Context::new(&cli.global)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
            let done = runtime.block_on(verb::run(&context, command));
            // A thread that still waits for a name or for standard input must not hold up the end.
            runtime.shutdown_background();
            done
        }
    }
}

fn is_desktop() -> bool {
    ["WAYLAND_DISPLAY", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn report(failure: &Failure, json: bool) {
    if failure.code == "broken_pipe" {
        return;
    }
    if json {
        let _ = output::print_json(&failure.to_json());
    }
    output::note(&format!("tocsin: {}", output::plain(&failure.message)));
    if let Some(hint) = &failure.hint {
        output::note(&format!("  {}", output::plain(hint)));
    }
}
