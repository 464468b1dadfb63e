//! Sending a party elsewhere: REFER inside its session with the NOTIFY that tell how that goes (RFC 3515), or a
//! redirect in place of the answer (RFC 3261 §8.3).

use smol_str::{SmolStr, format_smolstr};

use super::session::{AGENT, Heard, LegEvent, Phase, Role, Session};
use super::sessions::{Sessions, Stack};
use crate::cx::{ClientKey, Cx, LegKey, ServerKey};
use crate::sip::{EscapedUser, HeaderName, Message, Method, Status, Tagged, Uri};
use crate::transaction::Draft;

/// What a party is being told to do.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SentAway {
    /// The REFER, until it is answered.
    txn: Option<ClientKey>,
}

impl Sessions {
    /// Asks the party to call somebody else: an extension of ours, or a SIP URI. What comes of it is a
    /// [`LegEvent::SentAway`]. False when it cannot be asked now, or when that is nobody.
    pub(crate) fn send_away(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, to: &str) -> bool {
        let Some(session) = self.all.get_mut(leg) else { return false };
        let Some(uri) = session.elsewhere(to) else { return false };
        if session.phase != Phase::Up || session.sent_away.is_some() {
            return false;
        }
        let Some(dialog) = &mut session.dialog else { return false };
        let hop = dialog.next_hop(cx, &mut stack.transport);
        let mut writer = dialog.request(Method::Refer, None);
        writer.header(HeaderName::Contact, format_args!("<{}>", session.contact));
        writer.header(HeaderName::ReferTo, format_args!("<{uri}>"));
        writer.header(HeaderName::ReferredBy, format_args!("<{}>", session.contact));
        writer.header(HeaderName::UserAgent, AGENT);
        let txn = stack.request(cx, Draft::new(Method::Refer, writer.finish()), hop);
        session.sent_away = Some(SentAway { txn: Some(txn) });
        self.owns_client(txn, leg);
        true
    }

    /// Answers the INVITE with 302 and this place; the session is gone. False when that is nobody.
    pub(crate) fn redirect(&mut self, cx: &mut Cx<'_>, stack: &mut Stack, leg: LegKey, to: &str) -> bool {
        let Some(session) = self.all.get(leg) else { return false };
        let (Some(uri), Role::Uas { txn, .. }) = (session.elsewhere(to), &session.role) else { return false };
        if session.phase != Phase::Inviting {
            return false;
        }
        let reply = session.reply(Status::MOVED_TEMPORARILY);
        let reply = reply.header(HeaderName::Contact, format_args!("<{uri}>"));
        // Who sends the call elsewhere, and that it does so whatever happens (RFC 5806 §5.1).
        let by = format_smolstr!("<{}>;reason=unconditional;counter=1", session.contact);
        stack.respond(cx, *txn, &reply.header(HeaderName::Diversion, by));
        self.remove(cx, stack, leg);
        true
    }

    /// The party has answered our REFER, or has not.
    pub(super) fn refer_answered(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        answer: Option<&Message>,
    ) -> Option<Heard> {
        let status = answer.map_or(Some(Status::REQUEST_TIMEOUT), Message::status)?;
        if status.is_provisional() {
            return None;
        }
        let session = self.all.get_mut(leg)?;
        let up = session.phase == Phase::Up;
        if up && matches!(status, Status::NO_SUCH_TRANSACTION | Status::REQUEST_TIMEOUT) && answer.is_some() {
            return self.lost(cx, stack, leg, status);
        }
        let sub = answer.and_then(|message| message.header(HeaderName::ReferSub));
        let sub = sub.map(|value| Tagged::parse("Refer-Sub", value));
        let silent = matches!(sub, Some(Ok(tagged)) if tagged.token.eq_ignore_ascii_case("false"));
        if status.is_success() && !silent {
            // How it goes is told by NOTIFY.
            session.sent_away.as_mut()?.txn = None;
            return None;
        }
        session.sent_away.take()?;
        if up { self.heard(leg, LegEvent::SentAway(status)) } else { None }
    }

    /// A NOTIFY of how it goes with what the party was asked to do.
    pub(super) fn progress_told(
        &mut self,
        cx: &mut Cx<'_>,
        stack: &mut Stack,
        leg: LegKey,
        txn: ServerKey,
        message: &Message,
    ) -> Option<Heard> {
        let session = self.all.get_mut(leg)?;
        let event = message.event().and_then(Result::ok);
        if event.is_none_or(|event| !event.package.eq_ignore_ascii_case("refer")) {
            stack.respond(cx, txn, &session.reply(Status::BAD_EVENT));
            return None;
        }
        stack.respond(cx, txn, &session.reply(Status::OK));
        let told = fragment(message.body());
        let state = message.header(HeaderName::SubscriptionState).unwrap_or_default();
        let over = state.trim_start().get(..10).is_some_and(|state| state.eq_ignore_ascii_case("terminated"));
        // Who tells nothing more has tried, and that is all there is to know.
        let status = match told {
            Some(status) if status.is_final() => status,
            _ if over => Status::ACCEPTED,
            _ => return None,
        };
        session.sent_away.take()?;
        if session.phase == Phase::Up { self.heard(leg, LegEvent::SentAway(status)) } else { None }
    }
}

impl Session {
    /// Whether this is the REFER under way.
    pub(super) fn is_sending_away(&self, txn: ClientKey) -> bool {
        self.sent_away.as_ref().is_some_and(|sent| sent.txn == Some(txn))
    }

    /// A URI that the party can call: that of an extension has the host by which the party knows us.
    fn elsewhere(&self, to: &str) -> Option<SmolStr> {
        let to = to.trim();
        let uri = if to.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:")) {
            SmolStr::new(to)
        } else {
            let (_, host) = self.contact.split_once('@')?;
            format_smolstr!("sip:{}@{host}", EscapedUser(to))
        };
        let bare = !uri.contains(|c: char| c.is_control() || matches!(c, '<' | '>' | '"' | ' ' | ','));
        (bare && !to.is_empty() && Uri::parse(&uri).is_ok()).then_some(uri)
    }
}

/// The status in a fragment of a message (RFC 3420): `SIP/2.0 200 OK`.
fn fragment(body: &[u8]) -> Option<Status> {
    let line = body.split(|&b| b == b'\r' || b == b'\n').next()?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("SIP/2.0 ")?;
    Status::new(rest.get(..3)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_begins_with_a_status_line() {
        let code = |body: &str| fragment(body.as_bytes()).map(Status::code);
        assert_eq!(code("SIP/2.0 200 OK\r\nTo: x\r\n"), Some(200));
        assert_eq!(code("SIP/2.0 486"), Some(486));
        for body in ["", "SIP/2.0 ", "SIP/2.0 2", "SIP/2.0 ä00", "HTTP/1.1 200 OK", "SIP/2.0 099 x"] {
            assert_eq!(code(body), None, "{body}");
        }
    }
}
