//! Applications that become one task each.

use std::time::Duration;

use smol_str::{SmolStr, format_smolstr};

use super::say::{self, FORMAT, MAX_SAID};
use super::{Args, seconds};
use crate::number::Number;
use crate::scene::{Scene, answered, timestamp};
use crate::task::{Say, Task};

type Made = Result<Task, SmolStr>;

/// Between two keys that are sent, if the step does not say.
const GAP: Duration = Duration::from_millis(250);
/// Names of one step.
const MAX_ITEMS: usize = 64;

fn play(say: Vec<Say>) -> Made {
    Ok(Task::Play { say, escape: SmolStr::default(), answer: false })
}

/// Prompts that are there; what is missing is noted.
pub(crate) fn prompts(scene: &mut Scene<'_>, names: &[SmolStr]) -> Vec<Say> {
    let mut said = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        if said.len() == MAX_SAID {
            break;
        }
        if let Some(silence) = silence(name) {
            said.push(Say::Pause(silence));
        } else if scene.world.has_prompt(name) {
            said.push(Say::Prompt(name.into()));
        } else {
            scene.note(format_args!("no prompt is named {name}"));
        }
    }
    said
}

/// Whether a Playback, unless it is skipped, names what nobody has, or nothing.
pub(crate) fn lacks_prompt(scene: &Scene<'_>, args: &Args) -> bool {
    let mut names = args.items.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).peekable();
    let nothing = names.peek().is_none();
    !skips(scene, args)
        && (nothing || names.any(|name| silence(name).is_none() && !scene.world.has_prompt(name)))
}

/// A Playback has an option, which is a word: skip, noanswer.
fn has_word(args: &Args, word: &str) -> bool {
    args.text(1).split([',', '&', '|', ' ']).any(|option| option.trim() == word)
}

fn skips(scene: &Scene<'_>, args: &Args) -> bool {
    has_word(args, "skip") && !answered(scene)
}

/// `silence/3`: a pause of so many seconds.
pub(crate) fn silence(name: &str) -> Option<Duration> {
    let seconds = name.strip_prefix("silence/")?.parse::<u8>().ok()?;
    Some(Duration::from_secs(u64::from(seconds.min(60))))
}

pub(super) fn answer(_: &mut Scene<'_>, args: &Args) -> Made {
    // The field writes milliseconds here.
    let millis = args.text(0).trim().parse::<u64>().unwrap_or(0).min(60_000);
    Ok(Task::Answer(Duration::from_millis(millis)))
}

pub(super) fn hangup(scene: &mut Scene<'_>, args: &Args) -> Made {
    let text = args.text(0).trim();
    let cause = cause(text);
    if cause.is_none() && !text.is_empty() {
        scene.note(format_args!("`{text}` is no cause of Q.850"));
    }
    Ok(Task::Hangup { cause })
}

/// Causes of Q.850 by the names the field has for them.
pub(super) const CAUSES: &[(&str, u8)] = &[
    ("UNALLOCATED", 1),
    ("NO_ROUTE_TRANSIT_NET", 2),
    ("NO_ROUTE_DESTINATION", 3),
    ("CHANNEL_UNACCEPTABLE", 6),
    ("NORMAL_CLEARING", 16),
    ("NORMAL", 16),
    ("USER_BUSY", 17),
    ("BUSY", 17),
    ("NO_USER_RESPONSE", 18),
    ("NO_ANSWER", 19),
    ("NOANSWER", 19),
    ("SUBSCRIBER_ABSENT", 20),
    ("CALL_REJECTED", 21),
    ("NUMBER_CHANGED", 22),
    ("DESTINATION_OUT_OF_ORDER", 27),
    ("INVALID_NUMBER_FORMAT", 28),
    ("FACILITY_REJECTED", 29),
    ("NORMAL_UNSPECIFIED", 31),
    ("NORMAL_CIRCUIT_CONGESTION", 34),
    ("CONGESTION", 34),
    ("NETWORK_OUT_OF_ORDER", 38),
    ("NORMAL_TEMPORARY_FAILURE", 41),
    ("FAILURE", 38),
    ("SWITCH_CONGESTION", 42),
    ("BEARERCAPABILITY_NOTAVAIL", 58),
    ("INCOMPATIBLE_DESTINATION", 88),
    ("RECOVERY_ON_TIMER_EXPIRE", 102),
    ("PROTOCOL_ERROR", 111),
    ("INTERWORKING", 127),
];

