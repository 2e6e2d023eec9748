//! What an `errcode` means: one table, three platforms' dialects.
//!
//! The same number means different things by platform (42007) and by call (40001), so a lookup names both. `errmsg` is
//! never matched on to decide the class; it is only read for what it adds (the address to allow, the field at fault,
//! the id for a support ticket). A code that is in no table is our bug until somebody has read about it: it is
//! reported, never retried blindly.

mod official;
mod remedy;
mod text;
mod wecom;

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, next_platform_day};
pub use remedy::Remedy;
pub use text::{Details, excerpt};

/// What to do about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// `OK`: nothing went wrong.
    Ok,
    /// `T`: the access token is at fault. Refresh, try again once; the clients do that themselves.
    Token,
    /// `B`: back off for the [`Pause`], then try again.
    Busy,
    /// `P`: final for this message or this recipient.
    Permanent,
    /// `C`: nothing will be sent until a person has changed something.
    Config,
    /// `D`: the platform has this message already. After an unknown outcome that is success.
    Duplicate,
    /// `X`: the request was wrong. Reported as a bug, not retried.
    Bug,
}

impl Class {
    /// The letter used in the documentation.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Token => "T",
            Self::Busy => "B",
            Self::Permanent => "P",
            Self::Config => "C",
            Self::Duplicate => "D",
            Self::Bug => "X",
        }
    }
}

/// How long a pause the platform asks for before the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "seconds")]
pub enum Pause {
    /// 1, 2, 4 s with jitter; three tries at most.
    Short,
    /// At least so many seconds.
    Seconds(u32),
    /// The code does not say which window is full: 60 s, then an hour, then the next day.
    Widening,
    /// Until the platform's next day (midnight in Shanghai), or until a person clears the quota.
    Day,
}

/// Milliseconds of a minute and of an hour.
const MINUTE: Millis = 60_000;
const HOUR: Millis = 3_600_000;

impl Pause {
    /// For how many milliseconds to leave the whole credential alone, the `in_a_row`th time (from 1) that it was
    /// refused so. `None`: the worker's own back-off will do.
    pub fn lasts(self, now: Millis, in_a_row: u32) -> Option<Millis> {
        match self {
            Self::Short => None,
            Self::Seconds(seconds) => Some(Millis::from(seconds) * 1000),
            Self::Widening if in_a_row <= 1 => Some(MINUTE),
            Self::Widening if in_a_row == 2 => Some(HOUR),
            Self::Widening | Self::Day => Some(next_platform_day(now) - now),
        }
    }
}

/// What a code says about the recipient's binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Nothing.
    #[default]
    Kept,
    /// It stands, but this channel does not reach the person at present: show it.
    Flagged,
    /// It leads nowhere: unbind, and ask the person to bind again.
    Broken,
}

/// Whose table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Official account (服务号), `api.weixin.qq.com`.
    Official,
    /// WeCom app (企业微信应用), `qyapi.weixin.qq.com`.
    Wecom,
    /// WeCom group robot: the same table, but another rate limit and no token.
    Robot,
}

/// Which kind of call was answered: 40001 is a wrong secret at one and a stale token at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Fetching an access token.
    Token,
    /// Anything with one (or with a robot's key).
    Business,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code.
    pub code: i64,
    /// Its class at a business call.
    pub class: Class,
    /// What it means, for documents and logs.
    pub meaning: &'static str,
    /// The pause, for [`Class::Busy`] and for codes that are worth one more try.
    pub pause: Option<Pause>,
    /// What to tell a person to do.
    pub remedy: RemedyKind,
    /// What it says about the recipient.
    pub binding: Binding,
    /// Worth one more try after the pause although it is not [`Class::Busy`]: false alarms are known.
    pub one_more_try: bool,
}

/// The remedies as the tables name them; parameters come from the answer's text.
pub use remedy::Kind as RemedyKind;

const fn row(code: i64, class: Class, remedy: RemedyKind, meaning: &'static str) -> Row {
    let pause = match class {
        Class::Busy => Some(Pause::Short),
        _ => None,
    };
    Row { code, class, meaning, pause, remedy, binding: Binding::Kept, one_more_try: false }
}

