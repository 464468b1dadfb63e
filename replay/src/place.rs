//! A moment of a recording, as a person writes it.

use telex_engine::time::{Duration, WallTime};

/// Where in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the input of this number: `#123`.
    Step(usize),
    /// This long after the beginning of the recording: `+12.5s`.
    After(Duration),
    /// At this time of the day, in UTC: `14:03:22.417`. Milliseconds since midnight.
    Clock(u64),
}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time; write 14:03:22.417 (UTC, as in the log), +12.5s from the beginning, or #123 for an input"
)]
pub struct PlaceError(String);

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError(text.to_owned());
        if let Some(step) = text.strip_prefix('#') {
            return step.parse().map(Self::Step).map_err(|_| wrong());
        }
        if let Some(after) = text.strip_prefix('+') {
            let millis = decimal(after.strip_suffix('s').unwrap_or(after)).ok_or_else(wrong)?;
            return Ok(Self::After(Duration::from_millis(millis)));
        }
        let mut parts = text.trim_end_matches('Z').split(':');
        let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
        let number = |part: Option<&str>, below: u64| part?.parse().ok().filter(|n: &u64| *n < below);
        let time = || {
            let (hour, minute) = (number(hour, 24)?, number(minute, 60)?);
            let millis = decimal(second.unwrap_or("0"))?;
            (millis < 60_000 && parts.next().is_none()).then_some((hour * 60 + minute) * 60_000 + millis)
        };
        time_of(time).map(Self::Clock).ok_or_else(wrong)
    }
}

fn time_of(time: impl FnOnce() -> Option<u64>) -> Option<u64> {
    time()
}

/// Thousandths of a decimal number with up to three places that count.
fn decimal(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part = format!("{part:0<3}");
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part.get(..3)?.parse().ok()?)
}

impl Place {
    /// The first moment at or after `began` with this time of day.
    pub(crate) fn wall(began: WallTime, since_midnight: u64) -> WallTime {
        let began = began.as_unix_millis();
        let ahead = (since_midnight + DAY - began % DAY) % DAY;
        // A recording shorter than half a day may be asked about the minute before it began: that is its beginning.
        let at = if ahead > DAY / 2 { began } else { began + ahead };
        WallTime::from_unix_millis(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_three_forms() {
        assert_eq!("#123".parse(), Ok(Place::Step(123)));
        assert_eq!("+12.5s".parse(), Ok(Place::After(Duration::from_millis(12_500))));
        assert_eq!("+3".parse(), Ok(Place::After(Duration::from_secs(3))));
        assert_eq!("14:03:22.417".parse(), Ok(Place::Clock(50_602_417)));
        assert_eq!("00:00".parse(), Ok(Place::Clock(0)));
        for wrong in
            ["", "#", "#x", "+", "+s", "+1.2.3s", "24:00:00", "1:60:00", "1:00:60", "1:2:3:4", "noon"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_next_one_even_over_midnight() {
        let began = WallTime::from_unix_millis(10 * DAY + DAY - 1000);
        assert_eq!(Place::wall(began, 500), WallTime::from_unix_millis(11 * DAY + 500));
        assert_eq!(Place::wall(began, DAY - 500), WallTime::from_unix_millis(11 * DAY - 500));
        assert_eq!(Place::wall(began, DAY - 60_000), began);
    }
}
