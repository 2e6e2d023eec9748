//! Official account (服务号).

use super::{
    Class::{Bug, Busy, Config, Duplicate, Ok, Permanent, Token},
    Pause, RemedyKind as R, Row, row,
};

/// Every code that the documentation names for tokens, messages, followers and quotas, and the few undocumented ones
/// that were seen.
pub(super) const TABLE: &[Row] = &[
    row(-1, Busy, R::Wait, "system busy"),
    row(0, Ok, R::None, "ok"),
    row(40001, Token, R::None, "the access token is invalid or not the latest (token call: wrong AppSecret)"),
    row(40002, Bug, R::Report, "wrong grant_type"),
    row(40003, Permanent, R::Bind, "bad OpenID: not a follower, or an OpenID of another account").unbinds(),
    row(40013, Config, R::CheckAppId, "bad AppID"),
    row(40014, Token, R::None, "bad access token"),
    row(40033, Bug, R::Report, "escaped \\uXXXX characters in the request"),
    row(40035, Bug, R::Report, "bad parameters"),
    row(40036, Config, R::ChooseTemplate, "template_id has the wrong length"),
    // Bursts on valid templates were reported, for minutes at a time.
    row(40037, Config, R::ChooseTemplate, "template_id is not of this account").one_more_try_after(60),
    row(40125, Config, R::CheckSecret, "wrong AppSecret"),
    row(40164, Config, R::TrustIp, "this address is not on the IP allow-list"),
    // Undocumented. Without an unknown outcome before it, an identical message went out within the last minute.
    row(40241, Duplicate, R::None, "the same message within 60 seconds").one_more_try_after(60),
    row(40243, Config, R::UnfreezeSecret, "the AppSecret is frozen by an administrator"),
    row(40249, Permanent, R::ChangeContent, "the content was blocked"),
    row(41001, Bug, R::Report, "access_token missing"),
    row(41002, Bug, R::Report, "appid missing"),
    row(41004, Bug, R::Report, "secret missing"),
    row(42001, Token, R::None, "the access token has expired"),
    row(
        42007,
        Bug,
        R::Report,
        "a person changed their password: concerns user-OAuth tokens, which are not used",
    ),
    row(43004, Permanent, R::Follow, "the recipient does not follow the account").unbinds(),
    row(43019, Permanent, R::Unblock, "the recipient is on the account's blacklist").flags(),
    row(43101, Permanent, R::OptIn, "the recipient refused, or the one-time grant is used up").flags(),
    row(43116, Config, R::ChooseTemplate, "this template is banned"),
    row(44002, Bug, R::Report, "empty request body"),
    row(45002, Permanent, R::Shorten, "the content is too long"),
    row(45009, Busy, R::WaitForDay, "the daily quota of this API is used up").pausing(Pause::Day),
    row(45011, Busy, R::Wait, "too many calls this minute").pausing(Pause::Seconds(60)),
    row(45015, Permanent, R::UserWrites, "the reply window of the customer-service message is closed")
        .flags(),
    row(45047, Permanent, R::UserWrites, "the customer-service messages to this person are used up").flags(),
    row(45065, Duplicate, R::None, "the clientmsgid exists"),
    row(45067, Bug, R::Report, "the clientmsgid is too long"),
    row(45103, Config, R::AccountType, "the API does not exist any more"),
    row(45109, Config, R::AccountType, "the API is not for this kind of account"),
    row(46004, Permanent, R::Bind, "no such person").unbinds(),
    row(47001, Bug, R::Report, "the request is not JSON"),
    row(47003, Permanent, R::FixField, "a template field has a value that it does not take"),
    row(
        48001,
        Config,
        R::GrantApi,
        "the account may not use this API, or the token is of another kind of account",
    ),
    row(48002, Permanent, R::AllowMessages, "the follower turned messages of the account off").flags(),
    row(48004, Config, R::ApiBanned, "the API is banned for this account"),
    row(48006, Config, R::WaitForMonth, "the quota has been cleared ten times this month"),
    row(48008, Config, R::GrantApi, "no permission for this kind of message"),
    row(50001, Config, R::GrantApi, "the API is not authorised"),
    row(50002, Config, R::AccountRestricted, "the account is restricted or frozen"),
    row(50004, Config, R::AccountRestricted, "the account may not use tokens"),
    row(50005, Permanent, R::Follow, "the recipient does not follow the account").unbinds(),
    row(76021, Bug, R::Report, "unknown cgi_path"),
    row(76022, Config, R::GrantApi, "no permission to ask for this quota"),
    row(89501, Config, R::ConfirmIp, "this address needs the administrator's confirmation"),
    row(89502, Config, R::ConfirmIp, "this address needs the administrator's confirmation"),
    row(89503, Config, R::ConfirmIp, "this address needs the administrator's confirmation"),
    row(89504, Config, R::ConfirmIp, "this address needs the administrator's confirmation"),
    row(89505, Config, R::ConfirmIp, "this address needs the administrator's confirmation"),
    row(89506, Config, R::IpRefused, "the administrator refused this address: 24 hours")
        .pausing(Pause::Seconds(86_400)),
    row(89507, Config, R::IpRefused, "the administrator refused this address: one hour")
        .pausing(Pause::Seconds(3600)),
];
