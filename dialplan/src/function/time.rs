//! Functions of time, and choices.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use super::{Answer, Function, arg, int};
use crate::scene::{Scene, condition, timestamp};
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
        .takes(0, 3, "Seconds since 1970, now if empty; a zone like Europe/Berlin, the site's if empty; %Y %m %d %H %M %S %a %b ...: %c if empty.")
        .reads(format),
    Function::new("STRPTIME", "STRPTIME(text,zone,format)", "The seconds since 1970 of a time in text.")
        .takes(3, 3, "The text; a zone, the site's if empty; how it is written: %Y-%m-%d %H:%M:%S")
        .reads(parse),
];

fn format(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let now = scene.now().ms;
    let seconds = int(args, 0, now.div_euclid(1_000))?;
    let zone = scene.time_zone(arg(args, 1));
    let zone = zone.ok_or_else(|| format_smolstr!("no time zone is called {}", arg(args, 1)))?;
    let moment = timestamp(seconds).ok_or_else(|| format_smolstr!("{seconds} is beyond the calendar"))?;
    let pattern = if arg(args, 2).is_empty() { "%c" } else { arg(args, 2) };
    // What %c means belongs to a language; the field's is this.
    let pieces: Vec<String> =
        pattern.split("%%").map(|piece| piece.replace("%c", "%a %b %e %H:%M:%S %Y")).collect();
    let pattern = &pieces.join("%%");
    let text = strtime::format(pattern, &moment.to_zoned(zone));
    text.map(SmolStr::from).map_err(|why| format_smolstr!("`{pattern}`: {why}"))
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
