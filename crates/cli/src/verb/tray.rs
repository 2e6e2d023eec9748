//! Runs the desktop's resident.

use crate::{
    args::Global,
    exit::{Exit, Failure},
};

pub fn run(_global: &Global) -> Result<Exit, Failure> {
    Err(Failure::failed("the tray is not part of this build yet"))
}
