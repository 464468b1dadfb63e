//! What happens within a phone's dialogs: holding, refreshing, hanging up, and what the exchange asks (RFC
//! 3261 §12.2, §14, §15; RFC 3311).

use telex_engine::event::Side;
use telex_engine::time::Duration;

use super::leg::{LegTimer, State};
use super::sdp::{Remote, Way};
use super::transaction::{Answer, LIFE, Progress, Purpose};
use super::{Phone, Scene};
use crate::plan::Habit;
use crate::text::Msg;

/// A question that cannot be asked now is asked again after this.
const BUSY: Duration = Duration::from_millis(500);

impl Phone {
    /// What became of a request of ours.
    pub(super) fn answered(&mut self, scene: &Scene<'_>, purpose: Purpose, answer: &Answer<'_>) {
        match purpose {
            Purpose::Register => self.registered(scene, answer),
            Purpose::Invite(leg) => self.invited(scene, leg, answer),
            Purpose::Reinvite(leg) => self.reinvited(scene, leg, answer),
            Purpose::Bye(leg) => self.said_bye(scene, leg, answer),
            Purpose::Refer(leg, cseq) => self.referral_answered(scene, leg, cseq, answer),
            // The INVITE's own transaction says what became of it.
            Purpose::Cancel(_) | Purpose::Ignored => {}
        }
    }

    /// A response without a transaction: a 2xx that came after the phone gave up still opens a dialog, which
    /// is ended.
    pub(super) fn stray_response(&mut self, scene: &Scene<'_>, msg: &Msg) {
        let accepted = msg.method() == "INVITE" && msg.code().is_some_and(|c| (200..300).contains(&c));
        if !accepted {
            return;
        }
        let ours = |tag: &str| msg.tag("from") == Some(tag);
        if let Some(leg) = self.legs.iter().position(|l| l.call_id == msg.call_id() && ours(&l.local_tag)) {
            if msg.cseq().is_some_and(|(number, _)| number == self.legs[leg].invite_cseq) {
                self.invited(scene, leg, &Answer::Final(msg));
            } else {
                self.send_ack(leg, msg, "");
            }
        }
    }

    /// The owner wants the media to go this way.
    pub(super) fn want(&mut self, scene: &Scene<'_>, leg: usize, way: Way) {
        self.legs[leg].wanted = way;
        self.legs[leg].ever_held = true;
        self.ask(scene, leg);
    }

    /// Asks for what is wanted, if that is not so already and nothing else is being asked.
    pub(super) fn ask(&mut self, scene: &Scene<'_>, n: usize) {
        let leg = &self.legs[n];
        if leg.state != State::Up || (leg.wanted == leg.mine && !leg.refresh_wanted) {
            return;
        }
        let waiting = leg.reinvite.is_some_and(|id| self.progress(id).is_some_and(|p| p != Progress::Done));
        if waiting || leg.unacknowledged.is_some() {
            return self.arm_leg(n, LegTimer::AskAgain, scene.now + BUSY);
        }
        self.legs[n].challenged = false;
        self.send_reinvite(scene, n, None);
    }

    fn send_reinvite(&mut self, scene: &Scene<'_>, n: usize, authorization: Option<(&str, String)>) {
        let branch = self.branch();
        let way = self.legs[n].wanted;
        if way == Way::Both {
            self.legs[n].holding = None;
        }
        self.legs[n].asked = way;
        self.legs[n].cseq += 1;
        let body = self.describe(n, way, None);
        let mut build = self.in_dialog(n, "INVITE", &branch).header("Allow", self.allow());
        if let Some(every) = self.legs[n].refresh_every {
            build = build
                .header("Supported", "timer")
                .header("Session-Expires", &format!("{};refresher=uac", every.as_secs() * 2));
        }
        if let Some((name, value)) = authorization {
            build = build.header(name, &value);
        }
        let id = self.begin(scene, "INVITE", branch, build.body(&body), Purpose::Reinvite(n));
        self.legs[n].reinvite = Some(id);
    }

