//! Runs the desktop's resident.

use std::io::IsTerminal as _;

use tocsin_control::Paths;
use tocsin_resident::Options;

use crate::{
    args::Global,
    exit::{Exit, Failure},
    log,
    output::{Output, note},
};

/// Until Quit in the tray, a signal or `tocsin quit`. The resident builds its own small runtime.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let paths = Paths::resolve(global.data_dir.as_deref())?;
    // Before the log: a second start would share the file of the first.
    log::to_file(&paths.log_file(), global.log.as_deref())?;
    if std::io::stderr().is_terminal() {
        note(&format!("tocsin: in the tray until `tocsin quit`; log in {}", paths.log_file().display()));
    }
    match tocsin_resident::run(Options::new(paths)) {
        Ok(()) => Ok(Exit::Ok),
        // What was asked for is so; the desktop's window starts one without knowing.
        Err(error) if error.is_already_running() => {
            note("tocsin: it is running already; `tocsin status` shows it");
            Output { json: global.json }
                .show(&serde_json::json!({ "already_running": true }), String::new)?;
            Ok(Exit::Ok)
        }
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}
