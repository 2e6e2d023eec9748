//! Whether and how a message is put before the person's eyes: pure, so that every rule is a test.
//!
//! The order matters. What the person asked for (mute, least priority, pause, quiet hours) comes before what protects
//! them from a flood (summaries), and a critical message passes all but the mute and the very last brake.

use std::collections::VecDeque;

use tocsin_protocol::{
    Message, Millis, Priority,
    control::{Notifications, QuietHours},
};

/// Popups of their own within [`WINDOW`]: more become one summary. Desktops freeze at thousands; people stop reading
/// at a handful.
pub const BURST: usize = 5;
/// Popups within [`WINDOW`] above which even critical ones become one standing summary.
pub const STORM: usize = 20;
/// The window of both, milliseconds.
pub const WINDOW: Millis = 10_000;
/// A critical message is shown again after so long without an acknowledgement, milliseconds.
pub const REPEAT_EVERY: Millis = 60_000;
/// It is repeated for so long at most, milliseconds.
pub const REPEAT_FOR: Millis = 3_600_000;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Just sent.
    Live,
    /// While this computer was away.
    Away,
}

/// What the decision depends on beside the message and the history.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The person's settings.
    pub settings: &'a Notifications,
    /// No popups until then.
    pub paused_until: Option<Millis>,
    /// Now.
    pub now: Millis,
    /// Now, by the computer's clock: minute of the day.
    pub minute_of_day: u16,
    /// Whether a popup of the message's thread is on the screen.
    pub on_screen: bool,
    /// Whether the person has acknowledged it (an acknowledgement carries over between versions).
    pub acknowledged: bool,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A popup of its own.
    Show,
    /// Put it into the popup of its thread that is on the screen.
    Update {
        /// Nothing may come up now: the words change, and nothing calls for attention.
        quiet: bool,
    },
    /// Count it into the summary that is updated in place.
    Summary(Summary),
    /// Count it into the standing summary of critical messages.
    Storm {
        /// How many.
        count: u64,
    },
    /// Count it into the one summary of what came while the person was away.
    Away,
    /// Inbox only. An older version that is on the screen goes: it says what is no longer so.
    Suppress(Why),
}

/// Why there is no popup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It expired.
    Expired,
    /// A newer version exists.
    Superseded,
    /// It is acknowledged.
    Acknowledged,
    /// Its priority is below what the person wants to see.
    Priority,
    /// Its topic is muted.
    Muted,
    /// Popups are paused.
    Paused,
    /// It is within the quiet hours.
    QuietHours,
}

/// A summary, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many messages.
    pub count: u64,
    /// Their topics, each once, in the order they came.
    pub topics: Vec<String>,
}

/// What was shown lately.
#[derive(Debug, Default)]
pub struct Policy {
    /// When the last popups came up.
    shown: VecDeque<Millis>,
    /// The running summary, and when it was last added to.
    summary: Option<(Summary, Millis)>,
    /// The standing summary of critical messages, and when it was last added to.
    storm: Option<(u64, Millis)>,
}

impl Policy {
    /// Decides, and remembers what was decided.
    pub fn decide(&mut self, message: &Message, arrival: Arrival, about: &Circumstances<'_>) -> Decision {
        match unwanted(message, about) {
            // A critical popup stays until somebody closes it: that it is over must reach it, at whatever hour.
            Some(Why::Priority | Why::Paused | Why::QuietHours) if about.on_screen => {
                return Decision::Update { quiet: true };
            }
            Some(why) => return Decision::Suppress(why),
            None if about.on_screen => return Decision::Update { quiet: false },
            None => {}
        }
        let critical = message.priority == Priority::MAX;
        if arrival == Arrival::Away && !critical {
            return Decision::Away;
        }
        self.forget(about.now);
        if critical { self.decide_critical(about.now) } else { self.decide_ordinary(message, about.now) }
    }

    /// Whether a critical message may be shown again now; counts as a popup if so.
    pub fn repeat(&mut self, message: &Message, about: &Circumstances<'_>) -> bool {
        self.forget(about.now);
        if unwanted(message, about).is_some() || self.shown.len() >= STORM {
            return false;
        }
        self.shown.push_back(about.now);
        true
    }

    fn decide_critical(&mut self, now: Millis) -> Decision {
        let standing = self.storm.as_ref().map_or(0, |(count, _)| *count);
        if standing == 0 && self.shown.len() < STORM {
            self.shown.push_back(now);
            return Decision::Show;
        }
        self.storm = Some((standing + 1, now));
        Decision::Storm { count: standing + 1 }
    }

    fn decide_ordinary(&mut self, message: &Message, now: Millis) -> Decision {
        if self.summary.is_none() && self.shown.len() < BURST {
            self.shown.push_back(now);
            return Decision::Show;
        }
        let (mut summary, _) = self.summary.take().unwrap_or_default();
        summary.count += 1;
        if let Some(topic) = &message.topic
            && !summary.topics.contains(topic)
        {
            summary.topics.push(topic.clone());
        }
        self.summary = Some((summary.clone(), now));
        Decision::Summary(summary)
    }

