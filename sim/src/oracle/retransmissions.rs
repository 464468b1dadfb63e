//! What is lost is sent again when RFC 3261 says, and only then.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use telex_engine::border::{StreamId, Transport};
use telex_engine::time::{Duration, Instant};

use super::{Entry, Exit, Verdict, broken};
use crate::plan::Plan;
use crate::text::Msg;

/// What is sent again, and until what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// INVITE: until any response; intervals double without end (timer A, B).
    Invite,
    /// Any other request but ACK: until the final response; intervals double up to T2 (timers E, F).
    Request,
    /// A refusal of INVITE: until its ACK (timers G, H).
    Refusal,
    /// A 2xx to INVITE: until its ACK, over any transport (§13.3.1.4).
    Success,
    /// A reliable provisional response: until its PRACK or the final one, over any transport; intervals double
    /// without end (RFC 3262 §3).
    Reliable,
}

/// A message that is owed again and again.
#[derive(Debug)]
struct Owed {
    kind: Kind,
    bytes: Bytes,
    summary: String,
    dialog: Name,
    cseq: u32,
    first: Instant,
    interval: Duration,
    /// Not before, and not after.
    due: Instant,
    latest: Instant,
    /// A provisional response came: intervals are T2 from now on (§17.1.2.2).
    proceeding: bool,
}

/// A dialog: Call-ID and both tags in order.
pub(super) type Name = (String, String, String);

/// Branch, method, and whether it is a response.
type Key = (String, String, bool);

/// The times that the exchange is to keep.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    t1: Duration,
    t2: Duration,
    /// The host wakes the exchange up to this late.
    late: Duration,
}

impl Times {
    /// 64 T1: how long anything is sent again.
    fn life(self) -> Duration {
        self.t1 * 64
    }
}

/// All messages that are owed.
#[derive(Debug, Default)]
pub(crate) struct Retransmissions {
    times: Times,
    owed: BTreeMap<Key, Owed>,
    by_due: BTreeSet<(Instant, Key)>,
    /// Requests that were settled: sending them again is wrong.
    settled: BTreeMap<Key, Bytes>,
    /// What may be sent again or not: what would settle it is unclear, or whether it was sent at all.
    open: BTreeSet<Key>,
    /// Requests without any response that went by a stream: by another way when that breaks (§18.1.1).
    carried: BTreeMap<Key, StreamId>,
    /// 2xx of INVITEs that still wait for their ACK.
    unacknowledged: BTreeMap<Name, (u32, Instant)>,
}

/// Wakes are exact in the simulated world; a millisecond covers timers that round.
const TOLERANCE: Duration = Duration::from_millis(1);

impl Retransmissions {
    pub(crate) fn new(plan: &Plan) -> Self {
        let times = Times { t1: plan.exchange.t1, t2: plan.exchange.t2, late: plan.host.late };
        Self { times, ..Self::default() }
    }

