//! Elsewhere a computer is neither kept awake nor asked about its power settings; that it slept is noticed everywhere.

/// Nobody has one.
pub(super) enum Lock {}

pub(super) async fn inhibit(_why: &str) -> Result<Lock, String> {
    Err("not on this system".into())
}

pub(super) async fn idle_action() -> Option<String> {
    None
}
