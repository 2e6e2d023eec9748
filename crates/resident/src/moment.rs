//! Points in time as people read them, and the clock the resident goes by.

use std::{fmt, sync::Arc};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use tocsin_protocol::Millis;

/// Wall clock in Unix milliseconds, passed in so that tests set it.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// The computer's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| Timestamp::now().as_millisecond())
}

/// The same clock, as the subscriber takes it.
pub struct WallClock(pub Clock);

impl tocsin_subscriber::Clock for WallClock {
    fn now(&self) -> Millis {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// A point in time by the computer's time zone.
#[derive(Clone, Debug)]
pub struct Moment(Zoned);

impl From<Millis> for Moment {
    fn from(at: Millis) -> Self {
        let timestamp = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(timestamp.to_zoned(TimeZone::system()))
    }
}

impl Moment {
    /// Hours and minutes, with the date unless it is today.
    pub fn short(&self) -> String {
        let today = Zoned::now().date() == self.0.date();
        self.0.strftime(if today { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    }

    /// As logs have it, whatever the time zone.
    pub fn exact(&self) -> String {
        self.0.timestamp().to_string()
    }

    /// Minute of the day, 0 to 1439.
    pub fn minute_of_day(&self) -> u16 {
        u16::try_from(i32::from(self.0.hour()) * 60 + i32::from(self.0.minute())).unwrap_or(0)
    }

    /// Eight in the morning of the next day: what "until tomorrow" means.
    pub fn tomorrow_morning(&self) -> Millis {
        let morning = self
            .0
            .tomorrow()
            .and_then(|day| day.start_of_day())
            .and_then(|day| day.checked_add(jiff::Span::new().hours(8)));
        morning.map_or_else(
            |_| self.0.timestamp().as_millisecond() + 24 * 3_600_000,
            |at| at.timestamp().as_millisecond(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tomorrow_is_within_a_day_and_a_half() {
        let now = 1_700_000_000_000;
        let ahead = Moment::from(now).tomorrow_morning() - now;
        assert!((8 * 3_600_000 - 3_600_000..=33 * 3_600_000).contains(&ahead), "{ahead}");
        assert_eq!(Moment::from(Moment::from(now).tomorrow_morning()).minute_of_day(), 480);
    }
}