    /// A message leaves the exchange.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) -> Verdict {
        let msg = exit.msg;
        if msg.is_request() && msg.method() == "BYE" {
            self.bye_after_ack(exit)?;
        }
        if msg.code().is_some_and(|code| code >= 200) && msg.method() == "INVITE" {
            let of = |key: &Key| key.0 == msg.branch() && key.1.starts_with(RELIABLE);
            let over: Vec<Key> = self.owed.keys().filter(|key| of(key)).cloned().collect();
            over.iter().for_each(|key| self.settle(key));
        }
        let key = key_of(msg);
        if self.open.contains(&key) {
            return Ok(());
        }
        if let Some(owed) = self.owed.get_mut(&key) {
            return again(self.times, owed, &mut self.by_due, &key, exit);
        }
        if let Some(bytes) = self.settled.get(&key) {
            if msg.is_request() {
                let reason = format!("{} again, answered or over a reliable transport", msg.summary());
                return Err(broken("retransmitted_on_time", exit.now, reason));
            }
            same(bytes, exit)?;
            if exit.is_provoked() {
                return Ok(());
            }
            let reason = format!("{} again, although it was acknowledged", msg.summary());
            return Err(broken("retransmitted_on_time", exit.now, reason));
        }
        let Some(kind) = kind_of(exit) else {
            if msg.is_request() && msg.method() != "ACK" {
                self.carried.extend(exit.stream.map(|stream| (key.clone(), stream)));
                self.settled.insert(key, exit.raw.clone());
            }
            return Ok(());
        };
        let due = exit.now + self.times.t1;
        let latest = due + self.times.late;
        self.by_due.insert((latest, key.clone()));
        let cseq = msg.cseq().map_or(0, |(number, _)| number);
        if kind == Kind::Success {
            self.unacknowledged.insert(dialog(msg), (cseq, exit.now));
        }
        let owed = Owed {
            kind,
            bytes: exit.raw.clone(),
            summary: msg.summary(),
            dialog: dialog(msg),
            cseq,
            first: exit.now,
            interval: self.times.t1,
            due,
            latest,
            proceeding: false,
        };
        self.owed.insert(key, owed);
        Ok(())
    }

    /// A message is given to a stream that is not open yet.
    pub(crate) fn waits(&mut self, exit: &Exit<'_>) {
        let key = key_of(exit.msg);
        self.settle(&key);
        self.open.insert(key);
    }

    /// A stream is gone.
    pub(crate) fn stream_gone(&mut self, stream: StreamId) {
        for (key, _) in self.carried.extract_if(.., |_, by| *by == stream) {
            self.open.insert(key);
        }
    }

    /// A message reaches the exchange.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        let msg = entry.msg;
        if !entry.sound {
            return self.release(msg);
        }
        match (msg.code(), msg.method()) {
            (Some(code), method) => {
                let key = (msg.branch().to_owned(), method.to_owned(), false);
                self.carried.remove(&key);
                let Some(owed) = self.owed.get_mut(&key) else { return };
                if code >= 200 || owed.kind == Kind::Invite {
                    self.settle(&key);
                } else {
                    owed.proceeding = true;
                }
            }
            (None, "ACK") => {
                let refusal = (msg.branch().to_owned(), "INVITE".to_owned(), true);
                self.settle(&refusal);
                let number = msg.cseq().map_or(0, |(number, _)| number);
                let dialog = dialog(msg);
                self.settle_success(&dialog, |cseq| cseq == number);
                if self.unacknowledged.get(&dialog).is_some_and(|(cseq, _)| *cseq == number) {
                    self.unacknowledged.remove(&dialog);
                }
            }
            (None, "PRACK") => {
                let number = msg.get("rack").and_then(|rack| rack.split(' ').next()).unwrap_or_default();
                let (dialog, name) = (dialog(msg), format!("{RELIABLE}{number}"));
                let of = |(key, owed): (&Key, &Owed)| {
                    (owed.dialog == dialog && key.1 == name).then(|| key.clone())
                };
                let over: Vec<Key> = self.owed.iter().filter_map(of).collect();
                over.iter().for_each(|key| self.settle(key));
            }
            // The dialog is over, and with it the 2xx that opened it.
            (None, "BYE") => self.settle_success(&dialog(msg), |_| true),
            _ => {}
        }
    }

    /// Time passes: what is overdue was not sent.
    pub(crate) fn at(&mut self, now: Instant) -> Verdict {
        while let Some((due, key)) = self.by_due.first().cloned() {
            if due + TOLERANCE >= now {
                break;
            }
            let Some(owed) = self.owed.get(&key) else {
                self.by_due.pop_first();
                continue;
            };
            if due >= owed.first + self.times.life() {
                let last = owed.due < owed.first + self.times.life();
                self.settle(&key);
                if last {
                    // It was to be sent just before its end, and a late host may have been later than that.
                    self.open.insert(key);
                }
                continue;
            }
            let reason = format!("{} of {} was due again at {due} and not sent", owed.summary, owed.first);
            return Err(broken("retransmitted_on_time", now, reason));
        }
        Ok(())
    }

    /// The exchange may take this message or not.
    fn release(&mut self, msg: &Msg) {
        let here = |(key, owed): (&Key, &Owed)| {
            let same =
                key.0 == msg.branch() || (owed.kind == Kind::Success && owed.dialog.0 == msg.call_id());
            same.then(|| key.clone())
        };
        let keys: Vec<Key> = self.owed.iter().filter_map(here).collect();
        for key in keys {
            self.settle(&key);
            self.open.insert(key);
        }
        self.unacknowledged.retain(|(call_id, ..), _| call_id != msg.call_id());
        if msg.is_request() {
            // A refusal of what cannot be read may be a stateless one (§8.2.7).
            self.open.insert((msg.branch().to_owned(), msg.method().to_owned(), true));
        }
    }

    fn settle(&mut self, key: &Key) {
        if let Some(owed) = self.owed.remove(key) {
            self.by_due.remove(&(owed.latest, key.clone()));
            self.settled.insert(key.clone(), owed.bytes);
        }
    }

    fn settle_success(&mut self, dialog: &Name, cseq: impl Fn(u32) -> bool) {
        let over = |o: &Owed| o.kind == Kind::Success && o.dialog == *dialog && cseq(o.cseq);
        let keys: Vec<Key> = self.owed.iter().filter(|(_, o)| over(o)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.settle(&key);
        }
    }

    /// `bye_after_ack`.
    fn bye_after_ack(&mut self, exit: &Exit<'_>) -> Verdict {
        let dialog = dialog(exit.msg);
        if let Some((_, since)) = self.unacknowledged.remove(&dialog)
            && exit.now + TOLERANCE < since + self.times.life()
        {
            let reason = format!("{}, but the 2xx of {since} is not acknowledged", exit.msg.summary());
            return Err(broken("bye_after_ack", exit.now, reason));
        }
        self.settle_success(&dialog, |_| true);
        Ok(())
    }
}

