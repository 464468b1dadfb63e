//! Times of day, week, month and year: `9:00-17:00,mon-fri,1-31,jan-dec[,zone]`.
//!
//! Each field is `*`, a value, or a range, or several of these with `&` between them. Ranges go round: `22:00-6:00`, `fri-mon`,
//! `nov-feb`. Both ends count: `9:00-17:00` goes on until the end of the minute 17:00. Fields that are not written are `*`.

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