    fn forget(&mut self, now: Millis) {
        // A clock that was set back must not keep summaries for hours.
        let over = |at: Millis| !(0..WINDOW).contains(&(now - at));
        self.shown.retain(|at| !over(*at));
        self.summary.take_if(|(_, last)| over(*last));
        self.storm.take_if(|(_, last)| over(*last));
    }
}

fn unwanted(message: &Message, about: &Circumstances<'_>) -> Option<Why> {
    let settings = about.settings;
    if message.expired || message.expires_at.is_some_and(|at| at <= about.now) {
        return Some(Why::Expired);
    }
    if message.superseded_by.is_some() {
        return Some(Why::Superseded);
    }
    // That it is over is told to whoever took it on.
    if about.acknowledged && !about.on_screen && !message.resolved {
        return Some(Why::Acknowledged);
    }
    if message.priority == Priority::MIN || message.priority < settings.min_priority {
        return Some(Why::Priority);
    }
    if message.topic.as_ref().is_some_and(|topic| settings.muted_topics.contains(topic)) {
        return Some(Why::Muted);
    }
    if message.priority == Priority::MAX && settings.critical_overrides {
        return None;
    }
    if about.paused_until.is_some_and(|until| about.now < until) {
        return Some(Why::Paused);
    }
    settings.quiet_hours.filter(|hours| is_quiet(*hours, about.minute_of_day)).map(|_| Why::QuietHours)
}

/// Whether `minute` lies within the quiet hours; `from` after `to` spans midnight, `from` equal to `to` is never.
pub fn is_quiet(hours: QuietHours, minute: u16) -> bool {
    if hours.from <= hours.to {
        (hours.from..hours.to).contains(&minute)
    } else {
        minute >= hours.from || minute < hours.to
    }
}

