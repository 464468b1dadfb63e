//! Keys that are pressed are heard on the other side, once each.

use telex_engine::event::Side;
use telex_engine::time::Instant;

use super::ties::Ties;
use super::{Broken, Verdict, broken};
use crate::exchange::chooses;
use crate::expect;
use crate::phone::{Leg, Pressed};
use crate::plan::walks;

/// `digits_arrive_once`: what a party heard is what the other pressed, each key once and in order. When nothing was
/// lost on the way nothing is missing either, and every packet is as it was sent (RFC 4733 §2.5).
pub(crate) fn digits_arrive_once(now: Instant, ties: Ties<'_>) -> Verdict {
    let Ties { plan, phones, .. } = ties;
    for leg in phones.iter().flat_map(|phone| &phone.legs).filter(|leg| !leg.digits.is_empty()) {
        // A dialplan may press keys into its caller's ear.
        if walks(&plan.calls[leg.call].dial) && leg.side == Side::Caller {
            continue;
        }
        let echo = plan.calls[leg.call].dial == "*43";
        let from = |other: &&Leg| match other.call == leg.call {
            true if echo => other.id == leg.id,
            true => other.side != leg.side || other.id != leg.id && ties.is_handed_over(leg.call),
            false => ties.together(other.call, leg.call),
        };
        let mut others = phones.iter().flat_map(|phone| &phone.legs).filter(from);
        if !others.any(|other| is_subsequence(&leg.digits, &other.pressed)) {
            let keys: Vec<u8> = leg.digits.iter().map(|key| key.event).collect();
            let reason = format!("phone {} in call {} hears the keys {keys:?}", leg.id.phone(), leg.call);
            return Err(Broken { call: Some(leg.call), ..broken("digits_arrive_once", now, reason) });
        }
    }
    if expect::loses_nothing(plan) { nothing_is_missing(now, ties) } else { Ok(()) }
}

fn is_subsequence(heard: &[Pressed], pressed: &[Pressed]) -> bool {
    let mut pressed = pressed.iter();
    heard.iter().all(|key| pressed.any(|other| other.event == key.event))
}

fn nothing_is_missing(now: Instant, ties: Ties<'_>) -> Verdict {
    let Ties { plan, phones, .. } = ties;
    let all = || phones.iter().flat_map(|phone| &phone.legs);
    // The keys of a menu are for the exchange.
    let told = |leg: &&Leg| !chooses(&plan.calls[leg.call].dial) && !ties.changes(leg.call);
    for leg in all().filter(|leg| leg.side == Side::Caller && !leg.ever_held && !leg.cut_short).filter(told) {
        let callees = all().filter(|other| {
            other.call == leg.call && other.side == Side::Callee && other.confirmed.is_some()
        });
        let [callee] = callees.collect::<Vec<_>>()[..] else { continue };
        if callee.ever_held || callee.cut_short || plan.calls[leg.call].late_offer {
            continue;
        }
        for (from, to) in [(leg, callee), (callee, leg)] {
            // One that takes no events hears tones.
            if phones[to.id.phone()].plan.events.is_none() {
                continue;
            }
            // A key that is down when the call ends is cut off, and so is one on the way.
            let until = [from.ended, to.ended].into_iter().flatten().min().unwrap_or(now);
            let whole = from.pressed.iter().filter(|key| key.at + ON_THE_WAY < until);
            for (n, key) in whole.enumerate() {
                let heard = to.digits.get(n).map(|heard| (heard.event, packets(heard)));
                // Among sound that is coded anew, keys are pressed anew.
                let same = heard.as_ref().is_some_and(|(event, packets_heard)| {
                    *event == key.event && (from.voice.is_some() || *packets_heard == packets(key))
                });
                if !same {
                    let reason = format!(
                        "phone {} in call {} pressed {} as {:?}; phone {} heard {heard:?}",
                        from.id.phone(),
                        leg.call,
                        key.event,
                        packets(key),
                        to.id.phone()
                    );
                    return Err(Broken { call: Some(leg.call), ..broken("digits_arrive_once", now, reason) });
                }
            }
        }
    }
    Ok(())
}

/// A key lasts less than 200 ms, and no link takes longer than this with it.
const ON_THE_WAY: std::time::Duration = std::time::Duration::from_millis(1500);

fn packets(key: &Pressed) -> Vec<(bool, bool, u16)> {
    let mut packets = key.packets.clone();
    let first = packets.first().map_or(0, |(number, _)| *number);
    packets.sort_by_key(|(number, _)| number.wrapping_sub(first).wrapping_add(0x100));
    packets.into_iter().map(|(_, packet)| packet).collect()
}
