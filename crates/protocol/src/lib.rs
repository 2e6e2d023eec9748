//! What is said on the wire between server, subscriber, resident, command line and UI.
//!
//! One file per noun. Nothing here does I/O. The TypeScript side is generated from these types
//! (`ui/src/protocol/`, see `tests/typescript.rs`), so a field exists once.
//!
//! Conventions: times are Unix milliseconds ([`Millis`]); durations in fields end in `_s` or `_ms`;
//! absent optional fields are left out, never `null`; unknown fields in requests are refused, unknown
//! fields in answers and frames are ignored, so that an older client can speak to a newer server.

pub mod account;
pub mod channel;
pub mod control;
pub mod cursor;
pub mod delivery;
pub mod error;
pub mod escalation;
pub mod id;
pub mod invite;
pub mod limits;
pub mod message;
pub mod receipt;
pub mod stream;

pub use account::{Device, Invite, Me, NewToken, NewTopic, NewUser, Role, Token, TokenKind, Topic, User};
pub use cursor::{Cursor, Epoch, Seq};
pub use delivery::{Delivery, DeliveryState};
pub use error::{ApiError, Code};
pub use escalation::{Escalation, EscalationState, Milestone, Policy};
pub use id::MessageId;
pub use message::{Action, Format, Message, MessageView, Page, Priority, Publish, Published};
pub use receipt::{Counts, PersonReceipt, Receipt, ReceiptSummary, Shown, State};
pub use stream::{ClientFrame, Poll, Reset, ServerFrame, StateChange};

/// Unix time in milliseconds. Fits a JavaScript number until the year 287396.
pub type Millis = i64;
