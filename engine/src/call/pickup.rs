//! Pick-up: somebody takes a call that rings elsewhere, by a code or by an INVITE with Replaces (RFC 3891). The party
//! leaves its own call, which is over, and becomes the callee who answered in the other one.

use smol_str::{SmolStr, format_smolstr};
use telex_dialplan::Outcome;
use telex_dialplan::task::Task;

use super::app::{App, AppEvent, CALLER, PartyId};
use super::party::Party;
use super::tasks::Begun;
use super::{Below, Call, Calls};
use crate::border::CallState;
use crate::config::Config;
use crate::cx::{CallKey, Cx};
use crate::event::EndCause;
use crate::limits;
use crate::offer::{self, Codec};
use crate::planted::{Fault, Planted};
use crate::sip::EscapedUser;

/// Why a call cannot be taken over although it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// No codec is common to both, and none can be turned into another.
    NoCodec,
    /// As many phones ring as a call can have.
    Full,
}

/// Why who consults takes up no call: the other one, who waits, would be lost.
pub(super) const CONSULTS: &str = "another party waits for who would take the call up";

impl NotTaken {
    /// In words.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::NoCodec => "the two have no codec in common",
            Self::Full => "the call that rings has as many parties as it can have",
        }
    }
}

/// Why the walk of a caller ends who is in another call now.
pub(super) fn goes_on_in(call: u64) -> SmolStr {
    format_smolstr!("goes on in call {call}")
}

impl Calls {
    /// The caller takes a call that rings at one of these extensions; without any, at one of its pick-up group.
    pub(super) fn pickup(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        wanted: &[SmolStr],
    ) -> Begun {
        if self.all[key].consults() {
            return Err(Outcome::Refused(SmolStr::new_static(CONSULTS)));
        }
        let caller = &self.all[key].parties[CALLER];
        let (answered, spoken) = (self.all[key].answered.is_some(), caller.has_spoken());
        let picker = caller.extension.clone();
        let ringing = match self.found_ringing((cx.config, cx.planted), Some(key), &picker, wanted) {
            Ok(ringing) => ringing,
            Err(why) => return Err(Outcome::Refused(why)),
        };
        if !answered && !spoken {
            // What it can speak is known from its ACK on.
            return self.answer_first(cx, below, key, Task::Pickup(wanted.to_vec()));
        }
        match self.pick_up(cx, below, key, ringing) {
            Ok(()) => Err(Outcome::Done),
            Err(not) => Err(Outcome::Refused(SmolStr::new_static(not.why()))),
        }
    }

    /// The oldest call that rings where `picker` may pick it up, other than the one it calls in; `Err` with why there
    /// is none.
    pub(super) fn found_ringing(
        &self,
        (config, planted): (&Config, Planted),
        own: Option<CallKey>,
        picker: &SmolStr,
        wanted: &[SmolStr],
    ) -> Result<CallKey, SmolStr> {
        let group = config.phones.get(picker).map(|phone| phone.pickup_group.as_str()).unwrap_or_default();
        let any = planted.is(Fault::AnyGroupPickedUp);
        if wanted.is_empty() && group.is_empty() {
            return Err(format_smolstr!("{picker} is in no pick-up group: say whose call it is to take"));
        }
        let may = |extension: &SmolStr| match wanted.is_empty() {
            true => config.phones.get(extension).is_some_and(|phone| any || phone.pickup_group == group),
            false => wanted.contains(extension),
        };
        let rings = |other: &CallKey| {
            Some(*other) != own && self.all.get(*other).is_some_and(|call| call.ringing(may).is_some())
        };
        let found = self.by_id.values().copied().find(rings);
        found.ok_or_else(|| match wanted.is_empty() {
            true => format_smolstr!("nothing rings in the pick-up group {group}"),
            false => format_smolstr!("nothing rings at {}", wanted.join(" or ")),
        })
    }

    /// The caller of `key` answers the call `ringing` in place of all who ring there.
    pub(super) fn pick_up(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        ringing: CallKey,
    ) -> Result<(), NotTaken> {
        self.all[ringing].make_room(1);
        let there = &self.all[ringing];
        if there.parties.len() >= limits::LEGS_PER_CALL {
            return Err(NotTaken::Full);
        }
        let codecs = there.codecs_for(cx.config, &self.all[key], CALLER);
        offer::speech(&codecs).ok_or(NotTaken::NoCodec)?;
        self.all[key].answer_joining(cx, below, codecs);
        let at = self.bring(cx, below, key, ringing);
        let call = &mut self.all[ringing];
        let by = call.parties[at].extension.clone();
        call.between = Some((call.parties[CALLER].extension.clone(), by.clone()));
        let (here, number) = (self.all[key].id, self.all[ringing].id);
        self.remark(ringing, format_smolstr!("{by} picks it up in call {here}"));
        self.decide(cx, below, ringing, AppEvent::Answered { party: at });
        self.gone_to(cx, below, key, number);
        Ok(())
    }

