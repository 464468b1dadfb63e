//! How single values are written in a plan: `250ms`, `5%`, `tcp`, `answers 1.5s`. A field says which with
//! `#[serde(with = "words::word")]`, or `words::optional`, `words::list` and `words::share`.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use telex_engine::border::Transport;
use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::check::is_place;
use super::{BrokenTimer, ExactKind, Reaction, Way};

/// No time in a plan is longer: eleven days, so that sums of times stay far from any limit.
pub const LONGEST: Duration = Duration::from_secs(1_000_000);

/// A value that is written as one string.
pub trait Word: Sized {
    /// As it is written.
    fn write(&self) -> String;
    /// Reads it. The error is a sentence that says what can be written.
    fn read(text: &str) -> Result<Self, String>;
}

/// A field that is one word.
pub mod word {
    use super::*;

    /// Writes it.
    pub fn serialize<T: Word, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&value.write())
    }

    /// Reads it.
    pub fn deserialize<'de, T: Word, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        T::read(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

/// A field that is one word or not there.
pub mod optional {
    use super::*;

    /// Writes it.
    pub fn serialize<T: Word, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => s.serialize_str(&value.write()),
            None => s.serialize_none(),
        }
    }

    /// Reads it.
    pub fn deserialize<'de, T: Word, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
        word::deserialize(d).map(Some)
    }
}

/// A field that is a list of words.
pub mod list {
    use super::*;

    /// Writes it.
    pub fn serialize<T: Word, S: Serializer>(value: &[T], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(value.iter().map(Word::write))
    }

    /// Reads it.
    pub fn deserialize<'de, T: Word, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
        let words = Vec::<String>::deserialize(d)?;
        words.iter().map(|text| T::read(text).map_err(D::Error::custom)).collect()
    }
}

/// A seed: a number, or a string with one when it is beyond the integers of TOML.
pub mod seed {
    use std::fmt;

    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
        if i64::try_from(*value).is_ok() {
            s.serialize_u64(*value)
        } else {
            s.serialize_str(&value.to_string())
        }
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        d.deserialize_any(Seed)
    }

    struct Seed;

    impl serde::de::Visitor<'_> for Seed {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0 to 18446744073709551615, in quotes if it has more than 18 digits")
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
            u64::try_from(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
}

/// A probability: parts of a million, written as a percentage.
pub mod share {
    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &u32, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&write_share(*value))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
        read_share(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

/// Parts of a million as a percentage: 50,000 is `5%`.
pub fn write_share(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `5%`, `0.5%` or `5` in parts of a million, of which there are at most a million.
pub fn read_share(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no percentage; write it like 5% or 0.25%, up to 100%");
    let number = text.strip_suffix('%').unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if part.len() > 4 || whole.len() > 3 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
    Some(whole * 10_000 + part).filter(|ppm| *ppm <= 1_000_000).ok_or_else(wrong)
}

impl Word for Duration {
    fn write(&self) -> String {
        let nanos = self.as_nanos();
        let (unit, name) = match nanos {
            0 => return "0s".to_owned(),
            n if n >= 1_000_000_000 => (1_000_000_000, "s"),
            n if n >= 1_000_000 => (1_000_000, "ms"),
            n if n >= 1_000 => (1_000, "us"),
            _ => (1, "ns"),
        };
        let (whole, part) = (nanos / unit, nanos % unit);
        if part == 0 {
            return format!("{whole}{name}");
        }
        let width = unit.ilog10() as usize;
        format!("{whole}.{}{name}", format!("{part:0width$}").trim_end_matches('0'))
    }

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time; write it like 250ms, 1.5s or 2min");
        let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, name) = text.split_at(at);
        let unit: u128 = match name {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wrong()),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 18 || part.len() > 9 || !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        let whole: u128 = whole.parse().map_err(|_| wrong())?;
        let part: u128 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
        let nanos = u64::try_from(whole * unit + part * unit / 1_000_000_000).unwrap_or(u64::MAX);
        let time = Self::from_nanos(nanos);
        if time > LONGEST { Err(format!("`{text}` is longer than {}", LONGEST.write())) } else { Ok(time) }
    }
}

