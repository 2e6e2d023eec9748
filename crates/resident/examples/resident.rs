//! The resident alone, without the command line: for this crate's tests and for measuring it. Logs to stderr.

use tocsin_control::Paths;
use tocsin_resident::{Options, run};

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let ended = Paths::resolve(None).map_err(|error| error.to_string());
    let ended = ended.and_then(|paths| run(Options::new(paths)).map_err(|error| error.to_string()));
    if let Err(error) = ended {
        tracing::error!("{error}");
        std::process::exit(1);
    }
}
