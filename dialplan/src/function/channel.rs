//! Functions of the channel, who is on it, and of devices and extensions.

use std::time::Duration;

use smol_str::{SmolStr, StrExt, ToSmolStr, format_smolstr};

use super::text::truth;
use super::{Answer, Done, Function, arg, int};
use crate::find::{Asked, At};
use crate::scene::Scene;
use crate::world::DeviceState;

/// Header fields that a channel adds to its calls.
const MAX_HEADERS: usize = 32;
/// Groups of one channel.
const MAX_GROUPS: usize = 16;

/// Facts of a channel that a plan may set.
pub(super) const FREE: [&str; 3] = ["accountcode", "language", "musicclass"];
/// Facts of a channel that an exchange knows.
pub(super) const FACTS: [&str; 16] = [
    "accountcode",
    "audionativeformat",
    "audioreadformat",
    "audiowriteformat",
    "channeltype",
    "context",
    "language",
    "linkedid",
    "musicclass",
    "name",
    "peerip",
    "pjsip",
    "recvip",
    "state",
    "tonezone",
    "uniqueid",
];

const WHO: &[&str] = &[
    "num",
    "number",
    "name",
    "all",
    "pres",
    "num-pres",
    "name-pres",
    "dnid",
    "dnid-num",
    "rdnis",
    "ani",
    "ani-num",
    "redirecting-num",
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("CALLERID", "CALLERID(what)", "Who calls. What is set is shown to those who are dialled.")
        .takes(1, 2, "num, name, all (\"Name\" <number>), pres, dnid, rdnis, ani.")
        .of(WHO)
        .reads(caller)
        .writes(set_caller),
    Function::new("REDIRECTING", "REDIRECTING(what)", "Who sent the call elsewhere, and why. What is set is told to those who are dialled (Diversion).")
        .takes(1, 2, "from-num, or reason: cfu, cfb, cfnr, dnd, unavailable, time_of_day, deflection, follow_me, out_of_order, away, unknown.")
        .of(&["from-num", "reason"])
        .reads(|scene, args| {
            let caller = &scene.channel.caller;
            let reason = arg(args, 0).eq_ignore_ascii_case("reason");
            Ok(if reason { caller.reason.clone() } else { caller.rdnis.clone() })
        })
        .writes(set_redirecting),
    Function::new("CONNECTEDLINE", "CONNECTEDLINE(what)", "The party that the caller is connected with, as its phone shows it.")
        .takes(1, 2, "num, name or all; i after it does not send it at once.")
        .of(&["num", "number", "name", "all", "pres", "num-pres", "name-pres"])
        .reads(|scene, args| Ok(scene.world.fact(&format!("connected/{}", short(arg(args, 0)))).unwrap_or_default()))
        .writes(set_connected),
    Function::new("CHANNEL", "CHANNEL(what)", "A fact of the channel.")
        .takes(1, 2, "name, uniqueid, state, context, language, musicclass, tonezone, peerip, audioreadformat, ...; language and musicclass may be set.")
        .reads(|scene, args| {
            let name = args.iter().map(|arg| arg.to_lowercase_smolstr()).collect::<Vec<_>>().join(",");
            scene.world.fact(&name).ok_or_else(|| format_smolstr!("nothing is known of {name}"))
        })
        .writes(|scene, args, value| set_fact(scene, &arg(args, 0).to_lowercase_smolstr(), value)),
    Function::new("CDR", "CDR(field)", "A field of the call's record; own fields may be set.")
        .takes(1, 2, "clid, src, dst, dcontext, channel, start, answer, duration, billsec, disposition, uniqueid, userfield, accountcode, or a name of one's own; u: times as seconds since 1970.")
        .reads(record)
        .writes(|scene, args, value| set_fact(scene, &format!("cdr/{}", arg(args, 0).to_ascii_lowercase()), value)),
    Function::new("CDR_PROP", "CDR_PROP(what)", "Taken without effect: every call has its record here.")
        .about("disable: in Asterisk, no record of this call; party_a: in Asterisk, the call is listed as this channel's.")
        .of(&["disable", "party_a"])
        .writes(|_, _, _| Ok(())),
    Function::new("PJSIP_HEADER", "PJSIP_HEADER(what,name[,number])", "A header field of the caller's INVITE; add puts one in the INVITEs of a later Dial.")
        .takes(2, 3, "read, add, update or remove; the field's name; which of several, from 1.")
        .of(&["read", "add", "update", "remove"])
        .reads(header)
        .writes(set_header),
    Function::new("SIP_HEADER", "SIP_HEADER(name[,number])", "A header field of the caller's INVITE.")
        .takes(1, 2, "The field's name; which of several, from 1.")
        .reads(|scene, args| {
            let number = usize::try_from(int(args, 1, 1)?).unwrap_or(1);
            Ok(scene.world.header(arg(args, 0), number).unwrap_or_default())
        }),
    Function::new("TIMEOUT", "TIMEOUT(which)", "Seconds to wait for keys, or that the call may last.")
        .about("digit: between two keys; response: for the first; absolute: for the whole call, then extension T.")
        .of(&["digit", "response", "absolute"])
        .reads(|scene, args| {
            let now = scene.world.steady_ms();
            let left = |deadline: i64| Duration::from_millis(deadline.saturating_sub(now).max(0).unsigned_abs());
            let channel = &scene.channel;
            let time = match arg(args, 0).to_ascii_lowercase().as_str() {
                "digit" => channel.digit.or(Some(crate::app::DIGIT)),
                "response" => channel.response.or(Some(crate::app::RESPONSE)),
                _ => channel.deadline.map(left),
            };
            let millis = time.unwrap_or_default().as_millis();
            Ok(format_smolstr!("{}.{:03}", millis / 1_000, millis % 1_000))
        })
        .writes(set_timeout),
    Function::new("GROUP", "GROUP([category])", "The channel's group, so that calls can be counted.")
        .takes(0, 1, "A category; a channel is in one group of each.")
        .reads(|scene, args| Ok(own_group(scene, arg(args, 0))))
        .writes(set_group),
    Function::new("GROUP_COUNT", "GROUP_COUNT([group][@category])", "How many channels are in a group.")
        .takes(0, 1, "The channel's own group if empty.")
        .reads(|scene, args| {
            let (group, category) = arg(args, 0).split_once('@').unwrap_or((arg(args, 0), ""));
            let group = if group.is_empty() { own_group(scene, category) } else { group.into() };
            Ok(scene.world.group_count(&group, category).to_smolstr())
        }),
    Function::new("DEVICE_STATE", "DEVICE_STATE(device)", "UNKNOWN, NOT_INUSE, INUSE, BUSY, UNAVAILABLE, RINGING, RINGINUSE or ONHOLD.")
        .about("PJSIP/101")
        .reads(|scene, args| Ok(SmolStr::new_static(scene.world.device(arg(args, 0)).as_str()))),
    Function::new("EXTENSION_STATE", "EXTENSION_STATE(extension[@context])", "The state of the devices in an extension's hint, together.")
        .about("The context is that of the step if not given.")
        .reads(extension_state),
    Function::new("DIALPLAN_EXISTS", "DIALPLAN_EXISTS(context[,extension[,priority]])", "1 if there is such a place in the plan, else 0.")
        .takes(1, 3, "")
        .reads(|scene, args| {
            let priority = u32::try_from(int(args, 2, 1)?).unwrap_or(0);
            truth(match args.len() {
                1 => scene.plan.context(arg(args, 0)).is_some(),
                _ => scene.find(arg(args, 0), arg(args, 1), At::Priority(priority)).is_some(),
            })
        }),
    Function::new("PJSIP_DIAL_CONTACTS", "PJSIP_DIAL_CONTACTS(name)", "What Dial takes for all contacts of a phone: PJSIP/name.")
        .takes(1, 2, "The phone's extension.")
        .reads(|_, args| Ok(format_smolstr!("PJSIP/{}", arg(args, 0)))),
];

