//! What a plan lets people expect of the exchange, however good it is.

use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use crate::plan::{Act, Alg, Nat, PhonePlan, Plan};

/// A phone that is cut off for longer is given up by the exchange, and is not told.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// A REGISTER with credentials is about as long.
const REGISTER_OCTETS: u16 = 600;

/// Last words, going and coming back.
const AROUND_A_STOP: Duration = Duration::from_secs(8);

/// Messages are damaged and delivered all the same: any of them may say anything, in the name of anybody. Then the
/// exchange has to survive and to forget it all, and nothing more can be asked of it.
pub(crate) fn anything_goes(plan: &Plan) -> bool {
    plan.faults.garble > 0
}

/// Whether the exchange may lose touch with a phone for good while that is in a call, so that it has to find out by
/// itself that the call is over. Other phones wait for ever, so that one that was forgotten is noticed.
pub(crate) fn may_lose_touch(plan: &Plan, phone: usize) -> bool {
    let here = &plan.phones[phone];
    let cut_off = plan.faults.partitions.iter().filter(|p| p.phone == phone);
    let vanishes = plan.faults.vanishings.iter().any(|v| v.phone == phone);
    let clogged = plan.faults.clogs.iter().filter(|c| c.phone == phone);
    let long = cut_off.map(|p| p.until.since(p.from)).chain(clogged.map(|c| c.until.since(c.from)));
    anything_goes(plan)
        || !plan.host.restarts.is_empty()
        || plan.operators.iter().any(|o| matches!(o.act, Act::Drain(_)))
        || vanishes
        || long.sum::<Duration>() > GIVEN_UP_AFTER
        || nat_of(plan, phone).is_some_and(|nat| !is_kept_open(nat, here) || loses_packets(plan, phone))
}

/// Whether keep-alives of a phone may be lost several times in a row.
fn loses_packets(plan: &Plan, phone: usize) -> bool {
    let faults = &plan.faults;
    faults.loss + faults.burst + faults.corrupt > 0
        || faults.partitions.iter().any(|p| p.phone == phone)
        || faults.clogs.iter().any(|c| c.phone == phone)
}

/// Whether the exchange has forgotten all calls at some time after `since`.
pub(crate) fn forgets(plan: &Plan, since: Instant) -> bool {
    let restarted = plan.host.restarts.iter().any(|restart| restart.at >= since);
    restarted || drains(plan).any(|(_, until)| until >= since)
}

/// When the exchange is asked to stop, and when it is surely back.
pub(crate) fn drains(plan: &Plan) -> impl Iterator<Item = (Instant, Instant)> {
    plan.operators.iter().filter_map(|o| match o.act {
        Act::Drain(patience) => Some((o.at, o.at + patience + AROUND_A_STOP)),
        _ => None,
    })
}

/// How many bindings of a phone may stay when it leaves: it hears no answer, or its box writes another Contact every
/// time it gives it another port.
pub(crate) fn bindings_that_stay(plan: &Plan, phone: usize) -> usize {
    let alg = nat_of(plan, phone).and_then(|nat| nat.alg);
    let contact = matches!(alg, Some(Alg::Good | Alg::ForgetsLength | Alg::ContactOnly));
    let renamed = contact && may_lose_touch(plan, phone);
    // It cannot prove who it is any more, or could not store that it left, or what it says does not pass.
    let extension = &plan.phones[phone].extension;
    let shut_out = plan.operators.iter().any(|o| match &o.act {
        Act::Password(changed, told) => !told && changed == extension,
        _ => false,
    });
    let too_long = plan.phones[phone].mtu.is_some_and(|mtu| mtu <= REGISTER_OCTETS);
    match alg {
        Some(Alg::StripsRport) => 1,
        _ if shut_out || too_long => 1,
        _ if renamed => telex_engine::limits::BINDINGS_PER_AOR,
        _ => 0,
    }
}

/// The box a phone is behind.
pub(crate) fn nat_of(plan: &Plan, phone: usize) -> Option<&Nat> {
    plan.phones[phone].nat.and_then(|n| plan.nats.get(n))
}

/// Whether the exchange can always reach a phone behind this box.
fn is_kept_open(nat: &Nat, phone: &PhonePlan) -> bool {
    let half = Duration::from_secs(u64::from(phone.expires / 2));
    let silence = [phone.keep_alive, phone.refresh].into_iter().flatten().chain([half]).min();
    // A registration that is due may take a while.
    let often = silence.is_some_and(|silence| silence + Duration::from_secs(2) < nat.timeout);
    let broken = matches!(nat.alg, Some(Alg::ForgetsLength | Alg::BreaksPort | Alg::StripsRport));
    nat.reboots.is_empty() && (phone.transport == Transport::Tcp || (often && !broken))
}

/// Whether the sound of a call may be coded anew on its way, so that its parties speak in tones. What both phones know
/// passes untouched; only a called phone that makes the first offer may begin to speak what its caller does not know.
/// And keys are listened for in the sound of a phone that does not send them as events, and taken out for one that gets
/// them so.
pub(crate) fn speaks_in_tones(plan: &Plan, call: usize) -> bool {
    let planned = &plan.calls[call];
    let caller = plan.phones[planned.caller].payload_types();
    let mut called = plan.phones.iter().filter(|phone| phone.extension == planned.dial).peekable();
    let apart = |phone: &PhonePlan| {
        let shared = phone.payload_types().iter().any(|codec| caller.contains(codec));
        !shared || phone.events.is_some() != plan.phones[planned.caller].events.is_some()
    };
    plan.exchange.transcode && called.peek().is_some() && (planned.late_offer || called.any(apart))
}

/// Whether every packet of media arrives, in order, as far as phone and exchange are there.
pub(crate) fn loses_nothing(plan: &Plan) -> bool {
    let f = &plan.faults;
    let none = f.loss + f.burst + f.corrupt + f.garble + f.duplicate + f.reorder == 0;
    let whole = f.partitions.is_empty() && f.clogs.is_empty() && f.exact.is_empty();
    none && whole && plan.nats.is_empty() && plan.operators.is_empty() && plan.host.restarts.is_empty()
}