    /// The caller of `key` becomes a party of another call, which tells it what to hear.
    pub(super) fn bring(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        there: CallKey,
    ) -> PartyId {
        // Who handed this call over has done so.
        self.transferred(cx, below, key);
        let number = self.all[there].id;
        let call = &mut self.all[key];
        call.disarm(cx);
        call.keep_origin(cx, CALLER);
        let origin = call.origin(cx, number);
        let mut party = call.give_away(CALLER);
        party.joined = true;
        party.origin = Some(origin);
        // A caller is known by its address, who was asked by a URI.
        if !party.contact.starts_with("sip") {
            party.contact = format_smolstr!("sip:{}@{}", EscapedUser(&party.extension), party.contact);
        }
        if let Some(leg) = party.leg {
            below.sessions.move_to(leg, there);
        }
        self.ports.move_to(party.media.id, there);
        self.lines.insert(there, &party.extension);
        self.lines.touch(key);
        let call = &mut self.all[there];
        call.parties.push(party);
        call.parties.len() - 1
    }

    /// Adds to the trail of a call, for those who ask how it went.
    pub(super) fn remark(&mut self, key: CallKey, text: SmolStr) {
        if let Some(script) = self.all.get_mut(key).and_then(|call| call.script.as_mut()) {
            script.thread.remark(text);
        }
    }

    /// A call is over because its caller is in another one now.
    pub(super) fn gone_to(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, call: u64) {
        self.remark(key, goes_on_in(call));
        self.all[key].app = App::Done;
        self.end(cx, below, key, EndCause::Joined { call });
    }
}

impl Call {
    /// A callee of whom no answer has come yet, at an extension that `may` be picked up.
    pub(super) fn ringing(&self, may: impl Fn(&SmolStr) -> bool) -> Option<PartyId> {
        // Who is called back is asked for itself.
        let (App::Hunt(hunt), None) = (&self.app, &self.summons) else { return None };
        let callees = self.parties.iter().enumerate().skip(CALLER + 1);
        let waits = |party: &Party| party.leg.is_some() && party.answered.is_none();
        let mut rings = callees.filter(|(at, party)| waits(party) && hunt.asks(*at));
        rings.find(|(_, party)| may(&party.extension)).map(|(at, _)| at)
    }

    /// What the caller of another call is to be answered with when it comes to talk with `with`: what both have, or
    /// what can be turned into that.
    pub(super) fn codecs_for(&self, config: &Config, other: &Self, with: PartyId) -> Vec<Codec> {
        let (theirs, newcomer) = (&self.parties[with], &other.parties[CALLER]);
        let named = |call: &Self, party: &Party| {
            let agreed = call.own_words || call.answered.is_some() || party.joined;
            match (agreed, party.has_spoken()) {
                (true, _) => party.codecs_in_use(config.transcode),
                (false, true) => party.their_codecs().to_vec(),
                (false, false) => party.repertoire(config).codecs().to_vec(),
            }
        };
        newcomer.repertoire(config).answer(&named(other, newcomer), &named(self, theirs))
    }

    /// Answers the caller, who goes to another call at once, with these codecs.
    pub(super) fn answer_joining(&mut self, cx: &mut Cx<'_>, below: &mut Below, codecs: Vec<Codec>) {
        if self.answered.is_some() {
            return;
        }
        let body = match self.own_words {
            true => self.parties[CALLER].our_codecs().to_vec(),
            false => codecs,
        };
        let body = self.parties[CALLER].answer(body, false).unwrap_or_default();
        self.parties[CALLER].tell_said(cx, self.id, super::side(CALLER), false);
        self.own_words = true;
        self.answered = Some(cx.now);
        self.state = CallState::Up;
        if let Some(leg) = self.leg(CALLER) {
            below.sessions.answer(cx, &mut below.stack, leg, body);
        }
        self.tell_answered(cx, CALLER);
    }
}
