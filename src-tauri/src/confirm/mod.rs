//! Native dialogs: what a script in the webview cannot press.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use serde_json::Value;
use tauri::AppHandle;
use tocsin_control::Error;
use tocsin_locale::Locale;
use tocsin_protocol::control::Language;

#[cfg(target_os = "linux")]
use self::linux as native;
#[cfg(not(target_os = "linux"))]
use self::other as native;
use crate::failure;

/// Longest name that a dialog shows: a longer one could push the question out of sight.
const NAME_CHARACTERS: usize = 80;

/// What a dialog shows.
struct Question {
    title: String,
    text: String,
    allow: String,
    cancel: String,
}

/// Asks the person whether a request of `CONFIRMED_ROUTES` may go on. A dialog that cannot be shown is a no.
pub async fn ask(app: &AppHandle, locale: &Locale, path: &str, body: Option<&str>) -> bool {
    let question = Question {
        title: locale.t("dialog.title", &[]),
        text: question(locale, path, body),
        allow: locale.t("dialog.allow", &[]),
        cancel: locale.t("dialog.cancel", &[]),
    };
    let (answer, answered) = tokio::sync::oneshot::channel();
    let shown = native::ask(app, question, move |yes| {
        // Nobody waits any more when the page was reloaded meanwhile.
        let _ = answer.send(yes);
    });
    shown.is_ok() && answered.await.unwrap_or(false)
}

/// What the dialog says. The name comes from the page: its control characters are left out, so that it cannot write
/// lines of its own.
fn question(locale: &Locale, path: &str, body: Option<&str>) -> String {
    let body: Value = body.and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    let named = body["name"].as_str().or(body["user"].as_str()).unwrap_or_default();
    let name: String = named.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS).collect();
    let key = match path {
        "/v1/users" => "dialog.makeUser",
        "/v1/tokens" => "dialog.makeToken",
        "/v1/invites" => "dialog.makeInvite",
        "/v1/login-codes" => "dialog.makeLoginCode",
        _ => "dialog.makeAnything",
    };
    locale.t(key, &[("name", &name), ("path", path)])
}

/// Says why there is no window, before there is any.
pub fn tell_failure(error: &Error) {
    let locale = Locale::new(Language::System, &tocsin_locale::system_language());
    let reason = failure::sentence(error, &locale);
    native::tell(&locale.t("dialog.title", &[]), &locale.t("dialog.noResident", &[("reason", &reason)]));
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::CONFIRMED_ROUTES;

    use super::*;

    #[test]
    fn every_confirmed_route_has_its_question_in_both_languages() {
        for language in [Language::En, Language::ZhCn] {
            let locale = Locale::new(language, "");
            for key in
                ["dialog.allow", "dialog.refused", "dialog.noResident", "dialog.cancel", "dialog.title"]
            {
                assert_ne!(locale.t(key, &[]), key);
            }
            for (_, path) in CONFIRMED_ROUTES {
                let question = question(&locale, path, Some(r#"{"name":"anna"}"#));
                assert!(!question.contains("dialog."), "{path}: {question}");
            }
        }
    }

    #[test]
    fn a_name_cannot_rewrite_the_question() {
        let locale = Locale::new(Language::En, "");
        let long = "y".repeat(500);
        let body = serde_json::json!({"name": format!("x\n\n{long}")}).to_string();
        let question = question(&locale, "/v1/users", Some(&body));
        assert!(question.contains("xyyy") && !question.contains("x\n"), "{question}");
        assert!(question.chars().count() < 300, "{question}");
    }
}
