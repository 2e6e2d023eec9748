//! Followers: openids, and the little that the platform still tells about them.

use serde::Serialize;

use crate::http::Answer;

/// A page of openids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerPage {
    /// Followers of the account.
    pub total: i64,
    /// The openids of this page.
    pub openids: Vec<String>,
    /// What the next page comes after; `None` at the end.
    pub next: Option<String>,
}

impl FollowerPage {
    /// The end is an empty `next_openid`, an empty page, or one that does not move: any of them, or the list is read
    /// for ever.
    pub(super) fn of(answer: &Answer, after: Option<&str>) -> Self {
        let openids: Vec<String> = answer
            .field("data")
            .and_then(|data| data.get("openid"))
            .and_then(|list| list.as_array())
            .into_iter()
            .flatten()
            .filter_map(|openid| openid.as_str().map(ToOwned::to_owned))
            .collect();
        let next = answer
            .text("next_openid")
            .filter(|next| !openids.is_empty() && answer.number("count") != Some(0) && after != Some(next));
        Self { total: answer.number("total").unwrap_or_default(), openids, next }
    }
}

/// What is known about somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Follower {
    /// Who.
    pub openid: String,
    /// Whether they follow the account; if not, the rest is unknown.
    pub follows: bool,
    /// The account's note about them: the only name that is left.
    pub remark: String,
    /// Since when, Unix seconds.
    pub since: Option<i64>,
    /// The scene of the QR code they came by.
    pub scene: String,
}

impl Follower {
    pub(super) fn of(openid: &str, answer: &Answer) -> Self {
        Self {
            openid: openid.to_owned(),
            follows: answer.number("subscribe") == Some(1),
            remark: answer.text("remark").unwrap_or_default(),
            since: answer.number("subscribe_time"),
            scene: answer.text("qr_scene_str").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str, after: Option<&str>) -> FollowerPage {
        FollowerPage::of(&Answer::parse(body.as_bytes(), &[]).expect("JSON"), after)
    }

    #[test]
    fn every_kind_of_end_is_one() {
        let more = page(r#"{"total":3,"count":2,"data":{"openid":["a","b"]},"next_openid":"b"}"#, None);
        assert_eq!(more.next.as_deref(), Some("b"));
        assert_eq!(more.openids, ["a", "b"]);
        assert_eq!(page(r#"{"total":3,"count":0,"next_openid":"b"}"#, Some("b")).next, None);
        assert_eq!(page(r#"{"total":3,"count":0,"next_openid":""}"#, Some("b")).next, None);
        let stuck = page(r#"{"total":3,"count":1,"data":{"openid":["b"]},"next_openid":"b"}"#, Some("b"));
        assert_eq!(stuck.next, None);
    }
}
