//! WeCom group robot (群机器人, 消息推送): messages into a group. No token, no address list, no message id, no way to
//! recognise a repetition; the key in its address is the only secret.

mod client;
mod message;
mod webhook;

pub use client::Robot;
pub use message::{Content, MARKDOWN_BYTES, Mentions, RobotMessage, TEXT_BYTES};
pub use webhook::Webhook;
