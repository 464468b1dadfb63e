//! What has to be acknowledged at once, and what follows when nobody does.

use std::collections::{BTreeMap, BTreeSet};

use telex_engine::time::{Duration, Instant};

use super::requests::Requests;
use super::retransmissions::{Name, dialog, ordered};
use super::{Entry, Exit, Verdict, broken};
use crate::phone::LIFE;

/// A message that has to leave before time goes on.
#[derive(Debug)]
struct Due {
    at: Instant,
    oracle: &'static str,
    method: &'static str,
    /// The branch, where it is known.
    branch: Option<String>,
    call_id: String,
    /// The To tag, where it matters.
    tag: Option<String>,
    why: String,
}

/// A 2xx of the exchange that waits for its ACK.
#[derive(Debug)]
struct Unacknowledged {
    at: Instant,
    tags: (String, String),
}

/// Watches final and reliable responses.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    due: Vec<Due>,
    /// Dialogs that somebody ended: Call-ID and both tags in order.
    over: BTreeSet<Name>,
    /// Calls of which some dialog is over.
    ended: BTreeSet<String>,
    /// To tags of the 2xx to one INVITE, by branch: the first one is the call.
    answers: BTreeMap<String, Vec<String>>,
    /// Call-IDs and To tags of 2xx that were acknowledged.
    acked: BTreeSet<(String, String)>,
    /// RSeq acknowledged last, by branch and To tag.
    reliable: BTreeMap<(String, String), u32>,
    /// 2xx of the exchange, by Call-ID and CSeq.
    unacknowledged: BTreeMap<(String, u32), Unacknowledged>,
}

/// Timers fire when they are due; this covers the rest.
const SLACK: Duration = Duration::from_secs(1);

