//! Who is on the platforms: followers of an official account, members of a corp, robots in groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    callback::target::Target,
    limit::{Daily, Sliding},
};

/// What the finish event will say of a template message to a follower.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateFate {
    /// It arrives.
    #[default]
    #[serde(rename = "success")]
    Success,
    /// The person refuses messages.
    #[serde(rename = "failed:user block")]
    UserBlock,
    /// Something else; the space is the platform's.
    #[serde(rename = "failed: system failed")]
    SystemFailed,
    /// A per-person limit that is written down nowhere.
    #[serde(rename = "failed:freq limit")]
    FreqLimit,
}

impl TemplateFate {
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::UserBlock => "failed:user block",
            Self::SystemFailed => "failed: system failed",
            Self::FreqLimit => "failed:freq limit",
        }
    }
}

/// A person who follows the official account, or did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follower {
    /// Their id under this account.
    pub openid: String,
    /// What the account's owner calls them.
    #[serde(default)]
    pub remark: String,
    /// False: they left; sends answer 43004.
    #[serde(default = "yes")]
    pub follows: bool,
    /// False: they turned messages off; 48002.
    #[serde(default = "yes")]
    pub receives: bool,
    /// On the account's blacklist; 43019.
    #[serde(default)]
    pub blacklisted: bool,
    /// What the finish event says.
    #[serde(default)]
    pub fate: TemplateFate,
    /// When they followed, seconds since 1970.
    #[serde(default)]
    pub subscribe_time: i64,
    /// The scene of the code they came by.
    #[serde(default)]
    pub qr_scene_str: String,
    /// One-shot subscriptions left, by template.
    #[serde(default)]
    pub grants: BTreeMap<String, u32>,
    /// Customer-service messages that may still be sent to them.
    #[serde(skip)]
    pub(crate) windows: Vec<Window>,
    /// Content and time of the last template messages.
    #[serde(skip)]
    pub(crate) recent: HashMap<String, i64>,
}

/// A time in which so many customer-service messages may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) until: i64,
    pub(crate) left: u32,
}

fn yes() -> bool {
    true
}

impl Follower {
    /// Somebody who follows.
    pub fn new(openid: &str, remark: &str) -> Self {
        Self {
            openid: openid.into(),
            remark: remark.into(),
            follows: true,
            receives: true,
            blacklisted: false,
            fate: TemplateFate::Success,
            subscribe_time: 0,
            qr_scene_str: String::new(),
            grants: BTreeMap::new(),
            windows: Vec::new(),
            recent: HashMap::new(),
        }
    }
}

/// A message template of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its id.
    pub template_id: String,
    /// What the console calls it.
    pub title: String,
    /// With `{{thing1.DATA}}` where a value comes.
    pub content: String,
    /// As the console shows it.
    #[serde(default)]
    pub example: String,
    /// Trade.
    #[serde(default)]
    pub primary_industry: String,
    /// Trade, finer.
    #[serde(default)]
    pub deputy_industry: String,
    /// Sends answer 43116.
    #[serde(default)]
    pub banned: bool,
}

impl Template {
    /// The names between `{{` and `.DATA}}`.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.content
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split_once("}}"))
            .filter_map(|(inside, _)| inside.trim().strip_suffix(".DATA"))
            .collect()
    }
}

/// An official account.
#[derive(Debug)]
pub struct OaAccount {
    /// Its id.
    pub appid: String,
    /// Its secret.
    pub secret: String,
    /// `gh_…`, the name in callbacks.
    pub original_id: String,
    /// Where its callbacks go.
    pub callback: Option<Target>,
    /// By openid.
    pub followers: BTreeMap<String, Follower>,
    /// By id.
    pub templates: BTreeMap<String, Template>,
    pub(crate) codes: BTreeMap<String, QrCode>,
    pub(crate) sent: HashMap<(String, String), (i64, u64)>,
    pub(crate) daily: BTreeMap<String, Daily>,
    pub(crate) minute: Sliding,
    pub(crate) clears: Vec<i64>,
}

impl OaAccount {
    pub(crate) fn new(appid: &str, secret: &str, original_id: &str) -> Self {
        Self {
            appid: appid.into(),
            secret: secret.into(),
            original_id: original_id.into(),
            callback: None,
            followers: BTreeMap::new(),
            templates: BTreeMap::new(),
            codes: BTreeMap::new(),
            sent: HashMap::new(),
            daily: BTreeMap::new(),
            minute: Sliding::default(),
            clears: Vec::new(),
        }
    }
}

