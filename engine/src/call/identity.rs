//! Who a party is, as others see it: number and name, whether they are withheld, and who diverted a call
//! (RFC 3261 §20.20, RFC 3323, RFC 3325, RFC 5806).
//!
//! What a phone says of itself is believed in one thing, that it does not want to be shown. Its number is the extension
//! that it has proved, and its name the one that the site gave it.

use std::net::IpAddr;

use smol_str::{SmolStr, format_smolstr};

use super::app::{App, CALLER, PartyId};
use super::dial::in_uri;
use super::{Below, Call, Calls};
use crate::config::Config;
use crate::cx::{CallKey, Cx};
use crate::limits;
use crate::sip::{EscapedUser, HeaderName, Message};

/// Who is shown instead of one who does not want to be (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// How a dialplan writes that a caller is not to be shown.
pub(super) const PROHIBITED: &str = "prohib";

/// Somebody, as a callee or whoever talks with him may see him.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Identity {
    /// The number; empty for none.
    pub(super) number: SmolStr,
    /// The name, as it is meant; empty for none.
    pub(super) name: SmolStr,
    /// Nobody but who is trusted is told.
    pub(super) private: bool,
}

/// Who sent a call elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Diversion {
    /// Its number.
    pub(super) by: SmolStr,
    /// Why, a word of RFC 5806 §4.
    pub(super) reason: SmolStr,
}

impl Identity {
    /// A name-addr that tells who it is.
    fn told(&self, host: &str) -> SmolStr {
        let number = EscapedUser(&self.number);
        match self.name.is_empty() {
            true => format_smolstr!("<sip:{number}@{host}>"),
            false => format_smolstr!("\"{}\" <sip:{number}@{host}>", quoted(&self.name)),
        }
    }

    /// A name-addr for everybody.
    pub(super) fn shown(&self, host: &str) -> SmolStr {
        match (self.private, self.number.is_empty(), self.name.is_empty()) {
            (true, ..) | (false, true, true) => SmolStr::new_static(ANONYMOUS),
            (false, true, false) => {
                format_smolstr!("\"{}\" <sip:anonymous@anonymous.invalid>", quoted(&self.name))
            }
            (false, false, _) => self.told(host),
        }
    }

    /// User part of a Contact, which must not tell what From does not.
    pub(super) fn user(&self) -> SmolStr {
        match self.private || self.number.is_empty() {
            true => SmolStr::new_static("anonymous"),
            false => format_smolstr!("{}", EscapedUser(&self.number)),
        }
    }

    /// What who is trusted is told beside (RFC 3325 §9).
    pub(super) fn asserted(&self, host: &str) -> Vec<(SmolStr, SmolStr)> {
        let mut fields = Vec::new();
        if !self.number.is_empty() {
            fields.push((HeaderName::PAssertedIdentity.as_str().into(), self.told(host)));
        }
        if self.private {
            fields.push((HeaderName::Privacy.as_str().into(), SmolStr::new_static("id")));
        }
        fields
    }
}

/// A text between quotes of SIP.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// Whether who sends an INVITE does not want to be shown (RFC 3323 §4.2, RFC 3325 §9.3).
pub(super) fn is_private(invite: &Message) -> bool {
    let words = || invite.values(HeaderName::Privacy).flat_map(|value| value.split(';')).map(str::trim);
    let wants = |word: &str| ["id", "user", "header"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let hides =
        invite.from().is_ok_and(|from| from.uri.host_text().eq_ignore_ascii_case("anonymous.invalid"));
    hides || words().any(wants)
}

/// Reasons of diversions, as a dialplan writes them and as RFC 5806 does.
const REASONS: [(&str, &str); 11] = [
    ("cfb", "user-busy"),
    ("cfnr", "no-answer"),
    ("cfu", "unconditional"),
    ("unavailable", "unavailable"),
    ("time_of_day", "time-of-day"),
    ("dnd", "do-not-disturb"),
    ("deflection", "deflection"),
    ("follow_me", "follow-me"),
    ("out_of_order", "out-of-service"),
    ("away", "away"),
    ("unknown", "unknown"),
];

impl Diversion {
    /// One that the dialplan has made, if it has.
    fn of_plan(by: &SmolStr, reason: &str) -> Option<Self> {
        if by.is_empty() || reason.is_empty() {
            return None;
        }
        let known = REASONS.iter().find(|(plan, _)| *plan == reason);
        let reason = SmolStr::new_static(known.map_or("unknown", |(_, sip)| sip));
        Some(Self { by: by.clone(), reason })
    }

    /// The reason as a dialplan reads it.
    pub(super) fn reason_of_plan(&self) -> &'static str {
        REASONS.iter().find(|(_, sip)| *sip == self.reason).map_or("unknown", |(plan, _)| plan)
    }

    fn field(&self, config: &Config, host: &str) -> (SmolStr, SmolStr) {
        let who = identity_of(config, &self.by).told(host);
        let value = format_smolstr!("{who};reason={};counter=1", self.reason);
        (HeaderName::Diversion.as_str().into(), value)
    }
}

/// An extension, as the site has named it.
pub(super) fn identity_of(config: &Config, extension: &SmolStr) -> Identity {
    let name = config.phones.get(extension).map(|phone| phone.name.clone()).unwrap_or_default();
    Identity { number: extension.clone(), name, private: false }
}

