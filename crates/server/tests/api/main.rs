//! The API over real sockets and a real store: every route, every role, every error.

#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod access;
mod alertmanager;
mod attempts;
mod callbacks;
mod channels;
mod codes;
mod desk;
mod errors;
mod escalations;
mod faults;
mod guard;
mod inbox;
mod office;
mod page;
mod publish;
mod receipts;
mod receiver;
mod reports;
mod roles;
mod secrets;
mod step_ways;
mod tls;
mod upkeep;
mod webhook;
