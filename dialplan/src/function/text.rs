//! Functions of text.

use std::collections::BTreeSet;

use smol_str::{SmolStr, StrExt, ToSmolStr, format_smolstr};

use super::{Answer, Done, Form, Function, arg, regex};
use crate::scene::Scene;
use crate::template::MAX_VALUE;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("LEN", "LEN(text)", "How many characters a text has.").whole(|_, args| {
        Ok(arg(args, 0).chars().count().to_smolstr())
    }),
    Function::new("TOUPPER", "TOUPPER(text)", "A text in capitals.").whole(|_, args| Ok(arg(args, 0).to_uppercase_smolstr())),
    Function::new("TOLOWER", "TOLOWER(text)", "A text in small letters.")
        .whole(|_, args| Ok(arg(args, 0).to_lowercase_smolstr())),
    Function::new("TRIM", "TRIM(text)", "A text without spaces at both ends.").whole(|_, args| Ok(arg(args, 0).trim().into())),
    Function::new("REVERSE", "REVERSE(text)", "A text from its end to its start.")
        .whole(|_, args| Ok(arg(args, 0).chars().rev().collect())),
    Function::new("QUOTE", "QUOTE(text)", "A text in quotes.").whole(quote),
    Function::new("ISNULL", "ISNULL(text)", "1 if a text is empty, else 0.").whole(|_, args| truth(arg(args, 0).is_empty())),
    Function::new("EXISTS", "EXISTS(text)", "1 if a text is not empty, else 0.")
        .whole(|_, args| truth(!arg(args, 0).is_empty())),
    Function::new("CUT", "CUT(variable,delimiter,fields)", "Some fields of a variable.")
        .form(Form::Exact)
        .takes(3, 3, "The variable's name without ${}; one character, `-` if empty; numbers and ranges with `&` between: 1-2&4.")
        .reads(cut),
    Function::new("FIELDQTY", "FIELDQTY(variable,delimiter)", "How many fields a variable has.")
        .form(Form::Exact)
        .takes(2, 2, "The variable's name without ${}; what is between the fields.")
        .reads(field_count),
    Function::new("FIELDNUM", "FIELDNUM(variable,delimiter,value)", "Which field of a variable is the value, from 1; else 0.")
        .form(Form::Exact)
        .takes(3, 3, "The variable's name without ${}; what is between the fields; the value.")
        .reads(|scene, args| {
            let value = scene.variable(arg(args, 0)).unwrap_or_default();
            let between = delimiter(arg(args, 1));
            let mut fields = value.split(between.as_str());
            Ok(fields.position(|field| field == arg(args, 2)).map_or(0, |at| at + 1).to_smolstr())
        }),
    Function::new("FILTER", "FILTER(allowed,text)", "Only the allowed characters of a text: keep what a caller sends harmless.")
        .form(Form::Set)
        .takes(2, 2, "Characters and ranges: 0-9a-zA-Z; \\xHH, \\n, \\r, \\t and \\- for themselves; the text.")
        .reads(filter),
    Function::new("REPLACE", "REPLACE(variable,find,with)", "A variable with each of some characters replaced, or left out.")
        .form(Form::Exact)
        .takes(2, 3, "The variable's name without ${}; the characters; one character, or nothing.")
        .reads(replace),
    Function::new("STRREPLACE", "STRREPLACE(variable,find,with[,most])", "A variable with a text in it replaced.")
        .form(Form::Exact)
        .takes(2, 4, "The variable's name without ${}; the text; what comes there; how often at most.")
        .reads(replace_text),
    Function::new("REGEX", "REGEX(\"expression\" text)", "1 if a regular expression matches somewhere in the text, else 0.")
        .whole(|_, args| {
            let (pattern, text) = regex_parts(arg(args, 0))?;
            truth(regex(pattern)?.is_match(text))
        })
        .about("The expression in quotes, a space, the text."),
    Function::new("STRBETWEEN", "STRBETWEEN(text,start,end)", "What stands between two marks.")
        .form(Form::Exact)
        .takes(3, 3, "The text; the first mark; the mark after it.")
        .reads(|_, args| {
            let rest = arg(args, 0).split_once(arg(args, 1)).map_or("", |(_, rest)| rest);
            Ok(rest.split_once(arg(args, 2)).map_or("", |(text, _)| text).into())
        }),
    Function::new("SHIFT", "SHIFT(variable[,delimiter])", "Takes the first field off a variable.")
        .form(Form::Exact)
        .takes(1, 2, LIST)
        .reads(|scene, args| take(scene, args, false)),
    Function::new("POP", "POP(variable[,delimiter])", "Takes the last field off a variable.")
        .form(Form::Exact)
        .takes(1, 2, LIST)
        .reads(|scene, args| take(scene, args, true)),
    Function::new("PUSH", "PUSH(variable[,delimiter])", "Adds a field at the end of a variable.")
        .form(Form::Exact)
        .takes(1, 2, LIST)
        .writes(|scene, args, value| add(scene, args, value, true)),
    Function::new("UNSHIFT", "UNSHIFT(variable[,delimiter])", "Adds a field at the start of a variable.")
        .form(Form::Exact)
        .takes(1, 2, LIST)
        .writes(|scene, args, value| add(scene, args, value, false)),
    Function::new("LISTFILTER", "LISTFILTER(variable,delimiter,value)", "A variable without the fields that are the value.")
        .form(Form::Exact)
        .takes(3, 3, "The variable's name without ${}; what is between the fields; the value.")
        .reads(|scene, args| {
            let (value, between) = (scene.variable(arg(args, 0)).unwrap_or_default(), delimiter(arg(args, 1)));
            let kept: Vec<&str> = value.split(between.as_str()).filter(|field| *field != arg(args, 2)).collect();
            Ok(kept.join(&between).into())
        }),
];

