//! Replacing a card's buttons after somebody has pressed one, or when the matter is settled.

use serde::Serialize;

use crate::{Api, Invalid, Prepared};

/// Replaces the buttons by a word, once per `response_code`, within 72 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUpdate {
    /// Whose cards.
    pub userids: Vec<String>,
    /// Of which app.
    pub agent_id: u64,
    /// From the answer to the send, or fresher from a press.
    pub response_code: String,
    /// What stands there instead: "Acknowledged by …".
    pub replace_name: String,
}

#[derive(Serialize)]
struct Body<'a> {
    userids: &'a [String],
    agentid: u64,
    response_code: &'a str,
    button: Button<'a>,
}

#[derive(Serialize)]
struct Button<'a> {
    replace_name: &'a str,
}

impl CardUpdate {
    /// Makes the bytes.
    pub fn prepare(&self) -> Result<Prepared, Invalid> {
        if self.userids.is_empty() {
            return Err(Invalid::field("userids", "missing"));
        }
        if self.response_code.is_empty() {
            return Err(Invalid::field("response_code", "missing"));
        }
        if self.replace_name.trim().is_empty() {
            return Err(Invalid::field("button.replace_name", "empty"));
        }
        Prepared::new(
            Api::CardUpdate,
            &Body {
                userids: &self.userids,
                agentid: self.agent_id,
                response_code: &self.response_code,
                button: Button { replace_name: &self.replace_name },
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_platforms() {
        let update = CardUpdate {
            userids: vec!["u1".into()],
            agent_id: 7,
            response_code: "RC".into(),
            replace_name: "已确认".into(),
        };
        assert_eq!(
            update.prepare().expect("an update").body,
            r#"{"userids":["u1"],"agentid":7,"response_code":"RC","button":{"replace_name":"已确认"}}"#
        );
        assert!(CardUpdate { response_code: String::new(), ..update }.prepare().is_err());
    }
}
