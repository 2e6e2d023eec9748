//! What a policy would do if nobody ever answered.

use std::collections::{BTreeSet, HashMap, HashSet};

use tocsin_protocol::{
    Millis,
    escalation::{DryRun, Notify, PlannedStep, PolicySettings, Timeline, TimelineWarning, VIA_DESKTOP},
    receipt::NAMES_MOST,
};

use super::plan::{Progress, Rules, number};

/// Who is there, and how they are reached now.
#[derive(Default)]
pub(crate) struct Desk {
    /// The audience by name; nothing: the people that the steps name.
    pub(crate) audience: Option<Vec<String>>,
    /// Channels by name: whether they are switched on, and whether they reach a group.
    pub(crate) channels: HashMap<String, (bool, bool)>,
    /// (channel, person) with an address that works.
    pub(crate) bound: HashSet<(String, String)>,
}

/// Everybody whom steps name, by name.
pub(crate) fn named(policy: &PolicySettings) -> Vec<String> {
    let lists = policy.steps.iter().filter_map(|step| match &step.notify {
        Notify::Next { people } => Some(people),
        Notify::Missing => None,
    });
    lists.flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The timeline of a policy that was checked.
pub(crate) fn timeline(what: &DryRun, policy: &PolicySettings, desk: &Desk, now: Millis) -> Timeline {
    let at = what.at.unwrap_or(now);
    let rules = Rules::new(policy, what.priority, None);
    let mut progress = Progress::begin(&rules, at, at);
    let mut audience: BTreeSet<String> =
        desk.audience.clone().unwrap_or_else(|| named(policy)).into_iter().collect();
    let (mut steps, mut warnings) = (Vec::new(), Vec::new());
    while let (Some(next), Some(step)) = (progress.next(&rules), rules.step(progress.step)) {
        let people = match &step.notify {
            Notify::Missing => audience.iter().cloned().collect(),
            Notify::Next { people } => {
                let told = progress.told_of(&policy.steps);
                let next = people[*told % people.len()].clone();
                *told += 1;
                // Whoever is brought in belongs to it from then on.
                audience.insert(next.clone());
                vec![next]
            }
        };
        if desk.audience.is_none() && step.notify == Notify::Missing {
            warnings.push(TimelineWarning::NoTopic);
        }
        warn(&people, &step.via, number(progress.step), desk, &mut warnings);
        let put_off = next.at > progress.raw_time(&rules);
        steps.push(PlannedStep {
            step: next.step,
            repeat: next.repeat,
            at: next.at,
            put_off,
            unless: step.unless,
            people: people.into_iter().take(NAMES_MOST).collect(),
            via: step.via.clone(),
        });
        progress.ran(&rules, next.at);
    }
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(format!("{warning:?}")));
    Timeline { steps, warnings }
}

fn warn(people: &[String], via: &[String], step: u32, desk: &Desk, warnings: &mut Vec<TimelineWarning>) {
    if people.is_empty() && desk.audience.is_some() {
        warnings.push(TimelineWarning::Nobody { step });
    }
    for channel in via.iter().filter(|way| *way != VIA_DESKTOP) {
        let Some((enabled, group)) = desk.channels.get(channel).copied() else { continue };
        if !enabled {
            warnings.push(TimelineWarning::ChannelOff { channel: channel.clone() });
        }
        if group {
            continue;
        }
        let missing =
            people.iter().filter(|person| !desk.bound.contains(&(channel.clone(), (*person).clone())));
        warnings.extend(
            missing
                .take(NAMES_MOST)
                .map(|user| TimelineWarning::NoAddress { user: user.clone(), channel: channel.clone() }),
        );
    }
}
