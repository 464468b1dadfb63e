//! The clock on the wall of a scenario.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use telex_dialplan::when;
use telex_engine::time::WallTime;

use crate::cli::dialplan::moment;

/// When a scenario begins that does not say it: a Monday morning without a holiday.
const BEGINNING: DateTime = DateTime::constant(2026, 1, 5, 10, 0, 0, 0);

/// Whether this is a time as a scenario writes it.
pub(super) fn is_time(text: &str) -> bool {
    moment(&padded(text), BEGINNING).is_some()
}

/// An hour may be of one digit.
fn padded(text: &str) -> String {
    let (day, time) = text.rsplit_once(' ').unwrap_or(("", text));
    let zero = if time.find(':') == Some(1) { "0" } else { "" };
    format!("{day} {zero}{time}").trim_start().to_owned()
}

/// The clock of a site.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// The clock of this zone; the one of Greenwich when nobody knows it.
    pub(super) fn of(zone: &str) -> Self {
        Self { zone: when::zone(zone).unwrap_or(TimeZone::UTC) }
    }

    /// When a scenario begins.
    pub(super) fn beginning(&self, at: Option<&str>) -> WallTime {
        let at = at.and_then(|text| moment(&padded(text), BEGINNING)).unwrap_or(BEGINNING);
        self.wall(at).unwrap_or_default()
    }

    /// The next moment after `now` at which the clock shows this; `None` when that is over.
    pub(super) fn next(&self, now: WallTime, text: &str) -> Option<WallTime> {
        let text = padded(text);
        let local = self.local(now).datetime();
        let first = self.wall(moment(&text, local)?)?;
        if first >= now {
            return Some(first);
        }
        // What names no date comes again: tomorrow, or in a week.
        [1, 7].into_iter().find_map(|days| {
            let later = self.wall(moment(&text, local.checked_add(days.days()).ok()?)?)?;
            (later >= now && later > first).then_some(later)
        })
    }

    fn wall(&self, at: DateTime) -> Option<WallTime> {
        let at = at.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond();
        Some(WallTime::from_unix_millis(u64::try_from(at).ok()?))
    }

    fn local(&self, wall: WallTime) -> Zoned {
        let millis = i64::try_from(wall.as_unix_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// What it shows.
    pub(super) fn told(&self, wall: WallTime) -> String {
        self.local(wall).strftime("%a %Y-%m-%d %H:%M:%S").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_today_comes_again() {
        let clock = Clock::of("Europe/Berlin");
        let noon = clock.beginning(Some("2026-11-22 12:00"));
        let next = |text| clock.next(noon, text).map(|at| clock.told(at));
        assert_eq!(next("13:00").as_deref(), Some("Sun 2026-11-22 13:00:00"));
        assert_eq!(next("9:00").as_deref(), Some("Mon 2026-11-23 09:00:00"));
        assert_eq!(next("Sunday 11:02").as_deref(), Some("Sun 2026-11-29 11:02:00"));
        assert_eq!(next("wed 8:30").as_deref(), Some("Wed 2026-11-25 08:30:00"));
        assert_eq!(next("2026-12-24 18:00").as_deref(), Some("Thu 2026-12-24 18:00:00"));
        assert_eq!(next("2026-11-21 18:00"), None);
        assert_eq!(clock.told(clock.beginning(None)), "Mon 2026-01-05 10:00:00");
        assert!(is_time("sat 9:05") && !is_time("soon"));
    }
}
