//! Functions of time, and choices.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use super::{Answer, Function, arg};
use crate::number::Number;
use crate::scene::{Scene, condition};
use crate::when::When;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("IF", "IF(condition?yes:no)", "One of two texts; only the one chosen is evaluated.")
        .choice(|_, question| Ok(condition(question)))
        .about("The condition is false if it is empty or a number that is zero."),
    Function::new("IFTIME", "IFTIME(times,weekdays,days,months[,zone]?yes:no)", "One of two texts by the time it is.")
        .choice(|scene, question| {
            let when = When::parse(question).map_err(|fault| SmolStr::from(fault.message))?;
            Ok(when.holds(scene.now()))
        })
        .about("As in `include`: 9:00-17:00,mon-fri,*,*"),
    Function::new("STRFTIME", "STRFTIME([epoch][,zone[,format]])", "A time as text.")
        .takes(0, 3, "Seconds since 1970, now if empty; a zone like Europe/Berlin, the site's if empty; %Y %m %d %H %M %S %a %b ..., %3q milliseconds: %c if empty.")
        .reads(format),
    Function::new("STRPTIME", "STRPTIME(text,zone,format)", "The seconds since 1970 of a time in text.")
        .takes(3, 3, "The text; a zone, the site's if empty; how it is written: %Y-%m-%d %H:%M:%S")
        .reads(parse),
];

pub(super) fn format(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let micros = match arg(args, 0).trim() {
        "" => scene.now().ms.saturating_mul(1_000),
        text => {
            let seconds = Number::parse(text).ok_or_else(|| format_smolstr!("`{text}` is not a number"))?;
            let micros = seconds.mul(Number::from_int(1_000_000)).and_then(Number::floor);
            micros.and_then(Number::to_int).ok_or_else(|| format_smolstr!("{text} is beyond the calendar"))?
        }
    };
    let zone = scene.time_zone(arg(args, 1));
    let zone = zone.ok_or_else(|| format_smolstr!("no time zone is called {}", arg(args, 1)))?;
    let moment = Timestamp::from_microsecond(micros);
    let moment = moment.map_err(|_| format_smolstr!("{} is beyond the calendar", arg(args, 0)))?;
    let pattern = if arg(args, 2).is_empty() { "%c" } else { arg(args, 2) };
    let text = strtime::format(spelled(pattern, micros.rem_euclid(1_000_000)), &moment.to_zoned(zone));
    text.map(SmolStr::from).map_err(|why| format_smolstr!("`{pattern}`: {why}"))
}

/// A format with what belongs to a language, in the field's, and `%q`, parts of a second: six digits, or as many as
/// are said (`%3q`).
fn spelled(pattern: &str, micros: i64) -> String {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some((before, behind)) = rest.split_once('%') {
        text.push_str(before);
        let mut signs = behind.chars();
        let (digits, sign) = match signs.next() {
            Some(digit @ '1'..='6') if behind[1..].starts_with('q') => (digit as u8 - b'0', signs.next()),
            sign => (6, sign),
        };
        match sign {
            Some('c') => text.push_str("%a %b %e %H:%M:%S %Y"),
            Some('x') => text.push_str("%m/%d/%y"),
            Some('X') => text.push_str("%H:%M:%S"),
            Some('r') => text.push_str("%I:%M:%S %p"),
            Some('q') => text.push_str(&format!("{micros:06}")[..usize::from(digits)]),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
        rest = signs.as_str();
    }
    text + rest
}

fn parse(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let zone = scene.time_zone(arg(args, 1));
    let zone = zone.ok_or_else(|| format_smolstr!("no time zone is called {}", arg(args, 1)))?;
    let wrong =
        |why: jiff::Error| format_smolstr!("`{}` is not like `{}`: {why}", arg(args, 0), arg(args, 2));
    let broken = strtime::parse(arg(args, 2), arg(args, 0)).map_err(wrong)?;
    let date = broken.to_date().map_err(wrong)?;
    let time = broken.to_time().unwrap_or_default();
    let moment = DateTime::from_parts(date, time).to_zoned(zone).map_err(wrong)?;
    Ok(moment.timestamp().as_second().to_smolstr())
}