fn short(what: &str) -> &'static str {
    match what.to_ascii_lowercase().as_str() {
        "name" => "name",
        "all" => "all",
        "pres" | "num-pres" | "name-pres" => "pres",
        _ => "num",
    }
}

fn caller(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let caller = &scene.channel.caller;
    Ok(match arg(args, 0).to_ascii_lowercase().as_str() {
        "num" | "number" | "ani" | "ani-num" => caller.number.clone(),
        "name" => caller.name.clone(),
        "all" => format_smolstr!("\"{}\" <{}>", caller.name, caller.number),
        "pres" | "num-pres" | "name-pres" if caller.pres.is_empty() => {
            SmolStr::new_static("allowed_not_screened")
        }
        "pres" | "num-pres" | "name-pres" => caller.pres.clone(),
        "dnid" | "dnid-num" => caller.dnid.clone(),
        "rdnis" | "redirecting-num" => caller.rdnis.clone(),
        other => return Err(format_smolstr!("nothing is known of `{other}`")),
    })
}

fn set_caller(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let value = crate::template::cut(value, crate::vars::MAX_NAME);
    let caller = &mut scene.channel.caller;
    match arg(args, 0).to_ascii_lowercase().as_str() {
        "num" | "number" | "ani" | "ani-num" => caller.number = value.into(),
        "name" => caller.name = value.into(),
        "all" => (caller.name, caller.number) = both(value),
        "pres" | "num-pres" | "name-pres" if PRESENTATIONS.contains(&value) => caller.pres = value.into(),
        "pres" | "num-pres" | "name-pres" => {
            return Err(format_smolstr!("`{value}` is none of {}", PRESENTATIONS.join(", ")));
        }
        "dnid" | "dnid-num" => caller.dnid = value.into(),
        "rdnis" | "redirecting-num" => return redirected(caller, value),
        other => return Err(format_smolstr!("`{other}` cannot be set")),
    }
    Ok(())
}

