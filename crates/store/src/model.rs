//! The in-memory model: the same behaviour, simply.
