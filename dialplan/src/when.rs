//! Times of day, week, month and year: `9:00-17:00,mon-fri,1-31,jan-dec[,zone]`.
//!
//! Each field is `*`, a value, or a range, or several of these with `&` between them. Ranges go round: `22:00-6:00`,
//! `fri-mon`, `nov-feb`. Both ends count: `9:00-17:00` goes on until the end of the minute 17:00. Fields that are not
//! written are `*`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use smol_str::SmolStr;

use crate::names::hint;
use crate::source::Fault;

/// A moment in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Milliseconds since 1970 in UTC.
    pub ms: i64,
    /// Name of the time zone whose clock is meant; one that nobody knows is UTC.
    pub zone: &'a str,
}

impl<'a> Moment<'a> {
    /// A moment.
    pub const fn new(ms: i64, zone: &'a str) -> Self {
        Self { ms, zone }
    }

    /// What the clock and the calendar show in the moment's zone.
    pub fn local(self) -> DateTime {
        self.local_in(&zone(self.zone).unwrap_or(TimeZone::UTC))
    }

    fn local_in(self, zone: &TimeZone) -> DateTime {
        // Far outside of what a clock shows it stays at the end of the calendar.
        let ends = [Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond() - 1];
        let ms = self.ms.clamp(ends[0], ends[1]);
        zone.to_datetime(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

/// A time zone by its name, out of the bundled rules.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const MINUTES: u32 = 24 * 60;

fn shown(local: DateTime, zone: &str) -> String {
    format!("{} {zone}", local.strftime("%a %Y-%m-%d %H:%M"))
}

/// `Sun 2026-11-22 11:02 Europe/Berlin`.
impl std::fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(self.local(), self.zone))
    }
}

/// A condition on the time.
#[derive(Clone)]
pub struct When {
    text: SmolStr,
    /// A bit for each minute of the day; none stands for all.
    minutes: Option<Box<[u64; MINUTES.div_ceil(64) as usize]>>,
    /// From Sunday.
    week_days: u32,
    /// From the first.
    month_days: u32,
    /// From January.
    months: u32,
    zone: Option<TimeZone>,
}

impl When {
    /// Reads one: up to four fields and a zone, with commas (or the old `|`) between them.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let comma = if text.contains(',') { ',' } else { '|' };
        let mut at = 0;
        let mut fields = text.split(comma).map(|field| {
            let start = at + (field.len() - field.trim_start().len());
            at += field.len() + 1;
            (start, field.trim())
        });
        let mut next = || fields.next().unwrap_or((text.len(), "*"));
        let times = next();
        let minutes = minutes(times.0, times.1)?;
        let week_days = bits(next(), &DAYS, 0, "a day of the week like mon")?;
        let month_days = bits(next(), &[], 31, "a day of the month from 1 to 31")?;
        let months = bits(next(), &MONTHS, 12, "a month like jan")?;
        let (zone_at, name) = next();
        let zone = match name {
            "" | "*" => None,
            _ => Some(zone(name).ok_or_else(|| {
                Fault::new(zone_at, format!("no time zone is called {name}: expected one like Europe/Berlin"))
            })?),
        };
        if let Some((at, field)) = fields.next() {
            return Err(Fault::new(at, format!("`{field}` is too much: a time has four fields and a zone")));
        }
        Ok(Self { text: text.trim().into(), minutes, week_days, month_days, months, zone })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A moment by its clock, for people: `Sun 2026-11-22 11:02 Europe/Berlin`.
    pub(crate) fn clock(&self, now: Moment<'_>) -> String {
        match &self.zone {
            Some(zone) => shown(now.local_in(zone), zone.iana_name().unwrap_or("another zone")),
            None => now.to_string(),
        }
    }

    /// Whether a moment is in it, by the clock of its own zone if it names one, or of the moment's.
    pub fn holds(&self, now: Moment<'_>) -> bool {
        self.missed(now).is_none()
    }

