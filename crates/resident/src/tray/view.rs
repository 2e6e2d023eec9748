//! What the tray shows, worked out from the state: pure, so that tests read it in both languages.

use tocsin_locale::Locale;
use tocsin_protocol::{
    MessageId, Millis,
    control::{Connection, Problem, ProblemCode},
};

use super::{Face, Icon};
use crate::moment::Moment;

/// Messages in the menu.
pub const RECENT: usize = 5;
/// Length of a message's line in the menu, characters.
const RECENT_CHARS: usize = 48;
/// Length of what the system said of a problem, in the tooltip.
const DETAIL_CHARS: usize = 80;

/// What the view is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The stream to the server.
    pub connection: &'a Connection,
    /// Unread messages.
    pub unread: u64,
    /// No popups until then.
    pub paused_until: Option<Millis>,
    /// Worst first.
    pub problems: &'a [Problem],
    /// Newest first: id and title.
    pub recent: &'a [(MessageId, String)],
}

/// Everything the tray shows, in words and pixels to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The icon.
    pub icon: Icon,
    /// The name of the program.
    pub title: String,
    /// What the tooltip says; lines.
    pub tooltip: String,
    /// Newest first: id and line.
    pub recent: Vec<(MessageId, String)>,
    /// Whether popups are paused.
    pub paused: bool,
    /// A critical message or a problem wants the person.
    pub attention: bool,
    /// The words of the menu.
    pub words: Words,
}

/// Labels of the menu: each of the entry of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub open: String,
    pub unread: String,
    pub status: String,
    pub no_recent: String,
    pub pause: String,
    pub pause_15: String,
    pub pause_60: String,
    pub pause_tomorrow: String,
    pub resume: String,
    pub read_all: String,
    pub test: String,
    pub settings: String,
    pub quit: String,
}

impl View {
    /// The view of these facts.
    pub fn new(facts: &Facts<'_>, locale: &Locale) -> Self {
        let t = |key: &str| locale.t(key, &[]);
        let state = state_line(facts.connection, locale);
        let unread = match facts.unread {
            0 => t("tray.noneUnread"),
            count => locale.t("tray.unread", &[("count", &count.to_string())]),
        };
        let mut lines = vec![unread.clone(), state.clone()];
        if let Some(until) = facts.paused_until {
            lines.push(locale.t("tray.state.paused", &[("time", &Moment::from(until).short())]));
        }
        let telling = |problem: &&Problem| problem.code != ProblemCode::TrayMissing;
        lines.extend(facts.problems.iter().filter(telling).map(|problem| problem_title(problem, locale)));
        Self {
            icon: Icon { face: face(facts), unread: facts.unread },
            title: t("tray.title"),
            tooltip: lines.join("\n"),
            recent: facts
                .recent
                .iter()
                .take(RECENT)
                .map(|(id, title)| (*id, one_line(title, RECENT_CHARS)))
                .collect(),
            paused: facts.paused_until.is_some(),
            attention: face(facts) == Face::Problem,
            words: Words {
                open: t("tray.open"),
                unread,
                status: state,
                no_recent: t("tray.noRecent"),
                pause: t("tray.pause"),
                pause_15: t("tray.pause15"),
                pause_60: t("tray.pause60"),
                pause_tomorrow: t("tray.pauseTomorrow"),
                resume: t("tray.resume"),
                read_all: t("tray.markAllRead"),
                test: t("tray.sendTest"),
                settings: t("tray.settings"),
                quit: t("tray.quit"),
            },
        }
    }
}

/// The title of a problem, with what the system said.
pub fn problem_title(problem: &Problem, locale: &Locale) -> String {
    let code = serde_json::to_value(problem.code).ok().and_then(|code| Some(code.as_str()?.to_owned()));
    let key = format!("problem.{}.title", code.unwrap_or_default());
    let title = locale.t(&key, &[]);
    problem
        .detail
        .as_ref()
        .map_or(title.clone(), |detail| format!("{title} ({})", one_line(detail, DETAIL_CHARS)))
}

fn face(facts: &Facts<'_>) -> Face {
    let wants_person = facts.problems.iter().any(|problem| problem.code != ProblemCode::TrayMissing);
    match facts.connection {
        Connection::Refused { .. } => Face::Problem,
        Connection::Offline { .. } => Face::Offline,
        _ if wants_person => Face::Problem,
        _ if facts.paused_until.is_some() => Face::Paused,
        // Nothing can arrive before a server is chosen; connecting takes a moment and must not flicker.
        Connection::Idle => Face::Offline,
        Connection::Connecting | Connection::Online { .. } => Face::Ok,
    }
}

fn state_line(connection: &Connection, locale: &Locale) -> String {
    let since = |since: &Millis| Moment::from(*since).short();
    match connection {
        Connection::Idle => locale.t("tray.state.idle", &[]),
        Connection::Connecting => locale.t("tray.state.connecting", &[]),
        Connection::Online { since: at, .. } => locale.t("tray.state.online", &[("time", &since(at))]),
        Connection::Offline { since: at, .. } => locale.t("tray.state.offline", &[("time", &since(at))]),
        Connection::Refused { .. } => locale.t("tray.state.refused", &[]),
    }
}

/// The first line of a text, at most `most` characters.
pub fn one_line(text: &str, most: usize) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if line.chars().count() <= most {
        return line.into();
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::{Language, Transport};

    use super::*;

    fn view(
        connection: &Connection,
        unread: u64,
        paused_until: Option<Millis>,
        problems: &[Problem],
        language: Language,
    ) -> View {
        let recent = [("AAAAAAAAAAAA".parse().unwrap(), format!("first\n{}", "x".repeat(90)))];
        View::new(
            &Facts { connection, unread, paused_until, problems, recent: &recent },
            &Locale::new(language, ""),
        )
    }

    #[test]
    fn the_tooltip_tells_since_when_it_is_offline() {
        let offline =
            Connection::Offline { since: 1_700_000_000_000, reason: "no route".into(), retry_at: None };
        let at = Moment::from(1_700_000_000_000).short();
        let seen = view(&offline, 3, None, &[], Language::En);
        assert_eq!(seen.tooltip, format!("3 unread\nOffline since {at}"));
        assert_eq!((&*seen.words.unread, &seen.words.status), ("3 unread", &format!("Offline since {at}")));
        assert_eq!(seen.icon, Icon { face: Face::Offline, unread: 3 });
        let chinese = view(&offline, 3, None, &[], Language::ZhCn).tooltip;
        assert!(chinese.contains("未读") && chinese.contains(&at), "{chinese}");
    }

    #[test]
    fn a_problem_is_seen_and_a_missing_tray_is_not_one_to_show_in_the_tray() {
        let online = Connection::Online { transport: Transport::Websocket, since: 0 };
        let problem = |code| Problem { code, since: 0, detail: Some("8722".into()) };
        let seen = view(&online, 0, None, &[problem(ProblemCode::PortInUse)], Language::En);
        assert_eq!(seen.icon.face, Face::Problem);
        assert!(seen.tooltip.contains("The port is taken by another program (8722)"), "{}", seen.tooltip);
        let seen = view(&online, 0, Some(1), &[problem(ProblemCode::TrayMissing)], Language::En);
        assert_eq!(seen.icon.face, Face::Paused);
    }

    #[test]
    fn a_long_title_is_one_short_line() {
        let online = Connection::Online { transport: Transport::Websocket, since: 0 };
        assert_eq!(view(&online, 1, None, &[], Language::En).recent[0].1, "first");
        assert_eq!(one_line(&"x".repeat(90), 10), format!("{}…", "x".repeat(9)));
    }
}
