//! Boxes, and who is behind them.

use telex_engine::border::Transport;
use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::{Alg, Nat, Plan, Sameness};

/// Puts some phones behind boxes.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    if !swarm.on("nat") {
        return;
    }
    let seed = plan.seed;
    let count = Draw::new(seed, "nats", 0).between(1, 3);
    plan.nats = (0..count).map(|n| a_box(seed, n, plan.calm, swarm)).collect();
    for (index, phone) in plan.phones.iter_mut().enumerate() {
        let mut d = Draw::new(seed, "nat of phone", index as u64);
        if !d.percent(60) {
            continue;
        }
        phone.nat = Some(usize::try_from(d.between(0, count - 1)).unwrap_or(0));
        match d.between(0, 99) {
            0..50 => phone.keep_alive = Some(Duration::from_secs(d.between(5, 25))),
            50..75 => phone.refresh = Some(Duration::from_secs(d.between(10, 28))),
            // Nothing holds the way in open.
            _ => {}
        }
        if phone.transport == Transport::Tcp {
            phone.refresh = None;
        }
    }
}

fn a_box(seed: u64, n: u64, calm: Instant, swarm: Swarm<'_>) -> Nat {
    let mut d = Draw::new(seed, "nat", n);
    use Sameness::{Address, AddressAndPort, Independent};
    // Full cone, restricted, port-restricted, symmetric, and what else there is.
    let kinds = [
        (Independent, Independent),
        (Independent, Address),
        (Independent, AddressAndPort),
        (AddressAndPort, AddressAndPort),
        (Address, AddressAndPort),
    ];
    let (mapping, filtering) = d.pick(&kinds);
    let algs = [Alg::Good, Alg::ForgetsLength, Alg::ContactOnly, Alg::BreaksPort, Alg::StripsRport];
    let (alg, wanted) = (d.pick(&algs), d.percent(40));
    let storm = calm.since(Instant::ZERO + OPENING);
    let reboots = if d.percent(40) && swarm.on("reboot") { d.between(1, 2) } else { 0 };
    let mut reboots: Vec<Instant> = (0..reboots)
        .map(|_| Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(storm))))
        .collect();
    reboots.sort_unstable();
    Nat {
        mapping,
        filtering,
        timeout: Duration::from_secs(d.pick(&[30, 30, 60, 180, 20])),
        inbound_refreshes: d.percent(50),
        keeps_ports: d.percent(50),
        hairpin: d.percent(50),
        alg: (wanted && swarm.on("alg")).then_some(alg),
        reboots,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, draw};

    #[test]
    fn boxes_move_no_other_draw() {
        for seed in 0..50 {
            let with = draw(seed, &Settings { with: vec!["nat".to_owned()], ..Settings::default() });
            let mut without =
                draw(seed, &Settings { without: vec!["nat".to_owned()], ..Settings::default() });
            assert!(!with.nats.is_empty() && without.nats.is_empty());
            assert!(with.nats.iter().all(|nat| nat.reboots.iter().all(|at| *at < with.calm)));
            without.nats.clone_from(&with.nats);
            for (phone, behind) in without.phones.iter_mut().zip(&with.phones) {
                (phone.nat, phone.keep_alive, phone.refresh) =
                    (behind.nat, behind.keep_alive, behind.refresh);
            }
            assert_eq!(with, without);
        }
    }
}
