//! From chance to certainty: a plan that names the messages to which something happens says more than one that
//! gives a probability, and means the same when phones or messages before them go.

use telex_engine::border::Transport;

use crate::ladder::Row;
use crate::net::{Fate, Why};
use crate::plan::{ExactFault, ExactKind, Plan, Way};
use crate::run::run_waiting;

/// A plan names no more messages than this.
const MOST: usize = 500;

/// The same plan with every message named to which chance did something; `None` where chance does nothing to
/// messages, or too much.
pub(super) fn pin(plan: &Plan) -> Option<Plan> {
    let faults = &plan.faults;
    if faults.loss + faults.burst + faults.duplicate + faults.reorder + faults.corrupt == 0 {
        return None;
    }
    let (_, rows, _) = run_waiting(plan);
    let mut pinned = plan.clone();
    let faults = &mut pinned.faults;
    (faults.loss, faults.burst, faults.duplicate, faults.reorder, faults.corrupt) = (0, 0, 0, 0, 0);
    for row in rows.iter().filter(|row| row.number > 0) {
        let fault = happened(plan, row).map(|kind| named(row, kind));
        let new = |fault: &ExactFault| !faults.exact.iter().any(|f| same_message(f, fault));
        faults.exact.extend(fault.filter(new));
    }
    (faults.exact.len() <= MOST).then_some(pinned)
}

fn happened(plan: &Plan, row: &Row) -> Option<ExactKind> {
    let phone = &plan.phones[row.phone];
    debug_assert_eq!(phone.transport, Transport::Udp, "only datagrams have numbers");
    match row.fate {
        Fate::Lost(Why::Loss | Why::Burst | Why::Checksum) => Some(ExactKind::Lose),
        Fate::Twice(..) => Some(ExactKind::Double),
        Fate::Arrives(at) => {
            let late = at.since(row.at).saturating_sub(phone.latency);
            (late > phone.jitter).then_some(ExactKind::Delay(late))
        }
        Fate::Lost(_) | Fate::Damaged(..) => None,
    }
}

fn named(row: &Row, kind: ExactKind) -> ExactFault {
    let way = if row.inward { Way::In } else { Way::Out };
    ExactFault { phone: row.phone, way, message: u32::try_from(row.number).unwrap_or(u32::MAX), kind }
}

fn same_message(a: &ExactFault, b: &ExactFault) -> bool {
    (a.phone, a.way, a.message) == (b.phone, b.way, b.message)
}
