//! Who hands calls over, sends them elsewhere, parks them, and takes those of others.

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use crate::exchange::PARK;
use crate::luck::Draw;
use crate::plan::{PICKUP, Plan, Reaction, Transfer, walks};

/// Somebody at another exchange, which has an extension like ours.
const FOREIGN: &str = "sip:101@192.0.2.9";
/// Pick-up groups; some phones are in none.
const GROUPS: [&str; 4] = ["", "one", "one", "two"];
/// A call in which something else is to happen lasts at least so long.
const TALK: Duration = Duration::from_secs(6);

/// Adds all of it. Where sound is coded anew, voices are told by their pitch and not by marks, and that is not enough
/// to tell who was joined with whom.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    if plan.exchange.transcode {
        return;
    }
    if swarm.on("pickup") {
        pickups(plan);
    }
    if swarm.on("park") {
        parked(plan);
    }
    if swarm.on("divert") {
        diversions(plan);
    }
    if swarm.on("transfer") {
        transfers(plan);
    }
}

/// Whether a call leads to a phone, and to nothing that a dialplan does.
fn is_plain(plan: &Plan, n: usize) -> bool {
    let dial = &plan.calls[n].dial;
    !walks(dial) && plan.calls[n].takes.is_none() && plan.phones.iter().any(|phone| phone.extension == *dial)
}

/// A phone of the plan by chance: its extension.
fn somebody(plan: &Plan, d: &mut Draw) -> String {
    let place = usize::try_from(d.between(0, plan.phones.len() as u64 - 1)).unwrap_or(0);
    plan.phones[place].extension.clone()
}

fn side(d: &mut Draw) -> Side {
    if d.percent(50) { Side::Caller } else { Side::Callee }
}

fn transfers(plan: &mut Plan) {
    for n in 0..plan.calls.len() {
        let mut d = Draw::new(plan.seed, "transfer", n as u64);
        if !d.percent(55) || !is_plain(plan, n) {
            continue;
        }
        let by = side(&mut d);
        let after = Duration::from_millis(d.between(400, 5000));
        let to = match d.between(0, 99) {
            0..12 => PARK.to_owned(),
            12..18 => "*43".to_owned(),
            18..24 => "*60".to_owned(),
            24..30 => "9999".to_owned(),
            30..35 => FOREIGN.to_owned(),
            35..39 => format!("510{}", d.between(1, 2)),
            _ => somebody(plan, &mut d),
        };
        let mut transfers = vec![Transfer { by, after, to, with: None }];
        if d.percent(40) && n + 1 < plan.calls.len() {
            consult(plan, &mut d, n, &mut transfers[0]);
        }
        // The same again, the other one at the same time, or a BYE that crosses it.
        match d.between(0, 99) {
            0..10 => transfers.push(Transfer { after: after + step(&mut d), ..transfers[0].clone() }),
            10..16 => {
                let other = if by == Side::Caller { Side::Callee } else { Side::Caller };
                let to = somebody(plan, &mut d);
                transfers.push(Transfer { by: other, after: after + step(&mut d), to, with: None });
            }
            16..30 => {
                plan.calls[n].by = side(&mut d);
                plan.calls[n].talk = (after + step(&mut d)).saturating_sub(Duration::from_millis(20));
            }
            _ => {}
        }
        let call = &mut plan.calls[n];
        call.digits.clear();
        call.transfers = transfers;
    }
}

/// A moment, or a round trip or two.
fn step(d: &mut Draw) -> Duration {
    Duration::from_millis(d.pick(&[0, 5, 40, 150, 800]))
}

