//! A message as it will be sent, byte for byte.
//!
//! WeCom recognises a repeated message by its identical request, so the bytes are made once, stored before the first
//! try, and sent again unchanged. What did not fit is named here: nothing is cut silently.

use serde::{Deserialize, Serialize};

/// Which call a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// Official account: template message.
    Template,
    /// Official account: customer-service message.
    CustomerService,
    /// WeCom app message.
    AppMessage,
    /// WeCom app: replacing the buttons of a card.
    CardUpdate,
    /// WeCom group robot.
    Robot,
}

impl Api {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Template => "/cgi-bin/message/template/send",
            Self::CustomerService => "/cgi-bin/message/custom/send",
            Self::AppMessage => "/cgi-bin/message/send",
            Self::CardUpdate => "/cgi-bin/message/update_template_card",
            Self::Robot => "/cgi-bin/webhook/send",
        }
    }
}

/// A message ready to be stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Which call it is for.
    pub api: Api,
    /// The request's JSON.
    pub body: String,
    /// For how long after the first try the platform takes another one for the same message, in seconds. `None`: it
    /// never does, and a try with an unknown outcome must not be repeated by itself.
    pub dedupe_seconds: Option<u32>,
    /// Fields that were shortened, by their names in the body.
    pub shortened: Vec<String>,
    /// People who cannot be mentioned in this kind of message.
    pub unmentioned: Vec<String>,
}

/// Why a message cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field is missing, too long for its purpose, or has characters that it does not take.
    #[error("{field}: {reason}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It cannot be written as JSON.
    #[error("not JSON: {0}")]
    Json(String),
}

impl Invalid {
    pub(crate) const fn field(field: &'static str, reason: &'static str) -> Self {
        Self::Field { field, reason }
    }
}

impl Prepared {
    pub(crate) fn new<B: Serialize>(api: Api, body: &B) -> Result<Self, Invalid> {
        // serde_json writes UTF-8 as it is; the platforms refuse \u escapes.
        let body = serde_json::to_string(body).map_err(|error| Invalid::Json(error.to_string()))?;
        Ok(Self { api, body, dedupe_seconds: None, shortened: Vec::new(), unmentioned: Vec::new() })
    }
}
