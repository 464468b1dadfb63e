//! What a telephone asks for inside its session: another description, and that the other party goes elsewhere. An
//! exchange does neither.

use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};

use super::session::{AGENT, Phase};
use super::sessions::{Sessions, Stack};
use crate::cx::{Cx, LegKey};
use crate::sip::{HeaderName, Method};
use crate::transaction::Draft;

impl Sessions {
    /// Offers this description in a re-INVITE (RFC 3261 §14.1). When something else of ours is under way, that comes
    /// first.
    pub(crate) fn reoffer(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, body: Bytes) {
        let Some(session) = self.all.get_mut(leg) else { return };
        session.body = body;
        // A refresh by UPDATE has no description in it.
        let updates = std::mem::replace(&mut session.updates, false);
        self.refresh(cx, stack, leg);
        if let Some(session) = self.all.get_mut(leg) {
            session.updates = updates;
        }
    }

    /// Asks the peer to call this address (RFC 3515 §2.4.1). False when the session is not one yet, or not any more.
    pub(crate) fn refer(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, to: &str) -> bool {
        let Some(session) = self.all.get_mut(leg) else { return false };
        if session.phase != Phase::Up || session.unacked.is_some() {
            return false;
        }
        let Some(dialog) = &mut session.dialog else { return false };
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Refer, None);
        writer.header(HeaderName::Contact, format_args!("<{}>", session.contact));
        writer.header(HeaderName::ReferTo, format_args!("<{to}>"));
        writer.header(HeaderName::UserAgent, AGENT);
        let txn = stack.request(cx, Draft::new(Method::Refer, writer.finish()), hop);
        self.owns_client(txn, leg);
        true
    }

    /// What names this session's dialog to its peer: a Replaces value (RFC 3891 §6.1).
    pub(crate) fn names(&self, leg: LegKey) -> Option<SmolStr> {
        let dialog = self.all.get(leg)?.dialog.as_ref()?;
        let (id, to, from) = (&dialog.call_id, &dialog.remote_tag, &dialog.local_tag);
        Some(format_smolstr!("{id};to-tag={to};from-tag={from}"))
    }
}
