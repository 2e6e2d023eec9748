//! What a person reads of a group of alerts: a title, a list of bounded length, a priority, a link. What Alertmanager says
//! stays in its words; the few that are added are of the server's language.

use std::fmt::Write;

use tocsin_locale::Locale;
use tocsin_protocol::{
    Priority,
    limits::{BODY_BYTES, TITLE_BYTES, URL_BYTES},
};

use super::payload::{Alert, Labels, Notification, Status};
use crate::routes::check::is_web_url;

/// Left free at the end of the list for "and N more".
const REST_BYTES: usize = 64;
/// One alert's line, bytes: a summary and a few labels.
const LINE_BYTES: usize = 512;

/// `HighLoad (2): load is high`. Whether it fires or is over is not said here: the message is marked as resolved, and
/// each reader's language has its own word for that.
pub fn title(group: &Notification, locale: &Locale) -> String {
    let named = |labels: &Labels| labels.get("alertname").cloned();
    let name = named(&group.common_labels)
        .or_else(|| named(&group.group_labels))
        .or_else(|| group.alerts.first().and_then(|alert| named(&alert.labels)))
        .unwrap_or_else(|| locale.t("alert.untitled", &[]));
    let summary = group.common_annotations.get("summary").filter(|text| !text.trim().is_empty());
    let count = match group.status {
        Status::Firing => firing(group),
        Status::Resolved => group.alerts.len(),
    };
    let head = match count as u64 + group.truncated_alerts {
        1 => name,
        many => format!("{name} ({many})"),
    };
    let title = summary.map_or(head.clone(), |summary| format!("{head}: {}", one_line(summary)));
    clip(&title, TITLE_BYTES)
}

/// A Markdown list of the alerts, firing ones first, within the limit of a body.
pub fn body(group: &Notification, locale: &Locale) -> String {
    let mut body = String::new();
    if let Some(text) =
        group.common_annotations.get("description").or_else(|| group.common_annotations.get("message"))
    {
        let text = clip(text.trim(), BODY_BYTES / 4);
        if !text.is_empty() {
            _ = write!(body, "{}\n\n", escape(&text));
        }
    }
    let mut alerts: Vec<&Alert> = group.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.status == Status::Resolved);
    let mut listed = 0;
    for alert in alerts {
        let line = line(group, alert, locale);
        if body.len() + line.len() + REST_BYTES > BODY_BYTES {
            break;
        }
        body.push_str(&line);
        listed += 1;
    }
    let more = (group.alerts.len() - listed) as u64 + group.truncated_alerts;
    if more > 0 {
        _ = write!(body, "\n{}", locale.t("alert.more", &[("count", &more.to_string())]));
    }
    if body.trim().is_empty() {
        return locale.t(&format!("alert.{}", group.status.as_str()), &[]);
    }
    body.trim_end().into()
}

