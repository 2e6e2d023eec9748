//! Hours of rest, by the clocks of a place.

use jiff::{Timestamp, civil::Time, tz::TimeZone};
use tocsin_protocol::{Millis, escalation::Quiet};

/// Quiet hours that can be: read and looked up.
pub(crate) struct Hours {
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl Hours {
    /// Reads them; what is wrong with them otherwise.
    pub(crate) fn read(quiet: &Quiet) -> Result<Self, String> {
        let time = |text: &str| read_time(text).ok_or_else(|| format!("{text:?} is no time: 22:00 is one"));
        let (from, to) = (time(&quiet.from)?, time(&quiet.to)?);
        if from == to {
            return Err("quiet hours that end when they begin are none".into());
        }
        let zone = TimeZone::get(&quiet.zone)
            .map_err(|_| format!("{:?} is no time zone: Asia/Shanghai is one", quiet.zone))?;
        Ok(Self { from, to, zone })
    }

    /// When the quiet hours that hold at this time end; nothing: none hold.
    pub(crate) fn end(&self, at: Millis) -> Option<Millis> {
        let local = Timestamp::from_millisecond(at).ok()?.to_zoned(self.zone.clone());
        let time = local.time();
        let over_midnight = self.to < self.from;
        let inside = if over_midnight {
            time >= self.from || time < self.to
        } else {
            (self.from..self.to).contains(&time)
        };
        if !inside {
            return None;
        }
        let ends_tomorrow = over_midnight && time >= self.from;
        let date = if ends_tomorrow { local.date().tomorrow().ok()? } else { local.date() };
        let end = date.to_datetime(self.to).to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond();
        // In the hour that an autumn night has twice the end may have been already.
        (end > at).then_some(end)
    }
}

fn read_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, zone: &str) -> Result<Hours, String> {
        Hours::read(&Quiet { from: from.into(), to: to.into(), zone: zone.into() })
    }

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_night_ends_the_next_morning_by_the_clocks_of_the_place() {
        let night = hours("22:00", "07:00", "Asia/Shanghai").unwrap();
        // 22:00 there is 14:00 UTC, 07:00 is 23:00 UTC of the day before.
        assert_eq!(night.end(at("2026-03-01T13:59:59Z")), None);
        assert_eq!(night.end(at("2026-03-01T14:00:00Z")), Some(at("2026-03-01T23:00:00Z")));
        assert_eq!(night.end(at("2026-03-01T22:59:59Z")), Some(at("2026-03-01T23:00:00Z")));
        assert_eq!(night.end(at("2026-03-01T23:00:00Z")), None);
        let noon = hours("12:00", "13:30", "Asia/Shanghai").unwrap();
        assert_eq!(noon.end(at("2026-03-01T04:10:00Z")), Some(at("2026-03-01T05:30:00Z")));
        assert_eq!(noon.end(at("2026-03-01T05:30:00Z")), None);
    }

    #[test]
    fn the_nights_in_which_clocks_change_have_an_end_too() {
        // Clocks go from 02:00 to 03:00 on 2026-03-29 in Berlin, and from 03:00 to 02:00 on 2026-10-25.
        let early = hours("23:00", "02:30", "Europe/Berlin").unwrap();
        assert_eq!(early.end(at("2026-03-28T23:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
        let end = at("2026-10-25T00:30:00Z");
        assert_eq!(early.end(at("2026-10-25T00:10:00Z")), Some(end));
        assert_eq!(early.end(at("2026-10-25T01:10:00Z")), None, "the second 02:10 of that night");
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (from, to, zone) in [
            ("22:00", "22:00", "UTC"),
            ("24:00", "07:00", "UTC"),
            ("2:00", "07:00", "UTC"),
            ("22:00", "0700", "UTC"),
            ("22:00", "07:00", "Mars/Olympus"),
        ] {
            assert!(hours(from, to, zone).is_err(), "{from} {to} {zone}");
        }
    }
}
