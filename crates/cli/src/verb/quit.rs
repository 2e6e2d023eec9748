//! The end of what runs: asked for, and waited for, so that the next command finds the data free.

use std::time::Duration;

use tocsin_control::{Client, Paths};
use tokio::time::{Instant, sleep};

use crate::{
    context::Context,
    exit::{Exit, Failure},
};

/// Longer than the drain deadline of server and resident together.
const WAIT: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let ended = end(&context.paths).await?;
    if !ended {
        return Err(tocsin_control::Error::NotRunning(context.paths.control_socket()).into());
    }
    context.out.show(&serde_json::json!({ "ended": true }), || context.say("ended", &[]))?;
    Ok(Exit::Ok)
}

/// Asks what runs to end and waits for it; `false` if nothing ran.
pub(super) async fn end(paths: &Paths) -> Result<bool, Failure> {
    let mut ended = false;
    for client in [Client::resident(paths), Client::server(paths)] {
        match client.quit().await {
            Ok(()) => {
                gone(&client).await?;
                ended = true;
            }
            Err(error) if error.is_not_running() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}

async fn gone(client: &Client) -> Result<(), Failure> {
    let deadline = Instant::now() + WAIT;
    loop {
        match client.hello().await {
            Err(error) if error.is_not_running() => return Ok(()),
            _ if Instant::now() > deadline => {
                return Err(
                    Failure::failed("it was asked to end and still runs").hint("look into `tocsin logs`")
                );
            }
            _ => sleep(LOOK).await,
        }
    }
}
