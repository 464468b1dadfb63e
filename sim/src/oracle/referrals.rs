//! What a phone is told that hands its call over (RFC 3515 §2.4.4).

use std::collections::BTreeMap;

use telex_engine::time::{Duration, Instant};

use super::requests::Requests;
use super::{Entry, Exit, Verdict, broken};
use crate::phone::{LIFE, fragment};
use crate::plan::Plan;
use crate::text::{Msg, parameter};
use crate::world::EXCHANGE;

/// A transfer that the exchange has agreed to.
#[derive(Debug)]
struct Referral {
    /// When it must have been told the end.
    due: Instant,
    /// When the last NOTIFY left.
    told: Option<Instant>,
    /// The exchange has told the end, or the phone wants to hear no more.
    over: bool,
}

/// By Call-ID, the exchange's tag and the phone's, and the CSeq of the REFER.
type Key = (String, String, String, u32);

/// All transfers.
#[derive(Debug)]
pub(crate) struct Referrals {
    all: BTreeMap<Key, Referral>,
    /// The longest that it takes until one is over.
    longest: Duration,
    /// How long an answer to a NOTIFY is waited for.
    life: Duration,
}

/// Between a REFER and what follows.
const SLACK: Duration = Duration::from_secs(5);
/// What is said to who parks a call, and who is rung back.
const SERVICES: Duration = Duration::from_secs(20);

impl Referrals {
    pub(crate) fn new(plan: &Plan) -> Self {
        let ring = plan.exchange.ring * (1 + plan.diversions());
        // A NOTIFY that nobody answers holds up the next.
        let longest = ring + SERVICES + LIFE * 2 + plan.exchange.slow() + SLACK;
        Self { all: BTreeMap::new(), longest, life: plan.exchange.t1 * 64 }
    }

    /// A message arrives.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        if entry.msg.is_request() && entry.msg.method() == "BYE" {
            self.ended(entry.msg, "to", "from");
        }
        // Who refuses a NOTIFY wants no more of them (RFC 6665 §4.2.2).
        if entry.msg.code().is_some_and(|code| code >= 300) && entry.msg.method() == "NOTIFY" {
            let of = self.all.iter_mut().filter(|(key, _)| key.0 == entry.msg.call_id());
            of.for_each(|(_, referral)| referral.over = true);
        }
    }

    fn ended(&mut self, bye: &Msg, ours: &str, theirs: &str) {
        let (call_id, ours, theirs) = names(bye, ours, theirs);
        self.all.retain(|key, _| (&key.0, &key.1, &key.2) != (&call_id, &ours, &theirs));
    }

    /// A message leaves. `referral_told_once`.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>, requests: &Requests) -> Verdict {
        let msg = exit.msg;
        match (msg.code(), msg.method()) {
            (Some(200..300), "REFER") => {
                let asked = requests.asked(msg, "REFER").filter(|asked| asked.done.is_none());
                let Some(asked) = asked else { return Ok(()) };
                if !is_ours(&asked.msg, "refer-to") {
                    let to = asked.msg.get("refer-to").unwrap_or_default();
                    let reason = format!("{} for a transfer to {to}", msg.summary());
                    return Err(broken("calls_stay_here", exit.now, reason));
                }
                let (call_id, ours, theirs) = names(msg, "to", "from");
                let cseq = msg.cseq().map_or(0, |(number, _)| number);
                let referral = Referral { due: exit.now + self.longest, told: None, over: false };
                self.all.entry((call_id, ours, theirs, cseq)).or_insert(referral);
                Ok(())
            }
            // One that was not answered may be repeated when the dialog is over.
            (None, "NOTIFY") if requests.has_sent(msg.branch(), "NOTIFY") => Ok(()),
            (None, "NOTIFY") if msg.get("event").is_some_and(|event| event.starts_with("refer")) => {
                self.tells(exit.now, msg).map_err(|why| broken("referral_told_once", exit.now, why))
            }
            (None, "BYE") => {
                // Who has handed its call over is told so before it is sent away.
                let (call_id, ours, theirs) = names(msg, "from", "to");
                let of = |key: &Key| (&key.0, &key.1, &key.2) == (&call_id, &ours, &theirs);
                // Nobody waits for a phone that is gone.
                let heard = |referral: &Referral| referral.told.is_none_or(|at| at + self.life > exit.now);
                let untold = self.all.iter().any(|(key, r)| of(key) && !r.over && heard(r));
                if untold && msg.get("reason").is_some_and(|reason| reason.contains("Transferred")) {
                    let reason = format!("{} to who was not told how its transfer ended", msg.summary());
                    return Err(broken("referral_told_once", exit.now, reason));
                }
                self.ended(msg, "from", "to");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tells(&mut self, now: Instant, msg: &Msg) -> Result<(), String> {
        let (call_id, ours, theirs) = names(msg, "from", "to");
        let event = msg.get("event").unwrap_or_default();
        let Some(id) = parameter(event, "id").and_then(|id| id.parse::<u32>().ok()) else {
            return Err(format!("{} names no REFER: {event}", msg.summary()));
        };
        let Some(referral) = self.all.get_mut(&(call_id, ours, theirs, id)) else {
            return Err(format!("{} is about the REFER {id}, of which there is none", msg.summary()));
        };
        if referral.over {
            return Err(format!("{} is about the REFER {id}, which is over", msg.summary()));
        }
        referral.told = Some(now);
        let state = msg.get("subscription-state").unwrap_or_default();
        referral.over = state.starts_with("terminated");
        match fragment(&msg.body) {
            Some(status) if (status >= 200) == referral.over => Ok(()),
            status => Err(format!("{} tells {status:?} with the state {state}", msg.summary())),
        }
    }

    /// Time passes.
    pub(crate) fn at(&self, now: Instant) -> Verdict {
        let late = |referral: &Referral| !referral.over && referral.due < now;
        match self.all.iter().find(|(_, referral)| late(referral)) {
            Some(((call_id, .., cseq), _)) => {
                let reason = format!("the REFER {cseq} in {call_id} was never told how it ended");
                Err(broken("referral_told_once", now, reason))
            }
            None => Ok(()),
        }
    }
}

/// Whether a URI names the exchange: by its address, or by the name that phones have for it.
pub(crate) fn is_ours(msg: &Msg, header: &str) -> bool {
    let uri = msg.uri(header).unwrap_or_default();
    let host = uri.split_once('@').map_or(uri, |(_, host)| host);
    let host = host.split([';', '?', ':']).next().unwrap_or_default();
    host == "pbx.example" || host == EXCHANGE.to_string()
}

fn names(msg: &Msg, ours: &str, theirs: &str) -> (String, String, String) {
    let tag = |header| msg.tag(header).unwrap_or_default().to_owned();
    (msg.call_id().to_owned(), tag(ours), tag(theirs))
}
