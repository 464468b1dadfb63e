//! Reliable provisional responses (RFC 3262), given and taken.

use bytes::Bytes;
use telex_engine::time::{Duration, Instant};

use super::leg::LegTimer;
use super::transaction::{LIFE, Purpose, T1};
use super::{Phone, Scene};
use crate::plan::Habit;
use crate::text::Msg;

/// RSeq of the one reliable response of a leg.
const RSEQ: u32 = 4711;

/// A reliable response that waits for its PRACK.
#[derive(Clone, Debug)]
pub(super) struct Reliable {
    bytes: Bytes,
    stream: Option<u64>,
    interval: Duration,
    until: Instant,
}

impl Phone {
    /// Rings: tells the caller, reliably if it can be.
    pub(super) fn alert(&mut self, scene: &Scene<'_>, n: usize, server: u64, invite: &Msg) {
        let reliably = self.has(Habit::Reliable) && invite.has("supported", "100rel");
        if !reliably {
            self.respond(scene, server, 180, &[], "");
            return;
        }
        let headers = [("Require", "100rel".to_owned()), ("RSeq", RSEQ.to_string())];
        let Some(bytes) = self.respond(scene, server, 180, &headers, "") else { return };
        let stream = self.server(server).and_then(|server| server.stream());
        self.legs[n].reliable = Some(Reliable { bytes, stream, interval: T1, until: scene.now + LIFE });
        self.arm_leg(n, LegTimer::Alert, scene.now + T1);
    }

    /// No PRACK came: the response is said again (§3).
    pub(super) fn alert_again(&mut self, scene: &Scene<'_>, n: usize) {
        let Some(reliable) = &mut self.legs[n].reliable else { return };
        if scene.now >= reliable.until {
            self.legs[n].reliable = None;
            return self.refuse(scene, n, 504);
        }
        reliable.interval *= 2;
        let next = (scene.now + reliable.interval).min(reliable.until);
        let (bytes, stream) = (reliable.bytes.clone(), reliable.stream);
        self.transmit(bytes, stream);
        self.arm_leg(n, LegTimer::Alert, next);
    }

    /// A PRACK comes.
    pub(super) fn pracked(&mut self, scene: &Scene<'_>, server: u64, n: usize, msg: &Msg) {
        let rack = format!("{RSEQ} {} INVITE", self.legs[n].first_cseq);
        let right = self.has(Habit::Reliable) && msg.get("rack") == Some(rack.as_str());
        if right {
            self.legs[n].reliable = None;
        }
        self.respond(scene, server, if right { 200 } else { 481 }, &[], "");
    }

    /// A provisional response comes: a reliable one is acknowledged, once (§4).
    pub(super) fn prack(&mut self, scene: &Scene<'_>, n: usize, msg: &Msg) {
        let number = msg.get("rseq").and_then(|text| text.parse::<u32>().ok());
        let (Some(number), true) = (number, msg.has("require", "100rel")) else { return };
        if number <= self.legs[n].racked {
            return;
        }
        self.legs[n].racked = number;
        let branch = self.branch();
        let (cseq, method) = (self.legs[n].invite_cseq, "PRACK");
        self.legs[n].cseq += 1;
        let target = msg.uri("contact").unwrap_or_default().to_owned();
        let target = std::mem::replace(&mut self.legs[n].target, target);
        let build = self.in_dialog(n, method, &branch).header("RAck", &format!("{number} {cseq} INVITE"));
        self.legs[n].target = target;
        self.begin(scene, method, branch, build.body(""), Purpose::Ignored);
    }
}
