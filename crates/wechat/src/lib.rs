//! The WeChat platforms as API clients: official account (服务号), WeCom app (企业微信应用), WeCom group robot.
//!
//! - [`errcode`]: what a code means, and what a person can do about it.
//! - [`crypto`]: signatures and encryption of callbacks, both directions.

pub mod crypto;
pub mod errcode;
mod secret;

pub use secret::Secret;