/// When a critical message that was first shown at `first` and last at `last` is due again, if ever.
pub fn next_repeat(first: Millis, last: Millis) -> Option<Millis> {
    let due = last + REPEAT_EVERY;
    (due <= first + REPEAT_FOR).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(priority: u8, topic: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "cursor": "k3v9x0ab-1", "id": "AAAAAAAAAAAA", "seq": 1, "topic": topic, "sender": "ci", "title": "x",
            "priority": priority, "thread": "AAAAAAAAAAAA", "created_at": 0,
        }))
        .unwrap()
    }

    struct Desk {
        policy: Policy,
        settings: Notifications,
        paused_until: Option<Millis>,
        now: Millis,
        minute: u16,
        on_screen: bool,
        acknowledged: bool,
    }

    fn desk() -> Desk {
        Desk {
            policy: Policy::default(),
            settings: Notifications::default(),
            paused_until: None,
            now: 1_000_000,
            minute: 600,
            on_screen: false,
            acknowledged: false,
        }
    }

    impl Desk {
        fn decide(&mut self, message: &Message, arrival: Arrival) -> Decision {
            let about = Circumstances {
                settings: &self.settings,
                paused_until: self.paused_until,
                now: self.now,
                minute_of_day: self.minute,
                on_screen: self.on_screen,
                acknowledged: self.acknowledged,
            };
            self.policy.decide(message, arrival, &about)
        }

        fn live(&mut self, priority: u8) -> Decision {
            self.decide(&message(priority, "ops"), Arrival::Live)
        }
    }

    #[test]
    fn a_burst_becomes_one_summary_and_critical_ones_are_never_merged() {
        let mut desk = desk();
        for _ in 0..BURST {
            assert_eq!(desk.live(3), Decision::Show);
        }
        assert_eq!(desk.live(3), Decision::Summary(Summary { count: 1, topics: vec!["ops".into()] }));
        assert_eq!(
            desk.decide(&message(3, "ci"), Arrival::Live),
            Decision::Summary(Summary { count: 2, topics: vec!["ops".into(), "ci".into()] })
        );
        assert_eq!(desk.live(5), Decision::Show);
        desk.now += WINDOW;
        assert_eq!(desk.live(3), Decision::Show, "after the window a message has a popup of its own again");
    }

    #[test]
    fn a_summary_goes_on_while_messages_keep_coming() {
        let mut desk = desk();
        for _ in 0..=BURST {
            desk.live(3);
        }
        desk.now += WINDOW - 1;
        assert!(matches!(desk.live(3), Decision::Summary(summary) if summary.count == 2));
        desk.now += WINDOW - 1;
        assert!(matches!(desk.live(3), Decision::Summary(summary) if summary.count == 3));
    }

    #[test]
    fn a_storm_of_critical_ones_becomes_one_standing_summary() {
        let mut desk = desk();
        for _ in 0..STORM {
            assert_eq!(desk.live(5), Decision::Show);
        }
        assert_eq!(desk.live(5), Decision::Storm { count: 1 });
        assert_eq!(desk.live(5), Decision::Storm { count: 2 });
        desk.now += WINDOW;
        assert_eq!(desk.live(5), Decision::Show);
    }

    #[test]
    fn quiet_hours_and_pause_let_critical_ones_through_if_the_person_wants() {
        let mut desk = desk();
        desk.settings.quiet_hours = Some(QuietHours { from: 1320, to: 420 });
        desk.minute = 30;
        assert_eq!(desk.live(4), Decision::Suppress(Why::QuietHours));
        assert_eq!(desk.live(5), Decision::Show);
        desk.minute = 420;
        assert_eq!(desk.live(4), Decision::Show);
        desk.paused_until = Some(desk.now + 1);
        assert_eq!(desk.live(4), Decision::Suppress(Why::Paused));
        assert_eq!(desk.live(5), Decision::Show);
        desk.settings.critical_overrides = false;
        assert_eq!(desk.live(5), Decision::Suppress(Why::Paused));
        desk.now += 1;
        assert_eq!(desk.live(4), Decision::Show, "the pause ends by itself");
    }

    #[test]
    fn what_the_person_muted_stays_muted() {
        let mut desk = desk();
        assert_eq!(desk.live(1), Decision::Suppress(Why::Priority));
        desk.settings.min_priority = Priority::HIGH;
        assert_eq!(desk.live(3), Decision::Suppress(Why::Priority));
        desk.settings.muted_topics = vec!["ops".into()];
        assert_eq!(desk.live(5), Decision::Suppress(Why::Muted));
        assert_eq!(desk.decide(&message(5, "ci"), Arrival::Live), Decision::Show);
    }

    #[test]
    fn what_came_while_away_is_one_summary_but_critical_ones_stand_alone() {
        let mut desk = desk();
        for _ in 0..=BURST {
            assert_eq!(desk.decide(&message(3, "ops"), Arrival::Away), Decision::Away);
        }
        assert_eq!(desk.decide(&message(5, "ops"), Arrival::Away), Decision::Show);
        assert_eq!(desk.live(3), Decision::Show, "the summary of the absence is not part of the burst");
    }

    #[test]
    fn a_version_of_what_is_on_the_screen_updates_it_even_when_acknowledged() {
        let mut desk = desk();
        desk.on_screen = true;
        assert_eq!(desk.live(3), Decision::Update { quiet: false });
        desk.acknowledged = true;
        assert_eq!(desk.live(3), Decision::Update { quiet: false });
        desk.on_screen = false;
        assert_eq!(desk.live(3), Decision::Suppress(Why::Acknowledged));
        let mut over = message(3, "ops");
        over.resolved = true;
        assert_eq!(
            desk.decide(&over, Arrival::Live),
            Decision::Show,
            "whoever acknowledged it hears that it is over"
        );
    }

    /// Alertmanager's end of an alert comes with the default priority, however critical the alert was.
    #[test]
    fn what_is_over_reaches_the_popup_on_the_screen_when_nothing_may_come_up() {
        type Wish = fn(&mut Desk);

        let mut over = message(3, "ops");
        over.resolved = true;
        let wishes: [(Wish, Why); 3] = [
            (|desk| desk.settings.quiet_hours = Some(QuietHours { from: 540, to: 660 }), Why::QuietHours),
            (|desk| desk.paused_until = Some(desk.now + 1), Why::Paused),
            (|desk| desk.settings.min_priority = Priority::HIGH, Why::Priority),
        ];
        for (wish, why) in wishes {
            let mut desk = desk();
            wish(&mut desk);
            assert_eq!(desk.decide(&over, Arrival::Live), Decision::Suppress(why));
            desk.on_screen = true;
            for arrival in [Arrival::Live, Arrival::Away] {
                assert_eq!(desk.decide(&over, arrival), Decision::Update { quiet: true }, "{why:?}");
            }
        }
    }

    #[test]
    fn the_stale_goes_to_the_inbox_only() {
        let mut desk = desk();
        let mut stale = message(5, "ops");
        stale.expires_at = Some(desk.now);
        assert_eq!(desk.decide(&stale, Arrival::Live), Decision::Suppress(Why::Expired));
        stale.expires_at = None;
        stale.superseded_by = Some("BBBBBBBBBBBB".parse().unwrap());
        assert_eq!(desk.decide(&stale, Arrival::Live), Decision::Suppress(Why::Superseded));
    }

    #[test]
    fn a_critical_message_repeats_each_minute_for_an_hour() {
        let mut last = 0;
        let mut times = 0;
        while let Some(due) = next_repeat(0, last) {
            last = due;
            times += 1;
        }
        assert_eq!((times, last), (60, REPEAT_FOR));
    }

    #[test]
    fn a_clock_set_back_does_not_hold_a_summary_open() {
        let mut desk = desk();
        for _ in 0..=BURST {
            desk.live(3);
        }
        desk.now -= 3_600_000;
        assert_eq!(desk.live(3), Decision::Show);
    }
}