    /// The first field that a moment does not meet, in words: `mon-fri` is met by no Sunday.
    pub fn missed(&self, now: Moment<'_>) -> Option<&'static str> {
        let local = self.zone.as_ref().map_or_else(|| now.local(), |zone| now.local_in(zone));
        let minute = local.hour() as usize * 60 + local.minute() as usize;
        let has = |bits: u32, number: i8| bits >> number & 1 == 1;
        if !has(self.months, local.month() - 1) {
            return Some("month");
        }
        if !has(self.month_days, local.day() - 1) {
            return Some("day of the month");
        }
        if !has(self.week_days, local.weekday().to_sunday_zero_offset()) {
            return Some("day of the week");
        }
        let in_time = self.minutes.as_ref().is_none_or(|bits| bits[minute / 64] >> (minute % 64) & 1 == 1);
        (!in_time).then_some("time of day")
    }
}

impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for When {}

impl std::fmt::Debug for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "When({})", self.text)
    }
}

/// The parts of a field: each with where it begins, its first and its last value, as text.
fn parts(at: usize, field: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut from = at;
    field.split('&').map(move |part| {
        let start = from;
        from += part.len() + 1;
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        (start, low.trim(), high.trim())
    })
}

fn minutes(at: usize, field: &str) -> Result<Option<Box<[u64; 23]>>, Fault> {
    if field.is_empty() || field == "*" {
        return Ok(None);
    }
    let mut bits = Box::new([0; 23]);
    for (at, low, high) in parts(at, field) {
        let (mut minute, last) = (clock(at, low)?, clock(at, high)?);
        loop {
            bits[minute as usize / 64] |= 1_u64 << (minute % 64);
            if minute == last {
                break;
            }
            minute = (minute + 1) % MINUTES;
        }
    }
    Ok(Some(bits))
}

fn clock(at: usize, text: &str) -> Result<u32, Fault> {
    let number = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<u8>().ok()).flatten();
    text.split_once(':')
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
        .filter(|(hour, minute)| *hour < 24 && *minute < 60)
        .map(|(hour, minute)| u32::from(hour) * 60 + u32::from(minute))
        .ok_or_else(|| {
            Fault::new(at, format!("`{text}` is no time of day: expected one from 0:00 to 23:59, or *"))
        })
}

