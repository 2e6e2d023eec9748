//! What other programs post of their own accord, in their own dialect.

pub mod alertmanager;
pub mod platform;
