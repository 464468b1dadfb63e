//! Telling the peer of a session whom it talks with, when that changes (RFC 3325 §9.1, RFC 4916 §1): by UPDATE where it
//! is allowed (RFC 3311), else by an INVITE that offers what is agreed already (RFC 3261 §14.1).

use std::net::IpAddr;

use smol_str::SmolStr;

use super::session::{Phase, Session};
use super::sessions::{Sessions, Stack};
use super::within::BUSY_GAP;
use crate::config::Config;
use crate::cx::{Cx, LegKey, LegTimer};
use crate::sip::{Method, Status};
use crate::time::Duration;

impl Sessions {
    /// Tells the peer whom it talks with: in what is said to it from now on, and at once if that is wanted and it can
    /// be told. Each change is told once; a peer that refuses to hear of it is not asked again.
    pub(crate) fn introduce(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        identity: SmolStr,
        at_once: bool,
    ) {
        let Some(session) = self.all.get_mut(leg) else { return };
        if session.identity.as_ref() == Some(&identity) {
            return;
        }
        session.identity = Some(identity);
        session.introduces = session.phase == Phase::Up && (at_once || session.introduces);
        self.introduce_now(cx, stack, leg);
    }

    /// Tells it, unless something else is under way: then a moment later.
    pub(super) fn introduce_now(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey) {
        let Some(session) = self.all.get_mut(leg) else { return };
        if !session.introduces || session.phase != Phase::Up {
            return;
        }
        if !session.can_be_introduced(cx.config) {
            session.introduces = false;
        } else if session.is_busy() {
            // What is sent again after a while says it, too.
            if session.retry_key.is_none() {
                session.arm_retry(cx, leg, BUSY_GAP, LegTimer::Introduce);
            }
        } else if session.retry_key.is_none() {
            self.restate(cx, stack, leg, true);
        }
    }

    /// The peer did not take it: at once again where that is of use (RFC 3261 §14.1, RFC 3311 §5.3), else not.
    pub(super) fn not_introduced(&mut self, cx: &mut Cx<'_>, leg: LegKey, status: Status, method: Method) {
        let Some(session) = self.all.get_mut(leg) else { return };
        let after = match status {
            Status::REQUEST_PENDING => session.glare_gap(cx),
            Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED if method == Method::Update => {
                (session.updates, session.lists_methods) = (false, true);
                Duration::ZERO
            }
            _ => return,
        };
        session.introduces = session.can_be_introduced(cx.config);
        if session.introduces {
            session.arm_retry(cx, leg, after, LegTimer::Introduce);
        }
    }

    /// Our address where the peer of a dialog reaches us.
    pub(crate) fn local_of(&self, stack: &Stack, leg: LegKey) -> Option<IpAddr> {
        let dialog = self.all.get(leg)?.dialog.as_ref()?;
        Some(stack.transport.local_of(&dialog.flow).ip())
    }
}

impl Session {
    /// Whether the peer takes a request for it. One that has not said what it allows is not bothered with an offer.
    fn can_be_introduced(&self, config: &Config) -> bool {
        self.updates || config.connected_line_invite && self.lists_methods && !self.body.is_empty()
    }
}
