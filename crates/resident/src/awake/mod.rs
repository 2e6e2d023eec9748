//! A computer that hosts should not sleep: nobody receives anything meanwhile. If the person asks for it, it is kept
//! from sleeping for as long as it hosts. Otherwise it is told when it is set to sleep, and when it slept.
//!
//! Nothing here is waited for: hosting begins whether or not the system answers.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::{sync::Arc, time::Duration};

use tocsin_protocol::control::{Mode, ProblemCode, Slept};
use tokio::time::timeout;

use crate::{
    desk::{Desk, Vigil},
    moment::Moment,
};

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use unsupported as platform;

/// Before a system that refused is asked again: its login manager may have come late.
const ASK_AGAIN: Duration = Duration::from_mins(10);

/// Follows what is hosted and what the person chose. Ends with the resident.
pub async fn keep(desk: Arc<Desk>) {
    let mut vigil = desk.watch_vigil();
    loop {
        let wanted = *vigil.borrow_and_update();
        // Held until something else is wanted; the system takes it back however this process ends.
        let mut lock = None;
        let detail = match wanted {
            Vigil::None => None,
            Vigil::Told => match platform::idle_action().await {
                Some(action) => Some(desk.locale().t("problem.host_sleeps.idle", &[("action", &action)])),
                None => desk.status().slept.map(|slept| sentence(&desk, slept)),
            },
            Vigil::Kept => match platform::inhibit(&desk.locale().t("awake.why", &[])).await {
                Ok(taken) => {
                    tracing::info!("this computer is kept awake while it hosts");
                    lock = Some(taken);
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "this computer cannot be kept awake");
                    Some(desk.locale().t("problem.host_sleeps.refused", &[("detail", &error)]))
                }
            },
        };
        match detail {
            Some(detail) => desk.raise(ProblemCode::HostSleeps, detail),
            None => desk.clear(ProblemCode::HostSleeps),
        }
        let kept = lock.is_some();
        desk.change(|facets| facets.kept_awake = kept);
        let changed = if wanted == Vigil::Kept && !kept {
            timeout(ASK_AGAIN, vigil.changed()).await.unwrap_or(Ok(()))
        } else {
            vigil.changed().await
        };
        if changed.is_err() {
            return;
        }
    }
}

/// The computer slept. While it hosts, that is recorded with its times: in the log, in the status, as a problem.
pub fn slept(desk: &Desk, slept: tocsin_subscriber::Slept) {
    let slept = Slept { from: slept.from, to: slept.to };
    if !matches!(desk.status().mode, Mode::Host { .. }) {
        return;
    }
    let (from, to) = (Moment::from(slept.from).exact(), Moment::from(slept.to).exact());
    tracing::warn!(%from, %to, "this computer slept while it hosted: nobody received anything meanwhile");
    desk.change(|facets| facets.slept = Some(slept));
    desk.raise(ProblemCode::HostSleeps, sentence(desk, slept));
}

fn sentence(desk: &Desk, slept: Slept) -> String {
    let (from, to) = (Moment::from(slept.from).short(), Moment::from(slept.to).short());
    desk.locale().t("problem.host_sleeps.slept", &[("from", &from), ("to", &to)])
}
