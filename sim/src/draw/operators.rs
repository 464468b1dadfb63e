//! What operators do.

use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::{Act, OperatorAct, Plan};

/// Adds questions, calls that are ended, configurations that are loaded, and a stop.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    let seed = plan.seed;
    let storm = plan.calm.since(Instant::ZERO + OPENING);
    let moment = |d: &mut Draw| Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(storm)));
    let mut acts = Vec::new();
    if swarm.on("query") {
        let mut d = Draw::new(seed, "query", 0);
        for _ in 0..d.between(1, 20) {
            let at = moment(&mut d);
            acts.push(OperatorAct {
                at,
                act: d.pick(&[&Act::Registrations, &Act::Calls, &Act::Stats]).clone(),
            });
        }
    }
    if swarm.on("hangup") {
        let mut d = Draw::new(seed, "hangup", 0);
        for _ in 0..d.between(1, 6) {
            let at = moment(&mut d);
            acts.push(OperatorAct { at, act: Act::Hangup(u32::try_from(d.between(0, 9)).unwrap_or(0)) });
        }
    }
    if swarm.on("reload") {
        let mut d = Draw::new(seed, "reload", 0);
        for _ in 0..d.between(1, 5) {
            let at = moment(&mut d);
            let phone = usize::try_from(d.between(0, plan.phones.len() as u64 - 1)).unwrap_or(0);
            let extension = plan.phones[phone].extension.clone();
            let ring = Act::Ring(plan.exchange.ring / 2 + Duration::from_secs(1));
            let media = Act::MediaTimeout(plan.exchange.media_timeout / 2 + Duration::from_secs(5));
            let act = match d.between(0, 6) {
                0 => Act::Reload,
                1 | 2 => Act::Remove(extension.clone()),
                3 => Act::Password(extension, true),
                4 => Act::Password(extension, false),
                5 => ring,
                _ => media,
            };
            let back = d.percent(60);
            if let (Act::Remove(extension), true) = (&act, back) {
                let act = Act::Restore(extension.clone());
                acts.push(OperatorAct { at: at + Duration::from_secs(d.between(0, 10)), act });
            }
            acts.push(OperatorAct { at, act });
        }
    }
    if swarm.on("drain") {
        let mut d = Draw::new(seed, "drain", 0);
        let (at, patience) = (moment(&mut d), Duration::from_secs(d.between(0, 20)));
        acts.push(OperatorAct { at, act: Act::Drain(patience) });
    }
    acts.sort_by_key(|act| act.at);
    plan.operators = acts;
}
