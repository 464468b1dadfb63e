//! What the other rules ask for: every request that came and every INVITE that was sent, as they crossed the border of
//! the exchange.

use std::collections::BTreeMap;
use std::net::IpAddr;

use telex_engine::time::{Duration, Instant};

use super::{Entry, Exit};
use crate::phone::LIFE;
use crate::text::{Msg, Transaction};

/// A request of somebody else's.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The request.
    pub(crate) msg: Msg,
    /// Where it came from.
    pub(crate) from: IpAddr,
    /// Status and time of its final response.
    pub(crate) done: Option<(u16, Instant)>,
}

/// A request of the exchange's.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When it left first.
    pub(crate) at: Instant,
    /// The request.
    pub(crate) msg: Msg,
    /// It left over a stream.
    pub(crate) reliable: bool,
    /// A provisional response came.
    pub(crate) ringing: bool,
    /// When its CANCEL left.
    pub(crate) cancelled: Option<Instant>,
    /// Status and time of its first final response.
    pub(crate) done: Option<(u16, Instant)>,
    /// That came when nobody waited for it any more.
    pub(crate) late: bool,
}

/// How long timer C is (RFC 3261 §16.6).
const TIMER_C: Duration = Duration::from_secs(180);

impl Sent {
    /// Whether the exchange no longer waits for an answer.
    pub(crate) fn given_up(&self, now: Instant) -> bool {
        let since = match (self.cancelled, self.ringing) {
            (Some(cancelled), _) => cancelled + LIFE,
            (None, true) => self.at + TIMER_C,
            (None, false) => self.at + LIFE,
        };
        since <= now
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    asked: BTreeMap<Transaction, Asked>,
    sent: BTreeMap<(String, String), Sent>,
}

impl Requests {
    /// A message arrives. True when it is a request that was not there before.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) -> bool {
        let msg = entry.msg;
        let method = msg.method();
        if !msg.is_request() || method == "ACK" {
            return false;
        }
        let key = msg.transaction(method);
        if self.asked.contains_key(&key) {
            return false;
        }
        self.asked.insert(key, Asked { msg: msg.clone(), from: entry.source.ip(), done: None });
        true
    }

    /// A message has left, and every rule has seen it.
    pub(crate) fn left(&mut self, exit: &Exit<'_>) {
        let (msg, at) = (exit.msg, exit.now);
        let method = msg.method();
        if let Some(code) = msg.code() {
            if let Some(asked) = self.asked.get_mut(&msg.transaction(method))
                && code >= 200
            {
                asked.done.get_or_insert((code, at));
            }
            return;
        }
        let key = (msg.branch().to_owned(), method.to_owned());
        if method == "CANCEL"
            && let Some(invite) = self.sent.get_mut(&(key.0.clone(), "INVITE".to_owned()))
        {
            invite.cancelled.get_or_insert(at);
        }
        if method != "ACK" {
            let reliable = exit.transport.is_reliable();
            let new = || Sent {
                at,
                msg: msg.clone(),
                reliable,
                ringing: false,
                cancelled: None,
                done: None,
                late: false,
            };
            self.sent.entry(key).or_insert_with(new);
        }
    }

    /// A response has arrived, and every rule has seen it.
    pub(crate) fn answered(&mut self, entry: &Entry<'_>) {
        let Some(code) = entry.msg.code() else { return };
        let key = (entry.msg.branch().to_owned(), entry.msg.method().to_owned());
        if let Some(sent) = self.sent.get_mut(&key) {
            if code >= 200 {
                sent.late |= sent.done.is_none() && sent.given_up(entry.now);
                sent.done.get_or_insert((code, entry.now));
            } else {
                // Later it has been given up.
                sent.ringing |= sent.at + LIFE > entry.now;
            }
        }
    }

    /// The request that a response of the exchange answers, or a message within its transaction belongs to.
    pub(crate) fn asked(&self, msg: &Msg, method: &str) -> Option<&Asked> {
        self.asked.get(&msg.transaction(method))
    }

    /// The exchange's request that a response answers.
    pub(crate) fn sent(&self, response: &Msg) -> Option<&Sent> {
        self.sent.get(&(response.branch().to_owned(), response.method().to_owned()))
    }

    /// Whether a request of the exchange has this branch and method.
    pub(crate) fn has_sent(&self, branch: &str, method: &str) -> bool {
        self.sent.contains_key(&(branch.to_owned(), method.to_owned()))
    }
}