const LIST: &str = "The variable's name without ${}; what is between the fields, a comma if not given.";

pub(super) fn truth(yes: bool) -> Answer {
    Ok(SmolStr::new_static(if yes { "1" } else { "0" }))
}

fn quote(_: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let inner = arg(args, 0).replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format_smolstr!("\"{inner}\""))
}

/// The delimiter written; a comma for nothing.
fn delimiter(text: &str) -> SmolStr {
    if text.is_empty() { SmolStr::new_static(",") } else { text.into() }
}

fn cut(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let value = scene.variable(arg(args, 0)).unwrap_or_default();
    let between = arg(args, 1).chars().next().unwrap_or('-');
    let fields: Vec<&str> = value.split(between).collect();
    let mut chosen = Vec::new();
    for range in arg(args, 2).split('&') {
        let number = |text: &str, unset: usize| match text.trim() {
            "" => Ok(unset),
            text => text.parse().map_err(|_| format_smolstr!("`{text}` is no number of a field")),
        };
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (number(low, 1)?, number(high, fields.len())?),
            None => (number(range, 1)?, number(range, 1)?),
        };
        let high = high.min(fields.len());
        if (1..=high).contains(&low) {
            chosen.extend_from_slice(&fields[low - 1..high]);
        }
        if chosen.len() > MAX_VALUE {
            break;
        }
    }
    Ok(chosen.join(between.encode_utf8(&mut [0; 4])).into())
}

fn field_count(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let value = scene.variable(arg(args, 0)).unwrap_or_default();
    let count = if value.is_empty() { 0 } else { value.split(delimiter(arg(args, 1)).as_str()).count() };
    Ok(count.to_smolstr())
}

/// The ranges of characters that `FILTER` lets through.
fn ranges(allowed: &str) -> Vec<(char, char)> {
    let mut all: Vec<(char, bool)> = Vec::new(); // with whether it is a dash that makes a range
    let mut rest = allowed.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            all.push((c, c == '-'));
            continue;
        }
        let c = match rest.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('x') => {
                let hex: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&hex, 16).map_or('x', char::from)
            }
            Some(c) => c,
            None => '\\',
        };
        all.push((c, false));
    }
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some((low, _)) = all.get(at).copied() {
        match (all.get(at + 1), all.get(at + 2)) {
            (Some((_, true)), Some((high, _))) => {
                ranges.push((low, *high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    ranges
}

fn filter(_: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let mut ranges = ranges(arg(args, 0));
    ranges.sort_unstable();
    // Of ranges that begin before a character the one that goes farthest.
    let mut far = '\0';
    for (_, high) in &mut ranges {
        far = far.max(*high);
        *high = far;
    }
    let allowed = |c: char| {
        let before = ranges.partition_point(|(low, _)| *low <= c);
        before > 0 && ranges[before - 1].1 >= c
    };
    Ok(arg(args, 1).chars().filter(|c| allowed(*c)).collect())
}

fn replace(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let value = scene.variable(arg(args, 0)).unwrap_or_default();
    let (find, with): (BTreeSet<char>, _) = (arg(args, 1).chars().collect(), arg(args, 2).chars().next());
    Ok(value.chars().filter_map(|c| if find.contains(&c) { with } else { Some(c) }).collect())
}

fn replace_text(scene: &mut Scene<'_>, args: &[SmolStr]) -> Answer {
    let value = scene.variable(arg(args, 0)).unwrap_or_default();
    let (find, with) = (arg(args, 1), arg(args, 2));
    if find.is_empty() {
        return Ok(value);
    }
    let most = usize::try_from(super::int(args, 3, i64::from(u16::MAX))?).unwrap_or(0);
    let (mut all, mut rest, mut count) = (String::new(), value.as_str(), 0);
    while let Some((before, after)) = rest.split_once(find).filter(|_| count < most && all.len() < MAX_VALUE)
    {
        all.push_str(before);
        all.push_str(with);
        rest = after;
        count += 1;
    }
    all.push_str(rest);
    Ok(all.into())
}

/// What `REGEX` is given: the expression between the first quotes, and the text after a space.
pub(super) fn regex_parts(whole: &str) -> Result<(&str, &str), SmolStr> {
    let parts = whole.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let missing = SmolStr::new_static("REGEX needs its expression in quotes: REGEX(\"^1[0-9]+$\" ${EXTEN})");
    parts.map(|(pattern, text)| (pattern, text.strip_prefix(' ').unwrap_or(text))).ok_or(missing)
}

fn take(scene: &mut Scene<'_>, args: &[SmolStr], last: bool) -> Answer {
    let (value, between) = (scene.variable(arg(args, 0)).unwrap_or_default(), delimiter(arg(args, 1)));
    let split = if last { value.rsplit_once(between.as_str()) } else { value.split_once(between.as_str()) };
    let (taken, left) = match split {
        Some((left, taken)) if last => (taken, left),
        Some((taken, left)) => (taken, left),
        None => (value.as_str(), ""),
    };
    scene.set(arg(args, 0), left);
    Ok(taken.into())
}

fn add(scene: &mut Scene<'_>, args: &[SmolStr], value: &str, last: bool) -> Done {
    let (old, between) = (scene.variable(arg(args, 0)).unwrap_or_default(), delimiter(arg(args, 1)));
    let new = match (old.is_empty(), last) {
        (true, _) => value.into(),
        (_, true) => format_smolstr!("{old}{between}{value}"),
        _ => format_smolstr!("{value}{between}{old}"),
    };
    if new.len() > MAX_VALUE {
        return Err(format_smolstr!("{} would be longer than {MAX_VALUE} octets", arg(args, 0)));
    }
    scene.set(arg(args, 0), &new);
    Ok(())
}
