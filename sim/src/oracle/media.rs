//! Who hears whom.

use std::collections::BTreeMap;

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::dialogs::LeftAlone;
use super::ties::Ties;
use super::{Broken, Verdict, broken, tones};
use crate::net::Network;
use crate::phone::{Handover, Leg, Phone, State};
use crate::plan::Plan;
use crate::voice::{Heard, LegId, hear};

/// What was sent before a hold was agreed may still arrive for this long.
const GRACE: Duration = Duration::from_millis(1500);
/// Both sides up for this long have heard each other when nothing is lost.
const SOON: Duration = Duration::from_secs(3);
/// With the T1 of the RFC a BYE is repeated for 32 s; media to a phone that said or answered it has stopped by then.
const AFTER_BYE: Duration = Duration::from_secs(40);

/// A packet that a phone receives: `nobody_hears_a_stranger` and `held_party_is_silent`. `quiet` says whether
/// nothing that was sent since then had to wait on its way.
pub(crate) fn heard(
    now: Instant,
    ties: Ties<'_>,
    hearer: &Phone,
    port: u16,
    bytes: &[u8],
    quiet: &dyn Fn(usize, Instant) -> bool,
) -> Verdict {
    let Some(leg) = hearer.leg_of_port(port & !1) else { return Ok(()) };
    let what = hear(bytes);
    if let Heard::Voice(voice) = what {
        nobody_hears_a_stranger(now, ties, leg, voice)?;
        nobody_stays_behind(now, ties, leg, voice, quiet)?;
    }
    if leg.voice.is_some() {
        tones::right_voice(now, ties.phones, leg)?;
    }
    let sound = matches!(what, Heard::Voice(_) | Heard::Generated);
    let held = leg.state == State::Up
        && leg.holding.is_some_and(|since| since + GRACE < now && quiet(hearer.index, since));
    if sound && held {
        let reason = format!("phone {} holds call {} and is sent media", hearer.index, leg.call);
        return Err(Broken { call: Some(leg.call), ..broken("held_party_is_silent", now, reason) });
    }
    Ok(())
}

fn nobody_hears_a_stranger(now: Instant, ties: Ties<'_>, leg: &Leg, voice: LegId) -> Verdict {
    let speaker = ties.phones.get(voice.phone()).and_then(|p| p.legs.get(voice.ordinal()));
    let peer = speaker.is_some_and(|s| s.call == leg.call && s.side != leg.side);
    let itself = || {
        // Who is handed over to the echo hears itself as if it had dialled it.
        let cluster = ties.cluster(leg.call);
        voice == leg.id && ties.is_served(&cluster, |number| number == "*43")
    };
    let joined = |s: &Leg| match s.call == leg.call {
        true => s.id != leg.id && ties.is_handed_over(leg.call),
        false => ties.together(s.call, leg.call),
    };
    if peer || speaker.is_some_and(joined) || itself() {
        return Ok(());
    }
    let who = speaker
        .map_or_else(|| "nobody".to_owned(), |s| format!("phone {} of call {}", voice.phone(), s.call));
    let reason = format!("phone {} in call {} hears {who}", leg.id.phone(), leg.call);
    Err(Broken { call: Some(leg.call), ..broken("nobody_hears_a_stranger", now, reason) })
}

/// `transfers_come_true`, at each packet: who was told that somebody else has its call hears nobody there and is not
/// heard.
fn nobody_stays_behind(
    now: Instant,
    ties: Ties<'_>,
    leg: &Leg,
    voice: LegId,
    quiet: &dyn Fn(usize, Instant) -> bool,
) -> Verdict {
    let speaker = ties.phones.get(voice.phone()).and_then(|p| p.legs.get(voice.ordinal()));
    for gone in [Some(leg), speaker].into_iter().flatten() {
        let Some(since) = gone.handovers.iter().find_map(Handover::done) else { continue };
        let at_once = [leg.id, voice].iter().all(|id| quiet(id.phone(), since));
        if since + GRACE < now && at_once {
            let (phone, other) = (leg.id.phone(), voice.phone());
            let reason = format!(
                "phone {phone} in call {} hears phone {other}: phone {} has handed that call over at {since}",
                leg.call,
                gone.id.phone(),
            );
            return Err(Broken { call: Some(gone.call), ..broken("transfers_come_true", now, reason) });
        }
    }
    Ok(())
}

/// `media_ports_closed`: a packet leaves the exchange for a phone's port.
pub(crate) fn port_is_open(now: Instant, plan: &Plan, phone: &Phone, port: u16) -> Verdict {
    let after = AFTER_BYE + plan.exchange.slow() / 2;
    let leg = phone.leg_of_port(port & !1);
    let open = leg.is_some_and(|leg| leg.cut_short || leg.ended.is_none_or(|ended| ended + after >= now));
    if open {
        return Ok(());
    }
    let reason = format!("media for phone {} port {port}", phone.index);
    Err(Broken { call: leg.map(|l| l.call), ..broken("media_ports_closed", now, reason) })
}

