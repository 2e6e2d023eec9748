//! Values that people write: durations, sizes, priorities, actions.

use std::time::Duration;

use tocsin_protocol::{Action, Milestone, Priority, receipt::Report};

/// `90`, `90s`, `15m`, `2h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("expected a duration such as 90s, 15m, 2h or 7d".into()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "expected a duration such as 90s, 15m, 2h or 7d".to_owned())?;
    number.checked_mul(factor).map(Duration::from_secs).ok_or_else(|| "that is too long".into())
}

/// `1` to `5`, or a word.
pub fn priority(text: &str) -> Result<Priority, String> {
    let number = match text {
        "min" => 1,
        "low" => 2,
        "default" => 3,
        "high" => 4,
        "max" | "critical" => 5,
        _ => text.parse().map_err(|_| "expected 1 to 5, or min, low, default, high, critical".to_owned())?,
    };
    Priority::try_from(number).map_err(|error| error.to_string())
}

/// `Label=https://…`: a button that opens an address.
pub fn open_url(text: &str) -> Result<Action, String> {
    let (label, url) =
        text.split_once('=').ok_or("expected LABEL=URL, for example Runbook=https://wiki/db")?;
    if label.is_empty() || !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err("expected LABEL=URL with an http or https address".into());
    }
    Ok(Action::OpenUrl { label: label.into(), url: url.into() })
}

/// `channel=milestone,milestone`.
pub fn report(text: &str) -> Result<Report, String> {
    let (channel, on) = text.split_once('=').ok_or("expected CHANNEL=STATE, for example hook=read_by_all")?;
    let milestone = |name: &str| {
        let found = Milestone::ALL.into_iter().find(|milestone| milestone.name() == name);
        found.ok_or_else(|| {
            let names = Milestone::ALL.map(Milestone::name).join(", ");
            format!("{name:?} is none of {names}")
        })
    };
    Ok(Report { channel: channel.into(), on: on.split(',').map(milestone).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        for bad in ["", "m", "1w", "-1s", "1.5h", "99999999999999999999", "99999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn priorities_are_numbers_or_words() {
        assert_eq!(priority("critical").unwrap(), Priority::MAX);
        assert_eq!(priority("3").unwrap(), Priority::DEFAULT);
        assert!(priority("0").is_err() && priority("6").is_err() && priority("urgent").is_err());
    }

    #[test]
    fn a_button_opens_only_the_web() {
        assert!(open_url("Runbook=https://wiki/db?x=1").is_ok());
        assert!(open_url("Run=javascript:alert(1)").is_err() && open_url("https://wiki").is_err());
    }
}
