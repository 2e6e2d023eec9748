//! Counters for `/metrics`.

/// Counters for `/metrics`.
#[derive(Default)]
pub struct Metrics {}