/// A cause by number or name, in any case and with `AST_CAUSE_` before it or not.
pub(super) fn cause(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=127).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("AST_CAUSE_").unwrap_or(&upper);
    CAUSES.iter().find(|(known, _)| *known == name).map(|(_, cause)| *cause)
}

pub(super) fn ringing(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::Ringing)
}

pub(super) fn progress(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::Progress)
}

pub(super) fn busy(scene: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Busy(args.time(0, scene)))
}

pub(super) fn congestion(scene: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Congestion(args.time(0, scene)))
}

pub(super) fn wait(scene: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Wait(args.time(0, scene).unwrap_or_default()))
}

pub(super) fn playback(scene: &mut Scene<'_>, args: &Args) -> Made {
    if skips(scene, args) {
        return Ok(Task::Play { say: Vec::new(), escape: SmolStr::default(), answer: false });
    }
    let say = prompts(scene, &args.items);
    let quiet = has_word(args, "noanswer") || args.text(1) == "n";
    Ok(Task::Play { say, escape: SmolStr::default(), answer: !quiet })
}

pub(super) fn wait_until(scene: &mut Scene<'_>, args: &Args) -> Made {
    let now = scene.now().ms;
    let text = args.text(0).trim();
    let until = Number::parse(text).and_then(|seconds| seconds.mul(Number::from_int(1_000))?.to_int());
    let until = until.ok_or_else(|| format_smolstr!("`{text}` is no number of seconds since 1970"))?;
    let millis = until.saturating_sub(now).clamp(0, 86_400_000);
    Ok(Task::Wait(Duration::from_millis(millis.unsigned_abs())))
}

pub(super) fn music(scene: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Music { class: args.text(0).into(), time: args.time(1, scene) })
}

pub(super) fn say_digits(_: &mut Scene<'_>, args: &Args) -> Made {
    play(say::digits(args.text(0)))
}

pub(super) fn say_alpha(_: &mut Scene<'_>, args: &Args) -> Made {
    play(say::alpha(args.text(0)))
}

pub(super) fn say_phonetic(_: &mut Scene<'_>, args: &Args) -> Made {
    play(say::phonetic(args.text(0)))
}

pub(super) fn say_number(_: &mut Scene<'_>, args: &Args) -> Made {
    let text = args.text(0).trim();
    let value = text.parse().map_err(|_| format_smolstr!("`{text}` is no whole number"))?;
    play(say::number(value))
}

pub(super) fn say_time(scene: &mut Scene<'_>, args: &Args) -> Made {
    let now = scene.now().ms.div_euclid(1_000);
    let text = args.text(0).trim();
    let seconds = if text.is_empty() { Ok(now) } else { text.parse() };
    let seconds = seconds.map_err(|_| format_smolstr!("`{text}` is no number of seconds since 1970"))?;
    let zone = scene.time_zone(args.text(1).trim());
    let zone = zone.ok_or_else(|| format_smolstr!("no time zone is called {}", args.text(1)))?;
    let local = |seconds| timestamp(seconds).map(|moment| moment.to_zoned(zone.clone()));
    let (time, now) = local(seconds).zip(local(now)).ok_or("that time is beyond the calendar")?;
    let format = if args.text(2).is_empty() { FORMAT } else { args.text(2) };
    play(say::clock(&time, &now, format))
}

pub(super) fn tones(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Tones(args.text(0).into()))
}

pub(super) fn stop_tones(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::StopTones)
}

pub(super) fn echo(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::Echo)
}

pub(super) fn milliwatt(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::Milliwatt)
}

