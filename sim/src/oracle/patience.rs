//! What the exchange must do by itself when nobody else does anything.

use std::collections::{BTreeMap, BTreeSet};

use telex_engine::time::{Duration, Instant};

use super::requests::Requests;
use super::retransmissions::{Name, dialog};
use super::{Entry, Exit, Verdict, broken};
use crate::phone::LIFE;
use crate::plan::Plan;
use crate::text::{Msg, Transaction, parameter};

/// Decisions between a timer and what follows take no longer.
const SLACK: Duration = Duration::from_secs(2);

/// Watches what is due without a message.
#[derive(Debug)]
pub(crate) struct Patience {
    ring: Duration,
    /// INVITEs without final response, by when they must have one.
    pending: BTreeMap<Transaction, Instant>,
    /// Sessions that the exchange has to refresh, by when at the latest.
    refreshes: BTreeMap<Name, Instant>,
    /// Sessions that the exchange has ended: what is still answered in them agrees nothing.
    over: BTreeSet<Name>,
}

impl Patience {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            // Who is asked in place of one that sends its calls on rings as long.
            ring: plan.exchange.ring * (1 + plan.diversions()),
            pending: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            over: BTreeSet::new(),
        }
    }

    /// A message arrives.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>, first: bool, requests: &Requests) {
        let msg = entry.msg;
        match (msg.code(), msg.method()) {
            (None, "INVITE") if first => {
                // A reliable provisional response may have to be acknowledged first (RFC 3262 §5).
                let reliable = if msg.has("require", "100rel") { LIFE } else { Duration::ZERO };
                self.pending.insert(msg.transaction("INVITE"), entry.now + self.ring + reliable + SLACK);
            }
            (None, "BYE") => {
                self.refreshes.remove(&dialog(msg));
            }
            // The phone has accepted a session whose interval it says.
            (Some(200..300), "INVITE" | "UPDATE") if requests.sent(msg).is_some_and(|s| s.done.is_none()) => {
                self.agreed(entry.now, msg, "uac");
            }
            // A request of the exchange failed: it decides anew when to ask.
            (Some(300..), "INVITE" | "UPDATE") => {
                self.refreshes.remove(&dialog(msg));
            }
            _ => {}
        }
    }

    fn agreed(&mut self, now: Instant, msg: &Msg, ours: &str) {
        let name = dialog(msg);
        if self.over.contains(&name) {
            return;
        }
        let value = msg.get("session-expires").unwrap_or_default();
        let seconds = value.split(';').next().and_then(|text| text.trim().parse::<u64>().ok());
        match seconds.filter(|_| parameter(value, "refresher") == Some(ours)) {
            Some(seconds) => {
                self.refreshes.insert(name, now + Duration::from_secs(seconds));
            }
            None => {
                self.refreshes.remove(&name);
            }
        }
    }

    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) {
        let msg = exit.msg;
        match (msg.code(), msg.method()) {
            (Some(code), "INVITE" | "UPDATE") if code >= 200 => {
                self.pending.remove(&msg.transaction("INVITE"));
                if code < 300 {
                    self.agreed(exit.now, msg, "uas");
                }
            }
            // Asking is what counts; what comes of it is another story.
            (None, "INVITE" | "UPDATE") => {
                self.refreshes.remove(&dialog(msg));
            }
            (None, "BYE") => {
                self.refreshes.remove(&dialog(msg));
                self.over.insert(dialog(msg));
            }
            _ => {}
        }
    }

    /// Time passes. `ringing_ends` and `sessions_are_refreshed`.
    pub(crate) fn at(&self, now: Instant) -> Verdict {
        if let Some((invite, due)) = self.pending.iter().find(|(_, due)| **due < now) {
            let reason = format!("the INVITE with branch {} was to be answered by {due}", invite.branch);
            return Err(broken("ringing_ends", now, reason));
        }
        if let Some(((call_id, ..), due)) = self.refreshes.iter().find(|(_, due)| **due < now) {
            let reason = format!("the session of {call_id} was to be refreshed by {due}");
            return Err(broken("sessions_are_refreshed", now, reason));
        }
        Ok(())
    }
}
