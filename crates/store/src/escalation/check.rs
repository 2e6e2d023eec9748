//! What a policy may be: checked when it is saved, so that nothing is found wrong at night.

use std::collections::HashSet;

use tocsin_protocol::{
    escalation::{AFTER_S, EVERY_S, Notify, PolicySettings, REPEATS, STEP_PEOPLE, STEPS, Step, VIA_DESKTOP},
    limits::{DISPLAY_BYTES, is_name},
};

use super::{plan::number, quiet::Hours};
use crate::{Error, Result};

/// What a policy is checked against.
pub(crate) trait Known {
    /// A person's name as it is written, whatever the case it was given in.
    fn person(&self, name: &str) -> Result<String>;
    /// Whether there is a channel of this name.
    fn channel(&self, name: &str) -> Result<bool>;
}

/// Whether this can name a policy.
pub(crate) fn name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::Invalid(format!("{name:?} cannot name a policy: use letters, digits, . _ -")))
}

/// The policy with its people as they are written, if it can be.
pub(crate) fn policy(mut settings: PolicySettings, known: &impl Known) -> Result<PolicySettings> {
    if settings.display_name.as_ref().is_some_and(|name| name.len() > DISPLAY_BYTES) {
        return Err(Error::Invalid(format!("a display name has at most {DISPLAY_BYTES} bytes")));
    }
    if settings.steps.is_empty() || settings.steps.len() > STEPS {
        return Err(Error::Invalid(format!("a policy has 1 to {STEPS} steps")));
    }
    if let Some(quiet) = &settings.quiet {
        Hours::read(quiet).map_err(Error::Invalid)?;
    }
    let mut before = 0;
    for (place, step) in settings.steps.iter_mut().enumerate() {
        let wrong = |what: String| Error::Invalid(format!("step {}: {what}", number(place)));
        if step.after_s < before {
            return Err(wrong("steps come in the order of their times".into()));
        }
        before = step.after_s;
        times(step).map_err(wrong)?;
        if let Notify::Next { people } = &mut step.notify {
            if people.is_empty() || people.len() > STEP_PEOPLE {
                return Err(wrong(format!("it names 1 to {STEP_PEOPLE} people")));
            }
            for person in people.iter_mut() {
                *person = known.person(person)?;
            }
            if twice(people) {
                return Err(wrong("it names somebody twice".into()));
            }
        }
        if step.via.is_empty() || twice(&step.via) {
            return Err(wrong("it names one way at least, and each once".into()));
        }
        for way in step.via.iter().filter(|way| *way != VIA_DESKTOP) {
            if !known.channel(way)? {
                return Err(wrong(format!("there is no channel named {way:?}")));
            }
        }
    }
    Ok(settings)
}

fn times(step: &Step) -> Result<(), String> {
    if step.repeat > REPEATS {
        return Err(format!("it repeats {REPEATS} times at most"));
    }
    match step.every_s {
        None if step.repeat > 0 => return Err("what repeats needs every_s".into()),
        Some(every) if every < EVERY_S => return Err(format!("{EVERY_S} seconds is the shortest every_s")),
        _ => {}
    }
    let span = step.every_s.unwrap_or(0).saturating_mul(u64::from(step.repeat));
    if step.after_s.saturating_add(span) > AFTER_S {
        return Err(format!("{AFTER_S} seconds after the message nothing runs any more"));
    }
    Ok(())
}

fn twice(names: &[String]) -> bool {
    let mut seen = HashSet::new();
    !names.iter().all(|name| seen.insert(name))
}