impl Row {
    const fn pausing(mut self, pause: Pause) -> Self {
        self.pause = Some(pause);
        self
    }

    const fn one_more_try_after(mut self, seconds: u32) -> Self {
        self.pause = Some(Pause::Seconds(seconds));
        self.one_more_try = true;
        self
    }

    const fn flags(mut self) -> Self {
        self.binding = Binding::Flagged;
        self
    }

    const fn unbinds(mut self) -> Self {
        self.binding = Binding::Broken;
        self
    }
}

/// Every documented code of a platform.
pub fn table(platform: Platform) -> &'static [Row] {
    match platform {
        Platform::Official => official::TABLE,
        Platform::Wecom | Platform::Robot => wecom::TABLE,
    }
}

/// What one answer means: class, pause, remedy with its parameters, and what it says about the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What to do.
    pub class: Class,
    /// How long to pause.
    pub pause: Option<Pause>,
    /// What a person can do.
    pub remedy: Remedy,
    /// What it says about the recipient.
    pub binding: Binding,
    /// Worth one more try although it is not [`Class::Busy`].
    pub one_more_try: bool,
    /// In a table, or taken for a bug because it is in none.
    pub is_documented: bool,
}

/// Looks a code up.
pub fn classify(platform: Platform, call: Call, code: i64, errmsg: &str) -> Verdict {
    let details = Details::of(errmsg);
    let known = table(platform).iter().find(|row| row.code == code);
    let mut verdict = known.map_or_else(
        || Verdict {
            class: Class::Bug,
            pause: None,
            remedy: Remedy::Report { errcode: code },
            binding: Binding::Kept,
            one_more_try: false,
            is_documented: false,
        },
        |row| Verdict {
            class: row.class,
            pause: row.pause,
            remedy: row.remedy.with(code, &details),
            binding: row.binding,
            one_more_try: row.one_more_try,
            is_documented: true,
        },
    );
    match (platform, call, code) {
        // At the token call there is no token that could be stale: the secret is wrong.
        (_, Call::Token, 40001) => {
            verdict.class = Class::Config;
            verdict.remedy = Remedy::CheckSecret;
        }
        // A robot has one limit: 20 a minute, and it is blocked for about as long.
        (Platform::Robot, _, 45009) => verdict.pause = Some(Pause::Seconds(ROBOT_BLOCK_SECONDS)),
        // gettoken's limit is a block of the address for an hour after wrong secrets.
        (Platform::Wecom, Call::Token, 45009) => verdict.pause = Some(Pause::Seconds(TOKEN_BLOCK_SECONDS)),
        _ => {}
    }
    verdict
}

