//! The resident alone, without the command line: for this crate's tests and for measuring it. Logs to stderr.
//!
//! Its clock is ahead of the computer's by the milliseconds in the file that `TOCSIN_CLOCK_AHEAD` names: a process
//! cannot put the computer to sleep, but it can see what a sleep leaves behind.

use std::{ffi::OsString, fs, sync::Arc};

use tocsin_control::Paths;
use tocsin_resident::{Clock, Options, run, system_clock};

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let ended = Paths::resolve(None).map_err(|error| error.to_string());
    let ended = ended.and_then(|paths| {
        let mut options = Options::new(paths);
        if let Some(file) = std::env::var_os("TOCSIN_CLOCK_AHEAD") {
            options.clock = clock_ahead(file);
        }
        run(options).map_err(|error| error.to_string())
    });
    if let Err(error) = ended {
        tracing::error!("{error}");
        std::process::exit(1);
    }
}

fn clock_ahead(file: OsString) -> Clock {
    let system = system_clock();
    Arc::new(move || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        system() + text.trim().parse::<i64>().unwrap_or(0)
    })
}
