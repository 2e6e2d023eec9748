//! When steps run: a pure clockwork that every store keeps beside its messages.
//!
//! All times of a policy, repetitions included, stand in one order (offset, step, repetition); an escalation is a place
//! in it. One that ran late, or was put off by quiet hours, moves `base` and so everything behind it.

use tocsin_protocol::{
    Counts, Millis, Priority,
    escalation::{EVERY_S, Milestone, NextStep, PolicySettings, Step},
};

use super::{BACK_MS, LATE_MS, quiet::Hours};

/// What does not change while an escalation runs.
pub(crate) struct Rules<'a> {
    steps: &'a [Step],
    /// Nothing at priority 5.
    hours: Option<Hours>,
    expires_at: Option<Millis>,
}

/// Where an escalation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Steps count from here.
    pub(crate) base: Millis,
    /// The next one; as many as there are: the end.
    pub(crate) step: usize,
    pub(crate) repeat: u32,
    /// Of each list, by the first step that has it: how many were told.
    pub(crate) told: Vec<usize>,
    /// When `due_at` was set.
    pub(crate) since: Millis,
    /// When to look at it; nothing: never again.
    pub(crate) due_at: Option<Millis>,
}

/// Milliseconds after `base`.
fn offset(step: &Step, repeat: u32) -> Millis {
    let seconds = step.after_s.saturating_add(u64::from(repeat).saturating_mul(step.every_s.unwrap_or(0)));
    Millis::try_from(seconds.saturating_mul(1000)).unwrap_or(Millis::MAX)
}

impl<'a> Rules<'a> {
    pub(crate) fn new(policy: &'a PolicySettings, priority: Priority, expires_at: Option<Millis>) -> Self {
        // Read when the policy was saved: what cannot be read any more holds nothing up.
        let hours = policy.quiet.as_ref().filter(|_| priority < Priority::MAX);
        let hours = hours.and_then(|quiet| Hours::read(quiet).ok());
        Self { steps: &policy.steps, hours, expires_at }
    }

    /// The step at this place; nothing: the end.
    pub(crate) fn step(&self, place: usize) -> Option<&'a Step> {
        self.steps.get(place)
    }

    fn places(&self) -> impl Iterator<Item = (Millis, usize, u32)> {
        let of = |(place, step): (usize, &'a Step)| {
            (0..=step.repeat).map(move |repeat| (offset(step, repeat), place, repeat))
        };
        self.steps.iter().enumerate().flat_map(of)
    }

    fn after(&self, step: usize, repeat: u32) -> Option<(Millis, usize, u32)> {
        let now = (self.steps.get(step).map_or(Millis::MAX, |s| offset(s, repeat)), step, repeat);
        self.places().filter(|place| *place > now).min()
    }

    /// How many come after this one.
    fn left(&self, step: usize, repeat: u32) -> u32 {
        let here = self.steps.get(step).map(|at| (offset(at, repeat), step, repeat));
        let after = here.map_or(0, |here| self.places().filter(|place| *place > here).count());
        u32::try_from(after).unwrap_or(u32::MAX)
    }

    /// How long people have to answer the last step: as long as after the one before.
    fn grace(&self) -> Millis {
        let mut offsets: Vec<Millis> = self.places().map(|(offset, ..)| offset).collect();
        offsets.sort_unstable();
        let last = offsets.pop().unwrap_or_default();
        let shortest = Millis::try_from(EVERY_S * 1000).unwrap_or(Millis::MAX);
        (last - offsets.pop().unwrap_or_default()).max(shortest)
    }

    /// Put off to the end of the quiet hours.
    fn put_off(&self, at: Millis) -> Millis {
        self.hours.as_ref().and_then(|hours| hours.end(at)).unwrap_or(at)
    }
}