/// How callers may be shown.
const PRESENTATIONS: &[&str] = &[
    "allowed",
    "allowed_not_screened",
    "allowed_passed_screen",
    "allowed_failed_screen",
    "prohib",
    "prohib_not_screened",
    "prohib_passed_screen",
    "prohib_failed_screen",
    "unavailable",
];

/// Why calls are redirected.
const REASONS: &[&str] = &[
    "cfu",
    "cfb",
    "cfnr",
    "dnd",
    "unavailable",
    "time_of_day",
    "deflection",
    "follow_me",
    "out_of_order",
    "away",
    "unknown",
];

/// Name and number of `"Name" <number>`; without a number in `<>` it is a number if it looks like one, else a name.
fn both(value: &str) -> (SmolStr, SmolStr) {
    let located = value.rsplit_once('<').and_then(|(name, rest)| Some((name, rest.rsplit_once('>')?.0)));
    let (name, number) = match located {
        Some((name, number)) => (name, phone_number(number).unwrap_or_else(|| number.trim().into())),
        None => match phone_number(value) {
            Some(number) => return (SmolStr::default(), number),
            None => (value, SmolStr::default()),
        },
    };
    let quoted = name.split_once('"').and_then(|(_, rest)| rest.split_once('"'));
    (quoted.map_or(name.trim(), |(name, _)| name).into(), number)
}

/// A number without what people write between its digits.
fn phone_number(text: &str) -> Option<SmolStr> {
    let number: SmolStr = text.trim_end_matches('.').chars().filter(|c| !" ()-.\t".contains(*c)).collect();
    let whole = number.chars().all(|c| c.is_ascii_digit() || "*#+".contains(c));
    (whole && !number.is_empty()).then_some(number)
}

fn redirected(caller: &mut crate::scene::Caller, by: &str) -> Done {
    caller.rdnis = by.into();
    if caller.reason.is_empty() {
        caller.reason = SmolStr::new_static("unknown");
    }
    Ok(())
}

fn set_redirecting(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let value = crate::template::cut(value, crate::vars::MAX_NAME);
    let caller = &mut scene.channel.caller;
    if !arg(args, 0).eq_ignore_ascii_case("reason") {
        return redirected(caller, value);
    }
    if !REASONS.contains(&value) {
        return Err(format_smolstr!("`{value}` is none of {}", REASONS.join(", ")));
    }
    caller.reason = value.into();
    Ok(())
}

fn set_connected(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    match short(arg(args, 0)) {
        "all" => {
            let (name, number) = both(value);
            set_fact(scene, "connected/name", &name)?;
            set_fact(scene, "connected/num", &number)
        }
        "pres" if !PRESENTATIONS.contains(&value) => {
            Err(format_smolstr!("`{value}` is none of {}", PRESENTATIONS.join(", ")))
        }
        what => set_fact(scene, &format!("connected/{what}"), value),
    }
}

fn record(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let name = arg(args, 0).to_ascii_lowercase();
    let value = scene.world.fact(&format!("cdr/{name}")).unwrap_or_default();
    if value.is_empty() || !matches!(name.as_str(), "start" | "answer") || arg(args, 1).contains('u') {
        return Ok(value);
    }
    super::time::format(scene, &[value, SmolStr::default(), SmolStr::new_static("%Y-%m-%d %H:%M:%S")])
}

