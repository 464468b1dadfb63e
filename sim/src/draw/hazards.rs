//! The rarer things that happen to packets and streams.

use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::{Clog, Cut, Partition, Plan, Vanishing};

/// Adds damage, links that take no long datagrams, clogs, long partitions and streams that die in odd ways.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    let seed = plan.seed;
    let storm = plan.calm.since(Instant::ZERO + OPENING);
    let share = |name: &str, most: u64| {
        let drawn = Draw::new(seed, name, 0).between(1, most) * 100;
        if swarm.on(name) { u32::try_from(drawn).unwrap_or(0) } else { 0 }
    };
    plan.faults.corrupt = share("corrupt", 300);
    plan.faults.garble = share("garble", 300);
    for index in 0..plan.phones.len() {
        // Every phone draws the same number of times whatever is on.
        let mut d = Draw::new(seed, "hazard", index as u64);
        let moment =
            |d: &mut Draw| Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(storm)));
        let phone = &mut plan.phones[index];
        let (mtu, narrow) = (d.pick(&[1400, 1300, 1472, 900, 700, 576]), d.percent(40));
        phone.mtu = (narrow && swarm.on("mtu")).then_some(mtu);
        let (longest, named) = (d.between(100, 1200), d.percent(30));
        if named && swarm.on("mtu") {
            phone.display =
                "A very long name ".chars().cycle().take(usize::try_from(longest).unwrap_or(0)).collect();
        }
        let listens = d.percent(40);
        phone.takes_streams = listens && phone.transport == Transport::Udp && swarm.on("mtu");
        let faults = &mut plan.faults;
        let (from, lasts, clogged) =
            (moment(&mut d), Duration::from_millis(d.between(200, 12_000)), d.percent(30));
        if clogged && from + lasts < plan.calm && swarm.on("clog") {
            faults.clogs.push(Clog { phone: index, from, until: from + lasts });
        }
        let (from, lasts, apart) = (moment(&mut d), Duration::from_secs(d.between(20, 100)), d.percent(30));
        if apart && swarm.on("long-partition") {
            let until = (from + lasts).min(plan.calm);
            faults.partitions.push(Partition { phone: index, from, until });
        }
        let streams = phone.transport == Transport::Tcp || phone.takes_streams;
        let (at, noticed, dies) = (moment(&mut d), Duration::from_secs(d.between(2, 90)), d.percent(40));
        if dies && streams && swarm.on("vanish") {
            faults.vanishings.push(Vanishing { phone: index, at, noticed });
        }
        let (at, tears) = (moment(&mut d), d.percent(40));
        if tears && streams && swarm.on("tear") {
            faults.cuts.push(Cut { phone: index, at, inside: true });
        }
    }
}