impl Calls {
    /// Tells those who talk with whom, if that is not what they were told before (RFC 4916 §1, by the header field of
    /// RFC 3325).
    pub(super) fn introduce(&self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey) {
        let Some(call) = self.all.get(key) else { return };
        if call.answered.is_none() || call.cause.is_some() {
            return;
        }
        let peer = call.peer.filter(|_| matches!(call.app, App::Bridge));
        call.introduce_to(cx, below, CALLER, peer, true);
        if let Some(peer) = peer {
            call.introduce_to(cx, below, peer, Some(CALLER), true);
        }
    }
}

impl Call {
    /// A party is told whom it talks with: at once, or when we have something to say to it anyhow.
    pub(super) fn introduce_to(
        &self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        party: PartyId,
        other: Option<PartyId>,
        at_once: bool,
    ) {
        let Some(leg) = self.leg(party).filter(|_| cx.config.connected_line) else { return };
        let Some(who) = self.connected_with(cx.config, party, other) else { return };
        let Some(local) = below.sessions.local_of(&below.stack, leg) else { return };
        below.sessions.introduce(cx, &mut below.stack, leg, who.shown(&in_uri(local)), at_once);
    }

    /// Whom a party sees that it talks with. What the dialplan says counts, then who it is.
    fn connected_with(&self, config: &Config, party: PartyId, other: Option<PartyId>) -> Option<Identity> {
        let script = self.script.as_ref();
        let dial = script.and_then(|script| script.dial.as_ref());
        if dial.is_some_and(|dial| dial.keeps_identity) {
            return None;
        }
        if party != CALLER {
            let told = dial.and_then(|dial| dial.caller.clone());
            return told.or_else(|| Some(self.identity(config, other?)));
        }
        let said = |name: &str| script.and_then(|script| script.facts.get(name)).cloned();
        let (number, name, pres) = (said("connected/num"), said("connected/name"), said("connected/pres"));
        if number.is_none() && name.is_none() && other.is_none() {
            return None;
        }
        let mut who = other.map(|other| self.identity(config, other)).unwrap_or_default();
        who.private |= pres.is_some_and(|pres| pres.starts_with("prohib"));
        if number.is_some() || name.is_some() {
            (who.number, who.name) = (number.unwrap_or(who.number), name.unwrap_or_default());
        }
        Some(who)
    }

    /// Somebody else is the caller from now on.
    pub(super) fn forget_who_calls(&mut self) {
        if let Some(dial) = self.script.as_mut().and_then(|script| script.dial.as_mut()) {
            dial.caller = None;
        }
    }

    /// Who a party is.
    fn identity(&self, config: &Config, party: PartyId) -> Identity {
        let Some(party) = self.parties.get(party) else { return Identity::default() };
        let who = identity_of(config, &party.extension);
        Identity { number: party.number(), private: party.private, ..who }
    }

    /// Who calls, as callees are to see it.
    pub(super) fn presented(&self) -> Identity {
        let Some(script) = &self.script else { return Identity::default() };
        let caller = script.thread.caller();
        let private = caller.pres.starts_with("prohib") || caller.pres == "unavailable";
        Identity { number: caller.number.clone(), name: caller.name.clone(), private }
    }

    /// Header fields that tell a callee how it comes to be asked, and if it is trusted who calls.
    pub(super) fn tells(
        &self,
        config: &Config,
        party: PartyId,
        who: &Identity,
        local: IpAddr,
    ) -> Vec<(SmolStr, SmolStr)> {
        let host = in_uri(local);
        let party = &self.parties[party];
        let trusted = config.phones.get(&party.extension).is_some_and(|phone| phone.trusted);
        let mut fields = if trusted { who.asserted(&host) } else { Vec::new() };
        let caller = self.script.as_ref().map(|script| script.thread.caller());
        let by_plan = caller.and_then(|caller| Diversion::of_plan(&caller.rdnis, &caller.reason));
        let last = party.diversions.iter().chain(&by_plan).take(limits::DIVERSIONS_TOLD);
        fields.extend(last.map(|diversion| diversion.field(config, &host)));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_quotes_and_nothing_in_it_gets_out() {
        let who = Identity { number: "1 0".into(), name: "A \"b\" \\\r\n".into(), private: false };
        assert_eq!(who.shown("h"), "\"A \\\"b\\\" \\\\\" <sip:1%200@h>");
        assert_eq!(who.user(), "1%200");
    }

    #[test]
    fn who_is_private_is_nobody_but_to_those_who_are_trusted() {
        let who = Identity { number: "100".into(), name: "Alice".into(), private: true };
        assert_eq!(who.shown("h"), ANONYMOUS);
        assert_eq!(who.user(), "anonymous");
        let told = |name: &str, value: &str| (SmolStr::new(name), SmolStr::new(value));
        let fields = [told("P-Asserted-Identity", "\"Alice\" <sip:100@h>"), told("Privacy", "id")];
        assert_eq!(who.asserted("h"), fields);
        assert_eq!(Identity::default().shown("h"), ANONYMOUS);
    }

    #[test]
    fn reasons_of_diversions_have_two_names() {
        for (plan, sip) in REASONS {
            let diversion = Diversion::of_plan(&"100".into(), plan).unwrap();
            assert_eq!((diversion.reason.as_str(), diversion.reason_of_plan()), (sip, plan));
        }
        assert_eq!(Diversion::of_plan(&"100".into(), ""), None);
    }
}