impl Progress {
    /// Of a message stored at this time.
    pub(crate) fn begin(rules: &Rules<'_>, at: Millis, now: Millis) -> Self {
        let first = rules.places().min().map_or((rules.steps.len(), 0), |(_, step, repeat)| (step, repeat));
        let mut progress =
            Self { base: at, step: first.0, repeat: first.1, told: Vec::new(), since: now, due_at: None };
        progress.due_at = Some(progress.look_at(rules));
        progress
    }

    /// When the next step is planned, before quiet hours.
    pub(crate) fn raw_time(&self, rules: &Rules<'_>) -> Millis {
        let offset = match rules.steps.get(self.step) {
            Some(step) => offset(step, self.repeat),
            None => rules.places().map(|(offset, ..)| offset).max().unwrap_or_default() + rules.grace(),
        };
        self.base.saturating_add(offset)
    }

    /// When the next step is to run, or the end comes.
    pub(crate) fn planned(&self, rules: &Rules<'_>) -> Millis {
        let raw = self.raw_time(rules);
        if self.step < rules.steps.len() { rules.put_off(raw) } else { raw }
    }

    /// The end of the message is looked at too.
    fn look_at(&self, rules: &Rules<'_>) -> Millis {
        let planned = self.planned(rules);
        rules.expires_at.map_or(planned, |at| at.min(planned))
    }

    /// It goes on for a newer version, with what that one's end and urgency make of the same place.
    pub(crate) fn go_on(&mut self, rules: &Rules<'_>) {
        self.due_at = Some(self.look_at(rules));
    }

    /// The step ran now: on to the one after it.
    pub(crate) fn ran(&mut self, rules: &Rules<'_>, now: Millis) {
        let late = now.saturating_sub(self.raw_time(rules));
        if late > LATE_MS {
            self.base = self.base.saturating_add(late);
        }
        let next = rules.after(self.step, self.repeat).map(|(_, step, repeat)| (step, repeat));
        (self.step, self.repeat) = next.unwrap_or((rules.steps.len(), 0));
        self.since = now;
        self.due_at = Some(self.look_at(rules));
    }

    /// The clock was set back: whether it was by so much that this moved.
    pub(crate) fn set_back(&mut self, rules: &Rules<'_>, now: Millis) -> bool {
        let ahead = self.since.saturating_sub(now);
        if ahead <= BACK_MS || self.due_at.is_none() {
            return false;
        }
        self.base = self.base.saturating_sub(ahead);
        self.since = now;
        self.due_at = Some(self.look_at(rules));
        true
    }

    /// How many of the next step's list were told. Steps with the same list go on where the other was.
    pub(crate) fn told_of(&mut self, steps: &[Step]) -> &mut usize {
        let here = steps.get(self.step).map(|step| &step.notify);
        let list = steps.iter().position(|step| Some(&step.notify) == here).unwrap_or(self.step);
        if self.told.len() <= list {
            self.told.resize(list + 1, 0);
        }
        &mut self.told[list]
    }

    /// What comes next, if nobody answers; nothing: nothing does before the message expires.
    pub(crate) fn next(&self, rules: &Rules<'_>) -> Option<NextStep> {
        let at = self.planned(rules);
        let comes = self.due_at.is_some()
            && self.step < rules.steps.len()
            && rules.expires_at.is_none_or(|expires| at < expires);
        comes.then(|| NextStep {
            step: number(self.step),
            repeat: self.repeat,
            at,
            left: rules.left(self.step, self.repeat),
        })
    }
}

/// As people count steps.
pub(crate) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX - 1) + 1
}

