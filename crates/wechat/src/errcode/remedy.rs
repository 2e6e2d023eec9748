//! What a person can do about a refusal, as a code with parameters. The sentences are in the locale files, under the
//! [`Remedy::name`]; this crate holds none.

use serde::{Deserialize, Serialize};

use super::Details;

/// What a person can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
#[non_exhaustive]
pub enum Remedy {
    /// Nothing to do.
    None,
    /// Wait: it is tried again by itself.
    Wait,
    /// Wait for the platform's next day, or clear the quota in the console.
    WaitForDay,
    /// Wait for the next month.
    WaitForMonth,
    /// Add this address to the IP allow-list (official account) or the trusted IPs (WeCom).
    TrustIp {
        /// The address that the platform saw, if its text named one.
        ip: Option<String>,
    },
    /// An administrator of the account must confirm this address on their phone.
    ConfirmIp {
        /// The address that the platform saw.
        ip: Option<String>,
    },
    /// An administrator refused this address; the platform takes no request for a while.
    IpRefused {
        /// The address that the platform saw.
        ip: Option<String>,
    },
    /// Copy the secret again.
    CheckSecret,
    /// Copy the `AppID` again.
    CheckAppId,
    /// Copy the `CorpID` again.
    CheckCorpId,
    /// Copy the `AgentId` again.
    CheckAgentId,
    /// Take secret and `AgentId` from the same app.
    MatchAgent,
    /// Unfreeze the `AppSecret`.
    UnfreezeSecret,
    /// Fresh tokens are refused too: another program fetches tokens for this account with the classic call.
    TokenContested,
    /// Bind the person again.
    Bind,
    /// Ask the person to follow the account.
    Follow,
    /// Take the person off the blacklist.
    Unblock,
    /// Ask the person to allow messages of the account.
    AllowMessages,
    /// Ask the person to subscribe again.
    OptIn,
    /// The person has to write to the account first.
    UserWrites,
    /// Choose a template of this account.
    ChooseTemplate,
    /// A field of the template takes another kind of value.
    FixField {
        /// The field as the platform names it.
        field: Option<String>,
    },
    /// Shorten the text.
    Shorten,
    /// Change the text.
    ChangeContent,
    /// Have the API granted in the console.
    GrantApi,
    /// The console says why the API is banned.
    ApiBanned,
    /// The console says why the account is restricted.
    AccountRestricted,
    /// Another kind of account is needed.
    AccountType,
    /// Add the person, department or tag to the app's visible range.
    WidenVisibility,
    /// Correct the departments or tags.
    CheckRecipients,
    /// Enable the app.
    EnableApp,
    /// Assign an interface licence to the member.
    AssignLicence,
    /// Set a callback address for the app, or send text cards.
    SetCallback,
    /// Make a robot in the group again and enter its address.
    NewRobot,
    /// Enable the robot.
    EnableRobot,
    /// Check the network.
    CheckNetwork,
    /// Check the proxy's address, and that it runs.
    CheckProxy,
    /// Check the proxy's name and password.
    CheckProxyLogin,
    /// Something else than the platform answers at this base address.
    CheckBaseUrl,
    /// The certificate is not to be trusted: a proxy that breaks TLS, or a wrong clock.
    CheckCertificate,
    /// Correct the message.
    FixMessage {
        /// What is wrong with it.
        field: String,
    },
    /// A fault of this program.
    Report {
        /// The code.
        errcode: i64,
    },
}

impl Remedy {
    /// Every name: each needs its sentence in the locale files.
    pub const NAMES: &[&str] = &[
        "none",
        "wait",
        "wait_for_day",
        "wait_for_month",
        "trust_ip",
        "confirm_ip",
        "ip_refused",
        "check_secret",
        "check_app_id",
        "check_corp_id",
        "check_agent_id",
        "match_agent",
        "unfreeze_secret",
        "token_contested",
        "bind",
        "follow",
        "unblock",
        "allow_messages",
        "opt_in",
        "user_writes",
        "choose_template",
        "fix_field",
        "shorten",
        "change_content",
        "grant_api",
        "api_banned",
        "account_restricted",
        "account_type",
        "widen_visibility",
        "check_recipients",
        "enable_app",
        "assign_licence",
        "set_callback",
        "new_robot",
        "enable_robot",
        "check_network",
        "check_proxy",
        "check_proxy_login",
        "check_base_url",
        "check_certificate",
        "fix_message",
        "report",
    ];

