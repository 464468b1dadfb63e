//! `Local/101@internal`: whom an extension of the dialplan rings. Its steps are walked as far as its first Dial, and
//! the phones of that ring beside those of the Dial that named it. What comes after that Dial is not walked, since who
//! answers is connected with the caller at once; neither is a step that would speak to the caller.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::task::{Dial, Target, Task};
use telex_dialplan::{Dialplan, Outcome, Thread, World};

use super::walks::Walks;
use super::{dial, elsewhere};
use crate::cx::Cx;
use crate::limits;

/// Header fields for an INVITE.
type Headers = Vec<(SmolStr, SmolStr)>;

/// Every contact that a Dial rings, with what their INVITEs carry, and the phones that are in as many calls as they may
/// be. Extensions among the targets are walked.
pub(super) fn whom(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    wanted: &Dial,
) -> (Vec<dial::Target>, Vec<SmolStr>) {
    let (mut found, mut busy, mut count) = (Vec::new(), Vec::new(), 0);
    let mut open: Vec<(Target, u32, Headers)> =
        wanted.targets.iter().rev().map(|target| (target.clone(), 0, Vec::new())).collect();
    while let Some((target, depth, headers)) = open.pop() {
        let mut targets = match &target {
            Target::Phone(extension) if walks.is_full(cx, extension) => {
                busy.push(extension.clone());
                continue;
            }
            Target::Phone(extension) => dial::targets(cx.config, walks.registrar(), extension),
            Target::Trunk { number, trunk } => dial::through(cx.config, walks.registrar(), trunk, number),
            Target::Uri { uri, name } => match elsewhere::target(cx.config, uri, name) {
                Ok(target) => vec![target],
                Err(why) => {
                    left_out(walks, cx, format_smolstr!("{uri} is left out: {why}"));
                    continue;
                }
            },
            Target::Local { extension, context } => {
                count += 1;
                match walk(walks, cx, (context, extension), (depth, count)) {
                    Ok(inner) => {
                        let own = walks.call().map(|call| call.allowed(cx, &inner.headers));
                        let headers: Headers = headers.into_iter().chain(own.unwrap_or_default()).collect();
                        let inner = inner.targets.into_iter().rev();
                        open.extend(inner.map(|target| (target, depth + 1, headers.clone())));
                    }
                    Err(why) => {
                        left_out(
                            walks,
                            cx,
                            format_smolstr!("Local/{extension}@{context} is left out: {why}"),
                        );
                    }
                }
                continue;
            }
        };
        for target in &mut targets {
            target.headers.clone_from(&headers);
        }
        found.extend(targets);
    }
    (found, busy)
}

fn left_out(walks: &mut dyn Walks, cx: &mut Cx<'_>, text: SmolStr) {
    walks.remark(text.clone());
    if let Some(call) = walks.call() {
        call.warn(cx, text);
    }
}

/// The first Dial of an extension.
fn walk(
    walks: &mut dyn Walks,
    cx: &mut Cx<'_>,
    (context, extension): (&SmolStr, &SmolStr),
    (depth, count): (u32, usize),
) -> Result<Dial, SmolStr> {
    if depth >= limits::LOCAL_DEPTH || count > limits::LOCAL_WALKS {
        return Err("too many extensions ring each other".into());
    }
    let mut facts = walks.script().map(|script| script.facts.clone()).unwrap_or_default();
    let mut found = Err(SmolStr::new_static("the call is over"));
    walks.look(cx, Some(&mut facts), &mut |thread, plan, world| {
        let mut local = thread.branch(context, extension);
        found = first_dial(&mut local, plan, world);
        thread.tell_of(&local, &format_smolstr!("Local/{extension}@{context}"));
    });
    found
}

fn first_dial(local: &mut Thread, plan: &Dialplan, world: &mut dyn World) -> Result<Dial, SmolStr> {
    for _ in 0..limits::TASKS_AT_ONCE {
        let outcome = match local.next(plan, world) {
            Some(Task::Dial(dial)) => return Ok(dial),
            Some(Task::Ringing | Task::Progress | Task::StopTones) => Outcome::Done,
            Some(Task::Tones(_)) => Outcome::Done,
            Some(Task::Hangup { .. } | Task::Busy(_) | Task::Congestion(_)) => {
                return Err("it ends without a Dial".into());
            }
            Some(_) => return Err("it does more than to ring phones".into()),
            None => return Err("it ends without a Dial".into()),
        };
        local.resume(outcome);
    }
    Err("it goes round without a Dial".into())
}
