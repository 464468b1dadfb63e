//! What people do with calls beyond talking: they hand them over, send them elsewhere, and take those of others.

use serde::{Deserialize, Serialize};
use telex_engine::event::Side;
use telex_engine::time::Duration;

use crate::exchange::{PARK, is_slot};

use super::{CallPlan, Plan, Reaction, words};

/// Picks up a call that rings in the caller's group; with an extension behind it, one that rings there.
pub(crate) const PICKUP: &str = "*8";

/// Somebody hands the call over by REFER (RFC 3515).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Who.
    #[serde(with = "words::word")]
    pub by: Side,
    /// How long after the answer.
    #[serde(with = "words::word")]
    pub after: Duration,
    /// Where to: a number, or a whole SIP URI.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// In place of that: the other end of the dialog that the same phone has in this call of the plan (RFC 3891).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<usize>,
}

impl Plan {
    /// The pick-up group of an extension.
    pub(crate) fn group_of(&self, extension: &str) -> &str {
        let phone = self.phones.iter().find(|phone| phone.extension == extension);
        phone.map_or("", |phone| phone.group.as_str())
    }

    /// Whether an extension may take the calls of another: it is the same, or of its group.
    pub(crate) fn may_take(&self, picker: &str, extension: &str) -> bool {
        let group = self.group_of(picker);
        picker == extension || !group.is_empty() && group == self.group_of(extension)
    }

    /// How often one call may be sent elsewhere by the phones that it reaches.
    pub(crate) fn diversions(&self) -> u32 {
        let sends = |call: &CallPlan| call.reactions.iter().any(|r| matches!(r, Reaction::Divert(..)));
        let most = u32::try_from(telex_engine::limits::DIVERSIONS).unwrap_or(u32::MAX);
        if self.calls.iter().any(sends) { most } else { 0 }
    }

    /// Whether anything in the plan brings together what belongs to several calls, or changes who is in one.
    pub(crate) fn joins(&self) -> bool {
        let joins = |call: &CallPlan| {
            let sent_on = || call.diverted_to().any(|to| parks(to) || to.starts_with('*'));
            !call.transfers.is_empty()
                || call.takes.is_some()
                || call.picks()
                || parks(&call.dial)
                || sent_on()
        };
        self.calls.iter().any(joins)
    }
}

impl CallPlan {
    /// Whether its caller picks a call up.
    pub(crate) fn picks(&self) -> bool {
        self.dial.starts_with(PICKUP)
    }

    /// Where called phones send it, if they do.
    pub(crate) fn diverted_to(&self) -> impl Iterator<Item = &str> {
        self.reactions.iter().filter_map(|reaction| match reaction {
            Reaction::Divert(_, to) => Some(to.as_str()),
            _ => None,
        })
    }
}

/// Whether who dials this is parked, or takes up who is.
fn parks(number: &str) -> bool {
    number == PARK || is_slot(number)
}
