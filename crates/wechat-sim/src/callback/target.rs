//! Where callbacks go and how they are protected: what a person types into the platform's console.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much is encrypted (official account only; WeCom always encrypts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing.
    Plain,
    /// Clear and encrypted side by side.
    Compatible,
    /// Everything.
    #[default]
    Secure,
}

/// How it is written (official account only; WeCom apps always get XML).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// XML.
    #[default]
    Xml,
    /// JSON.
    Json,
}

/// A callback address with its keys.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `http://…`; the simulator speaks no TLS.
    pub url: String,
    /// Goes into the signature.
    pub token: String,
    /// 43 letters and digits.
    pub encoding_aes_key: String,
    /// The key before the last change.
    #[serde(default)]
    pub old_encoding_aes_key: Option<String>,
    /// How much is encrypted.
    #[serde(default)]
    pub mode: Mode,
    /// How it is written.
    #[serde(default)]
    pub format: Format,
}

impl Target {
    /// Everything encrypted, as XML.
    pub fn new(url: &str, token: &str, encoding_aes_key: &str) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            encoding_aes_key: encoding_aes_key.into(),
            old_encoding_aes_key: None,
            mode: Mode::Secure,
            format: Format::Xml,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).field("mode", &self.mode).finish_non_exhaustive()
    }
}
