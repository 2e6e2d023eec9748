//! What the platforms leave open or differ in, as switches, with the documented or assumed value as the default.
//!
//! Read with `GET /sim/config`, changed with `PATCH /sim/config`: only the named fields change, an unknown one is
//! refused.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What answers a template message whose `client_msg_id` was seen within ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateDuplicate {
    /// `errcode` 0 with the first one's `msgid`.
    SameMsgid,
    /// 40241 "The message is duplicate in 60 seconds".
    Refused,
}

/// What two WeCom requests must share to be duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateBy {
    /// The parsed JSON, whatever the order of its fields.
    Canonical,
    /// Each byte of the body.
    Bytes,
}

/// The switches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches that a person sets by name")]
pub struct Behaviour {
    /// Life of an official account's token, seconds.
    pub oa_token_s: i64,
    /// Life of a WeCom token, seconds.
    pub wecom_token_s: i64,
    /// What a call with an expired official-account token is answered: 42001, 40014 or 40001 are all seen.
    pub oa_expired_code: i64,
    /// What a wrong `AppSecret` is answered: 40001 or 40125.
    pub oa_bad_secret_code: i64,
    /// `gettoken` gives a new token each time; otherwise the same one while it is valid.
    pub wecom_new_token: bool,
    /// So many wrong secrets from one address block it for an hour.
    pub bad_secret_limit: usize,
    /// Calls of the classic `token` a day.
    pub classic_tokens_per_day: u64,
    /// Calls of `stable_token` a day.
    pub stable_tokens_per_day: u64,
    /// Of those, with `force_refresh`.
    pub forced_tokens_per_day: u64,
    /// Template messages a day and account.
    pub template_per_day: u64,
    /// Template messages a minute and account.
    pub template_per_minute: usize,
    /// Answer to a repeated `client_msg_id`.
    pub template_duplicate: TemplateDuplicate,
    /// Refuses the same content to the same person within 60 s with 40241, even without `client_msg_id`.
    pub identical_content_rule: bool,
    /// Refuses `\uXXXX` for text beyond ASCII with 40033.
    pub refuse_unicode_escapes: bool,
    /// Pushes a `TEMPLATESENDJOBFINISH` for each template message.
    pub finish_events: bool,
    /// So long after it was accepted, in the simulator's time.
    pub finish_delay_ms: i64,
    /// Pushes it before the send is answered, as the platform may.
    pub finish_before_response: bool,
    /// Its `MsgID` is 0 if the send had a `client_msg_id` (reported once).
    pub finish_msgid_zero: bool,
    /// What decides that two WeCom sends are the same.
    pub wecom_duplicate_by: DuplicateBy,
    /// What a `task_id` used before is answered: 42014 or 40058.
    pub task_id_taken_code: i64,
    /// Messages of one app to one member in a minute; the rest is dropped without a word.
    pub member_per_minute: usize,
    /// And in an hour.
    pub member_per_hour: usize,
    /// Person-messages of one app a day.
    pub wecom_per_day: u64,
    /// Calls of one WeCom interface (not sends) in a minute.
    pub wecom_calls_per_minute: usize,
    /// Messages of one robot in a minute.
    pub robot_per_minute: usize,
    /// After going over, the robot is refused for so long; 0: until the window has room.
    pub robot_block_s: i64,
    /// Longest text of a robot, bytes.
    pub robot_text_bytes: usize,
    /// Longest markdown of a robot, bytes.
    pub robot_markdown_bytes: usize,
    /// Addresses that may fetch an official account's token; none: the list is off.
    pub oa_allow_list: Option<Vec<IpAddr>>,
    /// Addresses that may make WeCom business calls; none: the list is off.
    pub wecom_allow_list: Option<Vec<IpAddr>>,
    /// The address that requests seem to come from; none: the real one.
    pub seen_ip: Option<IpAddr>,
    /// Followers in one page of `user/get`.
    pub follower_page: usize,
    /// A callback must be answered within so many real milliseconds.
    pub callback_timeout_ms: u64,
    /// And the answer to the verification of its address within so many.
    pub verify_timeout_ms: u64,
    /// A callback that is not answered is sent so often in all.
    pub callback_tries: u32,
    /// Each callback is sent so many times although it was answered.
    pub callback_copies: u32,
    /// Callbacks wait until `/sim/callback/release`, which can turn their order round.
    pub callback_hold: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            oa_token_s: 7_200,
            wecom_token_s: 7_200,
            oa_expired_code: 42_001,
            oa_bad_secret_code: 40_001,
            wecom_new_token: false,
            bad_secret_limit: 10,
            classic_tokens_per_day: 2_000,
            stable_tokens_per_day: 500_000,
            forced_tokens_per_day: 20,
            template_per_day: 100_000,
            template_per_minute: 100_000,
            template_duplicate: TemplateDuplicate::SameMsgid,
            identical_content_rule: false,
            refuse_unicode_escapes: true,
            finish_events: true,
            finish_delay_ms: 300,
            finish_before_response: false,
            finish_msgid_zero: false,
            wecom_duplicate_by: DuplicateBy::Canonical,
            task_id_taken_code: 42_014,
            member_per_minute: 30,
            member_per_hour: 1_000,
            // An account of 200 members × 200.
            wecom_per_day: 40_000,
            wecom_calls_per_minute: 10_000,
            robot_per_minute: 20,
            robot_block_s: 0,
            robot_text_bytes: 2_048,
            robot_markdown_bytes: 4_096,
            oa_allow_list: None,
            wecom_allow_list: None,
            seen_ip: None,
            follower_page: 10_000,
            callback_timeout_ms: 5_000,
            verify_timeout_ms: 1_000,
            callback_tries: 3,
            callback_copies: 1,
            callback_hold: false,
        }
    }
}

impl Behaviour {
    /// Changes the fields that `patch` names.
    pub(crate) fn patch(&mut self, patch: &Value) -> Result<(), serde_json::Error> {
        let mut whole = serde_json::to_value(&*self)?;
        if let (Some(whole), Some(patch)) = (whole.as_object_mut(), patch.as_object()) {
            whole.extend(patch.clone());
        }
        *self = serde_json::from_value(whole)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut behaviour = Behaviour::default();
        behaviour.patch(&json!({"robot_per_minute": 3, "wecom_allow_list": ["203.0.113.7"]})).unwrap();
        assert_eq!(behaviour.robot_per_minute, 3);
        assert_eq!(behaviour.member_per_minute, 30);
        assert!(behaviour.patch(&json!({"robot_per_minut": 3})).is_err());
    }
}
