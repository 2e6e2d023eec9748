//! Runs the headless server.

use tocsin_control::own_build;

use crate::{
    args::{Global, serve::Serve},
    exit::{Exit, Failure},
    headless, log, settings,
};

/// Workers: publishing waits for the disk on a thread of its own, so more than the cores gain nothing.
const WORKERS_MOST: usize = 8;

pub fn run(global: &Global, serve: Serve) -> Result<Exit, Failure> {
    // Before a package upgrade can replace the file.
    own_build();
    let settings = settings::read(global, &serve).map_err(|mistakes| settings::failure(&mistakes))?;
    log::to_file(&headless::log_file(&settings), global.log.as_deref())?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(1, WORKERS_MOST))
        .thread_name("tocsin")
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let done = runtime.block_on(headless::run(std::sync::Arc::new(settings), serve));
    runtime.shutdown_background();
    done
}