/// A QR code to follow an account by.
#[derive(Clone, Debug)]
pub(crate) struct QrCode {
    pub(crate) scene: String,
    /// None: for good.
    pub(crate) expires: Option<i64>,
}

/// A member of a corp.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Their id; any case.
    pub userid: String,
    /// Their name.
    pub name: String,
    /// Departments they are in directly.
    #[serde(default = "root_department")]
    pub department: Vec<i64>,
    /// Tags they have.
    #[serde(default)]
    pub tags: Vec<i64>,
    /// Within the app's visible range; otherwise `invaliduser`.
    #[serde(default = "yes")]
    pub visible: bool,
    /// Has an interface licence; otherwise `unlicenseduser`.
    #[serde(default = "yes")]
    pub licensed: bool,
}

fn root_department() -> Vec<i64> {
    vec![1]
}

/// A self-built app of a corp.
#[derive(Debug)]
pub struct App {
    /// Its number.
    pub agentid: i64,
    /// Its name.
    pub name: String,
    /// Its secret.
    pub secret: String,
    /// Switched off: business calls answer 50003.
    pub disabled: bool,
    /// Where its callbacks go. Without it, no interactive cards.
    pub callback: Option<Target>,
    pub(crate) daily: Daily,
    pub(crate) minute: HashMap<String, Sliding>,
    pub(crate) hour: HashMap<String, Sliding>,
    pub(crate) seen: HashMap<Vec<u8>, Seen>,
    pub(crate) tasks: BTreeSet<String>,
}

/// A send that a later one may be a duplicate of.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: i64,
    pub(crate) answer: serde_json::Value,
}

impl App {
    pub(crate) fn new(agentid: i64, name: &str, secret: &str) -> Self {
        Self {
            agentid,
            name: name.into(),
            secret: secret.into(),
            disabled: false,
            callback: None,
            daily: Daily::default(),
            minute: HashMap::new(),
            hour: HashMap::new(),
            seen: HashMap::new(),
            tasks: BTreeSet::new(),
        }
    }
}

/// A company in WeCom.
#[derive(Debug)]
pub struct Corp {
    /// Its id.
    pub corpid: String,
    /// Opens the contact interfaces only.
    pub contact_secret: String,
    /// Number, name and parent.
    pub departments: BTreeMap<i64, (String, i64)>,
    /// By userid in lower case.
    pub members: BTreeMap<String, Member>,
    /// By agentid.
    pub apps: BTreeMap<i64, App>,
    pub(crate) response_codes: HashMap<String, ResponseCode>,
    /// msgid → agentid and time.
    pub(crate) sent: HashMap<String, (i64, i64)>,
    pub(crate) calls: HashMap<String, Sliding>,
}

impl Corp {
    pub(crate) fn new(corpid: &str, contact_secret: &str) -> Self {
        Self {
            corpid: corpid.into(),
            contact_secret: contact_secret.into(),
            departments: BTreeMap::new(),
            members: BTreeMap::new(),
            apps: BTreeMap::new(),
            response_codes: HashMap::new(),
            sent: HashMap::new(),
            calls: HashMap::new(),
        }
    }

    pub(crate) fn member(&self, userid: &str) -> Option<&Member> {
        self.members.get(&userid.to_lowercase())
    }
}

/// Permission to change one card once.
#[derive(Clone, Debug)]
pub(crate) struct ResponseCode {
    pub(crate) agentid: i64,
    pub(crate) task_id: String,
    pub(crate) issued: i64,
    pub(crate) used: bool,
}

/// A group robot.
#[derive(Debug)]
pub struct Robot {
    /// Its only secret.
    pub key: String,
    /// What the group is called.
    pub group: String,
    /// Removed from its group: 93000.
    pub removed: bool,
    pub(crate) recent: Sliding,
    pub(crate) blocked_until: i64,
    /// `media_id` → file name and time.
    pub(crate) media: HashMap<String, (String, i64)>,
}

impl Robot {
    pub(crate) fn new(key: &str, group: &str) -> Self {
        Self {
            key: key.into(),
            group: group.into(),
            removed: false,
            recent: Sliding::default(),
            blocked_until: 0,
            media: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_stands_before_data() {
        let template = Template {
            template_id: "T".into(),
            title: "t".into(),
            content: "事项:{{thing1.DATA}}\n时间:{{ time2.DATA}}\n".into(),
            example: String::new(),
            primary_industry: String::new(),
            deputy_industry: String::new(),
            banned: false,
        };
        assert_eq!(template.keys(), ["thing1", "time2"]);
    }
}
