//! Points in time, and how they are written.

use std::fmt;
use std::time::Duration;

/// A point in time: nanoseconds since 1 January 1970 UTC, as the capture says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// A number of nanoseconds since 1970.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A number of units since 1970, of which `resolution` make a second, and `offset` seconds more. What is out of
    /// range is moved to its end.
    pub(crate) fn from_units(units: u64, resolution: u64, offset: i64) -> Self {
        let resolution = u128::from(resolution.max(1));
        let nanos = u128::from(units) * 1_000_000_000 / resolution;
        let nanos = nanos.cast_signed() + i128::from(offset) * 1_000_000_000;
        Self(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since `earlier`, negative when that is later.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        if self >= earlier { self.since(earlier).as_secs_f64() } else { -earlier.since(self).as_secs_f64() }
    }
}

impl fmt::Display for Time {
    /// `2026-11-22 13:26:03.123456`, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1000);
        let (year, month, day) = date(seconds / 86_400);
        let of_day = seconds % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
    }
}

/// Year, month and day of a number of days since 1970 in the Gregorian calendar. Years are counted from March, so that
/// the leap day is the last; 400 years have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 1 March of the year 0
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

/// A span as people say it: `0.120 s`, `83.4 s`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.3} s") } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let shown = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000).to_string();
        assert_eq!(shown(0), "1970-01-01 00:00:00.000000");
        assert_eq!(shown(951_782_399), "2000-02-28 23:59:59.000000");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00:00.000000");
        assert_eq!(shown(1_709_251_199), "2024-02-29 23:59:59.000000");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00.000000");
    }

    #[test]
    fn units_become_nanoseconds_and_never_overflow() {
        assert_eq!(Time::from_units(1500, 1000, 2), Time::from_nanos(3_500_000_000));
        assert_eq!(Time::from_units(3, 1 << 1, 0), Time::from_nanos(1_500_000_000));
        assert_eq!(Time::from_units(u64::MAX, 1, i64::MAX), Time::from_nanos(u64::MAX));
        assert_eq!(Time::from_units(5, 1, i64::MIN), Time::from_nanos(0));
        assert_eq!(Time::from_units(5, 0, 0), Time::from_nanos(5_000_000_000));
    }
}
