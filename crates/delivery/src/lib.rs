//! Sending over channels: the worker of the outbox, what becomes of each answer, and the seam for platforms.
//!
//! The store decides what is due and books what happened ([`tocsin_store::outbox`]); a [`Channel`] knows one platform;
//! [`judge`] decides, without doing anything, what an answer means; the [`Courier`] carries between the three.
//!
//! Invariants:
//! - Nothing is sent that was not booked before, and what is booked is sent at most once, unless the platform promises to
//!   recognise the repetition. A kill at any point leaves one message or `unknown`, never two.
//! - A message waits rather than being dropped; whoever waits in vain is told, or the administrators are.
//! - Any number of couriers may share one outbox. Nothing that matters is kept in memory.

mod channel;
mod courier;
pub mod digest;
mod judge;
pub mod line;
mod metrics;
pub mod webhook;
pub mod wechat;

pub use channel::{Channel, Channels, Class, Outcome, Parcel, Refusal, Rendered, Unfit};
pub use courier::{Courier, Dice, LEASE_MS, Pace, SEND_TIMEOUT, Turn};
pub use judge::{BUSY_TRIES, Case, Verdict, judge};
pub use metrics::Metrics;