/// Who is to hand call `n` over asks somebody first: the next call of the plan becomes its own.
fn consult(plan: &mut Plan, d: &mut Draw, n: usize, transfer: &mut Transfer) {
    let with = n + 1;
    let asks = match transfer.by {
        Side::Caller => Some(plan.calls[n].caller),
        Side::Callee => plan.phones.iter().position(|phone| phone.extension == plan.calls[n].dial),
    };
    let Some(asks) = asks.filter(|_| plan.calls[with].transfers.is_empty()) else { return };
    let whom = somebody(plan, d);
    if whom == plan.phones[asks].extension {
        return;
    }
    let at = plan.calls[n].at + Duration::from_millis(d.between(500, 6000));
    let latest = plan.calm - super::TAIL;
    let call = &mut plan.calls[with];
    (call.at, call.caller, call.dial) = (at.min(latest), asks, whom);
    (call.takes, call.late_offer, call.cancel) = (None, false, None);
    call.digits.clear();
    call.talk = call.talk.max(Duration::from_secs(d.between(1, 12)));
    transfer.with = Some(with);
    transfer.to = String::new();
    // Sometimes while it rings.
    transfer.after = Duration::from_millis(d.between(1000, 10_000));
    plan.calls[n].talk = plan.calls[n].talk.max(transfer.after + TALK);
}

fn diversions(plan: &mut Plan) {
    for n in 0..plan.calls.len() {
        let mut d = Draw::new(plan.seed, "divert", n as u64);
        if !d.percent(35) || !is_plain(plan, n) {
            continue;
        }
        let to = match d.between(0, 99) {
            0..10 => FOREIGN.to_owned(),
            10..16 => "*43".to_owned(),
            16..22 => PARK.to_owned(),
            22..28 => "9999".to_owned(),
            28..34 => plan.calls[n].dial.clone(),
            _ => somebody(plan, &mut d),
        };
        let after = Duration::from_millis(d.between(0, 3000));
        let place = usize::from(d.percent(30));
        let call = &mut plan.calls[n];
        call.digits.clear();
        if let Some(reaction) = call.reactions.get_mut(place) {
            *reaction = Reaction::Divert(after, to);
        }
    }
}

/// Callers who park themselves, and others who take them up, some at the same moment.
fn parked(plan: &mut Plan) {
    let (mut at, last): (Option<Instant>, _) = (None, plan.calm - super::TAIL);
    for n in 0..plan.calls.len() {
        let mut d = Draw::new(plan.seed, "park", n as u64);
        let (kind, slot, late) = (d.between(0, 99), d.between(1, 2), d.between(300, 4000));
        let dial = match kind {
            0..15 => PARK.to_owned(),
            15..45 => format!("510{slot}"),
            _ => continue,
        };
        let call = &mut plan.calls[n];
        // Somebody is there, and two come for it.
        if let (true, Some(parked)) = (dial != PARK, at) {
            call.at = (parked + Duration::from_millis(late / 300 * 300)).min(last);
        }
        if dial == PARK {
            at = Some(call.at);
        }
        (call.dial, call.by, call.hold, call.late_offer) = (dial, Side::Caller, None, false);
        call.digits.clear();
    }
}

/// Callers who take what rings elsewhere, by a code or by an INVITE with Replaces, and some who may not.
fn pickups(plan: &mut Plan) {
    for n in 0..plan.phones.len() {
        let mut d = Draw::new(plan.seed, "group", plan.luck_of(n));
        let extension = plan.phones[n].extension.clone();
        // Phones of one extension are of one group.
        let first = plan.phones.iter().find(|phone| phone.extension == extension);
        plan.phones[n].group =
            match first.filter(|_| plan.phones[..n].iter().any(|p| p.extension == extension)) {
                Some(first) => first.group.clone(),
                None => d.pick(&GROUPS).to_owned(),
            };
    }
    for n in 1..plan.calls.len() {
        let mut d = Draw::new(plan.seed, "pickup", n as u64);
        if !d.percent(35) || !is_plain(plan, n - 1) {
            continue;
        }
        let (rings, at) = (plan.calls[n - 1].dial.clone(), plan.calls[n - 1].at);
        let caller = plan.calls[n].caller;
        if plan.phones[caller].extension == rings {
            continue;
        }
        let late = Duration::from_millis(d.between(100, 5000));
        let call = &mut plan.calls[n];
        let latest = plan.calm - super::TAIL;
        (call.at, call.hold, call.late_offer, call.cancel) = ((at + late).min(latest), None, false, None);
        call.digits.clear();
        match d.between(0, 99) {
            0..35 => call.dial = PICKUP.to_owned(),
            35..60 => call.dial = format!("{PICKUP}{rings}"),
            _ => (call.dial, call.takes) = (rings, Some(n - 1)),
        }
    }
}
