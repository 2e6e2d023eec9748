//! What the server's figures are compared with, measured again in every run.

pub mod bare_sqlite;
pub mod send_loop;
pub mod without_store;
