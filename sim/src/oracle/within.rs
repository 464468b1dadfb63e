//! Dialogs as they can be seen from outside: who may say what in them (RFC 3261 §12).

use std::collections::BTreeMap;

use telex_engine::time::{Duration, Instant};

use super::requests::Requests;
use super::{Entry, Exit, Verdict, broken};
use crate::text::{Msg, Transaction, parameter};

/// Call-ID, the exchange's tag, the other tag.
type Name = (String, String, String);

/// One dialog.
#[derive(Debug, Default)]
struct Dialog {
    /// CSeq of the other side's last request.
    theirs: Option<u32>,
    /// CSeq of the exchange's last request.
    ours: Option<u32>,
    /// Route set of the exchange.
    routes: Vec<String>,
}

/// Why a request deserves no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    NoDialog,
    Old,
}

/// Watches what is said within dialogs.
#[derive(Debug, Default)]
pub(crate) struct Within {
    dialogs: BTreeMap<Name, Dialog>,
    flawed: BTreeMap<Transaction, Flaw>,
    /// Requests that raised the CSeq of their dialog, and what it was before.
    raised: BTreeMap<Transaction, (Name, Option<u32>)>,
    /// INVITEs that were cancelled and have to be answered by then.
    cancelled: Vec<(Instant, Transaction)>,
}

/// A cancelled INVITE is answered at once.
const AT_ONCE: Duration = Duration::from_millis(500);

