//! The resident: the program that stays. Tray, notifications, keyring, control socket; it hosts the server or joins
//! one elsewhere, and needs no GTK and no webview.
//!
//! Invariants:
//! - The tray comes first and depends on nothing; a fault of any part is a [`Problem`](tocsin_protocol::control::Problem)
//!   that tray and window tell, never an end.
//! - Whatever speaks to another program (panel, notification daemon, keyring, server) does so in a task or thread of
//!   its own, with a deadline: one that never answers holds up nothing else.
//! - Nothing polls. An idle resident wakes for what arrives and for a handful of long timers.

mod autostart;
mod awake;
mod control;
mod deliveries;
mod desk;
mod forget;
mod health;
mod host;
mod join;
mod lan;
mod link;
mod mode;
mod moment;
mod notify;
mod resident;
mod secrets;
mod settings;
mod tray;
mod window;

pub use control::SocketError;
pub use forget::{Forgotten, forget};
pub use moment::{Clock, system_clock};
pub use resident::{Error, Options, resident, run};
pub use secrets::SERVICE as KEYRING_SERVICE;
