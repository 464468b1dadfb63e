//! A 3xx to our INVITE: where the callee is to be reached instead (RFC 3261 §8.1.3.4), and why (RFC 5806).

use smol_str::SmolStr;

use super::away::Place;
use super::sessions::Stack;
use crate::border::Flow;
use crate::config::Config;
use crate::limits;
use crate::sip::{HeaderName, Message, Scheme, Status};

/// Where a callee sends us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Best first.
    pub(crate) to: Vec<Elsewhere>,
    /// Why, a word of RFC 5806 §4; empty when the callee does not say.
    pub(crate) reason: SmolStr,
}

/// One place to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// The number; the user at another host.
    pub(crate) number: SmolStr,
    /// The whole of it, for people.
    pub(crate) uri: SmolStr,
    /// Where it leads.
    pub(crate) place: Place,
}

/// What a redirection says; `None` when it names nowhere to go, or means something else by that: a proxy (305) or
/// another service (380).
pub(super) fn read(message: &Message, stack: &Stack, flow: Flow, config: &Config) -> Option<Box<Moved>> {
    if !matches!(message.status().map(Status::code), Some(300..=302)) {
        return None;
    }
    let contacts = message.addresses(HeaderName::Contact).filter_map(Result::ok);
    let mut to: Vec<(u16, Elsewhere)> = Vec::new();
    for contact in contacts.take(limits::DIVERTED_TO) {
        let uri = &contact.uri;
        let number = SmolStr::new(uri.user_unescaped());
        if number.is_empty() || uri.scheme() == Scheme::Other {
            continue;
        }
        let host = uri.host();
        // From is what we said ourselves.
        let ours = uri.scheme() == Scheme::Tel
            || host.ip() == Some(stack.transport.local_of(&flow).ip())
            || uri.host_text().eq_ignore_ascii_case(&config.realm)
            || message.from().is_ok_and(|from| host.same_as(&from.uri.host()));
        let named = || message.to().is_ok_and(|to| host.same_as(&to.uri.host()));
        let place = if ours { Place::Ours } else { Place::of(uri, config, named()) };
        let text = SmolStr::new(uri.without_headers());
        to.push((contact.q().unwrap_or(1000), Elsewhere { number, uri: text, place }));
    }
    to.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    let to: Vec<Elsewhere> = to.into_iter().map(|(_, place)| place).collect();
    (!to.is_empty()).then(|| Box::new(Moved { to, reason: reason(message) }))
}

/// Why the callee diverts, as it says itself.
fn reason(message: &Message) -> SmolStr {
    let first = message.addresses(HeaderName::Diversion).next().and_then(Result::ok);
    let said = first.and_then(|first| first.params.value("reason"));
    let known = said.and_then(|said| REASONS.iter().find(|known| known.eq_ignore_ascii_case(said)));
    known.map_or(SmolStr::default(), |known| SmolStr::new_static(known))
}

/// Reasons by RFC 5806 §4.
const REASONS: [&str; 11] = [
    "unknown",
    "user-busy",
    "no-answer",
    "unavailable",
    "unconditional",
    "time-of-day",
    "do-not-disturb",
    "deflection",
    "follow-me",
    "out-of-service",
    "away",
];
