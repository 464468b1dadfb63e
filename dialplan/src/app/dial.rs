//! Dial and Page: whom to ring.

use std::time::Duration;

use smol_str::SmolStr;

use super::{Args, seconds};
use crate::scene::Scene;
use crate::task::{Dial, Target, Task};

/// Targets of one Dial.
pub(crate) const MAX_TARGETS: usize = 64;

/// `PJSIP/101`, `SIP/0123@carrier`, `PJSIP/carrier/sip:0123@host`, `Local/101@internal/n`.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    let wrong =
        || format!("`{text}` is no target: expected PJSIP/101, PJSIP/NUMBER@TRUNK or Local/101@CONTEXT");
    let (technology, rest) = text.trim().split_once('/').ok_or_else(wrong)?;
    let local = technology.eq_ignore_ascii_case("local");
    let sip = ["pjsip", "sip"].iter().any(|known| technology.eq_ignore_ascii_case(known));
    if rest.is_empty() || !(local || sip) {
        return Err(wrong());
    }
    if local {
        let rest = rest.split('/').next().unwrap_or(rest);
        let (extension, context) = rest.rsplit_once('@').ok_or_else(wrong)?;
        return Ok(Target::Local { extension: extension.into(), context: context.into() });
    }
    if let Some((trunk, number)) = rest.split_once('/') {
        let number = number.trim_start_matches("sips:").trim_start_matches("sip:");
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
            Err(why) => scene.note(format_args!("{why}")),
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
    Ok(Task::Dial(Dial { targets, timeout, options: args.options.clone(), headers }))
}

pub(super) fn page(scene: &mut Scene<'_>, args: &Args) -> Result<Task, SmolStr> {
    Ok(Task::Page { targets: targets(scene, &args.items), options: args.options.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_phones_trunks_and_extensions() {
        let trunk = |number: &str, trunk: &str| Target::Trunk { number: number.into(), trunk: trunk.into() };
        for (text, expected) in [
            ("PJSIP/101", Target::Phone("101".into())),
            ("sip/101", Target::Phone("101".into())),
            ("SIP/0123@carrier", trunk("0123", "carrier")),
            ("SIP/carrier/0123", trunk("0123", "carrier")),
            ("PJSIP/carrier/sip:0123@host:5060", trunk("0123", "carrier")),
            ("Local/101@internal/n", Target::Local { extension: "101".into(), context: "internal".into() }),
        ] {
            assert_eq!(target(text), Ok(expected), "{text}");
        }
        for text in ["", "101", "PJSIP/", "DAHDI/1", "Local/101"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