/// `media_both_ways`, at rest: whoever is up and not held hears the other side now.
pub(crate) fn flows_at_rest(now: Instant, talks: &Talks<'_>, left_alone: LeftAlone<'_>) -> Verdict {
    let Talks { plan, phones, .. } = *talks;
    for (caller, callee) in talks.pairs() {
        if talks.ties().changes(caller.call) {
            continue;
        }
        let services = callee.is_none() && plan.calls[caller.call].dial.starts_with('*');
        let both = [Some(caller), callee].into_iter().flatten();
        let quiet = both.clone().any(|l| l.state != State::Up || l.has_hold());
        if quiet || (callee.is_none() && !services) {
            continue;
        }
        if both.clone().any(|leg| left_alone(&phones[leg.id.phone()], leg)) {
            continue;
        }
        for leg in both {
            let other = if leg.side == Side::Caller { callee } else { Some(caller) };
            let last = match (other, plan.calls[leg.call].dial.as_str()) {
                (Some(other), _) => leg.last_heard(other),
                (None, "*43") => leg.last_heard(leg),
                (None, _) => leg.generated.map(|(_, at)| at),
            };
            if last.is_none_or(|at| at + SOON < now) {
                return Err(silence(now, leg, last));
            }
        }
    }
    Ok(())
}

/// `media_both_ways`, over the whole run: sides that were up together for long enough heard each other,
/// unless somebody held or could not be reached. Calls without offer are left out: their media waits for an
/// ACK, which may be lost.
pub(crate) fn everybody_was_heard(now: Instant, talks: &Talks<'_>, network: &Network) -> Verdict {
    let plan = talks.plan;
    // Each lost packet costs patience, and a burst takes five on average.
    let losses = (plan.faults.loss + 5 * plan.faults.burst) / 100_000;
    let soon = SOON * (1 + losses.max(u32::from(plan.faults.loss > 0)));
    for (caller, callee) in talks.pairs() {
        let Some(callee) = callee.filter(|_| !plan.calls[caller.call].late_offer) else { continue };
        if talks.ties().changes(caller.call) {
            continue;
        }
        let (Some(one), Some(two)) = (caller.answered, callee.answered) else { continue };
        let (from, until) = (one.max(two), caller.ended.unwrap_or(now).min(callee.ended.unwrap_or(now)));
        let reachable = |leg: &Leg| network.reachable_between(leg.id.phone(), from, until);
        let cut_short = caller.cut_short || callee.cut_short;
        if cut_short || caller.ever_held || callee.ever_held || !reachable(caller) || !reachable(callee) {
            continue;
        }
        if from + soon > until {
            continue;
        }
        for (leg, other) in [(caller, callee), (callee, caller)] {
            if leg.last_heard(other).is_none() {
                return Err(silence(now, leg, None));
            }
        }
    }
    Ok(())
}

fn silence(now: Instant, leg: &Leg, last: Option<Instant>) -> Broken {
    let since = last.map_or_else(|| "ever".to_owned(), |at| format!("since {at}"));
    let reason = format!("phone {} in call {} has heard nothing {since}", leg.id.phone(), leg.call);
    Broken { call: Some(leg.call), ..broken("media_both_ways", now, reason) }
}

/// Who talks to whom.
pub(crate) struct Talks<'a> {
    /// What was to happen.
    pub(crate) plan: &'a Plan,
    /// What every phone knows.
    pub(crate) phones: &'a [Phone],
    /// The Call-ID of the answer to each call that reached the exchange first.
    pub(crate) answers: &'a BTreeMap<usize, String>,
    /// Whether calls may come together.
    pub(crate) joins: bool,
}

impl<'a> Talks<'a> {
    pub(crate) fn ties(&self) -> Ties<'a> {
        Ties { plan: self.plan, phones: self.phones, any: self.joins }
    }

    /// Every call's answered caller with the called phone it was connected to, if any. Of several that answered it is
    /// the one that the exchange heard first.
    pub(super) fn pairs(&self) -> Vec<(&'a Leg, Option<&'a Leg>)> {
        let mut pairs: Vec<(Option<&Leg>, Option<&Leg>)> = vec![(None, None); self.plan.calls.len()];
        for leg in self.phones.iter().flat_map(|p| p.legs.iter()).filter(|l| l.answered.is_some()) {
            let place = &mut pairs[leg.call];
            let connected = || self.answers.get(&leg.call).is_some_and(|call_id| leg.is_named(call_id));
            match leg.side {
                Side::Caller => place.0 = Some(leg),
                Side::Callee if leg.confirmed.is_some() && connected() => place.1 = Some(leg),
                Side::Callee => {}
            }
        }
        pairs.into_iter().filter_map(|(caller, callee)| Some((caller?, callee))).collect()
    }
}