    fn reinvited(&mut self, scene: &Scene<'_>, n: usize, answer: &Answer<'_>) {
        let msg = match answer {
            Answer::Provisional(_) => return,
            Answer::Timeout => return self.hang_up(scene, n),
            Answer::Final(msg) => *msg,
        };
        let number = msg.cseq().map_or(0, |(number, _)| number);
        match msg.code().unwrap_or(0) {
            200..300 => {
                let first = self.legs[n].acks.as_ref().is_none_or(|(known, _)| *known != number);
                self.send_ack(n, msg, "");
                if first {
                    self.agree(scene, n, msg);
                }
            }
            491 => {
                let wait = match self.legs[n].side {
                    Side::Caller => self.draw.between(210, 400),
                    Side::Callee => self.draw.between(0, 200),
                };
                self.arm_leg(n, LegTimer::AskAgain, scene.now + Duration::from_millis(wait * 10));
            }
            code @ (401 | 407) if !self.legs[n].challenged => {
                self.legs[n].challenged = true;
                let uri = self.legs[n].target.clone();
                if let Some(authorization) = self.credentials(code, msg, "INVITE", &uri) {
                    self.send_reinvite(scene, n, Some(authorization));
                }
            }
            408 | 481 => self.hang_up(scene, n),
            500..600 if msg.get("retry-after").is_some() => {
                self.arm_leg(n, LegTimer::AskAgain, scene.now + Duration::from_secs(5));
            }
            // The session stays as it was (RFC 3261 §14.1).
            _ => self.legs[n].refresh_wanted = false,
        }
    }

    /// A re-INVITE of ours was accepted.
    fn agree(&mut self, scene: &Scene<'_>, n: usize, msg: &Msg) {
        let leg = &mut self.legs[n];
        leg.refresh_wanted = false;
        leg.mine = leg.asked;
        if let Some(remote) = Remote::read(&msg.body) {
            leg.agreed = leg.mine.answer_to(remote.way);
            leg.remote = Some(remote);
        }
        if leg.mine == Way::SendOnly && leg.wanted == Way::SendOnly {
            leg.holding.get_or_insert(scene.now);
        }
        self.refresh_later(scene, n);
        self.ask(scene, n);
    }

    /// A party hangs up, whatever the leg is doing.
    pub(super) fn hang_up(&mut self, scene: &Scene<'_>, n: usize) {
        match self.legs[n].state {
            State::Calling => self.cancel(scene, n),
            State::Ringing => self.refuse(scene, n, 480),
            // The called side has to wait for the ACK of its 2xx (RFC 3261 §15).
            State::Up if self.legs[n].unacknowledged.is_some() => self.legs[n].wants_bye = true,
            State::Up => {
                self.legs[n].challenged = false;
                self.send_bye(scene, n, None);
            }
            State::Ending | State::Ended => {}
        }
    }

    fn send_bye(&mut self, scene: &Scene<'_>, n: usize, authorization: Option<(&str, String)>) {
        let branch = self.branch();
        self.legs[n].state = State::Ending;
        self.legs[n].ended.get_or_insert(scene.now);
        self.legs[n].cseq += 1;
        let mut build = self.in_dialog(n, "BYE", &branch);
        if let Some((name, value)) = authorization {
            build = build.header(name, &value);
        }
        self.begin(scene, "BYE", branch, build.body(""), Purpose::Bye(n));
        if self.has(Habit::ByeTwice) {
            self.bye_again(scene, n);
        }
    }

    fn said_bye(&mut self, scene: &Scene<'_>, n: usize, answer: &Answer<'_>) {
        match answer {
            Answer::Provisional(_) => {}
            Answer::Final(msg) if matches!(msg.code(), Some(401 | 407)) && !self.legs[n].challenged => {
                self.legs[n].challenged = true;
                let uri = self.legs[n].target.clone();
                match self.credentials(msg.code().unwrap_or(0), msg, "BYE", &uri) {
                    Some(authorization) => self.send_bye(scene, n, Some(authorization)),
                    None => self.end_leg(scene, n),
                }
            }
            // Its stream broke under it; there will be another.
            Answer::Timeout if self.line.broke && !std::mem::replace(&mut self.legs[n].bye_again, true) => {
                self.send_bye(scene, n, None);
            }
            Answer::Final(_) | Answer::Timeout => self.end_leg(scene, n),
        }
    }

    /// Everybody goes home.
    pub(super) fn hang_up_everything(&mut self, scene: &Scene<'_>) {
        self.closing = true;
        for leg in 0..self.legs.len() {
            self.hang_up(scene, leg);
        }
    }

    /// A request that opened a server transaction.
    pub(super) fn request(&mut self, scene: &Scene<'_>, server: u64, msg: &Msg) {
        let leg = self.leg_of(msg);
        let number = msg.cseq().map_or(0, |(number, _)| number);
        match (msg.method(), leg) {
            ("CANCEL", _) => self.cancelled_by_peer(scene, server, msg),
            ("INVITE", None) if msg.tag("to").is_none() => self.ring(scene, server, msg),
            ("OPTIONS", None) => {
                self.respond(scene, server, 200, &[], "");
            }
            (_, None) => {
                self.respond(scene, server, 481, &[], "");
            }
            (_, Some(leg)) if self.legs[leg].remote_cseq > number => {
                self.respond(scene, server, 500, &[], "");
            }
            (method, Some(leg)) => {
                self.legs[leg].remote_cseq = number;
                self.request_within(scene, server, method, leg, msg);
            }
        }
    }

