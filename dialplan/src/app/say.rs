//! Numbers, letters and times as prompts, in English.

use jiff::Zoned;
use smol_str::{SmolStr, format_smolstr};

use crate::task::Say;

/// Prompts of one task at most.
pub(crate) const MAX_SAID: usize = 256;

fn prompt(name: impl Into<SmolStr>) -> Say {
    Say::Prompt(name.into())
}

/// Each digit by itself; other characters are left out, but `*`, `#` and `-`.
pub fn digits(text: &str) -> Vec<Say> {
    let name = |c: char| match c {
        '0'..='9' => Some(format_smolstr!("digits/{c}")),
        '*' => Some(SmolStr::new_static("digits/star")),
        '#' => Some(SmolStr::new_static("digits/pound")),
        '-' => Some(SmolStr::new_static("digits/minus")),
        _ => None,
    };
    text.chars().filter_map(name).take(MAX_SAID).map(Say::Prompt).collect()
}

/// Each character by its name.
pub fn alpha(text: &str) -> Vec<Say> {
    text.chars().filter_map(|c| letter(c, "letters/", "")).take(MAX_SAID).map(Say::Prompt).collect()
}

/// Each letter by its word of the radio alphabet.
pub fn phonetic(text: &str) -> Vec<Say> {
    text.chars().filter_map(|c| letter(c, "phonetic/", "_p")).take(MAX_SAID).map(Say::Prompt).collect()
}

fn letter(c: char, before: &str, after: &str) -> Option<SmolStr> {
    let sign = match c.to_ascii_lowercase() {
        c @ 'a'..='z' => return Some(format_smolstr!("{before}{c}{after}")),
        c @ '0'..='9' => return Some(format_smolstr!("digits/{c}")),
        '#' => return Some(SmolStr::new_static("digits/pound")),
        ' ' => "space",
        '-' => "dash",
        '.' => "dot",
        '@' => "at",
        '/' => "slash",
        '+' => "plus",
        '=' => "equals",
        '*' => "asterisk",
        '$' => "dollar",
        '_' => "underscore",
        '!' => "exclaimation-point",
        _ => return None,
    };
    Some(format_smolstr!("letters/{sign}"))
}

/// A whole number; digit by digit from a million millions on.
pub fn number(value: i64) -> Vec<Say> {
    let mut said = Vec::new();
    if value < 0 {
        said.push(prompt("digits/minus"));
    }
    let positive = value.unsigned_abs();
    if positive >= 1_000_000_000_000 {
        said.extend(digits(&positive.to_string()));
    } else {
        cardinal(positive, &mut said);
    }
    said
}

fn cardinal(value: u64, said: &mut Vec<Say>) {
    let mut left = value;
    for (unit, name) in [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")] {
        if left >= unit {
            hundreds(left / unit, said);
            said.push(prompt(format_smolstr!("digits/{name}")));
            left %= unit;
        }
    }
    if left > 0 || value == 0 {
        hundreds(left, said);
    }
}

/// Below a thousand.
fn hundreds(value: u64, said: &mut Vec<Say>) {
    if value >= 100 {
        said.push(prompt(format_smolstr!("digits/{}", value / 100)));
        said.push(prompt("digits/hundred"));
    }
    match value % 100 {
        0 if value > 0 => {}
        rest @ 0..=20 => said.push(prompt(format_smolstr!("digits/{rest}"))),
        rest => {
            said.push(prompt(format_smolstr!("digits/{}", rest / 10 * 10)));
            if rest % 10 > 0 {
                said.push(prompt(format_smolstr!("digits/{}", rest % 10)));
            }
        }
    }
}

/// The first, second, ... of at most 99.
fn ordinal(value: u64, said: &mut Vec<Say>) {
    match (value / 10, value % 10) {
        (tens, 0) if tens > 2 => said.push(prompt(format_smolstr!("digits/h-{value}"))),
        _ if value <= 20 => said.push(prompt(format_smolstr!("digits/h-{value}"))),
        (tens, ones) => {
            said.push(prompt(format_smolstr!("digits/{}", tens * 10)));
            said.push(prompt(format_smolstr!("digits/h-{ones}")));
        }
    }
}

/// How a time is said when nothing else is asked for.
pub(crate) const FORMAT: &str = "ABdY 'digits/at' IMp";

/// A time in parts: `A` the day's name, `B` the month, `d` the day of the month, `Y` the year, `I` and `H` the hour
/// of twelve and of twenty-four, `M` the minute, `p` before or after noon, `S` the second, `Q` the day as today,
/// yesterday or in full, `q` the same with nothing for today, `R` for HM and `T` for HMS; a prompt's name stands in
/// single quotes.
pub fn clock(time: &Zoned, now: &Zoned, format: &str) -> Vec<Say> {
    let mut said = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if said.len() >= MAX_SAID {
            break;
        }
        if c == '\'' {
            let name: String = rest.by_ref().take_while(|c| *c != '\'').collect();
            said.push(prompt(name));
        } else {
            part(c, time, now, &mut said);
        }
    }
    said
}

