//! The caller's side.

use std::time::Instant;

use super::{Engine, GIVE_UP, T1, T2, TAIL, Timer};
use crate::sip::{self, Msg, numbered};

#[derive(PartialEq, Clone, Copy, Debug)]
pub enum State {
    Inviting,
    Proceeding,
    Up,
    Bye,
    Done,
}

/// A call as its caller sees it.
pub struct Uac {
    pub state: State,
    /// Counts states: a timer set in an earlier one does nothing.
    pub age: u32,
    from_tag: String,
    cseq: u32,
    branch: String,
    uri: String,
    to: String,
    user: usize,
    auth: String,
    authed: bool,
    bye_authed: bool,
    /// The request to send again.
    last: Vec<u8>,
    ack: Vec<u8>,
    interval: std::time::Duration,
    start: Instant,
    bye_start: Instant,
    got_180: bool,
    /// The callee's Contact.
    target: String,
    routes: String,
    leg: Option<usize>,
    /// Whether it is among the failed or the successful.
    counted: bool,
}

/// A request beside the INVITE.
struct Side<'a> {
    method: &'a str,
    uri: &'a str,
    to: &'a str,
    branch: String,
    cseq: u32,
    auth: &'a str,
    routes: &'a str,
}

fn refused(code: u16) -> bool {
    code == 401 || code == 407
}

impl Engine {
    /// Places a call.
    pub fn launch(&mut self) {
        let call = self.uacs.len();
        self.out.attempted += 1;
        let leg = self.media.is_some().then(|| self.free_uac_legs.pop()).flatten();
        let no_leg = self.media.is_some() && leg.is_none();
        self.uacs.push(self.new_call(call, leg));
        if no_leg {
            *self.out.failed.entry("no_local_media_slot".into()).or_default() += 1;
            self.uacs[call].state = State::Done;
            self.uacs[call].counted = true;
            return;
        }
        self.new_stream(leg);
        self.inflight += 1;
        self.out.peak = self.out.peak.max(self.inflight);
        self.send_invite(call);
        self.set(self.plan.invite_timeout, Timer::UacNoAnswer(call));
    }

    fn new_call(&self, call: usize, leg: Option<usize>) -> Uac {
        let number = match self.plan.conference {
            Some(members) => call / members.max(1),
            None => call % self.plan.targets,
        };
        let target = numbered(&self.plan.target, number);
        let uri =
            if target.starts_with("sip:") { target } else { format!("sip:{target}@{}", self.plan.domain) };
        let now = Instant::now();
        Uac {
            state: State::Inviting,
            age: 0,
            from_tag: format!("a{}x{call}", self.plan.run_id),
            cseq: 1,
            branch: self.branch('i', call),
            to: format!("<{uri}>"),
            uri,
            user: call % self.plan.from_users,
            auth: String::new(),
            authed: false,
            bye_authed: false,
            last: Vec::new(),
            ack: Vec::new(),
            interval: T1,
            start: now,
            bye_start: now,
            got_180: false,
            target: String::new(),
            routes: String::new(),
            leg,
            counted: false,
        }
    }

    fn branch(&self, kind: char, call: usize) -> String {
        format!("z9hG4bK{}{kind}{call}", self.plan.run_id)
    }

    fn bye_branch(&self, call: usize, cseq: u32) -> String {
        format!("{}.{cseq}", self.branch('b', call))
    }