impl Within {
    /// A message arrives; `first` says that it is a request which did not come before.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>, first: bool, requests: &Requests) {
        let msg = entry.msg;
        if first && msg.method() == "CANCEL" {
            self.cancel(entry, requests);
        } else if first && msg.method() != "REGISTER" && msg.tag("to").is_some() {
            self.request(msg);
        } else if matches!(msg.code(), Some(101..300)) && msg.method() == "INVITE" {
            self.answered(msg, requests);
        }
    }

    fn request(&mut self, msg: &Msg) {
        let number = msg.cseq().map_or(0, |(number, _)| number);
        let name = name(msg, "to", "from");
        let flaw = match self.dialogs.get_mut(&name) {
            None => Some(Flaw::NoDialog),
            Some(dialog) if dialog.theirs.is_some_and(|last| number <= last) => Some(Flaw::Old),
            Some(dialog) => {
                let before = dialog.theirs.replace(number);
                self.raised.insert(msg.transaction(msg.method()), (name, before));
                None
            }
        };
        if let Some(flaw) = flaw {
            self.flawed.insert(msg.transaction(msg.method()), flaw);
        }
    }

    /// A phone answers an INVITE of the exchange: that is a dialog, if it was none before (§12.1.2).
    fn answered(&mut self, msg: &Msg, requests: &Requests) {
        let Some(sent) = requests.sent(msg).filter(|sent| sent.msg.tag("to").is_none()) else { return };
        let dialog = self.dialogs.entry(name(msg, "from", "to")).or_default();
        let number = sent.msg.cseq().map(|(number, _)| number);
        dialog.ours = dialog.ours.max(number);
        if dialog.routes.is_empty() || msg.code().is_some_and(|code| code >= 200) && sent.done.is_none() {
            dialog.routes = uris(msg, "record-route");
            dialog.routes.reverse();
        }
    }

    fn cancel(&mut self, entry: &Entry<'_>, requests: &Requests) {
        let invite = requests.asked(entry.msg, "INVITE");
        if invite.is_some_and(|invite| invite.done.is_none()) {
            self.cancelled.push((entry.now + AT_ONCE, entry.msg.transaction("INVITE")));
        }
    }

    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let msg = exit.msg;
        match msg.code() {
            Some(code) => self.response(exit, code, requests),
            None if msg.tag("to").is_some() && msg.method() != "CANCEL" => self.requested(exit, requests),
            None => Ok(()),
        }
    }

    fn response(&mut self, exit: &Exit<'_>, code: u16, requests: &Requests) -> Verdict {
        let msg = exit.msg;
        let key = msg.transaction(msg.method());
        if code >= 200 {
            self.cancelled.retain(|(_, invite)| *invite != key);
        }
        if let (481, Some((name, before))) = (code, self.raised.remove(&key))
            && let Some(dialog) = self.dialogs.get_mut(&name)
        {
            // Its answer had not come yet, and the dialog was none for the exchange.
            dialog.theirs = before;
        }
        if !matches!(code, 101..300) {
            return Ok(());
        }
        match self.flawed.get(&key) {
            Some(Flaw::NoDialog) => {
                let reason = format!("{}, but no dialog has these tags", msg.summary());
                return Err(broken("success_needs_a_dialog", exit.now, reason));
            }
            Some(Flaw::Old) => {
                let reason = format!("{}, but its CSeq is not above the last", msg.summary());
                return Err(broken("old_requests_are_refused", exit.now, reason));
            }
            None => {}
        }
        let opens = requests.asked(msg, "INVITE").filter(|asked| asked.msg.tag("to").is_none());
        if let (Some(asked), "INVITE") = (opens, msg.method()) {
            let dialog = self.dialogs.entry(name(msg, "to", "from")).or_default();
            dialog.theirs = dialog.theirs.max(asked.msg.cseq().map(|(number, _)| number));
            dialog.routes = uris(&asked.msg, "record-route");
        }
        Ok(())
    }

    /// A request of the exchange within a dialog.
    fn requested(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let (msg, now) = (exit.msg, exit.now);
        let refusal = msg.method() == "ACK" && requests.has_sent(msg.branch(), "INVITE");
        if refusal || requests.has_sent(msg.branch(), msg.method()) {
            return Ok(());
        }
        let Some(dialog) = self.dialogs.get_mut(&name(msg, "from", "to")) else {
            let reason = format!("{} in a dialog that nobody knows", msg.summary());
            return Err(broken("requests_in_known_dialogs", now, reason));
        };
        let routes = uris(msg, "route");
        let loose = dialog.routes.first().is_none_or(|first| parameter(first, "lr").is_some());
        if loose && routes != dialog.routes {
            let reason = format!("{} goes by {routes:?} instead of {:?}", msg.summary(), dialog.routes);
            return Err(broken("routes_are_kept", now, reason));
        }
        let number = msg.cseq().map_or(0, |(number, _)| number);
        if msg.method() != "ACK" {
            if dialog.ours.is_some_and(|last| number <= last) {
                let reason = format!("{} after CSeq {:?}", msg.summary(), dialog.ours);
                return Err(broken("numbers_rise", now, reason));
            }
            dialog.ours = Some(number);
        }
        Ok(())
    }

    /// The Call-ID of some dialog, and whom it is with.
    pub(crate) fn call_to_guess(&self, luck: u64) -> Option<(String, String)> {
        let at = usize::try_from(luck % self.dialogs.len().max(1) as u64).unwrap_or(0);
        self.dialogs.keys().nth(at).map(|(call_id, ..)| (call_id.clone(), "100".to_owned()))
    }

    /// Time passes.
    pub(crate) fn at(&mut self, now: Instant) -> Verdict {
        match self.cancelled.first() {
            Some((due, invite)) if *due < now => {
                let reason = format!("INVITE with branch {} is cancelled and not answered", invite.branch);
                Err(broken("cancel_ends_the_invite", now, reason))
            }
            _ => Ok(()),
        }
    }
}

fn name(msg: &Msg, ours: &str, theirs: &str) -> Name {
    let tag = |header| msg.tag(header).unwrap_or_default().to_owned();
    (msg.call_id().to_owned(), tag(ours), tag(theirs))
}

/// The URIs of a header, without brackets.
fn uris(msg: &Msg, header: &str) -> Vec<String> {
    let bare = |value: &str| {
        let inside = value.find('<').and_then(|open| value[open + 1..].split('>').next());
        inside.unwrap_or(value).to_owned()
    };
    msg.values(header).map(bare).collect()
}