    fn request_within(&mut self, scene: &Scene<'_>, server: u64, method: &str, leg: usize, msg: &Msg) {
        match method {
            "BYE" => {
                self.respond(scene, server, 200, &[], "");
                match self.legs[leg].state {
                    State::Ringing => {
                        self.respond(scene, self.legs[leg].invite, 487, &[], "");
                    }
                    // The answer was lost, again and again.
                    State::Calling => self.limit(self.legs[leg].invite, scene.now + LIFE),
                    State::Up | State::Ending | State::Ended => {}
                }
                self.end_leg(scene, leg);
            }
            "INVITE" | "UPDATE" => self.reoffered(scene, server, method == "INVITE", leg, msg),
            "OPTIONS" => {
                self.respond(scene, server, 200, &[], "");
            }
            "PRACK" => self.pracked(scene, server, leg, msg),
            "NOTIFY" => self.notified(scene, server, leg, msg),
            _ => {
                self.respond(scene, server, 405, &[("Allow", self.allow().to_owned())], "");
            }
        }
    }

    /// A re-INVITE or UPDATE from the exchange.
    fn reoffered(&mut self, scene: &Scene<'_>, server: u64, invite: bool, n: usize, msg: &Msg) {
        let leg = &self.legs[n];
        let waiting = leg.reinvite.is_some_and(|id| self.progress(id).is_some_and(|p| p != Progress::Done));
        if leg.state != State::Up && leg.state != State::Ringing {
            self.respond(scene, server, 481, &[], "");
            return;
        }
        if waiting && (invite || !msg.body.is_empty()) {
            self.respond(scene, server, 491, &[], "");
            return;
        }
        if invite && self.has(Habit::Glare) && !std::mem::replace(&mut self.legs[n].glared, true) {
            self.legs[n].challenged = false;
            self.send_reinvite(scene, n, None);
            self.respond(scene, server, 491, &[], "");
            return;
        }
        if let Some(target) = msg.uri("contact") {
            target.clone_into(&mut self.legs[n].target);
        }
        let offer = Remote::read(&msg.body);
        let mut body = String::new();
        if let Some(offer) = &offer {
            let way = self.legs[n].mine.answer_to(offer.way);
            body = self.describe(n, way, Some(offer));
            let leg = &mut self.legs[n];
            leg.ever_held |= leg.agreed != way;
            (leg.agreed, leg.remote) = (way, Some(offer.clone()));
        } else if invite {
            body = self.describe(n, self.legs[n].mine, None);
        }
        if invite {
            self.accept(scene, n, server, &body, offer.is_none());
        } else {
            let headers = self.session_headers(scene, n, msg);
            self.respond(scene, server, 200, &headers, &body);
        }
    }

    fn cancelled_by_peer(&mut self, scene: &Scene<'_>, server: u64, msg: &Msg) {
        let Some(invite) = self.cancelled(msg) else {
            self.respond(scene, server, 481, &[], "");
            return;
        };
        self.respond(scene, server, 200, &[], "");
        let leg = self.server(invite).and_then(|s| s.leg);
        if let Some(leg) = leg.filter(|n| self.legs[*n].state == State::Ringing) {
            if self.has(Habit::AnswersCancelled) {
                return self.answer(scene, leg);
            }
            self.respond(scene, invite, 487, &[], "");
            self.legs[leg].cancelled = true;
            self.end_leg(scene, leg);
        }
    }

    /// An ACK that belongs to no transaction: that of a 2xx.
    pub(super) fn ack_of_2xx(&mut self, scene: &Scene<'_>, msg: &Msg) {
        let Some(n) = self.leg_of(msg) else { return };
        let number = msg.cseq().map_or(0, |(number, _)| number);
        let leg = &mut self.legs[n];
        let Some(ok) = leg.unacknowledged.take_if(|ok| ok.cseq == number) else { return };
        leg.confirmed.get_or_insert(scene.now);
        if ok.expects_answer
            && let Some(remote) = Remote::read(&msg.body)
        {
            leg.agreed = leg.mine.answer_to(remote.way);
            leg.remote = Some(remote);
        }
        if leg.wants_bye {
            self.hang_up(scene, n);
        }
    }

    /// The leg whose dialog a request belongs to (RFC 3261 §12.2.2).
    fn leg_of(&self, msg: &Msg) -> Option<usize> {
        let (to, from) = (msg.tag("to")?, msg.tag("from")?);
        let ours =
            |leg: &super::Leg| leg.call_id == msg.call_id() && leg.local_tag == to && leg.remote_tag == from;
        self.legs.iter().position(ours)
    }
}
