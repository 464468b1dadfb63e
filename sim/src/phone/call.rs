//! How a phone calls, gives up, rings, answers and refuses (RFC 3261 §9, §13).

use telex_engine::event::Side;
use telex_engine::time::{Duration, Instant};

use super::leg::{LegTimer, Opening, State, Unacknowledged};
use super::register::challenge_in;
use super::sdp::{self, Remote, Way};
use super::transaction::{Answer, LIFE, Progress, Purpose, T1, T2};
use super::{Phone, Scene};
use crate::expect;
use crate::plan::{Habit, Reaction};
use crate::text::{Build, Msg, parameter};

/// A caller that the exchange may have forgotten gives up after this.
const PATIENCE: Duration = Duration::from_secs(70);
/// A phone that nobody picks up stops ringing after this.
const RINGS: Duration = Duration::from_secs(60);

impl Phone {
    /// Makes a call of the plan, to replace a dialog if one is given.
    pub(super) fn dial(&mut self, scene: &Scene<'_>, call: usize, replaces: Option<String>) {
        let plan = &scene.plan.calls[call];
        let domain = self.domain();
        let uri = format!("sip:{}@{domain}", plan.dial);
        let opening = Opening {
            call,
            side: Side::Caller,
            call_id: format!("call{call}-{}", self.name("c")),
            local_tag: self.name("f"),
            remote_tag: String::new(),
            local_uri: match &*scene.plan.shown_name(call) {
                "" => format!("<sip:{}@{domain}>", self.plan.extension),
                name => format!("\"{name}\" <sip:{}@{domain}>", self.plan.extension),
            },
            remote_uri: format!("<{uri}>"),
            target: uri,
        };
        let leg = self.open_leg(scene, opening);
        self.legs[leg].offerless = plan.late_offer && replaces.is_none();
        self.legs[leg].replaces = replaces;
        let forgotten = expect::may_lose_touch(scene.plan, self.index).then_some(PATIENCE);
        if let Some(after) = plan.cancel.or(forgotten) {
            self.arm_leg(leg, LegTimer::Cancel, scene.now + after);
        }
        self.send_invite(scene, leg, None);
    }

    fn send_invite(&mut self, scene: &Scene<'_>, leg: usize, authorization: Option<(&str, String)>) {
        let branch = self.branch();
        let body = if self.legs[leg].offerless { String::new() } else { self.describe(leg, Way::Both, None) };
        let mut build = self.in_dialog(leg, "INVITE", &branch).header("Allow", self.allow());
        if self.has(Habit::WantsReliable) {
            build = build.header("Require", "100rel");
        }
        if self.plan.session_timers {
            build = build.header("Supported", "timer");
        }
        if let Some(dialog) = &self.legs[leg].replaces {
            build = build.header("Replaces", dialog);
        }
        if let Some((name, value)) = authorization {
            build = build.header(name, &value);
        }
        let (cseq, bytes) = (self.legs[leg].cseq, build.body(&body));
        let id = self.begin(scene, "INVITE", branch.clone(), bytes, Purpose::Invite(leg));
        let leg = &mut self.legs[leg];
        (leg.invite, leg.invite_cseq, leg.invite_branch) = (id, cseq, branch);
    }

    /// A description of this leg with a new version. An answer takes its formats from the offer.
    pub(super) fn describe(&mut self, leg: usize, way: Way, offer: Option<&Remote>) -> String {
        let known = self.plan.payload_types().to_vec();
        let (events, own) = (self.plan.events, self.has(Habit::OwnNumbers));
        let leg = &mut self.legs[leg];
        leg.version += 1;
        leg.formats = offer.map_or_else(|| known.clone(), |offer| sdp::common(&offer.formats, &known));
        let events = match offer {
            None => events,
            Some(offer) if own => offer.events.and(events),
            Some(offer) => events.and(offer.events),
        };
        leg.described.extend(leg.formats.iter().chain(&events));
        sdp::write(self.address, leg.port(), leg.version, &leg.formats, events, way)
    }

    /// The caller's INVITE was answered, or is on its way.
    pub(super) fn invited(&mut self, scene: &Scene<'_>, leg: usize, answer: &Answer<'_>) {
        match answer {
            Answer::Provisional(msg) => {
                if let Some(tag) = msg.tag("to") {
                    tag.clone_into(&mut self.legs[leg].remote_tag);
                }
                self.prack(scene, leg, msg);
                if self.legs[leg].cancelled && !self.legs[leg].cancel_sent {
                    self.send_cancel(scene, leg);
                }
            }
            Answer::Timeout => {
                self.legs[leg].refused.get_or_insert(408);
                self.end_leg(scene, leg);
            }
            Answer::Final(msg) => match msg.code().unwrap_or(0) {
                200..300 => self.accepted(scene, leg, msg),
                code @ (401 | 407) if !self.legs[leg].challenged && !self.legs[leg].cancelled => {
                    self.legs[leg].challenged = true;
                    self.invite_with_credentials(scene, leg, code, msg);
                }
                code => {
                    self.legs[leg].refused = Some(code);
                    self.end_leg(scene, leg);
                }
            },
        }
    }

