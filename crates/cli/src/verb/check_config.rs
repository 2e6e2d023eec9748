//! What `serve` would do, or why it would not.

use crate::{
    args::{Global, serve::Serve},
    exit::{Exit, Failure},
    output::{Output, note},
    settings,
};

/// Shows the effective configuration as TOML that can be a file again.
pub fn run(global: &Global, serve: &Serve) -> Result<Exit, Failure> {
    let found = settings::read(global, serve).map_err(|mistakes| settings::failure(&mistakes))?;
    let effective = found.effective();
    let text = toml::to_string(&effective).map_err(|error| Failure::failed(error.to_string()))?;
    let out = Output { json: global.json };
    out.show(&effective, || text.trim_end().to_owned())?;
    if !global.json {
        match &found.file {
            Some(file) => note(&format!("from {}, environment and flags", file.display())),
            None => note("from environment and flags; there is no configuration file"),
        }
    }
    Ok(Exit::Ok)
}
