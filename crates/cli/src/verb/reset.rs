//! Everything away.

use crate::{
    args::local::Reset,
    context::Context,
    exit::{Exit, Failure},
};

pub(super) async fn run(_context: &Context, _args: &Reset) -> Result<Exit, Failure> {
    Err(Failure::failed("reset is not part of this build yet"))
}
