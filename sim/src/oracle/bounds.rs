//! Nothing grows without bound.

use telex_engine::border::Stats;
use telex_engine::limits;
use telex_engine::time::Instant;

use super::{Verdict, broken};

/// Port pairs that are bound beside those in use: an exchange asks for more in time, and in lots.
const SPARE: usize = 200;

/// `limits_hold`: no table is over its limit, and no more ports are bound than are of use.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    most_ports: usize,
}

impl Bounds {
    pub(crate) fn look(&mut self, now: Instant, stats: &Stats, bound: usize, phones: usize) -> Verdict {
        self.most_ports = self.most_ports.max(stats.ports);
        let tables = [
            ("transactions", stats.transactions, limits::TRANSACTIONS),
            ("calls", stats.calls, limits::CALLS),
            ("legs", stats.legs, limits::CALLS * limits::LEGS_PER_CALL),
            ("streams", stats.streams, limits::STREAMS),
            ("bindings", stats.bindings, phones * limits::BINDINGS_PER_AOR),
            ("bound port pairs", bound, 3 * self.most_ports + SPARE),
        ];
        match tables.iter().find(|(_, count, limit)| count > limit) {
            Some((name, count, limit)) => {
                Err(broken("limits_hold", now, format!("{count} {name}; the limit is {limit}")))
            }
            None => Ok(()),
        }
    }
}
