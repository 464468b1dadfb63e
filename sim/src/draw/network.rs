//! What the network does to packets and streams.

use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, Settings, micros};
use crate::luck::Draw;
use crate::plan::{Cut, Faults, Partition, PhonePlan};

pub(super) fn faults(
    seed: u64,
    settings: &Settings,
    phones: &[PhonePlan],
    calm: Instant,
    swarm: Swarm<'_>,
) -> Faults {
    let loss = share(seed, settings.loss, "loss", 100_000, swarm);
    let mut faults = Faults {
        loss,
        duplicate: share(seed, settings.duplicate, "duplicate", 50_000, swarm),
        reorder: share(seed, settings.reorder, "reorder", 150_000, swarm),
        ..Faults::default()
    };
    // A network that was asked to lose nothing loses nothing in other ways either.
    let rough = settings.loss != Some(0);
    if rough && swarm.on("burst") {
        faults.burst = (loss / 5).max(2_000);
    }
    if swarm.on("split") {
        faults.split = 300_000;
    }
    for (phone, planned) in phones.iter().enumerate() {
        let mut d = Draw::new(seed, "fault", phone as u64);
        let at =
            Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(calm.since(Instant::ZERO))));
        let longest = if d.percent(25) { 20_000 } else { 5000 };
        let lasts = Duration::from_millis(d.between(100, longest));
        if rough && d.percent(30) && at + lasts < calm && swarm.on("partition") {
            faults.partitions.push(Partition { phone, from: at, until: at + lasts });
        }
        if rough && planned.transport == Transport::Tcp && d.percent(50) && at < calm && swarm.on("cut") {
            faults.cuts.push(Cut { phone, at, inside: false });
        }
    }
    faults
}

/// A probability that is given, or else drawn up to `most` by the seeds that have the feature.
fn share(seed: u64, given: Option<u32>, name: &str, most: u32, swarm: Swarm<'_>) -> u32 {
    match given {
        Some(given) => given,
        None if swarm.on(name) && swarm.is_stormy() => {
            let mut d = Draw::new(seed, name, 0);
            // Low values are as likely as high ones: a rare loss shows other things than a frequent one.
            let most = u64::from(if d.percent(50) { most } else { most / 10 });
            u32::try_from(d.between(most / 50, most) / 100 * 100).unwrap_or(0)
        }
        None => 0,
    }
}