/// Whether these acknowledgements end an escalation: one does, unless a step asks for everybody's.
pub(crate) fn settles(policy: &PolicySettings, counts: &Counts) -> bool {
    let all = policy.steps.iter().any(|step| step.unless == Milestone::AcknowledgedByAll);
    counts.reached(if all { Milestone::AcknowledgedByAll } else { Milestone::AcknowledgedByAny })
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::escalation::{Notify, Quiet};

    use super::*;

    fn step(after_s: u64, repeat: u32, every_s: u64) -> Step {
        Step {
            after_s,
            unless: Milestone::AcknowledgedByAny,
            notify: Notify::Missing,
            via: vec!["desktop".into()],
            repeat,
            every_s: (repeat > 0).then_some(every_s),
        }
    }

    fn policy(steps: Vec<Step>) -> PolicySettings {
        PolicySettings { display_name: None, steps, quiet: None }
    }

    /// Steps and when they run, each on time.
    fn run(policy: &PolicySettings, priority: u8, expires_at: Option<Millis>) -> Vec<(usize, u32, Millis)> {
        let rules = Rules::new(policy, Priority::try_from(priority).unwrap(), expires_at);
        let mut progress = Progress::begin(&rules, 0, 0);
        let mut ran = Vec::new();
        while let Some(next) = progress.next(&rules) {
            ran.push((progress.step, progress.repeat, next.at));
            progress.ran(&rules, next.at);
        }
        ran
    }

    #[test]
    fn steps_and_repetitions_run_in_the_order_of_their_times() {
        let policy = policy(vec![step(60, 2, 60), step(100, 0, 0)]);
        assert_eq!(
            run(&policy, 3, None),
            [(0, 0, 60_000), (1, 0, 100_000), (0, 1, 120_000), (0, 2, 180_000)]
        );
        assert_eq!(run(&policy, 3, Some(120_000)), [(0, 0, 60_000), (1, 0, 100_000)]);
    }

    #[test]
    fn a_step_that_is_late_keeps_the_distance_of_the_others() {
        let policy = policy(vec![step(60, 0, 0), step(90, 0, 0)]);
        let rules = Rules::new(&policy, Priority::DEFAULT, None);
        for (late, second) in [(LATE_MS, 90_000), (LATE_MS + 1, 90_000 + LATE_MS + 1), (3_600_000, 3_690_000)]
        {
            let mut progress = Progress::begin(&rules, 0, 0);
            progress.ran(&rules, 60_000 + late);
            assert_eq!(progress.due_at, Some(second), "late by {late}");
        }
    }

    #[test]
    fn the_last_step_leaves_time_to_answer() {
        for (steps, end) in [
            (vec![step(60, 0, 0)], 120_000),
            (vec![step(0, 0, 0)], 30_000),
            (vec![step(60, 0, 0), step(90, 0, 0)], 120_000),
            (vec![step(60, 3, 40)], 220_000),
        ] {
            let policy = policy(steps);
            let rules = Rules::new(&policy, Priority::DEFAULT, None);
            let mut progress = Progress::begin(&rules, 0, 0);
            while progress.next(&rules).is_some() {
                progress.ran(&rules, progress.due_at.unwrap());
            }
            assert_eq!((progress.step, progress.due_at), (policy.steps.len(), Some(end)));
        }
    }

    #[test]
    fn quiet_hours_put_all_that_follows_off_unless_it_is_critical() {
        let quiet = Quiet { from: "00:00".into(), to: "07:00".into(), zone: "UTC".into() };
        let policy = PolicySettings { quiet: Some(quiet), ..policy(vec![step(60, 0, 0), step(120, 0, 0)]) };
        let seven = 7 * 3_600_000;
        assert_eq!(run(&policy, 4, None), [(0, 0, seven), (1, 0, seven + 60_000)]);
        assert_eq!(run(&policy, 5, None), [(0, 0, 60_000), (1, 0, 120_000)]);
    }

    #[test]
    fn a_clock_set_back_moves_what_was_planned() {
        let policy = policy(vec![step(60, 0, 0), step(90, 0, 0)]);
        let rules = Rules::new(&policy, Priority::DEFAULT, None);
        let mut progress = Progress::begin(&rules, 1_000_000, 1_000_000);
        assert!(!progress.set_back(&rules, 1_000_000 - BACK_MS));
        assert!(progress.set_back(&rules, 500_000));
        assert_eq!((progress.step, progress.due_at), (0, Some(560_000)));
        assert!(!progress.set_back(&rules, 500_000), "once");
    }
}
