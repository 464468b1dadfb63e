//! Every request that reaches the exchange is answered, and answered once.

use std::collections::BTreeMap;

use bytes::Bytes;
use telex_engine::time::{Duration, Instant};

use super::{Entry, Exit, Verdict, broken};
use crate::plan::Plan;
use crate::text::Transaction;

/// A server transaction of the exchange as it can be seen from outside.
#[derive(Debug)]
struct Asked {
    at: Instant,
    summary: String,
    final_response: Option<Bytes>,
    to_tag: String,
    answered: bool,
    trying_due: Option<Instant>,
    /// It has to be answered.
    owed: bool,
}

/// Watches requests in and responses out, by transaction (RFC 3261 §17.2.3).
#[derive(Debug, Default)]
pub(crate) struct Answers {
    asked: BTreeMap<Transaction, Asked>,
    late: Duration,
    /// Passwords and extensions come and go.
    reloads: bool,
    /// INVITEs without any response yet, by the time they must have one.
    trying: Vec<(Instant, Transaction)>,
}

/// §17.2.1: a 100 follows within 200 ms; the rest is the handover between two machines.
const TRYING: Duration = Duration::from_millis(210);

impl Answers {
    /// The host may wake the exchange too late, and its operators may change who is known.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { late: plan.host.late, reloads: !plan.operators.is_empty(), ..Self::default() }
    }

    /// A message arrives.
    pub(crate) fn enter(&mut self, entry: &Entry<'_>) {
        let method = entry.msg.method();
        if !entry.msg.is_request() || method == "ACK" {
            return;
        }
        let key = entry.msg.transaction(method);
        if self.asked.contains_key(&key) {
            return;
        }
        let trying_due = (method == "INVITE" && entry.sound).then_some(entry.now + TRYING + self.late);
        if let Some(due) = trying_due {
            self.trying.push((due, key.clone()));
        }
        let summary = entry.msg.summary();
        self.asked.insert(
            key,
            Asked {
                at: entry.now,
                summary,
                final_response: None,
                to_tag: String::new(),
                answered: false,
                trying_due,
                owed: entry.sound,
            },
        );
    }

    /// A message leaves.
    pub(crate) fn exit(&mut self, exit: &Exit<'_>) -> Verdict {
        let Some(code) = exit.msg.code() else { return Ok(()) };
        let key = exit.msg.transaction(exit.msg.method());
        let Some(asked) = self.asked.get_mut(&key) else {
            let reason = format!("{} answers a request that nobody sent", exit.msg.summary());
            return Err(broken("one_final_response", exit.now, reason));
        };
        asked.answered = true;
        asked.trying_due = None;
        match (&asked.final_response, code) {
            (None, ..200) => {}
            (None, _) => {
                asked.final_response = Some(exit.raw.clone());
                exit.msg.tag("to").unwrap_or_default().clone_into(&mut asked.to_tag);
            }
            // A challenge may be stateless: made anew whenever its request comes, but with the same To tag
            // (§8.2.7).
            (Some(_), 401 | 407) if exit.is_provoked() && exit.msg.tag("to") == Some(&asked.to_tag) => {}
            // Who guesses passwords is told to wait before a challenge is made for the same request once more.
            (Some(known), 503) if exit.is_provoked() && is_of(known, &[" 401 ", " 503 "]) => {}
            // What was challenged or put off without keeping anything is judged anew when it comes again.
            (Some(known), _) if self.reloads && exit.is_provoked() && is_of(known, &[" 401 ", " 503 "]) => {}
            (Some(_), ..200) => {
                let reason = format!("{} after the final response", exit.msg.summary());
                return Err(broken("nothing_after_final", exit.now, reason));
            }
            (Some(known), _) if said(known) != said(exit.raw) => {
                let reason = format!("{} after {:?}", exit.msg.summary(), first_line(known));
                return Err(broken("one_final_response", exit.now, reason));
            }
            (Some(_), _) => {}
        }
        Ok(())
    }

    /// Time passes.
    pub(crate) fn at(&mut self, now: Instant) -> Verdict {
        while let Some((due, key)) = self.trying.first() {
            if *due > now {
                break;
            }
            if let Some(asked) = self.asked.get(key)
                && asked.trying_due.is_some()
            {
                let reason = format!("{} of {} has no response", asked.summary, asked.at);
                return Err(broken("trying_in_time", now, reason));
            }
            self.trying.remove(0);
        }
        Ok(())
    }

    /// Everything should be over.
    pub(crate) fn end(&self, now: Instant) -> Verdict {
        match self.asked.values().find(|asked| asked.owed && asked.final_response.is_none()) {
            Some(asked) => {
                let what = if asked.answered { "only provisional responses" } else { "no response" };
                let reason = format!("{} of {} got {what}", asked.summary, asked.at);
                Err(broken("every_request_answered", now, reason))
            }
            None => Ok(()),
        }
    }
}

/// A response without what it says of the request's way: a box may have given the phone another port.
fn said(raw: &Bytes) -> String {
    let text = String::from_utf8_lossy(raw);
    let (before, rest) = text.split_once(";rport=").unwrap_or((&text, ""));
    format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn is_of(known: &Bytes, codes: &[&str]) -> bool {
    let line = first_line(known);
    codes.iter().any(|code| line.contains(code))
}

fn first_line(raw: &Bytes) -> String {
    String::from_utf8_lossy(raw.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned()
}
