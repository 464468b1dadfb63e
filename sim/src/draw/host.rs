//! What the host of the exchange does to it.

use telex_engine::time::{Duration, Instant};

use super::swarm::Swarm;
use super::{OPENING, micros};
use crate::luck::Draw;
use crate::plan::{Plan, Restart, WallStep, Window};

/// Adds late wakes, a clock that is set, restarts and a store that is slow or full.
pub(super) fn add(plan: &mut Plan, swarm: Swarm<'_>) {
    let seed = plan.seed;
    let storm = plan.calm.since(Instant::ZERO + OPENING);
    let moment = |d: &mut Draw| Instant::ZERO + OPENING + Duration::from_micros(d.between(0, micros(storm)));
    let host = &mut plan.host;
    if swarm.on("late") {
        host.late = Duration::from_millis(Draw::new(seed, "late", 0).between(1, 200));
    }
    if swarm.on("wall") {
        let mut d = Draw::new(seed, "wall", 0);
        for _ in 0..d.between(1, 3) {
            let at = moment(&mut d);
            // Leap seconds, a wrong time zone, a clock that was never set.
            let seconds: i64 = d.pick(&[1, 30, 600, 3600, 86_400]);
            host.wall_steps.push(WallStep { at, seconds: if d.percent(50) { seconds } else { -seconds } });
        }
    }
    if swarm.on("store") {
        let mut d = Draw::new(seed, "store", 0);
        host.store.delay = Duration::from_millis(d.pick(&[2, 200, 2000, 8000]));
        if d.percent(50) {
            let from = moment(&mut d);
            host.store.full.push(Window { from, until: from + Duration::from_secs(d.between(1, 40)) });
        }
    }
    if swarm.on("restart") {
        let mut d = Draw::new(seed, "restart", 0);
        for _ in 0..d.between(1, 2) {
            let at = moment(&mut d);
            let away = Duration::from_millis(d.pick(&[500, 2000, 10_000]));
            let ahead = u32::try_from(d.pick(&[0, 0, 1, 2, 100])).unwrap_or(0);
            let torn = u32::try_from(d.pick(&[0, 0, 1, 3])).unwrap_or(0);
            if at + away < plan.calm {
                host.restarts.push(Restart { at, away, ahead, torn });
            }
        }
    }
}