fn part(letter: char, time: &Zoned, now: &Zoned, said: &mut Vec<Say>) {
    let unsigned = |value: i8| u64::from(value.unsigned_abs());
    let day = || i64::from(time.date().duration_since(now.date()).as_hours() as i32) / 24;
    match letter {
        'A' | 'a' => {
            said.push(prompt(format_smolstr!("digits/day-{}", time.weekday().to_sunday_zero_offset())));
        }
        'B' | 'b' | 'h' => said.push(prompt(format_smolstr!("digits/mon-{}", time.month() - 1))),
        'd' | 'e' => ordinal(unsigned(time.day()), said),
        'm' => ordinal(unsigned(time.month()), said),
        'Y' => year(u64::from(time.year().unsigned_abs()), said),
        'I' | 'l' => hundreds(unsigned((time.hour() + 11) % 12 + 1), said),
        'H' | 'k' => {
            if time.hour() < 10 && letter == 'H' {
                said.push(prompt("digits/oh"));
            }
            hundreds(unsigned(time.hour()), said);
        }
        'M' if time.minute() == 0 => said.push(prompt("digits/oclock")),
        'M' | 'N' => {
            if time.minute() < 10 {
                said.push(prompt("digits/oh"));
            }
            hundreds(unsigned(time.minute()), said);
        }
        'p' | 'P' => said.push(prompt(if time.hour() < 12 { "digits/a-m" } else { "digits/p-m" })),
        'S' => hundreds(unsigned(time.second()), said),
        'R' => ['H', 'M'].into_iter().for_each(|c| part(c, time, now, said)),
        'T' => ['H', 'M', 'S'].into_iter().for_each(|c| part(c, time, now, said)),
        'Q' | 'q' => match day() {
            0 if letter == 'q' => {}
            0 => said.push(prompt("digits/today")),
            -1 => said.push(prompt("digits/yesterday")),
            1 => said.push(prompt("digits/tomorrow")),
            _ => ['A', 'B', 'd', 'Y'].into_iter().for_each(|c| part(c, time, now, said)),
        },
        _ => {}
    }
}

/// Nineteen ninety-nine, two thousand nine, twenty twenty-six.
fn year(year: u64, said: &mut Vec<Say>) {
    let (century, rest) = (year / 100, year % 100);
    if !(11..=99).contains(&century) || (century % 10 == 0 && rest < 10) {
        return cardinal(year, said);
    }
    hundreds(century, said);
    match rest {
        0 => said.push(prompt("digits/hundred")),
        1..=9 => {
            said.push(prompt("digits/oh"));
            hundreds(rest, said);
        }
        _ => hundreds(rest, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: &[Say]) -> String {
        let name = |say: &Say| match say {
            Say::Prompt(name) => name.trim_start_matches("digits/").to_owned(),
            Say::Pause(_) => "...".to_owned(),
        };
        said.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_are_said_as_people_do() {
        for (value, said) in [
            (0, "0"),
            (7, "7"),
            (20, "20"),
            (21, "20 1"),
            (100, "1 hundred"),
            (111, "1 hundred 11"),
            (1_000, "1 thousand"),
            (12_345, "12 thousand 3 hundred 40 5"),
            (2_000_001, "2 million 1"),
            (-90, "minus 90"),
            (
                999_999_999_999,
                "9 hundred 90 9 billion 9 hundred 90 9 million 9 hundred 90 9 thousand 9 hundred 90 9",
            ),
            (1_000_000_000_000, "1 0 0 0 0 0 0 0 0 0 0 0 0"),
        ] {
            assert_eq!(words(&number(value)), said, "{value}");
        }
        assert_eq!(words(&number(i64::MIN)), "minus 9 2 2 3 3 7 2 0 3 6 8 5 4 7 7 5 8 0 8");
    }

    #[test]
    fn letters_and_digits_have_their_names() {
        assert_eq!(words(&digits("1-2*#x")), "1 minus 2 star pound");
        assert_eq!(words(&alpha("aB3 .é")), "letters/a letters/b 3 letters/space letters/dot");
        assert_eq!(words(&phonetic("Ab1")), "phonetic/a_p phonetic/b_p 1");
        assert_eq!(digits(&"1".repeat(10_000)).len(), MAX_SAID);
    }

    #[test]
    fn a_time_is_said_by_its_parts() {
        let at = |text: &str| text.parse::<Zoned>().expect("a time");
        let now = at("2026-11-22T20:15:00+01:00[Europe/Berlin]");
        let said = |time: &str, format: &str| words(&clock(&at(time), &now, format));
        assert_eq!(
            said("2026-11-22T09:05:00+01:00[Europe/Berlin]", FORMAT),
            "day-0 mon-10 20 h-2 20 20 6 at 9 oh 5 a-m"
        );
        assert_eq!(
            said("2009-01-30T00:00:00+01:00[Europe/Berlin]", "dY IMp"),
            "h-30 2 thousand 9 12 oclock a-m"
        );
        assert_eq!(
            said("1905-01-31T13:30:59+00:00[UTC]", "YTQ"),
            "19 oh 5 13 30 50 9 day-2 mon-0 30 h-1 19 oh 5"
        );
        assert_eq!(
            said("2026-11-23T08:00:00+01:00[Europe/Berlin]", "Q H M 'beep'"),
            "tomorrow oh 8 oclock beep"
        );
    }
}
