//! When everybody has hung up and gone, nothing is left.

use telex_engine::border::Stats;
use telex_engine::time::Instant;

use super::{Verdict, broken};
use crate::phone::{Phone, State};

/// `nothing_left`: every table of the exchange is empty.
/// `stay` phones could not take their binding back.
pub(crate) fn nothing_left(now: Instant, stats: &Stats, stay: usize) -> Verdict {
    // Each binding has a timer for its end.
    let bindings = stats.bindings.min(stay);
    let tables = [
        ("transactions", stats.transactions),
        ("dialogs", stats.dialogs),
        ("legs", stats.legs),
        ("calls", stats.calls),
        ("media ports", stats.ports),
        ("streams", stats.streams),
        ("bindings", stats.bindings - bindings),
        ("timers", stats.timers.saturating_sub(bindings)),
    ];
    let left: Vec<String> =
        tables.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(broken("nothing_left", now, left.join(", ")))
}

/// `nothing_left`, for the phones: every leg has ended and no transaction waits.
pub(crate) fn phones_are_quiet(now: Instant, phones: &[Phone]) -> Verdict {
    for phone in phones {
        if let Some(leg) = phone.legs.iter().find(|l| l.state != State::Ended) {
            let reason = format!("phone {} is still {:?} in call {}", phone.index, leg.state, leg.call);
            return Err(super::Broken { call: Some(leg.call), ..broken("nothing_left", now, reason) });
        }
        if !phone.is_quiet() {
            let reason = format!("phone {} has a transaction that does not end", phone.index);
            return Err(broken("nothing_left", now, reason));
        }
    }
    Ok(())
}