    /// Via to CSeq of a request of this call.
    fn head(&self, call: usize, side: &Side<'_>) -> String {
        let uac = &self.uacs[call];
        let Side { method, uri, to, branch, cseq, auth: _, routes } = side;
        let (me, domain, run, tag) = (self.uac_address, &self.plan.domain, &self.plan.run_id, &uac.from_tag);
        let from = numbered(&self.plan.from, uac.user);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             {routes}From: <sip:{from}@{domain}>;tag={tag}\r\nTo: {to}\r\nCall-ID: c{run}x{call}\r\n\
             CSeq: {cseq} {method}\r\n"
        )
    }

    fn side(&self, call: usize, side: &Side<'_>) -> Vec<u8> {
        let head = self.head(call, side);
        format!("{head}{}User-Agent: loadgen\r\nContent-Length: 0\r\n\r\n", side.auth).into_bytes()
    }

    fn send_invite(&mut self, call: usize) {
        let uac = &self.uacs[call];
        let to = format!("<{}>", uac.uri);
        let side = Side {
            method: "INVITE",
            uri: &uac.uri,
            to: &to,
            branch: uac.branch.clone(),
            cseq: uac.cseq,
            auth: &uac.auth,
            routes: "",
        };
        let from = numbered(&self.plan.from, uac.user);
        let head = format!(
            "{}Contact: <sip:{from}@{}>\r\n{}Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n\
             User-Agent: loadgen\r\n",
            self.head(call, &side),
            self.uac_address,
            side.auth
        );
        let invite = sip::with_body(&head, &self.sdp(uac.leg, call, self.plan.uac_codec));
        self.send_uac(&invite);
        let uac = &mut self.uacs[call];
        uac.last = invite;
        let age = uac.age;
        self.set(T1, Timer::UacAgain(call, age));
    }

    /// The BYE of the present CSeq.
    fn send_bye(&mut self, call: usize, auth: &str) {
        let uac = &self.uacs[call];
        let bye = self.in_dialog(call, "BYE", self.bye_branch(call, uac.cseq), uac.cseq, auth);
        self.send_uac(&bye);
        let uac = &mut self.uacs[call];
        uac.last = bye;
        let age = uac.age;
        self.set(T1, Timer::UacAgain(call, age));
        self.set(GIVE_UP, Timer::UacNoBye(call, age));
    }

    fn in_dialog(&self, call: usize, method: &str, branch: String, cseq: u32, auth: &str) -> Vec<u8> {
        let uac = &self.uacs[call];
        let side = Side { method, uri: &uac.target, to: &uac.to, branch, cseq, auth, routes: &uac.routes };
        self.side(call, &side)
    }

    /// The ACK of a refusal.
    fn acknowledge(&self, call: usize, m: &Msg, branch: String, cseq: u32) {
        let to = m.get("To").unwrap_or("");
        let side = Side { method: "ACK", uri: &self.uacs[call].uri, to, branch, cseq, auth: "", routes: "" };
        self.send_uac(&self.side(call, &side));
    }

    fn fail(&mut self, call: usize, why: &str) {
        if self.uacs[call].counted {
            return;
        }
        if self.plan.verbose {
            eprintln!("call {call}: {why}");
        }
        self.uacs[call].counted = true;
        *self.out.failed.entry(why.to_owned()).or_default() += 1;
        self.finish(call);
    }

    fn finish(&mut self, call: usize) {
        let uac = &mut self.uacs[call];
        if matches!(uac.state, State::Up | State::Bye) {
            self.up -= 1;
        }
        uac.state = State::Done;
        uac.age += 1;
        uac.last = Vec::new();
        self.inflight -= 1;
        let leg = uac.leg;
        self.send_media(leg, 0);
        self.free_uac_legs.extend(leg);
    }

    /// Ends a call that is up.
    pub fn hang_up(&mut self, call: usize) {
        if self.uacs[call].state != State::Up {
            return;
        }
        self.send_media(self.uacs[call].leg, 0);
        let uac = &mut self.uacs[call];
        uac.state = State::Bye;
        uac.cseq += 1;
        uac.age += 1;
        uac.interval = T1;
        uac.bye_start = Instant::now();
        self.send_bye(call, "");
    }

    pub fn uac_again(&mut self, call: usize, age: u32) {
        let uac = &mut self.uacs[call];
        if uac.age != age || !matches!(uac.state, State::Inviting | State::Bye) {
            return;
        }
        uac.interval *= 2;
        if uac.state == State::Bye {
            uac.interval = uac.interval.min(T2);
            self.out.byes_again += 1;
        } else {
            self.out.invites_again += 1;
        }
        let interval = uac.interval;
        self.send_uac(&self.uacs[call].last);
        self.set(interval, Timer::UacAgain(call, age));
    }

    pub fn uac_no_answer(&mut self, call: usize) {
        match self.uacs[call].state {
            State::Inviting => self.fail(call, "invite_no_response"),
            State::Proceeding => {
                let uac = &self.uacs[call];
                let (branch, cseq) = (uac.branch.clone(), uac.cseq);
                let (uri, to) = (&uac.uri, &uac.to);
                let side = Side { method: "CANCEL", uri, to, branch, cseq, auth: "", routes: "" };
                self.send_uac(&self.side(call, &side));
                self.fail(call, "invite_no_final");
            }
            _ => {}
        }
    }

    pub fn uac_no_bye(&mut self, call: usize, age: u32) {
        if self.uacs[call].state == State::Bye && self.uacs[call].age == age {
            self.fail(call, "bye_timeout");
        }
    }

    pub fn uac_tail(&mut self, call: usize, age: u32) {
        if self.uacs[call].age == age && self.uacs[call].state == State::Up {
            self.send_media(self.uacs[call].leg, 0);
            self.set(TAIL, Timer::UacBye(call, age));
        }
    }

    /// A datagram for the caller.
    pub fn on_uac(&mut self, octets: &[u8]) {
        let Some(m) = Msg::parse(octets) else { return };
        let id = m.get("Call-ID").unwrap_or("");
        let call = id.strip_prefix('c').and_then(|id| id.strip_prefix(self.plan.run_id.as_str()));
        let call = call.and_then(|id| id.strip_prefix('x')).and_then(|id| id.parse::<usize>().ok());
        match (call.filter(|call| *call < self.uacs.len()), m.status()) {
            (Some(call), None) => self.on_uac_request(call, &m),
            (Some(call), Some(code)) => match m.cseq() {
                (cseq, "BYE") => self.on_bye_response(call, &m, code, cseq),
                (cseq, "INVITE") => self.on_invite_response(call, &m, code, cseq),
                _ => {}
            },
            (None, None) if m.method() != "ACK" => {
                let code = if matches!(m.method(), "BYE" | "INVITE") { 481 } else { 200 };
                sip::reply_simple(&self.uac_socket, &m, self.plan.server, code, "x");
            }
            _ => {}
        }
    }

    fn on_uac_request(&mut self, call: usize, m: &Msg) {
        match m.method() {
            "ACK" => {}
            "BYE" => {
                sip::reply_simple(&self.uac_socket, m, self.plan.server, 200, "OK");
                match self.uacs[call].state {
                    State::Up => self.fail(call, "bye_from_server"),
                    State::Bye => self.fail(call, "bye_crossed"),
                    _ => {}
                }
            }
            "INVITE" | "UPDATE" => {
                self.out.reinvites += 1;
                let leg = self.uacs[call].leg;
                if let Some((target, _)) = sip::sdp_dst(m.body).filter(|_| self.uacs[call].state == State::Up)
                {
                    self.send_media(leg, target);
                }
                let with_sdp = m.method() == "INVITE" || !m.body.is_empty();
                let body = if with_sdp { self.sdp(leg, call, self.plan.uac_codec) } else { String::new() };
                let contact = format!("Contact: <sip:x@{}>\r\n", self.uac_address);
                let head = sip::reply_head(m, 200, "OK", None) + &contact;
                self.send_uac(&sip::with_body(&head, &body));
            }
            _ => sip::reply_simple(&self.uac_socket, m, self.plan.server, 200, "OK"),
        }
    }

    fn answer(&self, call: usize, m: &Msg, method: &str, uri: &str) -> Option<String> {
        let user = self.uacs[call].user;
        let (name, pass) = (numbered(&self.plan.auth_user, user), numbered(&self.plan.pass, user));
        sip::answer_challenge(m, &name, &pass, method, uri, 1)
    }

    fn on_bye_response(&mut self, call: usize, m: &Msg, code: u16, cseq: u32) {
        let uac = &self.uacs[call];
        if uac.state != State::Bye || cseq != uac.cseq || code < 200 {
            return;
        }
        if refused(code)
            && !uac.bye_authed
            && let Some(auth) = self.answer(call, m, "BYE", &uac.target)
        {
            let uac = &mut self.uacs[call];
            uac.bye_authed = true;
            uac.cseq += 1;
            uac.age += 1;
            self.send_bye(call, &auth);
            return;
        }
        self.out.bye_us.add(uac.bye_start.elapsed().as_micros() as u64);
        if code < 300 {
            self.out.ok += 1;
            self.uacs[call].counted = true;
            self.finish(call);
        } else {
            self.fail(call, &format!("bye_sip_{code}"));
        }
    }

    fn on_invite_response(&mut self, call: usize, m: &Msg, code: u16, cseq: u32) {
        let uac = &mut self.uacs[call];
        let early = matches!(uac.state, State::Inviting | State::Proceeding);
        if cseq < uac.cseq && code >= 300 {
            // The challenge again: its ACK was lost.
            self.acknowledge(call, m, self.branch('i', call), cseq);
            return;
        }
        if cseq != uac.cseq && early {
            return;
        }
        match code {
            100..=199 => {
                if uac.state == State::Inviting {
                    uac.state = State::Proceeding;
                }
                if (code == 180 || code == 183) && !uac.got_180 {
                    uac.got_180 = true;
                    self.out.to_180_us.add(uac.start.elapsed().as_micros() as u64);
                }
            }
            200..=299 => self.on_answer(call, m),
            _ => self.on_refusal(call, m, code, cseq),
        }
    }

    fn on_answer(&mut self, call: usize, m: &Msg) {
        let uac = &mut self.uacs[call];
        let over = uac.state == State::Done;
        if matches!(uac.state, State::Up | State::Bye) || (over && !uac.ack.is_empty()) {
            self.out.answers_again_seen += 1;
            self.send_uac(&self.uacs[call].ack);
            return;
        }
        let routes: Vec<&str> = m.all("Record-Route").collect();
        uac.to = m.get("To").unwrap_or("").to_owned();
        uac.target = sip::uri_of(m.get("Contact").unwrap_or("")).to_owned();
        uac.routes = routes.iter().rev().map(|route| format!("Route: {route}\r\n")).collect();
        uac.age += 1;
        let (age, cseq) = (uac.age, uac.cseq);
        let ack = self.in_dialog(call, "ACK", self.branch('a', call), cseq, "");
        self.send_uac(&ack);
        self.uacs[call].ack = ack;
        if over {
            // Answered after we gave up: clear it at the server.
            self.send_uac(&self.in_dialog(call, "BYE", self.branch('l', call), cseq + 1, ""));
            return;
        }
        let uac = &mut self.uacs[call];
        uac.state = State::Up;
        uac.last = Vec::new();
        self.up += 1;
        self.out.answered += 1;
        self.out.to_200_us.add(uac.start.elapsed().as_micros() as u64);
        self.begin_media(call, m);
        if self.plan.steady.is_some() {
            return;
        }
        if self.plan.media {
            self.set(self.plan.hold.saturating_sub(TAIL), Timer::UacTail(call, age));
        } else {
            self.set(self.plan.hold, Timer::UacBye(call, age));
        }
    }

    fn begin_media(&mut self, call: usize, m: &Msg) {
        match sip::sdp_dst(m.body) {
            Some((target, codecs)) => {
                self.out.wrong_codec += u64::from(codecs.first() != Some(&self.plan.uac_codec.pt()));
                self.send_media(self.uacs[call].leg, target);
            }
            None => self.out.wrong_codec += u64::from(self.plan.media),
        }
    }

    fn on_refusal(&mut self, call: usize, m: &Msg, code: u16, cseq: u32) {
        let uac = &self.uacs[call];
        self.acknowledge(call, m, uac.branch.clone(), cseq);
        if !matches!(uac.state, State::Inviting | State::Proceeding) {
            return;
        }
        if refused(code)
            && !uac.authed
            && let Some(auth) = self.answer(call, m, "INVITE", &uac.uri)
        {
            let branch = self.branch('j', call);
            let uac = &mut self.uacs[call];
            uac.authed = true;
            uac.auth = auth;
            uac.cseq += 1;
            uac.branch = branch;
            uac.state = State::Inviting;
            uac.interval = T1;
            uac.age += 1;
            self.send_invite(call);
            return;
        }
        self.fail(call, &format!("sip_{code}"));
    }
}
