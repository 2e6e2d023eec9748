//! Why there is no window, as a person reads it. What the system says stays in its own words.

use tocsin_control::{Error, Unsafe};
use tocsin_locale::Locale;

/// The sentence, with what to do.
pub fn sentence(error: &Error, locale: &Locale) -> String {
    match error {
        Error::NotRunning(path) => locale.t("dialog.notRunning", &[("path", &path.display().to_string())]),
        Error::UnsafeDirectory { path, why } => not_safe(&path.display().to_string(), *why, locale),
        Error::PathTooLong { path, length, limit } => {
            let (path, length, limit) = (path.display().to_string(), length.to_string(), limit.to_string());
            locale.t("dialog.pathTooLong", &[("path", &path), ("length", &length), ("limit", &limit)])
        }
        Error::NoHome => locale.t("dialog.noHome", &[]),
        Error::NoProgram { name, variable } => {
            locale.t("dialog.noProgram", &[("name", name), ("variable", variable)])
        }
        Error::Timeout(seconds) => locale.t("dialog.noAnswer", &[("seconds", &seconds.to_string())]),
        Error::Io { .. } => locale.t("dialog.system", &[("reason", &error.to_string())]),
        Error::Unsupported => locale.t("dialog.noSupport", &[]),
        Error::Api { .. } | Error::Protocol(_) | Error::TooLarge(_) => {
            locale.t("dialog.other", &[("reason", &error.to_string())])
        }
    }
}

fn not_safe(path: &str, why: Unsafe, locale: &Locale) -> String {
    match why {
        Unsafe::NotADirectory => locale.t("dialog.unsafe.notDirectory", &[("path", path)]),
        Unsafe::OtherOwner { owner, own } => {
            let (owner, own) = (owner.to_string(), own.to_string());
            locale.t("dialog.unsafe.otherOwner", &[("path", path), ("owner", &owner), ("own", &own)])
        }
        Unsafe::Open { mode } => {
            locale.t("dialog.unsafe.open", &[("path", path), ("mode", &format!("{mode:o}"))])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tocsin_protocol::control::Language;

    use super::*;

    #[test]
    fn every_failure_is_told_in_both_languages_with_what_it_is_about() {
        let path = || PathBuf::from("/run/x");
        let directory = |why| Error::UnsafeDirectory { path: path(), why };
        let program = Error::NoProgram { name: "tocsin".into(), variable: "TOCSIN_BIN".into() };
        for (error, about) in [
            (Error::NotRunning(path()), "/run/x"),
            (directory(Unsafe::NotADirectory), "/run/x"),
            (directory(Unsafe::OtherOwner { owner: 7, own: 1000 }), "1000"),
            (directory(Unsafe::Open { mode: 0o755 }), "755"),
            (Error::PathTooLong { path: path(), length: 120, limit: 107 }, "107"),
            (Error::NoHome, "HOME"),
            (program, "TOCSIN_BIN"),
            (Error::Timeout(15), "15"),
            (Error::io("/run/x")(std::io::ErrorKind::NotFound.into()), "/run/x"),
            (Error::Unsupported, ""),
            (Error::Protocol("half an answer".into()), "half an answer"),
        ] {
            let [english, chinese] =
                [Language::En, Language::ZhCn].map(|language| sentence(&error, &Locale::new(language, "")));
            assert!(english.contains(about) && chinese.contains(about), "{english} / {chinese}");
            assert!(english != chinese && !english.contains("dialog."), "{english} / {chinese}");
            assert!(!format!("{english}{chinese}").contains('{'), "{english} / {chinese}");
        }
    }
}
