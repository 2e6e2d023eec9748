//! WeCom app (企业微信应用): messages, cards with an Acknowledge button, members.

mod card;
mod client;
mod member;
mod message;
mod recipients;
mod update;

pub use card::{ACKNOWLEDGE_KEY, Button, ButtonStyle, Card, task_id};
pub use client::{Credential, WecomApp};
pub use member::Member;
pub use message::{AppMessage, Content, DEDUPE_MOST_SECONDS};
pub use recipients::Recipients;
pub use update::CardUpdate;