    fn invite_with_credentials(&mut self, scene: &Scene<'_>, leg: usize, code: u16, msg: &Msg) {
        let uri = self.legs[leg].target.clone();
        match self.credentials(code, msg, "INVITE", &uri) {
            Some(authorization) => {
                self.legs[leg].cseq += 1;
                self.legs[leg].remote_tag.clear();
                self.send_invite(scene, leg, Some(authorization));
            }
            None => {
                self.legs[leg].refused = Some(code);
                self.end_leg(scene, leg);
            }
        }
    }

    /// The header that answers a challenge.
    pub(super) fn credentials(
        &mut self,
        code: u16,
        msg: &Msg,
        method: &str,
        uri: &str,
    ) -> Option<(&'static str, String)> {
        let (asked, name) = match code {
            401 => ("www-authenticate", "Authorization"),
            _ => ("proxy-authenticate", "Proxy-Authorization"),
        };
        let cnonce = self.name("c");
        let mut challenge = challenge_in(msg, asked)?;
        Some((name, challenge.answer(&self.plan.extension, &self.plan.secret(), method, uri, &cnonce)))
    }

    /// A 2xx to the first INVITE: as often as it comes, it is acknowledged.
    fn accepted(&mut self, scene: &Scene<'_>, leg: usize, msg: &Msg) {
        let first = self.legs[leg].acks.is_none();
        let gone = self.legs[leg].is_over() || self.legs[leg].cancelled || self.closing;
        if first {
            self.learn_dialog(leg, msg);
            self.legs[leg].remote = Remote::read(&msg.body);
            let answer = self.legs[leg]
                .offerless
                .then(|| self.legs[leg].remote.clone())
                .flatten()
                .map(|offer| self.describe(leg, Way::Both, Some(&offer)));
            self.send_ack(leg, msg, answer.as_deref().unwrap_or_default());
            if let Some(remote) = &self.legs[leg].remote {
                self.legs[leg].agreed = Way::Both.answer_to(remote.way);
            }
            if self.legs[leg].is_over() {
                // The answer comes after the phone gave up: RFC 3261 §15 wants the dialog ended all the same.
                self.legs[leg].state = State::Up;
                self.legs[leg].ended = None;
            } else {
                self.talk(scene, leg);
                self.refresh_later(scene, leg);
            }
            if self.legs[leg].remote.is_none() || gone {
                self.hang_up(scene, leg);
            }
            return;
        }
        self.send_ack(leg, msg, "");
    }

    /// The parts of a dialog that the other side decides (RFC 3261 §12.1.2), and the session interval.
    fn learn_dialog(&mut self, leg: usize, msg: &Msg) {
        let mut routes: Vec<String> = msg.all("record-route").map(str::to_owned).collect();
        routes.reverse();
        let refresh = self.refresh_of(msg, "uac");
        let leg = &mut self.legs[leg];
        leg.remote_tag = msg.tag("to").unwrap_or_default().to_owned();
        leg.remote_uri = format!("<{}>", msg.uri("to").unwrap_or_default());
        leg.target = msg.uri("contact").unwrap_or_default().to_owned();
        leg.routes = routes;
        leg.refresh_every = refresh;
    }

    /// How often this phone has to refresh the session, if it is the one that `role` names (RFC 4028 §9).
    pub(super) fn refresh_of(&self, msg: &Msg, role: &str) -> Option<Duration> {
        let value = msg.get("session-expires")?;
        let seconds: u64 = value.split(';').next()?.trim().parse().ok()?;
        let ours = self.plan.session_timers && parameter(value, "refresher") == Some(role);
        ours.then(|| Duration::from_secs(seconds / 2))
    }

    /// Sends the ACK of a 2xx, the same again when the 2xx came again.
    pub(super) fn send_ack(&mut self, leg: usize, msg: &Msg, body: &str) {
        let number = msg.cseq().map_or(0, |(number, _)| number);
        let bytes = match &self.legs[leg].acks {
            Some((known, bytes)) if *known == number => bytes.clone(),
            _ => {
                let branch = self.branch();
                let now = std::mem::replace(&mut self.legs[leg].cseq, number);
                let bytes = self.in_dialog(leg, "ACK", &branch).body(body);
                self.legs[leg].cseq = now;
                bytes
            }
        };
        self.legs[leg].acks = Some((number, bytes.clone()));
        if !self.has(Habit::NeverAcks) {
            self.transmit(bytes, None);
        }
    }

