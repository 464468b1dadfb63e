//! How a phone hands a call over (RFC 3515, RFC 5589), sends one elsewhere by 302, and takes that of another by an
//! INVITE with Replaces (RFC 3891).

use std::fmt::Write as _;

use telex_engine::time::Instant;

use super::leg::{LegTimer, State};
use super::transaction::{Answer, Purpose};
use super::{Phone, Scene};
use crate::plan::Transfer;
use crate::text::Msg;

/// A REFER of a leg, as its phone has it in its diary.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    /// When it was sent.
    pub(crate) at: Instant,
    cseq: u32,
    /// What was planned.
    pub(crate) planned: Transfer,
    /// The status of its answer, and when that came.
    pub(crate) replied: Option<(Instant, u16)>,
    /// The status that the last NOTIFY told, and when.
    pub(crate) told: Option<(Instant, u16)>,
}

impl Handover {
    /// Since when the phone knows that somebody else has the call.
    pub(crate) fn done(&self) -> Option<Instant> {
        self.told.filter(|(_, status)| (200..300).contains(status)).map(|(at, _)| at)
    }

    /// Since when it knows that it has come to nothing.
    pub(crate) fn failed(&self) -> Option<Instant> {
        let refused = |(at, status): (Instant, u16)| (status >= 300).then_some(at);
        self.replied.and_then(refused).or_else(|| self.told.and_then(refused))
    }
}

impl Phone {
    /// The call is answered: it is handed over when the plan says so. Who is asked because of that does so no more.
    pub(super) fn arm_transfers(&mut self, scene: &Scene<'_>, n: usize) {
        if self.legs[n].brought {
            return;
        }
        let next = planned(scene, &self.legs[n]);
        if let (Some(next), Some(answered)) = (next, self.legs[n].answered) {
            self.arm_leg(n, LegTimer::Transfer, (answered + next.after).max(scene.now));
        }
    }

    pub(super) fn hand_over(&mut self, scene: &Scene<'_>, n: usize) {
        let Some(planned) = planned(scene, &self.legs[n]).cloned() else { return };
        self.legs[n].referred += 1;
        self.arm_transfers(scene, n);
        let leg = &self.legs[n];
        if leg.state != State::Up || leg.unacknowledged.is_some() {
            return;
        }
        let Some(refer_to) = self.refer_to(n, &planned) else { return };
        let branch = self.branch();
        self.legs[n].cseq += 1;
        let contact = self.contact();
        let build =
            self.in_dialog(n, "REFER", &branch).header("Contact", &contact).header("Refer-To", &refer_to);
        let (cseq, bytes) = (self.legs[n].cseq, build.body(""));
        let at = scene.now;
        self.legs[n].handovers.push(Handover { at, cseq, planned, replied: None, told: None });
        self.begin(scene, "REFER", branch, bytes, Purpose::Refer(n, cseq));
    }

    fn refer_to(&self, n: usize, planned: &Transfer) -> Option<String> {
        let domain = self.domain();
        let Some(call) = planned.with else {
            let whole = planned.to.starts_with("sip:");
            let uri = if whole { planned.to.clone() } else { format!("sip:{}@{domain}", planned.to) };
            return Some(format!("<{uri}>"));
        };
        let mut other = self.legs.iter().enumerate().rev().filter(|(m, leg)| *m != n && leg.call == call);
        let (_, leg) = other.find(|(_, leg)| !leg.remote_tag.is_empty())?;
        let uri = leg.remote_uri.trim_matches(['<', '>']);
        let dialog = format!("{};to-tag={};from-tag={}", leg.call_id, leg.remote_tag, leg.local_tag);
        Some(format!("<{uri}?Replaces={}>", escaped(&dialog)))
    }

    pub(super) fn referral_answered(&mut self, scene: &Scene<'_>, n: usize, cseq: u32, answer: &Answer<'_>) {
        let (Answer::Final(msg), now) = (answer, scene.now) else { return };
        if let Some(handover) = self.legs[n].handovers.iter_mut().find(|h| h.cseq == cseq) {
            handover.replied = Some((now, msg.code().unwrap_or(0)));
        }
    }

    /// The exchange tells how far a transfer is.
    pub(super) fn notified(&mut self, scene: &Scene<'_>, server: u64, n: usize, msg: &Msg) {
        self.respond(scene, server, 200, &[], "");
        let event = msg.get("event").unwrap_or_default();
        let id = crate::text::parameter(event, "id").and_then(|id| id.parse::<u32>().ok());
        let over = msg.get("subscription-state").is_some_and(|state| state.starts_with("terminated"));
        let handover = self.legs[n].handovers.iter_mut().find(|h| id.is_none_or(|id| h.cseq == id));
        if let (Some(handover), true, Some(status)) = (handover, over, fragment(&msg.body)) {
            handover.told.get_or_insert((scene.now, status));
        }
    }

    /// Sends the call to another number, or to a whole URI (RFC 3261 §8.1.3.4).
    pub(super) fn divert(&mut self, scene: &Scene<'_>, n: usize, to: &str) {
        let domain = self.domain();
        let uri = if to.starts_with("sip:") { to.to_owned() } else { format!("sip:{to}@{domain}") };
        self.respond(scene, self.legs[n].invite, 302, &[("Contact", format!("<{uri}>"))], "");
        self.legs[n].refused = Some(302);
        self.end_leg(scene, n);
    }
}

/// The status of a `message/sipfrag` body (RFC 3420).
pub(crate) fn fragment(body: &[u8]) -> Option<u16> {
    std::str::from_utf8(body).ok()?.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// What this leg is to do next.
fn planned<'a>(scene: &Scene<'a>, leg: &super::Leg) -> Option<&'a Transfer> {
    let transfers = &scene.plan.calls[leg.call].transfers;
    transfers.iter().filter(|transfer| transfer.by == leg.side).nth(leg.referred)
}

/// A header in a URI (RFC 3261 §19.1.1).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        match byte.is_ascii_alphanumeric() || b"-.".contains(&byte) {
            true => text.push(char::from(byte)),
            false => _ = write!(text, "%{byte:02X}"),
        }
        text
    })
}
