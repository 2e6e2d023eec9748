//! The clock and the life of tokens.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ask, Told};
use crate::shared::Shared;

/// `{"mode": "frozen"}`, `{"advance_s": 60}`, `{"set_ms": …}`, `{"mode": "running"}`; any of them together, in that
/// order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Change {
    mode: Option<Mode>,
    set_ms: Option<i64>,
    advance_s: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Frozen,
    Running,
}

pub(super) fn show(shared: &Shared) -> Value {
    json!({"now_ms": shared.clock.now_ms(), "frozen": shared.clock.is_frozen()})
}

pub(super) fn change(shared: &Shared, ask: &Ask) -> Told {
    let change: Change = ask.read()?;
    let clock = &shared.clock;
    if change.mode == Some(Mode::Frozen) {
        clock.freeze();
    }
    if let Some(at) = change.set_ms {
        clock.set(at);
    }
    if let Some(by) = change.advance_s {
        let magnitude = Duration::try_from_secs_f64(by.abs()).unwrap_or_default();
        let by_ms = i64::try_from(magnitude.as_millis()).unwrap_or(0);
        clock.shift(if by < 0.0 { -by_ms } else { by_ms });
    }
    if change.mode == Some(Mode::Running) {
        clock.run();
    }
    Ok(show(shared))
}

pub(super) fn expire_tokens(shared: &Shared) -> Value {
    let now = shared.clock.now_ms();
    shared.world(|world| world.expire_tokens(now));
    json!({"tokens": "expired"})
}

pub(super) fn steal_tokens(shared: &Shared) -> Value {
    let now = shared.clock.now_ms();
    shared.world(|world| world.steal_tokens(now));
    json!({"tokens": "refreshed by somebody else"})
}