fn set_fact(scene: &mut Scene<'_>, name: &str, value: &str) -> Done {
    if scene.world.set_fact(name, value) {
        return Ok(());
    }
    Err(match name.strip_prefix("cdr/") {
        Some(field) => format_smolstr!("CDR({field}) cannot be set"),
        None => format_smolstr!("CHANNEL({name}) cannot be set"),
    })
}

fn header(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    if !arg(args, 0).eq_ignore_ascii_case("read") {
        return Err("only read gives a value".into());
    }
    let number = usize::try_from(int(args, 2, 1)?).unwrap_or(1);
    Ok(scene.world.header(arg(args, 1), number).unwrap_or_default())
}

pub(crate) fn set_header(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let (what, name) = (arg(args, 0).to_ascii_lowercase(), arg(args, 1));
    let letter = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if name.is_empty() || !name.chars().all(letter) || value.contains(['\r', '\n', '\0']) {
        return Err(format_smolstr!("`{name}` with that value is no header field"));
    }
    let headers = &mut scene.channel.headers;
    if what == "remove" || what == "update" {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
    if what == "add" || what == "update" {
        if headers.len() == MAX_HEADERS {
            return Err(format_smolstr!(
                "a call carries no more than {MAX_HEADERS} header fields of its own"
            ));
        }
        headers.push((name.into(), value.into()));
    }
    if what == "read" { Err("a field of the caller's INVITE cannot be set".into()) } else { Ok(()) }
}

fn set_timeout(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let time =
        crate::app::seconds(value).ok_or_else(|| format_smolstr!("`{value}` is no number of seconds"))?;
    let now = scene.world.steady_ms();
    let channel = &mut scene.channel;
    match arg(args, 0).to_ascii_lowercase().as_str() {
        "digit" => channel.digit = Some(time),
        "response" => channel.response = Some(time),
        _ if time.is_zero() => channel.deadline = None,
        _ => channel.deadline = Some(now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))),
    }
    Ok(())
}

/// The channel's group of a category; empty if it is in none.
fn own_group(scene: &Scene<'_>, category: &str) -> SmolStr {
    let found = scene.channel.groups.iter().find(|(known, _)| known == category);
    found.map(|(_, group)| group.clone()).unwrap_or_default()
}

fn set_group(scene: &mut Scene<'_>, args: &[SmolStr], value: &str) -> Done {
    let (category, group) = (SmolStr::new(arg(args, 0)), SmolStr::new(value));
    let groups = &mut scene.channel.groups;
    groups.retain(|(known, _)| *known != category);
    if groups.len() == MAX_GROUPS {
        return Err(format_smolstr!("a channel is in no more than {MAX_GROUPS} groups"));
    }
    groups.push((category, group));
    scene.world.set_group(value, arg(args, 0));
    Ok(())
}

fn extension_state(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let own = scene.channel.place.context.clone();
    let (extension, context) = arg(args, 0).split_once('@').unwrap_or((arg(args, 0), &own));
    let asked = Asked { context, extension, caller: "", now: scene.now() };
    let Some(hint) = scene.plan.hint(asked) else { return Ok(SmolStr::new_static("UNKNOWN")) };
    let devices = hint.devices(extension);
    let states = devices.iter().map(|device| scene.world.device(device));
    Ok(SmolStr::new_static(together(states).as_str()))
}

/// What several devices are as one.
fn together(states: impl Iterator<Item = DeviceState>) -> DeviceState {
    use DeviceState as D;
    let (mut used, mut ringing, mut held, mut busy, mut idle, mut away) = (false, false, false, 0, 0, 0);
    let mut count = 0;
    for state in states {
        count += 1;
        match state {
            D::InUse => used = true,
            D::Ringing => ringing = true,
            D::RingInUse => (used, ringing) = (true, true),
            D::OnHold => held = true,
            D::Busy => busy += 1,
            D::NotInUse => idle += 1,
            D::Unavailable => away += 1,
            D::Unknown => {}
        }
    }
    match () {
        () if ringing && (used || busy > 0) => D::RingInUse,
        () if ringing => D::Ringing,
        () if used => D::InUse,
        () if busy > 0 && busy == count => D::Busy,
        () if busy > 0 => D::InUse,
        () if held => D::OnHold,
        () if idle > 0 => D::NotInUse,
        () if away > 0 => D::Unavailable,
        () => D::Unknown,
    }
}
