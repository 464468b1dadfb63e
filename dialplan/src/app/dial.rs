//! Dial and Page: whom to ring.

use std::time::Duration;

use smol_str::{SmolStr, format_smolstr};

use super::{Args, seconds};
use crate::scene::Scene;
use crate::task::{Dial, Routine, Target, Task};

/// Targets of one Dial.
pub(crate) const MAX_TARGETS: usize = 64;

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoTarget {
    pub(crate) message: String,
    /// It is one in the field, but not here: `DAHDI/1`.
    pub(crate) elsewhere: bool,
}

/// How a URI begins.
pub(crate) const SCHEME: &str = "sip:";

/// What stands behind the scheme, when the text begins with that.
fn behind<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A target whose fixed text has no `sip:` is no URI, whatever the values are: a caller who dials one gets nowhere.
pub(crate) fn not_a_uri(text: SmolStr) -> SmolStr {
    let Some((technology, rest)) = text.split_once('/') else { return text };
    let Some((name, mut number)) = rest.split_once('/') else { return text };
    while let Some(rest) = behind(number, SCHEME) {
        number = rest;
    }
    format_smolstr!("{technology}/{name}/{number}")
}

/// `PJSIP/101`, `SIP/0123@carrier`, `PJSIP/carrier/sip:0123@host`, `Local/101@internal/n`.
pub(crate) fn target(text: &str) -> Result<Target, NoTarget> {
    let wrong = || NoTarget {
        message: format!(
            "`{text}` is no target: expected PJSIP/101, PJSIP/NUMBER@TRUNK, PJSIP/TRUNK/sip:NUMBER@HOST or \
             Local/101@CONTEXT"
        ),
        elsewhere: false,
    };
    let (technology, rest) = text.trim().split_once('/').ok_or_else(wrong)?;
    let local = technology.eq_ignore_ascii_case("local");
    let sip = ["pjsip", "sip"].iter().any(|known| technology.eq_ignore_ascii_case(known));
    if rest.is_empty() || technology.is_empty() {
        return Err(wrong());
    }
    if !(local || sip) {
        let message = format!("{technology} is never rung by this exchange, only PJSIP and Local are");
        return Err(NoTarget { message, elsewhere: true });
    }
    if local {
        let rest = rest.split('/').next().unwrap_or(rest);
        let (extension, context) = rest.rsplit_once('@').unwrap_or((rest, "default"));
        return Ok(Target::Local { extension: extension.into(), context: context.into() });
    }
    if let Some((trunk, number)) = rest.split_once('/') {
        if behind(number, "sips:").is_some() {
            let message = format!("`{text}` is no target: sips: is not spoken, write sip:");
            return Err(NoTarget { message, elsewhere: false });
        }
        if let Some(host) = behind(number, SCHEME) {
            let whole = !host.is_empty() && !host.ends_with('@') && !trunk.is_empty();
            let uri = Target::Uri { uri: number.into(), name: trunk.into() };
            return if whole { Ok(uri) } else { Err(wrong()) };
        }
        let number = number.split(['@', ';']).next().unwrap_or(number);
        return Ok(Target::Trunk { number: number.into(), trunk: trunk.into() });
    }
    match rest.rsplit_once('@') {
        Some((number, trunk)) => Ok(Target::Trunk { number: number.into(), trunk: trunk.into() }),
        None => Ok(Target::Phone(rest.into())),
    }
}

fn targets(scene: &mut Scene<'_>, items: &[SmolStr]) -> Vec<Target> {
    let mut targets = Vec::new();
    for item in items.iter().filter(|item| !item.trim().is_empty()) {
        match target(item) {
            Ok(target) if targets.len() < MAX_TARGETS => targets.push(target),
            Ok(_) => scene.note(format_args!("{item} is left out: no more than {MAX_TARGETS} ring together")),
            Err(no) => scene.note(format_args!("{}", no.message)),
        }
    }
    targets
}

pub(super) fn dial(scene: &mut Scene<'_>, args: &Args) -> Result<Task, SmolStr> {
    let targets = targets(scene, &args.items);
    let first = args.text(1).split('^').next().unwrap_or_default();
    let timeout = seconds(first).filter(|time| *time > Duration::ZERO);
    if timeout.is_none() && !first.is_empty() {
        scene.note(format_args!("`{first}` is no number of seconds"));
    }
    let headers = scene.channel.headers.clone();
    let (before, on_answer) = (routine(scene, args, 'b'), routine(scene, args, 'U'));
    Ok(Task::Dial(Dial { targets, timeout, options: args.options.clone(), headers, before, on_answer }))
}

/// The routine that an option names.
fn routine(scene: &mut Scene<'_>, args: &Args, letter: char) -> Option<Routine> {
    let (_, text) = args.options.iter().find(|(option, _)| *option == letter)?;
    let routine = if letter == 'U' { Routine::of_context(text) } else { Routine::of_place(text) };
    if routine.is_none() {
        scene.note(format_args!("the option {letter} names no subroutine: `{text}`"));
    }
    routine
}

pub(super) fn page(scene: &mut Scene<'_>, args: &Args) -> Result<Task, SmolStr> {
    let timeout = args.time(2, scene);
    Ok(Task::Page { targets: targets(scene, &args.items), options: args.options.clone(), timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routines_are_written_in_two_ways() {
        let made = |place: &[&str], args: &[&str]| {
            let owned = |all: &[&str]| all.iter().copied().map(SmolStr::new).collect();
            Some(Routine { place: owned(place), args: owned(args) })
        };
        assert_eq!(Routine::of_place("a^s^1"), made(&["a", "s", "1"], &[]));
        assert_eq!(Routine::of_place("s^go(1^two)"), made(&["s", "go"], &["1", "two"]));
        assert_eq!(Routine::of_place("a^^1"), None);
        assert_eq!(Routine::of_context("screen"), made(&["screen", "s", "1"], &[]));
        assert_eq!(Routine::of_context("screen^1^^3"), made(&["screen", "s", "1"], &["1", "", "3"]));
        assert_eq!(Routine::of_context(""), None);
    }

    #[test]
    fn targets_are_phones_trunks_and_extensions() {
        let trunk = |number: &str, trunk: &str| Target::Trunk { number: number.into(), trunk: trunk.into() };
        let uri = |uri: &str| Target::Uri { uri: uri.into(), name: "carrier".into() };
        for (text, expected) in [
            ("PJSIP/101", Target::Phone("101".into())),
            ("sip/101", Target::Phone("101".into())),
            ("SIP/0123@carrier", trunk("0123", "carrier")),
            ("SIP/carrier/0123", trunk("0123", "carrier")),
            ("PJSIP/carrier/0123@host", trunk("0123", "carrier")),
            ("PJSIP/carrier/sip:0123@host:5060", uri("sip:0123@host:5060")),
            ("sip/carrier/SIP:[::1]", uri("SIP:[::1]")),
            ("Local/101@internal/n", Target::Local { extension: "101".into(), context: "internal".into() }),
        ] {
            assert_eq!(target(text), Ok(expected), "{text}");
        }
        for (text, elsewhere) in
            [("", false), ("101", false), ("PJSIP/", false), ("/1", false), ("DAHDI/1", true)]
                .into_iter()
                .chain([
                    ("PJSIP/carrier/sip:", false),
                    ("PJSIP/carrier/sip:0123@", false),
                    ("PJSIP//sip:0123@host", false),
                    ("PJSIP/carrier/sips:0123@host", false),
                ])
        {
            assert_eq!(target(text).map_err(|no| no.elsewhere), Err(elsewhere), "{text}");
        }
    }
}