    /// The caller gives up. Without any response yet it has to wait for one (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, scene: &Scene<'_>, leg: usize) {
        if self.legs[leg].state != State::Calling {
            return;
        }
        self.legs[leg].cancelled = true;
        if self.progress(self.legs[leg].invite) == Some(Progress::Proceeding) {
            self.send_cancel(scene, leg);
        }
    }

    fn send_cancel(&mut self, scene: &Scene<'_>, n: usize) {
        let leg = &mut self.legs[n];
        leg.cancel_sent = true;
        let (branch, invite) = (leg.invite_branch.clone(), leg.invite);
        let cseq = std::mem::replace(&mut leg.cseq, leg.invite_cseq);
        let tag = std::mem::take(&mut leg.remote_tag);
        let bytes = self.in_dialog(n, "CANCEL", &branch).body("");
        (self.legs[n].cseq, self.legs[n].remote_tag) = (cseq, tag);
        self.begin(scene, "CANCEL", branch, bytes, Purpose::Cancel(n));
        self.limit(invite, scene.now + LIFE);
    }

    /// A first INVITE arrives: the phone rings.
    pub(super) fn ring(&mut self, scene: &Scene<'_>, server: u64, msg: &Msg) {
        if !msg.is_to(&self.plan.extension) {
            // A box gave this phone the port of another.
            self.respond(scene, server, 404, &[], "");
            return;
        }
        let call = scene.book.get(msg.call_id()).copied();
        let (Some(call), false) = (call, self.closing) else {
            self.respond(scene, server, 480, &[], "");
            return;
        };
        if let Some(required) = msg.get("require") {
            self.respond(scene, server, 420, &[("Unsupported", required.to_owned())], "");
            return;
        }
        let Some(tag) = self.server(server).map(|s| s.to_tag.clone()) else { return };
        let opening = Opening {
            call,
            side: Side::Callee,
            call_id: msg.call_id().to_owned(),
            local_tag: tag,
            remote_tag: msg.tag("from").unwrap_or_default().to_owned(),
            local_uri: format!("<{}>", msg.uri("to").unwrap_or_default()),
            remote_uri: format!("<{}>", msg.uri("from").unwrap_or_default()),
            target: msg.uri("contact").unwrap_or_default().to_owned(),
        };
        let n = self.open_leg(scene, opening);
        if let Some(server) = self.server(server) {
            server.leg = Some(n);
        }
        let leg = &mut self.legs[n];
        leg.invite = server;
        leg.remote_cseq = msg.cseq().map_or(0, |(number, _)| number);
        leg.first_cseq = leg.remote_cseq;
        leg.routes = msg.all("record-route").map(str::to_owned).collect();
        leg.remote = Remote::read(&msg.body);
        leg.offerless = msg.body.is_empty();
        leg.brought = scene.brought.contains(msg.call_id());
        self.alert(scene, n, server, msg);
        match self.reaction(scene, n) {
            Reaction::Answer(after) | Reaction::Refuse(after, _) | Reaction::Divert(after, _) => {
                self.arm_leg(n, LegTimer::React, scene.now + after);
            }
            // Nobody hears it; after a while the phone gives up by itself.
            Reaction::Ignore => self.arm_leg(n, LegTimer::React, scene.now + RINGS),
        }
    }

    /// What the plan has this phone do about a call. To whom it was handed over or sent on is the next after those that
    /// were dialled.
    fn reaction(&self, scene: &Scene<'_>, leg: usize) -> Reaction {
        let leg = &self.legs[leg];
        let earlier = &scene.plan.phones[..self.index];
        let place = earlier.iter().filter(|p| p.extension == self.plan.extension).count();
        let place = place + usize::from(leg.brought);
        let reactions = &scene.plan.calls[leg.call].reactions;
        reactions.get(place % reactions.len().max(1)).cloned().unwrap_or(Reaction::Ignore)
    }

    /// The phone has rung long enough.
    pub(super) fn react(&mut self, scene: &Scene<'_>, leg: usize) {
        if self.legs[leg].state != State::Ringing {
            return;
        }
        match self.reaction(scene, leg) {
            Reaction::Answer(_) => self.answer(scene, leg),
            Reaction::Refuse(_, code) => self.refuse(scene, leg, code),
            Reaction::Divert(_, to) => self.divert(scene, leg, &to),
            Reaction::Ignore => self.refuse(scene, leg, 480),
        }
    }

    pub(super) fn refuse(&mut self, scene: &Scene<'_>, leg: usize, code: u16) {
        self.respond(scene, self.legs[leg].invite, code, &[], "");
        if self.has(Habit::AnswersLate) {
            self.answer_after_all(leg);
        }
        self.legs[leg].refused = Some(code);
        self.end_leg(scene, leg);
    }

    pub(super) fn answer(&mut self, scene: &Scene<'_>, leg: usize) {
        let offer = self.legs[leg].remote.clone();
        let usable =
            offer.as_ref().is_none_or(|o| !sdp::common(&o.formats, self.plan.payload_types()).is_empty());
        if !usable || (offer.is_none() && !self.legs[leg].offerless) {
            return self.refuse(scene, leg, 488);
        }
        let agreed = offer.as_ref().map_or(Way::Both, |o| Way::Both.answer_to(o.way));
        self.legs[leg].agreed = agreed;
        let body = self.describe(leg, agreed, offer.as_ref());
        let server = self.legs[leg].invite;
        let expects_answer = self.legs[leg].offerless;
        self.legs[leg].reliable = None;
        self.accept(scene, leg, server, &body, expects_answer);
        if self.has(Habit::AnswersTwice) {
            self.answer_again(leg);
        }
        self.talk(scene, leg);
        if self.has(Habit::ByeEarly) {
            self.legs[leg].unacknowledged = None;
            self.legs[leg].cut_short = true;
            self.hang_up(scene, leg);
        }
    }

    /// Sends a 2xx to an INVITE, first or later, and repeats it until its ACK comes.
    pub(super) fn accept(
        &mut self,
        scene: &Scene<'_>,
        leg: usize,
        server: u64,
        body: &str,
        expects_answer: bool,
    ) {
        let Some(request) = self.server(server).map(|s| (s.request.clone(), s.stream())) else { return };
        let (request, stream) = request;
        let headers = self.session_headers(scene, leg, &request);
        let Some(bytes) = self.respond(scene, server, 200, &headers, body) else { return };
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        let until = scene.now + LIFE;
        self.legs[leg].unacknowledged =
            Some(Unacknowledged { cseq, bytes, stream, interval: T1, until, expects_answer });
        self.arm_leg(leg, LegTimer::Repeat, scene.now + T1);
    }

    /// Session-Expires of a 2xx, when both sides know session timers (RFC 4028 §9).
    pub(super) fn session_headers(
        &mut self,
        scene: &Scene<'_>,
        leg: usize,
        request: &Msg,
    ) -> Vec<(&'static str, String)> {
        let Some(value) = request.get("session-expires").filter(|_| self.plan.session_timers) else {
            return Vec::new();
        };
        let interval = value.split(';').next().unwrap_or_default().trim();
        let refresher = parameter(value, "refresher").unwrap_or("uac");
        self.legs[leg].refresh_every = self.refresh_of(request, "uas");
        self.refresh_later(scene, leg);
        let required = ("Require", "timer".to_owned());
        vec![("Session-Expires", format!("{interval};refresher={refresher}")), required]
    }

    /// Starts the refresh clock over.
    pub(super) fn refresh_later(&mut self, scene: &Scene<'_>, leg: usize) {
        match self.legs[leg].refresh_every {
            Some(every) => self.arm_leg(leg, LegTimer::Refresh, scene.now + every),
            None => self.legs[leg].due[LegTimer::Refresh as usize] = None,
        }
    }

    pub(super) fn repeat_2xx(&mut self, scene: &Scene<'_>, leg: usize) {
        let Some(ok) = &mut self.legs[leg].unacknowledged else { return };
        if scene.now >= ok.until {
            // Nobody acknowledged: the session is to be ended (RFC 3261 §13.3.1.4).
            self.legs[leg].unacknowledged = None;
            return self.hang_up(scene, leg);
        }
        ok.interval = (ok.interval * 2).min(T2);
        let next: Instant = (scene.now + ok.interval).min(ok.until);
        let (bytes, stream) = (ok.bytes.clone(), ok.stream);
        self.transmit(bytes, stream);
        self.arm_leg(leg, LegTimer::Repeat, next);
    }

    /// A request of this leg, up to the headers that depend on its method.
    pub(super) fn in_dialog(&self, leg: usize, method: &str, branch: &str) -> Build {
        let leg = &self.legs[leg];
        let to = match leg.remote_tag.as_str() {
            "" => leg.remote_uri.clone(),
            tag => format!("{};tag={tag}", leg.remote_uri),
        };
        let mut build = Build::request(method, &leg.target)
            .header("Via", &self.via(branch))
            .header("Max-Forwards", "70")
            .header("From", &format!("{};tag={}", leg.local_uri, leg.local_tag))
            .header("To", &to)
            .header("Call-ID", &leg.call_id)
            .header("CSeq", &format!("{} {method}", leg.cseq));
        for route in &leg.routes {
            build = build.header("Route", route);
        }
        if method == "INVITE" && leg.remote_tag.is_empty() {
            for route in self.recorded() {
                build = build.header("Record-Route", &route);
            }
        }
        if method == "INVITE" {
            build = build.header("Contact", &self.contact());
        }
        build
    }
}
