//! What a telephone asks of whom it talks with: to hold, and to go elsewhere.

use bytes::Bytes;

use super::{CallHandle, UserAgent};
use crate::border::Actions;
use crate::sip::EscapedUser;
use crate::time::Instant;

impl UserAgent {
    /// Offers another description in an answered call: so a call is held, and taken up again. The answer is not told.
    pub fn reoffer(&mut self, now: Instant, call: CallHandle, body: Bytes, out: &mut Actions) {
        self.with_leg(now, call, out, |cx, core, leg| {
            core.sessions.reoffer(cx, &mut core.stack, leg, body);
        });
    }

    /// Asks the peer of an answered call to call `uri` in our place; with `other`, to take our place in that call of
    /// ours (RFC 3515, RFC 3891). The peer ends the call once that has come to something; how it goes is not told.
    /// False when there is no such call.
    pub fn refer(
        &mut self,
        now: Instant,
        call: CallHandle,
        uri: &str,
        other: Option<CallHandle>,
        out: &mut Actions,
    ) -> bool {
        let dialog = |other: CallHandle| self.core.sessions.names(*self.core.calls.get(other.0)?);
        let to = match other.map(dialog) {
            None => uri.to_owned(),
            Some(Some(dialog)) => format!("{uri}?Replaces={}", escaped(&dialog)),
            Some(None) => return false,
        };
        let mut referred = false;
        self.with_leg(now, call, out, |cx, core, leg| {
            referred = core.sessions.refer(cx, &mut core.stack, leg, &to);
        });
        referred
    }
}

/// Text as the value of a header of a URI (RFC 3261 §19.1.2): stricter than a user part.
fn escaped(text: &str) -> String {
    let text = EscapedUser(text).to_string();
    text.replace(';', "%3B").replace('=', "%3D").replace('&', "%26").replace('?', "%3F").replace(',', "%2C")
}
