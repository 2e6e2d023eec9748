//! The client of one WeCom app.

use std::collections::BTreeMap;

use super::{Member, member};
use crate::{
    Accepted, Api, BadEndpoint, Cause, Endpoint, FailedRecipient, Failure, NotSent, Outcome, Prepared,
    RecipientFault, RecipientKind, Secret,
    errcode::Platform,
    http::{Answer, Http},
    session::{Account, Parts, Plain, Session},
    token::WecomSource,
};

/// The department that holds everybody.
const ROOT: u64 = 1;
/// Departments whose members are read at most: a team of 200 people has a few.
const DEPARTMENTS: usize = 200;

/// What opens a WeCom app.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `CorpID`.
    pub corp_id: String,
    /// `AgentId`: a number.
    pub agent_id: u64,
    /// The app's `Secret`.
    pub secret: Secret,
}

/// The client of one WeCom app.
#[derive(Clone, Debug)]
pub struct WecomApp {
    session: Session,
    agent_id: u64,
}

impl WecomApp {
    /// A client; nothing is asked yet.
    pub fn new(credential: Credential, endpoint: &Endpoint, parts: &Parts) -> Result<Self, BadEndpoint> {
        let Credential { corp_id, agent_id, secret } = credential;
        let http = Http::new(endpoint)?;
        // Tokens are per app, not per corporation.
        let id = format!("{corp_id}:{agent_id}");
        let account = Account { kind: "wecom", id: &id, base: &endpoint.base, secret: &secret };
        let source = WecomSource::new(http.clone(), corp_id, secret.clone());
        let session = Session::new(Platform::Wecom, http, Box::new(source), &account, parts);
        Ok(Self { session, agent_id })
    }

    /// The app's number, for messages.
    pub fn agent_id(&self) -> u64 {
        self.agent_id
    }

    /// Whether id and secret are right **now**: asks for a token although one is held. The trusted IPs are only checked by
    /// other calls: [`WecomApp::members`].
    pub async fn check(&self) -> Result<(), Failure> {
        self.session.check().await.map(drop)
    }

    /// Forgets the token, in memory and in the cache: the credential is being deleted.
    pub async fn forget_token(&self) {
        self.session.forget().await;
    }

    /// Sends a prepared message or card update.
    pub async fn send(&self, message: &Prepared) -> Outcome {
        if !matches!(message.api, Api::AppMessage | Api::CardUpdate) {
            return Outcome::NotSent(NotSent::of(Cause::Unusable, "not a WeCom app's message".into()));
        }
        let plain = Plain { path: message.api.path(), query: vec![], body: Some(&message.body) };
        match self.session.call(plain).await {
            Ok(answer) if !answer.takes_message() => Answer::says_nothing().into(),
            Ok(answer) => Outcome::Accepted(Accepted {
                msgid: answer.text("msgid"),
                response_code: answer.text("response_code"),
                failed: failed(&answer),
            }),
            Err(failure) => failure.into(),
        }
    }

    async fn read(&self, path: &str, query: Vec<(&'static str, &str)>) -> Result<Answer, Failure> {
        self.session.call(Plain { path, query, body: None }).await.map_err(Failure::before_sending)
    }

    /// The direct members of a department that the app may see.
    pub async fn members(&self, department: u64) -> Result<Vec<Member>, Failure> {
        let department = department.to_string();
        let query = vec![("department_id", department.as_str())];
        member::list(self.read("/cgi-bin/user/simplelist", query).await?)
    }

    /// The members of all departments that the app may see, each once, by name. Where departments cannot be listed,
    /// those of the first.
    pub async fn all_members(&self) -> Result<Vec<Member>, Failure> {
        let departments = match self.read("/cgi-bin/department/simplelist", vec![]).await {
            Ok(answer) => member::departments(&answer),
            Err(Failure::Refused(_) | Failure::NotSent(NotSent { cause: Cause::Status(404), .. })) => {
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let departments = if departments.is_empty() { vec![ROOT] } else { departments };
        let mut all: BTreeMap<String, Member> = BTreeMap::new();
        for department in departments.into_iter().take(DEPARTMENTS) {
            for member in self.members(department).await? {
                all.entry(member.userid.to_lowercase()).or_insert(member);
            }
        }
        let mut all: Vec<Member> = all.into_values().collect();
        all.sort_by(|a, b| (&a.name, &a.userid).cmp(&(&b.name, &b.userid)));
        Ok(all)
    }
}

/// Code 0 can be a failure for some: WeCom lists them.
fn failed(answer: &Answer) -> Vec<FailedRecipient> {
    let lists = [
        ("invaliduser", RecipientKind::User, RecipientFault::Invalid),
        ("invalidparty", RecipientKind::Department, RecipientFault::Invalid),
        ("invalidtag", RecipientKind::Tag, RecipientFault::Invalid),
        ("unlicenseduser", RecipientKind::User, RecipientFault::Unlicensed),
    ];
    let of = |(name, kind, reason): (&str, RecipientKind, RecipientFault)| {
        let ids = answer.ids(name).into_iter();
        ids.map(move |id| FailedRecipient { kind, id: id.to_lowercase(), reason })
    };
    lists.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_zero_with_invalid_recipients_names_each() {
        let body =
            br#"{"errcode":0,"errmsg":"ok","invaliduser":"u2|U3","invalidparty":"7","unlicenseduser":"u4"}"#;
        let failed = failed(&Answer::parse(body, &[]).expect("JSON"));
        let named: Vec<_> = failed.iter().map(|f| (f.kind, f.id.as_str(), f.reason)).collect();
        assert_eq!(
            named,
            [
                (RecipientKind::User, "u2", RecipientFault::Invalid),
                (RecipientKind::User, "u3", RecipientFault::Invalid),
                (RecipientKind::Department, "7", RecipientFault::Invalid),
                (RecipientKind::User, "u4", RecipientFault::Unlicensed),
            ]
        );
    }
}
