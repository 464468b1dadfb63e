//! The callee's side.

use std::time::{Duration, Instant};

use super::{Engine, GIVE_UP, T1, T2, TAIL, Timer};
use crate::sip::{self, Msg};

/// A call as its callee sees it.
pub struct Uas {
    pub leg: Option<usize>,
    pub over: bool,
    /// The response to send again.
    last: Vec<u8>,
    /// The headers that all responses have, To with its tag.
    head: String,
    contact: String,
    interval: Duration,
    age: u32,
    acked: bool,
    answered: bool,
    /// Where the far end wants its audio; 0 when unknown.
    target: u64,
    cseq: u32,
    since: Instant,
}

impl Engine {
    pub fn uas_ring(&mut self, call: usize) {
        let uas = &self.uass[call];
        if uas.over {
            return;
        }
        let (head, contact) = (&uas.head, &uas.contact);
        let ringing = format!("SIP/2.0 180 Ringing\r\n{head}Contact: {contact}\r\nContent-Length: 0\r\n\r\n");
        self.send_uas(ringing.as_bytes());
        self.uass[call].last = ringing.into_bytes();
    }

    pub fn uas_answer(&mut self, call: usize) {
        let uas = &self.uass[call];
        if uas.over {
            return;
        }
        let (head, contact) = (&uas.head, &uas.contact);
        let head = format!(
            "SIP/2.0 200 OK\r\n{head}Contact: {contact}\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n"
        );
        let answer = sip::with_body(&head, &self.sdp(uas.leg, call, self.plan.uas_codec));
        self.send_uas(&answer);
        let uas = &mut self.uass[call];
        uas.answered = true;
        uas.interval = T1;
        uas.since = Instant::now();
        uas.last = answer;
        let age = uas.age;
        self.set(T1, Timer::UasAgain(call, age));
    }

    pub fn uas_again(&mut self, call: usize, age: u32) {
        let uas = &mut self.uass[call];
        if uas.age != age || uas.acked || uas.over {
            return;
        }
        if uas.since.elapsed() > GIVE_UP {
            uas.over = true;
            self.out.uas_no_ack += 1;
            return;
        }
        uas.interval = (uas.interval * 2).min(T2);
        let interval = uas.interval;
        self.send_uas(&self.uass[call].last);
        self.out.uas_answers_again += 1;
        self.set(interval, Timer::UasAgain(call, age));
    }

    /// A datagram for the callee.
    pub fn on_uas(&mut self, octets: &[u8]) {
        let Some(m) = Msg::parse(octets).filter(|m| m.status().is_none()) else { return };
        let id = m.get("Call-ID").unwrap_or("");
        match (m.method(), self.uas_by_id.get(id).copied()) {
            ("INVITE", Some(call)) => self.on_invite_again(call, &m),
            ("INVITE", None) => self.on_invite(id, &m),
            ("ACK", Some(call)) => self.on_ack(call, &m),
            ("ACK", None) => {}
            ("BYE", Some(call)) => self.on_bye(call, &m),
            ("CANCEL", Some(call)) => self.on_cancel(call, &m),
            ("BYE" | "CANCEL", None) => {
                let reason = "Call/Transaction Does Not Exist";
                sip::reply_simple(&self.uas_socket, &m, self.plan.server, 481, reason);
            }
            _ => sip::reply_simple(&self.uas_socket, &m, self.plan.server, 200, "OK"),
        }
    }