/// A field of names or numbers. A name may be cut to three letters; numbers run from 1 to `numbers`.
fn bits((at, field): (usize, &str), names: &[&'static str], numbers: u32, what: &str) -> Result<u32, Fault> {
    let count = if names.is_empty() { numbers } else { names.len() as u32 };
    if field.is_empty() || field == "*" {
        return Ok((1 << count) - 1);
    }
    let value = |at: usize, text: &str| {
        let small = text.to_ascii_lowercase();
        let name =
            names.iter().position(|name| *name == small || (small.len() == 3 && name.starts_with(&small)));
        let number = text.parse::<u32>().ok().filter(|number| (1..=numbers).contains(number));
        let fault = || {
            let near = hint(text, names.iter().map(|name| &name[..3]));
            Fault::new(at, format!("`{text}` is not {what}, or *{near}"))
        };
        name.map(|index| index as u32).or(number.map(|number| number - 1)).ok_or_else(fault)
    };
    let mut set = 0;
    for (at, low, high) in parts(at, field) {
        let (mut number, last) = (value(at, low)?, value(at, high)?);
        loop {
            set |= 1 << number;
            if number == last {
                break;
            }
            number = (number + 1) % count;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A moment by the clock of a zone.
    fn at(text: &str, zone: &'static str) -> Moment<'static> {
        let local: DateTime = text.parse().expect("a date");
        let zoned = super::zone(zone).expect("a zone").to_zoned(local).expect("a moment");
        Moment::new(zoned.timestamp().as_millisecond(), zone)
    }

    fn missed(spec: &str, text: &str) -> Option<&'static str> {
        When::parse(spec).unwrap_or_else(|fault| panic!("{fault:?}")).missed(at(text, "Europe/Berlin"))
    }

    #[test]
    fn each_field_has_its_say() {
        // 2023-11-24 is a Friday.
        let office = "9:00-17:00,mon-fri,*,*";
        assert_eq!(missed(office, "2023-11-24T09:00:00"), None);
        assert_eq!(missed(office, "2023-11-24T17:00:59"), None);
        assert_eq!(missed(office, "2023-11-24T17:01:00"), Some("time of day"));
        assert_eq!(missed(office, "2023-11-24T08:59:59"), Some("time of day"));
        assert_eq!(missed(office, "2023-11-25T10:00:00"), Some("day of the week"));
        assert_eq!(missed("*,*,1-7&24,*", "2023-11-24T10:00:00"), None);
        assert_eq!(missed("*,*,1-7&23,*", "2023-11-24T10:00:00"), Some("day of the month"));
        assert_eq!(missed("*,*,*,dec", "2023-11-24T10:00:00"), Some("month"));
        assert_eq!(missed("*,*,31,dec", "2023-12-31T23:59:59"), None);
        assert_eq!(missed("*", "2023-12-31T23:59:59"), None);
        assert_eq!(missed("", "2023-12-31T23:59:59"), None);
        assert_eq!(missed("8:05|fri|*|*", "2023-11-24T08:05:30"), None);
        assert_eq!(missed("8:05 , Friday , * , NOV", "2023-11-24T08:05:30"), None);
    }

    #[test]
    fn ranges_go_round() {
        for (hour, misses) in [(21, true), (22, false), (23, false), (0, false), (6, false), (7, true)] {
            let time = format!("2023-11-24T{hour:02}:00:00");
            assert_eq!(missed("22:00-6:00,*,*,*", &time).is_some(), misses, "{hour}");
        }
        assert_eq!(missed("*,sat-mon,*,*", "2023-11-26T10:00:00"), None);
        assert_eq!(missed("*,sat-mon,*,*", "2023-11-28T10:00:00"), Some("day of the week"));
        assert_eq!(missed("*,*,30-2,*", "2023-12-01T10:00:00"), None);
        assert_eq!(missed("*,*,*,nov-feb", "2024-01-28T10:00:00"), None);
        assert_eq!(missed("*,*,*,nov-feb", "2024-03-01T10:00:00"), Some("month"));
    }

    #[test]
    fn the_clock_is_that_of_the_zone() {
        let office = When::parse("9:00-17:00,mon-fri,*,*").expect("right");
        // The clock goes from 1:59 to 3:00 on this day.
        let spring = When::parse("2:30,sun,31,mar").expect("right");
        assert!(!spring.holds(at("2024-03-31T03:30:00", "Europe/Berlin")));
        let (winter, summer) = (at("2024-01-10T16:30:00", "UTC").ms, at("2024-07-10T16:30:00", "UTC").ms);
        assert!(!office.holds(Moment::new(winter, "Europe/Berlin")));
        assert!(office.holds(Moment::new(winter, "Europe/London")));
        assert!(!office.holds(Moment::new(summer, "Europe/London")));
        let own = When::parse("9:00-17:00,mon-fri,*,*,America/New_York").expect("right");
        assert!(own.holds(Moment::new(summer, "Europe/Berlin")));
        assert!(office.holds(Moment::new(summer, "No/Where")));
    }

    #[test]
    fn what_is_no_time_is_refused_with_its_place() {
        let fault = |text| {
            When::parse(text).map_or_else(|fault| (fault.at, fault.message), |when| panic!("{when:?}"))
        };
        assert_eq!(fault("9:00-17:60").0, 0);
        assert_eq!(fault("*, mno").0, 3);
        assert!(fault("*,mno").1.ends_with("did you mean mon?"));
        assert_eq!(fault("*,mon,1-7&32").0, 10);
        assert_eq!(fault("*,*,*,*,Mars/Olympus").0, 8);
        assert_eq!(fault("*,*,*,*,UTC,x").0, 12);
        for text in [
            "9-17",
            "24:00",
            "9:00-",
            "-9:00",
            "9:00&",
            "9:000-10:00",
            "*,3",
            "*,mon-,*",
            "*,*,0",
            "*,*,*,13",
            "*,*&1",
        ] {
            assert!(When::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_any_moment_will_do(text in "[-0-9a-z:*,&|/ ]{0,30}", ms in any::<i64>(), zone in "[A-Za-z/]{0,9}") {
            let _ = Moment::new(ms, &zone).local();
            if let Ok(when) = When::parse(&text) {
                prop_assert_eq!(when.holds(Moment::new(ms, "UTC")), when.missed(Moment::new(ms, "UTC")).is_none());
            }
        }
    }
}