/// Times of the world are counted from its beginning.
impl Word for Instant {
    fn write(&self) -> String {
        self.since(Self::ZERO).write()
    }

    fn read(text: &str) -> Result<Self, String> {
        Duration::read(text).map(|after| Self::ZERO + after)
    }
}

/// A word for each value of a type.
pub(super) fn of_table<T: Clone>(table: &[(&str, T)], text: &str) -> Result<T, String> {
    table.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        format!("`{text}` is not known here; write {}", names.join(" or "))
    })
}

/// The word of a value that stands in its table.
pub(super) fn name_in<T: PartialEq>(table: &[(&str, T)], value: &T) -> String {
    table.iter().find(|(_, known)| known == value).map(|(name, _)| (*name).to_owned()).unwrap_or_default()
}

impl Word for Transport {
    fn write(&self) -> String {
        self.as_str().to_ascii_lowercase()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&[("udp", Self::Udp), ("tcp", Self::Tcp)], text)
    }
}

impl Word for Side {
    fn write(&self) -> String {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
        .to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&[("caller", Self::Caller), ("callee", Self::Callee)], text)
    }
}

impl Word for BrokenTimer {
    fn write(&self) -> String {
        match self {
            Self::T1 => "t1",
            Self::T2 => "t2",
        }
        .to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&[("t1", Self::T1), ("t2", Self::T2)], text)
    }
}

impl Word for Way {
    fn write(&self) -> String {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
        .to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        of_table(&[("in", Self::In), ("out", Self::Out)], text)
    }
}

impl Word for ExactKind {
    fn write(&self) -> String {
        match self {
            Self::Lose => "lose".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Delay(by) => format!("delay {}", by.write()),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            None => of_table(&[("lose", Self::Lose), ("double", Self::Double)], text),
            Some(("delay", by)) => Duration::read(by).map(Self::Delay),
            Some(_) => Err(format!("`{text}` is not known here; write lose, double or delay 1.5s")),
        }
    }
}

impl Word for Reaction {
    fn write(&self) -> String {
        match self {
            Self::Answer(after) => format!("answers {}", after.write()),
            Self::Refuse(after, status) => format!("refuses {status} {}", after.write()),
            Self::Divert(after, to) => format!("sends {to} {}", after.write()),
            Self::Ignore => "rings".to_owned(),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["rings"] => Ok(Self::Ignore),
            ["answers", after] => Duration::read(after).map(Self::Answer),
            ["sends", to, after] if is_place(to) => {
                Duration::read(after).map(|after| Self::Divert(after, to.to_owned()))
            }
            ["refuses", status, after] => {
                let status = status.parse().ok().filter(|status| (400..700).contains(status));
                let status = status.ok_or_else(|| format!("`{text}` does not refuse with 400 to 699"))?;
                Duration::read(after).map(|after| Self::Refuse(after, status))
            }
            _ => Err(format!(
                "`{text}` is no reaction; write `answers 2s`, `refuses 486 1s`, `sends 102 1s` or `rings`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_exact() {
        for (nanos, text) in [
            (0, "0s"),
            (250_000_000, "250ms"),
            (1_500_000_000, "1.5s"),
            (1_000_000_001, "1.000000001s"),
            (20_001, "20.001us"),
            (7, "7ns"),
            (1_000_000_000_000_000, "1000000s"),
        ] {
            assert_eq!(Duration::from_nanos(nanos).write(), text);
            assert_eq!(Duration::read(text), Ok(Duration::from_nanos(nanos)));
        }
        assert_eq!(Duration::read("2min"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "5", "-1s", "1.s2", "1,5s", "5 s", "1000001s", "99999999999999999999s"] {
            assert!(Duration::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percentages_have_up_to_four_decimals() {
        for (ppm, text) in [(0, "0%"), (50_000, "5%"), (2_500, "0.25%"), (1, "0.0001%"), (1_000_000, "100%")]
        {
            assert_eq!((write_share(ppm).as_str(), read_share(text)), (text, Ok(ppm)));
        }
        assert_eq!(read_share("5"), Ok(50_000));
        for wrong in ["101%", "100.0001%", "x", "1.23456%", "-1%", "%", "", "5%%"] {
            assert!(read_share(wrong).is_err(), "{wrong}");
        }
    }
}
