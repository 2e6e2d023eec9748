//! What people read, in their language: the resident's side of the one source that the window and the page use too
//! (`ui/src/locales/*.json`).
//!
//! Nested objects become dotted keys (`tray.open`); `{name}` stands for a value. A key that the chosen language lacks
//! is read in English, and one that English lacks is shown as itself, so that a mistake is seen and nothing panics.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tocsin_protocol::control::Language;

const EN: &str = include_str!("../../../ui/src/locales/en.json");
const ZH_CN: &str = include_str!("../../../ui/src/locales/zh-CN.json");

/// Sections that only the window and the page read: not kept in the resident's memory.
const ONLY_IN_WINDOW: &[&str] = &[
    "admin", "app", "channels", "compose", "firstRun", "inbox", "message", "nav", "priority", "problems",
    "receipt", "routing", "settings", "signIn",
];

/// The strings of one language.
#[derive(Clone, Debug)]
pub struct Locale {
    language: Language,
    strings: HashMap<Box<str>, Box<str>>,
}

impl Locale {
    /// The chosen language; `system` (such as `zh_CN.UTF-8`) decides for [`Language::System`].
    pub fn new(chosen: Language, system: &str) -> Self {
        let language = resolve(chosen, system);
        let mut strings = read(EN);
        if language == Language::ZhCn {
            strings.extend(read(ZH_CN));
        }
        Self { language, strings }
    }

    /// English or Chinese, never "system".
    pub fn language(&self) -> Language {
        self.language
    }

    /// What a person can do, by a remedy's code and what its sentence needs. Where the platform did not say that, the
    /// sentence is the plain one.
    pub fn remedy(&self, code: &str, params: &BTreeMap<String, String>) -> String {
        let key = format!("remedy.{code}");
        let values: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let lacks =
            |text: &str| next_placeholder(text).is_some_and(|(_, name, _)| !params.contains_key(name));
        let plain = format!("{key}_plain");
        if self.strings.get(key.as_str()).is_some_and(|text| lacks(text))
            && self.strings.contains_key(plain.as_str())
        {
            return self.t(&plain, &[]);
        }
        self.t(&key, &values)
    }

    /// The sentence `key` with `values` put in.
    pub fn t(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut rest: &str = self.strings.get(key).map_or(key, |text| text);
        let mut filled = String::with_capacity(rest.len());
        // One pass: braces inside a value (a message's title) are text, not a placeholder.
        while let Some((before, name, after)) = next_placeholder(rest) {
            filled.push_str(before);
            match values.iter().find(|(key, _)| *key == name) {
                Some((_, value)) => filled.push_str(value),
                None => filled.extend(["{", name, "}"]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// The language of the desktop, as its environment says.
pub fn system_language() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default()
}

fn resolve(chosen: Language, system: &str) -> Language {
    match chosen {
        Language::System if system.to_ascii_lowercase().starts_with("zh") => Language::ZhCn,
        Language::System => Language::En,
        other => other,
    }
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn read(text: &str) -> HashMap<Box<str>, Box<str>> {
    let mut strings = HashMap::new();
    // The files are part of the program; a test parses them.
    if let Ok(Value::Object(sections)) = serde_json::from_str(text) {
        for (name, section) in sections {
            if !ONLY_IN_WINDOW.contains(&name.as_str()) {
                flatten(&name, section, &mut strings);
            }
        }
    }
    strings
}

fn flatten(key: &str, value: Value, into: &mut HashMap<Box<str>, Box<str>>) {
    match value {
        Value::String(text) => {
            into.insert(key.into(), text.into());
        }
        Value::Object(members) => {
            for (name, member) in members {
                flatten(&format!("{key}.{name}"), member, into);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn every_string(text: &str) -> BTreeMap<String, String> {
        let mut strings = HashMap::new();
        let Value::Object(sections) = serde_json::from_str(text).unwrap() else { panic!("not an object") };
        for (name, section) in sections {
            flatten(&name, section, &mut strings);
        }
        strings.into_iter().map(|(key, text)| (key.into(), text.into())).collect()
    }

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let (en, zh) = (every_string(EN), every_string(ZH_CN));
        let names = |strings: &BTreeMap<String, String>| strings.keys().cloned().collect::<BTreeSet<_>>();
        let (only_en, only_zh): (Vec<_>, Vec<_>) = (
            names(&en).difference(&names(&zh)).cloned().collect(),
            names(&zh).difference(&names(&en)).cloned().collect(),
        );
        assert!(
            only_en.is_empty() && only_zh.is_empty(),
            "only in en: {only_en:?}; only in zh-CN: {only_zh:?}"
        );
        for (key, text) in &en {
            assert_eq!(placeholders(text), placeholders(&zh[key]), "{key}");
            assert!(!text.is_empty() && !zh[key].is_empty(), "{key} is empty");
        }
    }

    #[test]
    fn the_system_decides_unless_the_person_did() {
        assert_eq!(Locale::new(Language::System, "zh_CN.UTF-8").language(), Language::ZhCn);
        assert_eq!(Locale::new(Language::System, "de_DE.UTF-8").language(), Language::En);
        assert_eq!(Locale::new(Language::En, "zh_CN.UTF-8").language(), Language::En);
    }

    #[test]
    fn values_are_put_in_and_a_missing_key_shows() {
        let locale = Locale::new(Language::En, "");
        assert_eq!(locale.t("tray.unread", &[("count", "3")]), "3 unread");
        assert_eq!(locale.t("tray.unread", &[("count", "{count}{x}")]), "{count}{x} unread");
        assert_eq!(locale.t("no.such.key", &[]), "no.such.key");
    }

    /// Every problem that can be reported has its sentences.
    #[test]
    fn every_problem_has_a_title_and_a_way_out() {
        let en = every_string(EN);
        for code in [
            "store_unwritable",
            "store_newer",
            "port_in_use",
            "keyring_missing",
            "keyring_locked",
            "keyring_failed",
            "notifications_missing",
            "tray_missing",
            "token_refused",
            "certificate_refused",
            "delivery_failed",
            "host_sleeps",
        ] {
            assert!(en.contains_key(&format!("problem.{code}.title")), "{code}");
            assert!(en.contains_key(&format!("problem.{code}.remedy")), "{code}");
        }
    }
}