    /// Its stable name: the key in the locale files, in the API and in the database.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Wait => "wait",
            Self::WaitForDay => "wait_for_day",
            Self::WaitForMonth => "wait_for_month",
            Self::TrustIp { .. } => "trust_ip",
            Self::ConfirmIp { .. } => "confirm_ip",
            Self::IpRefused { .. } => "ip_refused",
            Self::CheckSecret => "check_secret",
            Self::CheckAppId => "check_app_id",
            Self::CheckCorpId => "check_corp_id",
            Self::CheckAgentId => "check_agent_id",
            Self::MatchAgent => "match_agent",
            Self::UnfreezeSecret => "unfreeze_secret",
            Self::TokenContested => "token_contested",
            Self::Bind => "bind",
            Self::Follow => "follow",
            Self::Unblock => "unblock",
            Self::AllowMessages => "allow_messages",
            Self::OptIn => "opt_in",
            Self::UserWrites => "user_writes",
            Self::ChooseTemplate => "choose_template",
            Self::FixField { .. } => "fix_field",
            Self::Shorten => "shorten",
            Self::ChangeContent => "change_content",
            Self::GrantApi => "grant_api",
            Self::ApiBanned => "api_banned",
            Self::AccountRestricted => "account_restricted",
            Self::AccountType => "account_type",
            Self::WidenVisibility => "widen_visibility",
            Self::CheckRecipients => "check_recipients",
            Self::EnableApp => "enable_app",
            Self::AssignLicence => "assign_licence",
            Self::SetCallback => "set_callback",
            Self::NewRobot => "new_robot",
            Self::EnableRobot => "enable_robot",
            Self::CheckNetwork => "check_network",
            Self::CheckProxy => "check_proxy",
            Self::CheckProxyLogin => "check_proxy_login",
            Self::CheckBaseUrl => "check_base_url",
            Self::CheckCertificate => "check_certificate",
            Self::FixMessage { .. } => "fix_message",
            Self::Report { .. } => "report",
        }
    }

    /// What the sentence needs, by the names of its placeholders.
    pub fn params(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TrustIp { ip: Some(ip) }
            | Self::ConfirmIp { ip: Some(ip) }
            | Self::IpRefused { ip: Some(ip) } => {
                vec![("ip", ip.clone())]
            }
            Self::FixField { field: Some(field) } | Self::FixMessage { field } => {
                vec![("field", field.clone())]
            }
            Self::Report { errcode } => vec![("errcode", errcode.to_string())],
            _ => Vec::new(),
        }
    }
}

/// A remedy before the answer's text has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the Remedy of the same name")]
pub enum Kind {
    None,
    Wait,
    WaitForDay,
    WaitForMonth,
    TrustIp,
    ConfirmIp,
    IpRefused,
    CheckSecret,
    CheckAppId,
    CheckCorpId,
    CheckAgentId,
    MatchAgent,
    UnfreezeSecret,
    Bind,
    Follow,
    Unblock,
    AllowMessages,
    OptIn,
    UserWrites,
    ChooseTemplate,
    FixField,
    Shorten,
    ChangeContent,
    GrantApi,
    ApiBanned,
    AccountRestricted,
    AccountType,
    WidenVisibility,
    CheckRecipients,
    EnableApp,
    AssignLicence,
    SetCallback,
    NewRobot,
    EnableRobot,
    Report,
}

impl Kind {
    /// The remedy with what the answer's text adds.
    pub fn with(self, errcode: i64, details: &Details) -> Remedy {
        match self {
            Self::None => Remedy::None,
            Self::Wait => Remedy::Wait,
            Self::WaitForDay => Remedy::WaitForDay,
            Self::WaitForMonth => Remedy::WaitForMonth,
            Self::TrustIp => Remedy::TrustIp { ip: details.ip.clone() },
            Self::ConfirmIp => Remedy::ConfirmIp { ip: details.ip.clone() },
            Self::IpRefused => Remedy::IpRefused { ip: details.ip.clone() },
            Self::CheckSecret => Remedy::CheckSecret,
            Self::CheckAppId => Remedy::CheckAppId,
            Self::CheckCorpId => Remedy::CheckCorpId,
            Self::CheckAgentId => Remedy::CheckAgentId,
            Self::MatchAgent => Remedy::MatchAgent,
            Self::UnfreezeSecret => Remedy::UnfreezeSecret,
            Self::Bind => Remedy::Bind,
            Self::Follow => Remedy::Follow,
            Self::Unblock => Remedy::Unblock,
            Self::AllowMessages => Remedy::AllowMessages,
            Self::OptIn => Remedy::OptIn,
            Self::UserWrites => Remedy::UserWrites,
            Self::ChooseTemplate => Remedy::ChooseTemplate,
            Self::FixField => Remedy::FixField { field: details.field.clone() },
            Self::Shorten => Remedy::Shorten,
            Self::ChangeContent => Remedy::ChangeContent,
            Self::GrantApi => Remedy::GrantApi,
            Self::ApiBanned => Remedy::ApiBanned,
            Self::AccountRestricted => Remedy::AccountRestricted,
            Self::AccountType => Remedy::AccountType,
            Self::WidenVisibility => Remedy::WidenVisibility,
            Self::CheckRecipients => Remedy::CheckRecipients,
            Self::EnableApp => Remedy::EnableApp,
            Self::AssignLicence => Remedy::AssignLicence,
            Self::SetCallback => Remedy::SetCallback,
            Self::NewRobot => Remedy::NewRobot,
            Self::EnableRobot => Remedy::EnableRobot,
            Self::Report => Remedy::Report { errcode },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errcode::{Platform, table};

    #[test]
    fn the_name_is_the_one_that_is_stored() {
        for remedy in [
            Remedy::TrustIp { ip: Some("203.0.113.7".into()) },
            Remedy::Report { errcode: 1 },
            Remedy::FixField { field: None },
            Remedy::Bind,
        ] {
            let stored = serde_json::to_value(&remedy).expect("JSON");
            assert_eq!(stored["name"], remedy.name());
            assert!(Remedy::NAMES.contains(&remedy.name()));
        }
        for platform in [Platform::Official, Platform::Wecom] {
            for row in table(platform) {
                let name = row.remedy.with(row.code, &Details::default()).name();
                assert!(Remedy::NAMES.contains(&name), "{name}");
            }
        }
        assert_eq!(Remedy::TrustIp { ip: Some("::1".into()) }.params(), [("ip", "::1".to_owned())]);
    }
}