    fn on_invite(&mut self, id: &str, m: &Msg) {
        let call = self.uass.len();
        self.out.uas_calls += 1;
        let leg = self.media.is_some().then(|| self.free_uas_legs.pop()).flatten();
        if self.media.is_some() && leg.is_none() {
            self.send_uas(sip::reply_empty(m, 486, "Busy Here", Some("full")).as_bytes());
            return;
        }
        self.new_stream(leg);
        let tag = format!("b{}x{call}", self.plan.run_id);
        let head = sip::reply_head(m, 100, "Trying", Some(&tag));
        let head = head.split_once("\r\n").map_or("", |(_, headers)| headers).to_owned();
        let user = m.start.split(' ').nth(1).and_then(|uri| uri.strip_prefix("sip:"));
        let user = user.and_then(|user| user.split('@').next()).unwrap_or("uas");
        self.uass.push(Uas {
            leg,
            over: false,
            last: Vec::new(),
            head,
            contact: format!("<sip:{user}@{}>", self.uas_address),
            interval: T1,
            age: 0,
            acked: false,
            answered: false,
            target: sip::sdp_dst(m.body).map_or(0, |(target, _)| target),
            cseq: m.cseq().0,
            since: Instant::now(),
        });
        self.uas_by_id.insert(id.to_owned(), call);
        self.send_uas(sip::reply_empty(m, 100, "Trying", None).as_bytes());
        for (after, timer) in
            [(self.plan.ring, Timer::UasRing(call)), (self.plan.answer, Timer::UasAnswer(call))]
        {
            if after.is_zero() {
                self.fire(timer);
            } else {
                self.set(after, timer);
            }
        }
    }

    fn on_invite_again(&mut self, call: usize, m: &Msg) {
        let uas = &mut self.uass[call];
        if m.cseq().0 <= uas.cseq || m.get("To").and_then(sip::tag).is_none() {
            self.out.uas_invites_again += 1;
            self.send_uas(&self.uass[call].last);
            return;
        }
        self.out.reinvites += 1;
        uas.cseq = m.cseq().0;
        if let Some((target, _)) = sip::sdp_dst(m.body) {
            uas.target = target;
            if uas.acked && !uas.over {
                let leg = uas.leg;
                self.send_media(leg, target);
            }
        }
        let uas = &self.uass[call];
        let head = sip::reply_head(m, 200, "OK", None) + &format!("Contact: {}\r\n", uas.contact);
        let answer = sip::with_body(&head, &self.sdp(uas.leg, call, self.plan.uas_codec));
        self.send_uas(&answer);
        self.uass[call].last = answer;
    }

    fn on_ack(&mut self, call: usize, m: &Msg) {
        let uas = &mut self.uass[call];
        if !uas.answered || uas.acked {
            return;
        }
        uas.acked = true;
        uas.age += 1;
        if let Some((target, _)) = sip::sdp_dst(m.body) {
            uas.target = target;
        }
        if !self.plan.media || uas.over {
            return;
        }
        let (leg, target) = (uas.leg, uas.target);
        self.send_media(leg, target);
        if self.plan.steady.is_none() {
            // Stop when the caller stops, ahead of the BYE.
            self.set(self.plan.hold.saturating_sub(TAIL), Timer::UasTail(call));
        }
    }

    fn on_bye(&mut self, call: usize, m: &Msg) {
        self.send_uas(sip::reply_empty(m, 200, "OK", None).as_bytes());
        let uas = &mut self.uass[call];
        if uas.over {
            return;
        }
        self.out.uas_byes += 1;
        uas.last = Vec::new();
        uas.head = String::new();
        self.uas_over(call);
    }

    fn on_cancel(&mut self, call: usize, m: &Msg) {
        self.send_uas(sip::reply_empty(m, 200, "OK", None).as_bytes());
        let uas = &self.uass[call];
        if uas.answered || uas.over {
            return;
        }
        let terminated =
            format!("SIP/2.0 487 Request Terminated\r\n{}Content-Length: 0\r\n\r\n", uas.head).into_bytes();
        self.send_uas(&terminated);
        self.uass[call].last = terminated;
        self.uas_over(call);
    }

    fn uas_over(&mut self, call: usize) {
        self.uass[call].over = true;
        let leg = self.uass[call].leg;
        self.send_media(leg, 0);
        self.free_uas_legs.extend(leg);
    }
}