fn line(group: &Notification, alert: &Alert, locale: &Locale) -> String {
    let own =
        |name: &str| alert.annotations.get(name).filter(|_| !group.common_annotations.contains_key(name));
    let said = own("summary").or_else(|| own("description")).or_else(|| own("message"));
    // What distinguishes this alert from the others of the group.
    let labels: Vec<String> = alert
        .labels
        .iter()
        .filter(|(name, _)| !group.common_labels.contains_key(*name) || group.alerts.len() == 1)
        // The title has it already.
        .filter(|(name, _)| *name != "alertname" || !group.common_labels.contains_key("alertname"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mark = if alert.status == Status::Resolved && group.status == Status::Firing {
        locale.t("alert.mark", &[("state", &locale.t("alert.resolved", &[]))])
    } else {
        String::new()
    };
    let text = match (said, labels.is_empty()) {
        (Some(said), true) => one_line(said),
        (Some(said), false) => format!("{} ({})", one_line(said), labels.join(", ")),
        (None, false) => labels.join(", "),
        (None, true) => alert.labels.get("alertname").cloned().unwrap_or_else(|| alert.fingerprint.clone()),
    };
    format!("- {mark}{}\n", escape(&clip(&text, LINE_BYTES)))
}

/// Severity as people configure it; the highest of all firing alerts, so that a group with one critical is critical. What
/// is over is never urgent: a critical message would come back every minute until somebody acknowledges it.
pub fn priority(group: &Notification) -> Priority {
    let of = |labels: &Labels| {
        labels.get("severity").or_else(|| labels.get("priority")).map(|text| severity(text))
    };
    let alerts = group
        .alerts
        .iter()
        .filter(|alert| alert.status == group.status)
        .filter_map(|alert| of(&alert.labels));
    let most =
        alerts.max().or_else(|| of(&group.common_labels)).or_else(|| of(&group.group_labels)).unwrap_or(3);
    let priority = Priority::try_from(most).unwrap_or_default();
    if group.status == Status::Resolved { priority.min(Priority::DEFAULT) } else { priority }
}

fn severity(text: &str) -> u8 {
    match text.to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "disaster" => 5,
        "warning" | "error" | "high" | "major" => 4,
        "info" | "informational" | "low" | "none" => 2,
        _ => 3,
    }
}

/// Where a click leads: the rule of a single alert, else Alertmanager's page.
pub fn click(group: &Notification) -> Option<String> {
    let single = match group.alerts.as_slice() {
        [alert] => Some(&alert.generator_url),
        _ => None,
    };
    single
        .into_iter()
        .chain([&group.external_url])
        .find(|url| url.len() <= URL_BYTES && is_web_url(url))
        .cloned()
}

fn firing(group: &Notification) -> usize {
    group.alerts.iter().filter(|alert| alert.status == Status::Firing).count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Label values are data, not Markdown: `node_load1*` must not become italic, nor a value a link.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '\\' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// At most so many bytes, cut at a character, with a mark that something is missing.
fn clip(text: &str, bytes_most: usize) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    if text.len() <= bytes_most {
        return text;
    }
    let mut end = bytes_most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;

    use super::*;

    fn group(json: serde_json::Value) -> Notification {
        serde_json::from_value(json).unwrap()
    }

    fn english() -> Locale {
        Locale::new(Language::En, "")
    }

    #[test]
    fn what_is_added_speaks_the_servers_language() {
        let chinese = Locale::new(Language::ZhCn, "");
        let bare = |status: &str| {
            group(serde_json::json!({"version": "4", "groupKey": "g", "status": status, "alerts": []}))
        };
        assert_eq!(
            (title(&bare("firing"), &chinese), body(&bare("firing"), &chinese)),
            ("告警 (0)".into(), "告警中".into())
        );
        assert_eq!(body(&bare("resolved"), &chinese), "已恢复");
        let mut over = alert(1);
        over["status"] = "resolved".into();
        let many = group(
            serde_json::json!({"version": "4", "groupKey": "g", "status": "firing", "truncatedAlerts": 7,
            "commonLabels": {"alertname": "HighLoad"}, "alerts": [alert(0), over]}),
        );
        let body = body(&many, &chinese);
        assert!(body.contains("\n- 已恢复：") && body.ends_with("……另有 7 条"), "{body}");
        let english = super::body(&many, &english());
        assert!(english.contains("\n- resolved: ") && english.ends_with("… and 7 more"), "{english}");
    }

    fn alert(n: usize) -> serde_json::Value {
        serde_json::json!({"status": "firing", "labels": {"alertname": "HighLoad", "instance": format!("node_{n}"), "severity": "warning"},
            "annotations": {"summary": "x".repeat(300)}, "fingerprint": format!("{n:016x}")})
    }

    #[test]
    fn a_long_list_ends_with_how_many_more() {
        let alerts: Vec<_> = (0..500).map(alert).collect();
        let group = group(
            serde_json::json!({"version": "4", "groupKey": "g", "status": "firing", "truncatedAlerts": 7,
            "commonLabels": {"alertname": "HighLoad"}, "alerts": alerts}),
        );
        let body = body(&group, &english());
        assert!(body.len() <= BODY_BYTES);
        let listed = body.lines().filter(|line| line.starts_with("- ")).count();
        assert!(body.ends_with(&format!("… and {} more", 507 - listed)), "{}", &body[body.len() - 40..]);
        assert_eq!(title(&group, &english()), "HighLoad (507)");
        assert_eq!(priority(&group).get(), 4);
    }

    #[test]
    fn a_single_alert_says_what_it_is_about() {
        let mut one = alert(1);
        one["annotations"] = serde_json::json!({"summary": "load is *high*"});
        one["generatorURL"] = "http://prom.example/graph".into();
        let common = serde_json::json!({"alertname": "HighLoad", "severity": "critical"});
        let group = group(
            serde_json::json!({"version": "4", "groupKey": "g", "status": "firing", "externalURL": "javascript:alert(1)",
            "commonLabels": common, "commonAnnotations": {"summary": "load is *high*"}, "alerts": [one]}),
        );
        assert_eq!(title(&group, &english()), "HighLoad: load is *high*");
        let body = body(&group, &english());
        assert!(body.contains("instance=node\\_1"), "{body}");
        assert_eq!(click(&group).as_deref(), Some("http://prom.example/graph"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_group_holds_it_fits_a_message(
            text in "\\PC{0,300}", label in ".{0,300}", count in 0_usize..120, resolved: bool, url in ".{0,40}",
        ) {
            let alert = serde_json::json!({"status": "firing", "labels": {"alertname": label.clone(), "severity": text.clone(), "x": label.clone()},
                "annotations": {"summary": text.clone()}, "generatorURL": url, "fingerprint": label.clone()});
            let group = group(serde_json::json!({"version": "4", "groupKey": text.clone(), "status": if resolved { "resolved" } else { "firing" },
                "commonAnnotations": {"description": text.repeat(100)}, "externalURL": text, "alerts": vec![alert; count]}));
            let (title, body) = (title(&group, &english()), body(&group, &english()));
            assert!(title.len() <= TITLE_BYTES && body.len() <= BODY_BYTES, "{} {}", title.len(), body.len());
            assert!(!title.trim().is_empty() && !body.trim().is_empty());
            assert!(!title.contains('\0') && !body.contains('\0'));
            assert!(click(&group).is_none_or(|url| is_web_url(&url)));
        }
    }

    #[test]
    fn a_cut_stays_text() {
        assert_eq!(clip("äöü", 5), "ä…");
        assert_eq!(clip("a\0b", 5), "ab");
    }
}
