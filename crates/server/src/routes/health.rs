//! Whether the server lives (`/healthz`), whether it can store (`/readyz`), and its numbers (`/metrics`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json as Answer,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
};
use serde::Serialize;
use tocsin_protocol::Code;
use tocsin_store::Store;
use tokio::{sync::Mutex, time::Instant};
use utoipa::ToSchema;

use crate::{AppState, Failure, metrics::Held};

/// A probe writes and flushes, so its answer is kept this long: nobody can make a disk busy by asking.
const PROBE_FRESH: Duration = Duration::from_secs(1);

/// The last answer of the store to the question whether it can store.
#[derive(Default)]
pub struct Ready {
    last: Mutex<Option<(Instant, Result<(), Failure>)>>,
    doubted: AtomicBool,
}

impl Ready {
    /// Something was answered 503: the store may be unable to store, on a disk with room, too.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether there was doubt since this was asked last.
    pub fn was_doubted(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }

    /// Whether a message could be stored now. Those who ask together share one probe.
    pub async fn look(&self, store: &Arc<dyn Store>) -> Result<(), Failure> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < PROBE_FRESH
        {
            return answer.clone();
        }
        let answer = store.probe().await.map_err(Failure::from);
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// An answer that all is well.
#[derive(Serialize, ToSchema)]
pub struct Well {
    /// Always `ok`.
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Well)), security(()))]
pub async fn alive() -> Answer<Well> {
    Answer(Well { status: "ok" })
}

/// A message could be stored now: one small write was made durable.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, body = Well), (status = 503, body = tocsin_protocol::error::ErrorBody)), security(()))]
pub async fn ready(State(state): State<AppState>) -> Result<Answer<Well>, Failure> {
    if state.shutdown.is_cancelled() {
        return Err(Failure::new(Code::Busy, "the server is shutting down").retry_after(5));
    }
    state.ready.look(&state.store).await?;
    Ok(Answer(Well { status: "ok" }))
}

/// Numbers for Prometheus: without a token from this very computer, else with an administrator's.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, Failure> {
    // A store that can not answer is no reason to hide the other numbers.
    let numbers = state.store.stats().await.ok();
    if let Some(outside) = &state.outside
        && let Ok(health) = outside.outbox.channel_health().await
    {
        state.metrics.outbox().observe(&health);
    }
    let held = Held { tasks: state.tasks.len(), connections: state.hub.connections() };
    let text =
        state.metrics.text(held, numbers).map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text))
}
