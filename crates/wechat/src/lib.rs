//! The WeChat platforms as API clients: official account (服务号), WeCom app (企业微信应用), WeCom group robot.
//!
//! ```text
//! message ──► Prepared (bytes made once) ──► client.send ──► session: token, one retry ──► http ──► Outcome
//!                                                             └► tokens: one flight, sealed cache
//! callback request ──► callback: signature, time, AES, replay ──► Event
//! ```
//!
//! - [`official`], [`wecom`], [`robot`]: the three clients and their messages.
//! - [`Outcome`]: accepted, refused, unknown, not sent. [`errcode`]: what a code means, and what a person can do about it.
//! - [`callback`]: what the platforms push. [`crypto`]: signatures and encryption, both directions.
//! - [`Endpoint`]: base address, proxy and time limits per credential. [`TokenCache`]: where sealed tokens wait.
//!
//! Nothing here stores a message, retries by itself (but once, after a stale token) or limits rates: that is the worker's.
//!
//! Invariants: no secret, token or robot key is in any error, log or `Debug`; a message is sent at most once per call of
//! `send`, except again after the platform refused the token; what may have been sent is never reported as not sent.

pub mod callback;
mod clock;
pub mod crypto;
mod endpoint;
pub mod errcode;
mod fit;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
pub mod official;
mod outcome;
mod prepared;
pub mod robot;
mod secret;
mod session;
mod token;
pub mod wecom;

pub use clock::{Clock, Millis, SystemClock, next_platform_day, platform_day};
pub use endpoint::{BadEndpoint, BaseUrl, Endpoint, Proxy, ProxyUrl, Timings};
pub use fit::{Fitted, Limit, fit};
pub use http::client as http_client;
pub use outcome::{
    Accepted, Cause, FailedRecipient, Failure, NotSent, Outcome, RecipientFault, RecipientKind, Refused,
    Unknown,
};
pub use prepared::{Api, Invalid, Prepared};
pub use secret::Secret;
pub use session::Parts;
pub use token::{CLASSIC_A_DAY, FileCache, MAY_FORCE_A_DAY, NoCache, TokenCache, TokenMode};
