//! Who talks with whom after a call was handed over, parked, picked up or replaced.

use std::collections::BTreeSet;

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::dialogs::LeftAlone;
use super::ties::{Ties, stays};
use super::{Broken, Verdict, broken};
use crate::exchange::chooses;
use crate::expect;
use crate::net::Network;
use crate::phone::{Leg, State};
use crate::plan::walks;
use crate::voice::LegId;

/// Who is up hears and is heard within this.
const SOON: Duration = Duration::from_secs(3);

/// `talks_are_mutual`, at rest: of calls whose parties have changed, each party that is up hears exactly one other,
/// which hears it. `media_both_ways` when it hears nobody.
pub(crate) fn talks_are_mutual(now: Instant, ties: Ties<'_>, left_alone: LeftAlone<'_>) -> Verdict {
    for leg in ties.legs().filter(|leg| leg.state == State::Up && ties.changes(leg.call)) {
        let cluster = ties.cluster(leg.call);
        let known = || ties.legs().filter(|other| cluster.contains(&other.call));
        let alone = |leg: &Leg| left_alone(&ties.phones[leg.id.phone()], leg);
        // Who lost power is missed when it is not heard; nobody misses who is silent.
        let lost = || known().any(|other| other.cut_short);
        let held = || known().any(|other| other.state == State::Up && other.has_hold());
        if known().any(alone) || lost() || held() {
            continue;
        }
        let wrong = |oracle, what: String| {
            let reason = format!("phone {} in call {} {what}", leg.id.phone(), leg.call);
            Err(Broken { call: Some(leg.call), ..broken(oracle, now, reason) })
        };
        let voices = voices_in(leg, now);
        match voices[..] {
            // A dialplan may keep its caller in silence.
            [] if ties.is_served(&cluster, walks) => {}
            [] if leg.generated.is_some_and(|(_, at)| at + SOON >= now)
                && ties.is_served(&cluster, stays) => {}
            [] => return wrong("media_both_ways", "hears nobody".to_owned()),
            [one]
                if one == leg.id && ties.is_served(&cluster, |number| number == "*43" || chooses(number)) => {
            }
            [one] => {
                let Some(other) = ties.legs().find(|other| other.id == one) else { continue };
                if other.state != State::Up || voices_in(other, now) != [leg.id] || one == leg.id {
                    let what =
                        format!("hears phone {} of call {}, which does not hear it", one.phone(), other.call);
                    return wrong("talks_are_mutual", what);
                }
            }
            _ => return wrong("talks_are_mutual", format!("hears {} others", voices.len())),
        }
    }
    Ok(())
}

/// The voices that a phone has heard lately.
fn voices_in(leg: &Leg, now: Instant) -> Vec<LegId> {
    leg.heard.iter().filter(|(.., at)| *at + SOON >= now).map(|(voice, ..)| *voice).collect()
}

/// `transfers_come_true`, over the whole run: when somebody was told that its transfer is through, the two that are
/// left hear each other; when it was told that it is not, it and the other hear each other again.
pub(crate) fn transfers_come_true(now: Instant, ties: Ties<'_>, network: &Network) -> Verdict {
    let faults = &ties.plan.faults;
    let losses = (faults.loss + 5 * faults.burst) / 100_000;
    let soon = SOON * (1 + losses.max(u32::from(faults.loss > 0)));
    for by in ties.legs().filter(|leg| leg.handovers.len() == 1) {
        let Some((one, two, from)) = left(ties, by) else { continue };
        let until = one.ended.unwrap_or(now).min(two.ended.unwrap_or(now));
        let reachable = |leg: &Leg| network.reachable_between(leg.id.phone(), by.handovers[0].at, until);
        let steady = |leg: &Leg| !leg.ever_held && !leg.cut_short && reachable(leg);
        if from + soon > until || !steady(one) || !steady(two) || !steady(by) {
            continue;
        }
        for (hearer, speaker) in [(one, two), (two, one)] {
            if hearer.last_heard(speaker).is_none_or(|at| at < from) {
                let (phone, other) = (hearer.id.phone(), speaker.id.phone());
                let what = if one.id == by.id || two.id == by.id { "failed" } else { "was through" };
                let reason = format!(
                    "phone {phone} in call {} does not hear phone {other}, after a transfer {what} at {from}",
                    hearer.call
                );
                return Err(Broken { call: Some(by.call), ..broken("transfers_come_true", now, reason) });
            }
        }
    }
    Ok(())
}

/// The two who should hear each other after the only transfer of a call, and from when on; `None` when it is not clear.
fn left<'a>(ties: Ties<'a>, by: &'a Leg) -> Option<(&'a Leg, &'a Leg, Instant)> {
    let [handover] = &by.handovers[..] else { return None };
    let cluster = ties.cluster(by.call);
    let mut expected = BTreeSet::from([by.call]);
    expected.extend(handover.planned.with);
    let others: Vec<&Leg> =
        ties.legs().filter(|leg| expected.contains(&leg.call) && leg.id != by.id).collect();
    let others = || others.iter().copied();
    if cluster != expected || others().any(|leg| !leg.handovers.is_empty()) {
        return None;
    }
    let own = |leg: &&Leg| leg.id.phone() == by.id.phone();
    let up_before = |leg: &&Leg| {
        leg.answered.is_some_and(|at| at < handover.at) && leg.ended.is_none_or(|at| at > handover.at)
    };
    let peer = only(others().filter(|leg| leg.call == by.call && up_before(leg)))?;
    // Who is asked answers: an answer that was late, or whose ACK was lost, counts for nobody.
    let connected = |leg: &Leg| leg.answered.max(leg.confirmed.filter(|_| leg.side == Side::Callee));
    // Media of a call without offer waits for an ACK, which may be lost.
    if expected.iter().any(|call| ties.plan.calls[*call].late_offer) {
        return None;
    }
    // Of a dialog that is not known there is nothing to go back to.
    if handover.replied.is_some_and(|(_, status)| status == 481) || expect::forgets(ties.plan, by.began) {
        return None;
    }
    if let Some(failed) = handover.failed() {
        return Some((peer, by, failed));
    }
    let done = handover.done()?;
    let target = match handover.planned.with {
        Some(with) => only(others().filter(|leg| leg.call == with && !own(leg) && leg.answered.is_some())),
        None => {
            let asked = |leg: &&Leg| leg.began >= handover.at && ties.extension(leg) == handover.planned.to;
            only(others().filter(|leg| leg.call == by.call && asked(leg) && leg.answered.is_some()))
        }
    }?;
    if target.side == Side::Callee && target.confirmed.is_none() {
        return None;
    }
    let from = done.max(connected(target)?).max(peer.answered?);
    Some((peer, target, from))
}

fn only<'a>(mut legs: impl Iterator<Item = &'a Leg>) -> Option<&'a Leg> {
    let first = legs.next()?;
    legs.next().is_none().then_some(first)
}