impl Acks {
    /// A message arrives.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>, requests: &Requests) {
        let msg = entry.msg;
        match (msg.code(), msg.method()) {
            // What a box has broken the exchange may take or not.
            (None, "ACK") if !entry.sound => {
                self.unacknowledged.retain(|(call_id, _), _| call_id != msg.call_id());
            }
            _ if !entry.sound => {}
            (Some(200..), "INVITE") => self.finally(entry, requests),
            (Some(101..200), "INVITE") => self.reliably(entry, requests),
            (None, "BYE") => self.ended(dialog(msg)),
            (None, "ACK") => {
                let number = msg.cseq().map_or(0, |(number, _)| number);
                let key = (msg.call_id().to_owned(), number);
                let tags = (tag(msg.tag("to")), tag(msg.tag("from")));
                if self.unacknowledged.get(&key).is_some_and(|ok| ok.tags == tags) {
                    self.unacknowledged.remove(&key);
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, dialog: Name) {
        let of = |call_id: &str, ok: &Unacknowledged| ordered(call_id, &ok.tags.0, &ok.tags.1);
        self.unacknowledged.retain(|(call_id, _), ok| of(call_id, ok) != dialog);
        self.ended.insert(dialog.0.clone());
        self.over.insert(dialog);
    }

    /// `acknowledged`.
    fn finally(&mut self, entry: &Entry<'_>, requests: &Requests) {
        let Some(sent) = requests.sent(entry.msg) else { return };
        let success = entry.msg.code().is_some_and(|code| code < 300);
        let lingers = sent.done.is_none_or(|(_, at)| at + LIFE > entry.now);
        let expected = match sent.done {
            // A stream that is gone takes its request with it (§17.1.4), even if the phone goes on by another.
            None => !sent.reliable && !sent.given_up(entry.now),
            // The first one came too late, and so do its copies.
            Some(_) if sent.late => false,
            // A 2xx after a refusal, or the other way about, is for nobody.
            Some((first, _)) if (first < 300) != success => false,
            // The call may have ended before its copies died out.
            Some(_) if success => {
                let taken = !sent.reliable
                    || self.acked.contains(&(entry.msg.call_id().to_owned(), tag(entry.msg.tag("to"))));
                lingers && taken && !self.ended.contains(entry.msg.call_id())
            }
            Some(_) => lingers && !sent.reliable,
        };
        if expected {
            self.due.push(Due {
                at: entry.now,
                oracle: "acknowledged",
                method: "ACK",
                branch: (!success).then(|| entry.msg.branch().to_owned()),
                call_id: entry.msg.call_id().to_owned(),
                tag: entry.msg.tag("to").map(str::to_owned),
                why: entry.msg.summary(),
            });
            if success {
                self.another(entry);
            }
        }
    }

    /// `second_answer_ended`: of two phones that answer one INVITE the later is let go (§13.2.2.4).
    fn another(&mut self, entry: &Entry<'_>) {
        let tags = self.answers.entry(entry.msg.branch().to_owned()).or_default();
        let tag = tag(entry.msg.tag("to"));
        if tags.contains(&tag) {
            return;
        }
        tags.push(tag.clone());
        if tags.len() > 1 {
            self.due.push(Due {
                at: entry.now,
                oracle: "second_answer_ended",
                method: "BYE",
                branch: None,
                call_id: entry.msg.call_id().to_owned(),
                tag: Some(tag),
                why: entry.msg.summary(),
            });
        }
    }

    /// `reliable_acknowledged` (RFC 3262 §4).
    fn reliably(&mut self, entry: &Entry<'_>, requests: &Requests) {
        let msg = entry.msg;
        let Some(sent) = requests
            .sent(msg)
            .filter(|sent| sent.done.is_none() && sent.cancelled.is_none() && !sent.reliable)
        else {
            return;
        };
        let number = msg.get("rseq").and_then(|text| text.parse::<u32>().ok());
        let (Some(number), true, false) = (number, msg.has("require", "100rel"), sent.given_up(entry.now))
        else {
            return;
        };
        let key = (msg.branch().to_owned(), tag(msg.tag("to")));
        let next = self.reliable.get(&key).is_none_or(|last| number == last + 1);
        if next {
            self.reliable.insert(key, number);
            self.due.push(Due {
                at: entry.now,
                oracle: "reliable_acknowledged",
                method: "PRACK",
                branch: None,
                call_id: msg.call_id().to_owned(),
                tag: msg.tag("to").map(str::to_owned),
                why: msg.summary(),
            });
        }
    }

    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) {
        let msg = exit.msg;
        match (msg.code(), msg.method()) {
            (None, method) => {
                self.due.retain(|due| {
                    let branch = due.branch.as_deref().is_none_or(|branch| branch == msg.branch());
                    let tag = due.tag.is_none() || due.tag.as_deref() == msg.tag("to");
                    !(due.method == method && due.call_id == msg.call_id() && branch && tag)
                });
                if method == "ACK" {
                    self.acked.insert((msg.call_id().to_owned(), tag(msg.tag("to"))));
                }
                if method == "BYE" {
                    self.ended(dialog(msg));
                }
            }
            (Some(200..300), "INVITE") => {
                let number = msg.cseq().map_or(0, |(number, _)| number);
                let key = (msg.call_id().to_owned(), number);
                let tags = (tag(msg.tag("to")), tag(msg.tag("from")));
                if !self.over.contains(&dialog(msg)) {
                    self.unacknowledged.entry(key).or_insert(Unacknowledged { at: exit.now, tags });
                }
            }
            _ => {}
        }
    }

    /// Time passes. `unacknowledged_ends`: a session without ACK is ended by a BYE (RFC 3261 §13.3.1.4).
    pub(crate) fn at(&mut self, now: Instant) -> Verdict {
        if let Some(due) = self.due.first().filter(|due| due.at < now) {
            let reason = format!("{} of {} was not answered by {}", due.why, due.at, due.method);
            return Err(broken(due.oracle, now, reason));
        }
        let late = |ok: &Unacknowledged| ok.at + LIFE + SLACK < now;
        if let Some(((call_id, _), ok)) = self.unacknowledged.iter().find(|(_, ok)| late(ok)) {
            let reason =
                format!("the 2xx of {} in {call_id} was never acknowledged, and no BYE followed", ok.at);
            return Err(broken("unacknowledged_ends", now, reason));
        }
        Ok(())
    }
}

fn tag(tag: Option<&str>) -> String {
    tag.unwrap_or_default().to_owned()
}