/// A file's name without folder; nothing of it leaves the folder of recordings.
fn file(path: &str) -> Result<SmolStr, SmolStr> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let name: SmolStr = name.chars().filter(|c| !c.is_control()).take(200).collect();
    if name.is_empty() || name.chars().all(|c| c == '.') {
        Err("a name for the file is missing".into())
    } else {
        Ok(name)
    }
}

pub(super) fn record(scene: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Record {
        file: file(args.text(0))?,
        silence: args.time(1, scene).unwrap_or_default(),
        most: args.time(2, scene).unwrap_or_default(),
        options: args.letters(),
    })
}

pub(super) fn monitor(scene: &mut Scene<'_>, args: &Args) -> Made {
    if !args.text(2).is_empty() {
        scene.note(format_args!("no command is run after a recording: {}", args.text(2)));
    }
    Ok(Task::Monitor { file: file(args.text(0))?, options: args.letters() })
}

pub(super) fn stop_monitor(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::StopMonitor)
}

pub(super) fn transfer(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Transfer(args.text(0).into()))
}

pub(super) fn park(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Park { lot: args.text(0).into(), options: args.options.clone() })
}

/// One argument is the slot if it is a number, and the lot otherwise.
pub(super) fn parked_call(_: &mut Scene<'_>, args: &Args) -> Made {
    let (first, second) = (args.text(0), args.text(1));
    let slot = second.is_empty() && !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    let (lot, slot) = if slot { ("", first) } else { (first, second) };
    Ok(Task::ParkedCall { lot: lot.into(), slot: slot.into() })
}

pub(super) fn pickup(_: &mut Scene<'_>, args: &Args) -> Made {
    let extensions = args.items.iter().map(|item| item.split('@').next().unwrap_or(item).trim());
    Ok(Task::Pickup(extensions.filter(|item| !item.is_empty()).take(MAX_ITEMS).map(SmolStr::new).collect()))
}

pub(super) fn send_digits(_: &mut Scene<'_>, args: &Args) -> Made {
    let keys: SmolStr =
        args.text(0).chars().filter(|c| "0123456789*#ABCDabcdwW".contains(*c)).take(100).collect();
    let gap =
        args.text(1).trim().parse().map_or(GAP, |millis: u64| Duration::from_millis(millis.min(10_000)));
    Ok(Task::SendDigits { keys, gap })
}

pub(super) fn conference(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Conference { name: args.text(0).into() })
}

pub(super) fn queue(_: &mut Scene<'_>, args: &Args) -> Made {
    let timeout = seconds(args.text(4)).filter(|time| *time > Duration::ZERO);
    Ok(Task::Queue { name: args.text(0).into(), timeout })
}

pub(super) fn voice_mail(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::VoiceMail { mailbox: args.items.join("&").into(), options: args.letters() })
}

pub(super) fn messages(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::Messages { mailbox: args.text(0).into(), options: args.letters() })
}

pub(super) fn call_back(_: &mut Scene<'_>, args: &Args) -> Made {
    Ok(Task::CallBack { of: args.text(0).trim().into() })
}

pub(super) fn cancel_call_back(_: &mut Scene<'_>, _: &Args) -> Made {
    Ok(Task::CancelCallBack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_numbers_and_names() {
        assert_eq!((silence("silence/2"), silence("silent")), (Some(Duration::from_secs(2)), None));
        assert_eq!(cause("17"), Some(17));
        assert_eq!(cause("ast_cause_user_busy"), Some(17));
        assert_eq!(cause("call_rejected"), Some(21));
        assert_eq!((cause(""), cause("0"), cause("128"), cause("nonsense")), (None, None, None, None));
    }

    #[test]
    fn a_recording_stays_in_its_folder() {
        assert_eq!(file("/tmp/../etc/passwd").as_deref(), Ok("passwd"));
        assert_eq!(file("greeting.wav").as_deref(), Ok("greeting.wav"));
        assert!(file("..").is_err() && file("/").is_err() && file("").is_err());
    }
}
