//! The WeChat platforms as channels: an official account, an app of a WeCom company, a robot in a WeCom group.
//!
//! Invariants: what is rendered is the request itself, with a mark where the recipient goes, so that each try sends the
//! same bytes whatever version of this program makes it; nothing here logs or returns a secret.

pub(crate) mod failing;
mod minute;
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

/// Whether an address is one person's. `|` would address several people, `@all` everybody.
pub fn is_one_person(address: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@');
    !address.is_empty() && address.bytes().all(plain) && !address.starts_with('@')
}

/// The request for this recipient; nothing where it is for a person and this is not one.
fn addressed(body: &str, address: &str) -> Option<String> {
    let mark = format!("\"touser\":\"{RECIPIENT}\"");
    if !body.contains(&mark) {
        return Some(body.to_owned());
    }
    is_one_person(address).then(|| body.replacen(&mark, &format!("\"touser\":\"{address}\""), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_mark_is_the_recipient() {
        let body = r#"{"touser":"tocsin-recipient","x":"\"touser\":\"tocsin-recipient\""}"#;
        let to_anna = r#"{"touser":"anna","x":"\"touser\":\"tocsin-recipient\""}"#;
        assert_eq!(addressed(body, "anna").as_deref(), Some(to_anna));
    }

    #[test]
    fn a_request_is_for_one_person_or_for_a_group() {
        let body = r#"{"touser":"tocsin-recipient"}"#;
        for nobody in ["@all", "a|b", "", "a b", "a\"b"] {
            assert_eq!(addressed(body, nobody), None, "{nobody:?}");
        }
        for somebody in ["ZhangSan", "zhang.san@x", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"] {
            assert!(addressed(body, somebody).is_some(), "{somebody:?}");
        }
        let group = r#"{"msgtype":"text"}"#;
        assert_eq!(addressed(group, "").as_deref(), Some(group));
    }
}
