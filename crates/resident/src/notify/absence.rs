//! Why there is no notification daemon: in English for the log, in the person's language for the person. What the
//! system says stays in its own words.

use tocsin_locale::Locale;

/// Why popups cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// None runs, and none is started by asking.
    #[error("none is running")]
    NotRunning,
    /// It ran, and ended.
    #[error("it ended")]
    Ended,
    /// It runs and did not answer for so many seconds.
    #[error("no answer within {0} s")]
    Silent(u64),
    /// Nothing to reach one over.
    #[error("no session bus")]
    NoBus,
    /// This platform has no notifications yet.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "said on the other platforms"))]
    #[error("notifications are not supported on this platform yet")]
    Unsupported,
    /// What the system said.
    #[error("{0}")]
    System(String),
}

impl Absence {
    /// What a person reads.
    pub fn sentence(&self, locale: &Locale) -> String {
        let t = |key: &str| locale.t(&format!("problem.notifications_missing.{key}"), &[]);
        match self {
            Self::NotRunning => t("notRunning"),
            Self::Ended => t("ended"),
            Self::Silent(seconds) => {
                locale.t("problem.notifications_missing.silent", &[("seconds", &seconds.to_string())])
            }
            Self::NoBus => t("noBus"),
            Self::Unsupported => t("unsupported"),
            Self::System(said) => said.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;

    use super::*;

    #[test]
    fn each_has_its_sentence_in_both_languages() {
        for absence in
            [Absence::NotRunning, Absence::Ended, Absence::Silent(5), Absence::NoBus, Absence::Unsupported]
        {
            let [english, chinese] =
                [Language::En, Language::ZhCn].map(|language| absence.sentence(&Locale::new(language, "")));
            assert!(!english.contains("problem.") && english != chinese, "{english} / {chinese}");
            assert!(!format!("{english}{chinese}").contains('{'), "{english} / {chinese}");
        }
    }
}