/// How long a robot that exceeded 20 messages a minute is refused: the platform's window.
const ROBOT_BLOCK_SECONDS: u32 = 60;
/// How long WeCom refuses token requests of an address that sent wrong secrets.
const TOKEN_BLOCK_SECONDS: u32 = 3600;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_has_one_row_and_a_busy_one_a_pause() {
        for platform in [Platform::Official, Platform::Wecom] {
            let mut seen = BTreeSet::new();
            for row in table(platform) {
                assert!(seen.insert(row.code), "{platform:?} {} twice", row.code);
                assert!(row.class != Class::Busy || row.pause.is_some(), "{} has no pause", row.code);
                assert!(!row.one_more_try || row.pause.is_some(), "{} has no pause", row.code);
                assert!(!row.meaning.is_empty());
                assert!(row.binding == Binding::Kept || row.class == Class::Permanent, "{}", row.code);
            }
        }
    }

    /// The whole of the platforms' documented codes, written out once more by class.
    #[test]
    fn every_documented_code_has_its_class() {
        let official: &[(Class, &[i64])] = &[
            (Class::Ok, &[0]),
            (Class::Token, &[40001, 40014, 42001]),
            (Class::Busy, &[-1, 45009, 45011]),
            (
                Class::Permanent,
                &[40003, 40249, 43004, 43019, 43101, 45002, 45015, 45047, 46004, 47003, 48002, 50005],
            ),
            (
                Class::Config,
                &[
                    40013, 40036, 40037, 40125, 40164, 40243, 43116, 45103, 45109, 48001, 48004, 48006,
                    48008, 50001, 50002, 50004, 76022, 89501, 89502, 89503, 89504, 89505, 89506, 89507,
                ],
            ),
            (Class::Duplicate, &[40241, 45065]),
            (Class::Bug, &[40002, 40033, 40035, 41001, 41002, 41004, 42007, 44002, 45067, 47001, 76021]),
        ];
        let wecom: &[(Class, &[i64])] = &[
            (Class::Ok, &[0]),
            (Class::Token, &[40001, 40014, 42001]),
            (Class::Busy, &[-1, 6000, 45009, 45033]),
            (
                Class::Permanent,
                &[40003, 40031, 40066, 40068, 42052, 43004, 50002, 60111, 60140, 81013, 82004, 701_099],
            ),
            (
                Class::Config,
                &[40013, 40056, 40091, 43012, 48002, 50003, 60011, 60020, 301_002, 93000, 93004, 93008],
            ),
            (
                Class::Bug,
                &[
                    40008, 40032, 40035, 40058, 40063, 40074, 40078, 41001, 41002, 41004, 41011, 42007,
                    42009, 42014, 42015, 42016, 44004, 45002, 45008, 45034, 82001, 82002, 82003,
                ],
            ),
        ];
        for (platform, expected) in [(Platform::Official, official), (Platform::Wecom, wecom)] {
            let listed: usize = expected.iter().map(|(_, codes)| codes.len()).sum();
            assert_eq!(listed, table(platform).len(), "{platform:?}: a row is not in this list");
            for (class, codes) in expected {
                for code in *codes {
                    let verdict = classify(platform, Call::Business, *code, "");
                    assert!(verdict.is_documented, "{platform:?} {code}");
                    assert_eq!(verdict.class, *class, "{platform:?} {code}");
                }
            }
        }
    }

    #[test]
    fn the_same_number_means_what_the_call_says() {
        assert_eq!(classify(Platform::Official, Call::Business, 40001, "").class, Class::Token);
        let token = classify(Platform::Official, Call::Token, 40001, "invalid credential");
        assert_eq!((token.class, token.remedy), (Class::Config, Remedy::CheckSecret));
        assert_eq!(classify(Platform::Robot, Call::Business, 45009, "").pause, Some(Pause::Seconds(60)));
        assert_eq!(classify(Platform::Wecom, Call::Business, 45009, "").pause, Some(Pause::Widening));
        assert_eq!(classify(Platform::Wecom, Call::Token, 45009, "").pause, Some(Pause::Seconds(3600)));
        assert_eq!(classify(Platform::Official, Call::Business, 45009, "").pause, Some(Pause::Day));
    }

    #[test]
    fn a_pause_lasts_as_long_as_its_window() {
        // Ten minutes before midnight in Shanghai.
        let now = 1_767_283_200_000 - 600_000;
        assert_eq!(Pause::Short.lasts(now, 1), None);
        assert_eq!(Pause::Seconds(60).lasts(now, 9), Some(60_000));
        assert_eq!(Pause::Day.lasts(now, 1), Some(600_000));
        let widening = [1, 2, 3].map(|in_a_row| Pause::Widening.lasts(now, in_a_row));
        assert_eq!(widening, [Some(60_000), Some(3_600_000), Some(600_000)]);
    }

    #[test]
    fn an_unknown_code_is_reported_and_not_retried() {
        let verdict = classify(Platform::Wecom, Call::Business, 123_456, "what is this");
        assert_eq!(verdict.class, Class::Bug);
        assert_eq!(verdict.remedy, Remedy::Report { errcode: 123_456 });
        assert!(!verdict.is_documented);
    }

    #[test]
    fn the_address_to_allow_comes_out_of_the_text() {
        let text = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 66a-1b-2c";
        let verdict = classify(Platform::Official, Call::Token, 40164, text);
        assert_eq!(verdict.remedy, Remedy::TrustIp { ip: Some("203.0.113.7".into()) });
        let text = "not allow to access from your ip, hint: [1700_5], from ip: 198.51.100.9, more info at https://x?e=60020";
        let verdict = classify(Platform::Wecom, Call::Business, 60020, text);
        assert_eq!(verdict.remedy, Remedy::TrustIp { ip: Some("198.51.100.9".into()) });
    }
}