/// Begins the name of a reliable response, which its RSeq ends.
const RELIABLE: &str = "INVITE, RSeq ";

fn key_of(msg: &Msg) -> Key {
    let method = match msg.get("rseq").filter(|_| matches!(msg.code(), Some(101..200))) {
        Some(number) => format!("{RELIABLE}{number}"),
        None => msg.method().to_owned(),
    };
    (msg.branch().to_owned(), method, !msg.is_request())
}

/// The dialog of a message, whoever sent it.
pub(super) fn dialog(msg: &Msg) -> Name {
    let tag = |header| msg.tag(header).unwrap_or_default();
    ordered(msg.call_id(), tag("from"), tag("to"))
}

/// The name of a dialog, whichever way it is looked at.
pub(super) fn ordered(call_id: &str, one: &str, two: &str) -> Name {
    (call_id.to_owned(), one.min(two).to_owned(), one.max(two).to_owned())
}

fn kind_of(exit: &Exit<'_>) -> Option<Kind> {
    let unreliable = exit.transport == Transport::Udp;
    match (exit.msg.code(), exit.msg.method()) {
        (None, "ACK") => None,
        (None, "INVITE") => unreliable.then_some(Kind::Invite),
        (None, _) => unreliable.then_some(Kind::Request),
        (Some(101..200), "INVITE") => exit.msg.has("require", "100rel").then_some(Kind::Reliable),
        (Some(200..300), "INVITE") => Some(Kind::Success),
        // What may be said to strangers is said without keeping anything: nothing repeats it but its request (§8.2.7).
        (Some(401 | 406 | 407 | 416 | 420 | 422 | 481 | 482 | 483 | 503), "INVITE") => None,
        (Some(300..), "INVITE") => unreliable.then_some(Kind::Refusal),
        _ => None,
    }
}

/// A message leaves that left before: at its time, or because its request came again.
fn again(
    times: Times,
    owed: &mut Owed,
    by_due: &mut BTreeSet<(Instant, Key)>,
    key: &Key,
    exit: &Exit<'_>,
) -> Verdict {
    same(&owed.bytes, exit)?;
    let now = exit.now;
    if matches!(owed.kind, Kind::Refusal | Kind::Success | Kind::Reliable) && exit.is_provoked() {
        return Ok(());
    }
    if now + TOLERANCE < owed.due || owed.latest + TOLERANCE < now {
        let reason = format!("{} of {} was due again at {}", owed.summary, owed.first, owed.due);
        return Err(broken("retransmitted_on_time", now, reason));
    }
    if now > owed.first + times.life() + TOLERANCE + times.late {
        let reason = format!("{} of {} is still sent", owed.summary, owed.first);
        return Err(broken("retransmitted_on_time", now, reason));
    }
    by_due.remove(&(owed.latest, key.clone()));
    owed.interval = match owed.kind {
        Kind::Invite | Kind::Reliable => owed.interval * 2,
        _ if owed.proceeding => times.t2,
        _ => (owed.interval * 2).min(times.t2),
    };
    // The next interval may be counted from when this one ended, or from when the exchange was woken.
    owed.due += owed.interval;
    owed.latest = now.max(owed.due - owed.interval) + owed.interval + times.late;
    by_due.insert((owed.latest, key.clone()));
    Ok(())
}

/// `same_bytes_again`.
fn same(bytes: &Bytes, exit: &Exit<'_>) -> Verdict {
    if bytes == exit.raw {
        return Ok(());
    }
    let reason = format!("{} differs from what was sent before", exit.msg.summary());
    Err(broken("same_bytes_again", exit.now, reason))
}
