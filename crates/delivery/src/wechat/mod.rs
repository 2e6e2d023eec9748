//! The WeChat platforms as channels: an official account, an app of a WeCom company, a robot in a WeCom group.
//!
//! Invariants: what is rendered is the request itself, with a mark where the recipient goes, so that each try sends the
//! same bytes whatever version of this program makes it; nothing here logs or returns a secret.

pub(crate) mod failing;
mod official;
mod patience;
mod request;
mod robot;
pub(crate) mod settings;
mod wecom;
mod words;

use std::sync::Arc;

use tocsin_wechat::Parts;

pub use official::Account;
pub use robot::Group;
pub use wecom::{App, pressed};
pub use words::Words;

use crate::line::Ground;

impl Ground {
    fn parts(&self) -> Parts {
        Parts { cache: Arc::clone(&self.cache), clock: Arc::clone(&self.clock) }
    }
}

/// What stands for the recipient in a rendered request. The first field of every request that has one, so nothing that
/// a message says can come before it.
const RECIPIENT: &str = "tocsin-recipient";

/// The request for this recipient.
fn addressed(body: &str, address: &str) -> String {
    let mark = format!("\"touser\":\"{RECIPIENT}\"");
    body.replacen(&mark, &format!("\"touser\":{}", serde_json::Value::from(address)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_mark_is_the_recipient() {
        let body = r#"{"touser":"tocsin-recipient","x":"\"touser\":\"tocsin-recipient\""}"#;
        assert_eq!(addressed(body, "a\"b"), r#"{"touser":"a\"b","x":"\"touser\":\"tocsin-recipient\""}"#);
    }
}
