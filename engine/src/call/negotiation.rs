//! Offers and answers of a call's parties, and the media that follows from them.

use smol_str::SmolStr;

use super::app::{AppEvent, CALLER, PartyId, side};
use super::party::Wish;
use super::script::Doing;
use super::{Below, Call};
use crate::config::DigitsBy;
use crate::cx::{Cx, LegKey};
use crate::event::Event;
use crate::mediactl::{Kind, Play};
use crate::offer::{self, OfferError, Ptime};
use crate::planted::Fault;
use crate::sip::Status;

/// Reason of a BYE to a party whose description cannot be used (RFC 3326).
const NOT_ACCEPTABLE: &str = "SIP;cause=488;text=\"Session description not acceptable\"";

impl Call {
    /// A callee's description in a provisional response. True when it can be heard from now on.
    pub(super) fn early_answer(&mut self, cx: &mut Cx<'_>, party: PartyId, body: &[u8]) -> bool {
        if body.is_empty() || !self.parties[CALLER].has_spoken() {
            return false;
        }
        let callee = &mut self.parties[party];
        let known = callee.has_spoken();
        if callee.answered(body, true).is_err() || !callee.is_usable() {
            return false;
        }
        if !known {
            callee.tell_heard(cx, self.id, side(party), false);
        }
        true
    }

    /// A callee's 2xx. What it means to the app depends on whether its description can be used.
    pub(super) fn callee_answered(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        party: PartyId,
        body: &[u8],
    ) -> Option<AppEvent> {
        let callee = &mut self.parties[party];
        // A 2xx may leave out what an earlier response said already.
        let early = callee.has_spoken();
        let read = if body.is_empty() && early { Ok(()) } else { callee.answered(body, false) };
        if read.is_ok() && callee.is_usable() {
            if !early {
                callee.tell_heard(cx, self.id, side(party), false);
            }
            return Some(AppEvent::Answered { party });
        }
        if let Some(leg) = callee.leg.take() {
            below.sessions.hang_up(cx, &mut below.stack, leg, NOT_ACCEPTABLE);
        }
        Some(AppEvent::Refused { party, status: Some(Status::NOT_ACCEPTABLE_HERE) })
    }

    /// A party's ACK, with its answer when our 2xx carried the offer. Without one to our first offer there is nothing
    /// to talk with.
    pub(super) fn confirmed(&mut self, cx: &mut Cx<'_>, id: PartyId, body: &[u8]) -> Option<AppEvent> {
        let party = &mut self.parties[id];
        if !party.is_asked() {
            return None;
        }
        let (first, held) = (!party.has_spoken(), party.holds());
        let read = party.answered(body, false);
        if first && !party.is_usable() {
            return Some(AppEvent::Lost { party: id });
        }
        if read.is_ok() {
            party.tell_heard(cx, self.id, side(id), false);
            self.tell_hold(cx, id, held);
            self.put_media(cx);
        }
        None
    }

    /// A party offers a changed session.
    pub(super) fn offered(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        party: PartyId,
        leg: LegKey,
        body: &[u8],
    ) {
        match self.consider(cx, party, body) {
            Ok(answer) => below.sessions.accept_offer(cx, &mut below.stack, leg, answer),
            Err(error) => {
                let status = Status::new(error.status()).unwrap_or(Status::NOT_ACCEPTABLE_HERE);
                let warning = format!("{} telex \"{error}\"", error.warning());
                below.sessions.reject_offer(cx, &mut below.stack, leg, status, &warning);
            }
        }
    }

    fn consider(&mut self, cx: &mut Cx<'_>, id: PartyId, body: &[u8]) -> Result<bytes::Bytes, OfferError> {
        let held = self.parties[id].holds();
        // An offer out of turn leaves the one that is open as it is.
        self.parties[id].offered(offer::read(body)?)?;
        let answer = self.chosen_for(cx, id).and_then(|chosen| Ok(self.parties[id].answer(chosen, false)?));
        let answer = answer.inspect_err(|_| self.parties[id].refuse())?;
        self.parties[id].tell_heard(cx, self.id, side(id), true);
        self.tell_hold(cx, id, held);
        self.put_media(cx);
        Ok(answer)
    }

    /// The codecs of our answer to a party's offer: those its peer understands; in a service those we produce, or one
    /// to echo. Before there is a peer one that can be turned into whatever that will have, or all.
    pub(super) fn chosen_for(&self, cx: &Cx<'_>, id: PartyId) -> Result<Vec<offer::Codec>, OfferError> {
        let (offered, repertoire) = (self.parties[id].their_codecs(), self.parties[id].repertoire(cx.config));
        if offer::speech(offered).is_none() {
            return Err(OfferError::NoAudio);
        }
        let mut chosen = match self.peer {
            _ if self.conference.is_some() => offer::choose(offered, repertoire.codecs()),
            _ if self.is_echo() => offer::first_of(offered),
            None if self.is_scripted() || self.own_words => offer::choose(offered, repertoire.codecs()),
            _ => {
                let other = if id == CALLER { self.peer } else { Some(CALLER) };
                let other = other.and_then(|other| self.parties.get(other));
                match other {
                    Some(other) => {
                        // Nobody asks it again: what it named once and was not answered with, it does not expect.
                        let agreed = other.agreed_codecs();
                        let named =
                            if offer::speech(&agreed).is_some() { &agreed } else { other.their_codecs() };
                        repertoire.answer(offered, named)
                    }
                    None if repertoire.turns_all(offered) => offer::first_of(offered),
                    None => offered.to_vec(),
                }
            }
        };
        let alone = self.peer.is_none() && self.conference.is_none() && !self.is_echo();
        if alone && self.answered.is_some() && !cx.config.transcode {
            // Whoever it is going to talk with was asked for what it speaks now; and it may be given back to who
            // speaks any codec that was agreed.
            let agreed = self.parties[id].agreed_codecs();
            if offer::speech(&agreed).is_some() {
                let known = |codec: &offer::Codec| agreed.iter().any(|agreed| agreed.same_as(codec));
                chosen.retain(|codec| !codec.is_speech() || known(codec));
            }
        }
        if chosen.is_empty() { Err(OfferError::NoCommonCodec) } else { Ok(chosen) }
    }

    /// A party asks for our offer: what is in use.
    pub(super) fn offer_wanted(&mut self, cx: &mut Cx<'_>, below: &mut Below, party: PartyId, leg: LegKey) {
        let codecs = self.parties[party].our_codecs().to_vec();
        let ptime = self.parties[party].ptime();
        match self.parties[party].offer(codecs, ptime) {
            Ok(body) => below.sessions.accept_offer(cx, &mut below.stack, leg, body),
            Err(_) => {
                below.sessions.reject_offer(cx, &mut below.stack, leg, Status::REQUEST_PENDING, "");
            }
        }
    }

    /// The answer to a refresh of ours. It says mostly what was said before.
    pub(super) fn refreshed(&mut self, cx: &mut Cx<'_>, id: PartyId, body: &[u8]) {
        let held = self.parties[id].holds();
        if self.parties[id].refreshed(body) {
            self.parties[id].tell_heard(cx, self.id, side(id), false);
            self.tell_hold(cx, id, held);
            self.put_media(cx);
        }
    }

    fn tell_hold(&mut self, cx: &mut Cx<'_>, party: PartyId, held: bool) {
        let on = self.parties[party].holds();
        if on != held {
            self.parties[party].has_put_on_hold = on;
            cx.report(Event::Hold { call: self.id, side: side(party), on });
        }
    }

    /// Writes the answer to the caller's offer from what the callee answered, or our offer when the caller made none.
    pub(super) fn describe_to_caller(
        &mut self,
        cx: &mut Cx<'_>,
        callee: PartyId,
        provisional: bool,
    ) -> bytes::Bytes {
        let theirs = match &self.parties[callee] {
            party if party.joined => party.agreed_codecs(),
            party => party.their_codecs().to_vec(),
        };
        let ptime = self.parties[callee].ptime();
        let (own_words, caller) = (self.own_words, &mut self.parties[CALLER]);
        let repertoire = caller.repertoire(cx.config);
        let offer = !caller.has_spoken();
        let body = if own_words {
            // What the caller was told before the answer it takes for the answer.
            let said = caller.our_codecs().to_vec();
            caller.answer(said, provisional)
        } else if offer {
            caller.offer(repertoire.answer(repertoire.codecs(), &theirs), ptime)
        } else {
            let mut chosen = repertoire.answer(caller.their_codecs(), &theirs);
            if cx.planted.is(Fault::AnswerNotOffered) {
                chosen.extend(offer::default_codecs());
            }
            caller.answer(chosen, provisional)
        };
        caller.tell_said(cx, self.id, side(CALLER), offer);
        body.unwrap_or_default()
    }

    /// Writes our offer to a callee: what the caller offered, in its order and with its numbers, and what can be turned
    /// into that unless the callee, by what is `known` of it, has no need of it. `None` when no speech is left to
    /// offer.
    pub(super) fn describe_to_callee(
        &mut self,
        cx: &mut Cx<'_>,
        callee: PartyId,
        known: Option<&[offer::Codec]>,
    ) -> Option<bytes::Bytes> {
        let (caller, party) = (&self.parties[CALLER], &self.parties[callee]);
        let (codecs, ptime) = if caller.has_spoken() {
            // What was agreed with it, if anything was.
            let named = match (self.answered, self.own_words) {
                (Some(_), _) => caller.codecs_in_use(cx.config.transcode),
                (None, true) => caller.agreed_codecs(),
                (None, false) => caller.their_codecs().to_vec(),
            };
            (party.offer_for(cx.config, &named, known), caller.ptime())
        } else {
            (party.repertoire(cx.config).codecs().to_vec(), Ptime::default())
        };
        offer::speech(&codecs)?;
        let party = &mut self.parties[callee];
        let body = party.offer(codecs, ptime);
        party.tell_said(cx, self.id, side(callee), true);
        body.ok()
    }

    /// Describes us to a caller who talks with the exchange itself: answers its offer, or makes one.
    ///
    /// # Errors
    /// When there is nothing that both can speak.
    pub(super) fn describe_self(
        &mut self,
        cx: &mut Cx<'_>,
        provisional: bool,
    ) -> Result<bytes::Bytes, OfferError> {
        let offer = !self.parties[CALLER].has_spoken();
        let caller = &self.parties[CALLER];
        let mut codecs = match (self.own_words, offer) {
            (true, _) => caller.our_codecs().to_vec(),
            (false, true) => caller.repertoire(cx.config).codecs().to_vec(),
            (false, false) => self.chosen_for(cx, CALLER)?,
        };
        if !cx.config.transcode && !self.is_echo() {
            // It must not speak what the one it talks with later does not.
            let first = offer::speech(&codecs).cloned();
            codecs.retain(|codec| {
                !codec.is_speech() || first.as_ref().is_some_and(|first| first.same_as(codec))
            });
        }
        let caller = &mut self.parties[CALLER];
        let body =
            if offer { caller.offer(codecs, Ptime::default()) } else { caller.answer(codecs, provisional) };
        caller.tell_said(cx, self.id, side(CALLER), offer);
        self.own_words = true;
        Ok(body.unwrap_or_default())
    }

    /// Whether the caller hears itself.
    pub(super) fn is_echo(&self) -> bool {
        self.script.as_ref().is_some_and(|script| matches!(script.doing, Doing::Echo))
    }

    /// What a party hears while the other one holds the call. Who never wanted to hear anything holds nothing.
    fn music_for(&self, cx: &Cx<'_>, other: PartyId) -> Option<Play> {
        let held = self.answered.is_some() && self.parties[other].has_put_on_hold;
        self.hold_music(cx).filter(|_| held).map(Play::music)
    }

    /// The class of music that who waits hears: the dialplan's, or the usual one.
    pub(super) fn hold_music(&self, cx: &Cx<'_>) -> Option<SmolStr> {
        self.own_music().or_else(|| cx.config.music.clone())
    }

    /// The class of music that the dialplan has set.
    pub(super) fn own_music(&self) -> Option<SmolStr> {
        let class = self.script.as_ref()?.facts.get("musicclass")?;
        (!class.is_empty()).then(|| class.clone())
    }

    /// Brings media to what was agreed: the caller alone, or the caller and the callee it hears.
    pub(super) fn put_media(&mut self, cx: &mut Cx<'_>) {
        let (shard, room) = (self.shard, self.room);
        self.put_media_apart(cx);
        if self.is_apart(CALLER) && self.peer.is_none() || self.peer.is_none() && !self.own_words {
            return;
        }
        if !self.room_put && self.conference.is_none() {
            self.room_put = true;
            self.put_room(cx);
        }
        let held = self.parties.iter().any(|p| p.leg.is_some() && (p.holds() || p.is_mute()));
        let silence = cx.config.media_timeout.filter(|_| self.answered.is_some() && !held);
        if self.is_page() {
            return self.put_page(cx, silence);
        }
        let Some(peer) = self.peer else { return self.put_alone(cx, silence) };
        for (party, other) in [(CALLER, peer), (peer, CALLER)] {
            // Asked of who is apart, too: it forgets what it was being told.
            let told_time = self.told_in_talk(party);
            if self.is_apart(party) {
                continue;
            }
            let mut accept = self.parties[party].relay_to(&self.parties[other]);
            if self.parties[other].digits != DigitsBy::Auto || self.has_use_of_keys(party) {
                // Who is told of keys otherwise would count them twice.
                let events = accept.iter_mut().filter(|accepted| accepted.kind == Kind::Events);
                events.for_each(|accepted| accepted.forward = None);
            }
            if cx.planted.is(Fault::JoinedOneWay) && party == peer && self.between.is_some() {
                accept.iter_mut().for_each(|accepted| accepted.forward = None);
            }
            let told = self.parties[other].digits == DigitsBy::Info;
            let keep = self.has_use_of_keys(party);
            let report = told || keep;
            // Tones are taken out of the sound where something goes in their place.
            let tones = report || cx.config.transcode && self.parties[other].takes_events();
            let playing = told_time.or_else(|| match self.is_apart(other) {
                true => self.hold_music(cx).map(Play::music),
                false => self.music_for(cx, other),
            });
            let wish = Wish { accept, playing, silence, report, tones, keep };
            self.parties[party].put(cx, shard, room, wish);
        }
        self.tell_unheard(cx);
    }

    /// The media of a party that is alone with the exchange while its call waits.
    pub(super) fn put_media_apart(&mut self, cx: &mut Cx<'_>) {
        let Some((at, (shard, room), playing)) = self.apart() else { return };
        let party = &mut self.parties[at];
        let mut accept = party.relay_to(party);
        accept.iter_mut().for_each(|accepted| accepted.forward = None);
        let wish = Wish { accept, playing, silence: None, report: true, tones: true, keep: false };
        party.put(cx, shard, room, wish);
    }

    /// The caller's media while it talks with the exchange itself, or in a conference.
    fn put_alone(&mut self, cx: &mut Cx<'_>, silence: Option<crate::time::Duration>) {
        let (shard, room, playing) = (self.shard, self.room, self.playing());
        let (echo, meets) = (self.is_echo(), self.conference.is_some());
        let caller = &mut self.parties[CALLER];
        let mut accept = caller.relay_to(caller);
        if !echo || meets {
            // Nothing goes back as it is: what members say is mixed, what others say is heard by nobody.
            accept.iter_mut().for_each(|accepted| accepted.forward = None);
        }
        let keys = !meets;
        let wish = Wish { accept, playing, silence, report: keys, tones: keys, keep: false };
        caller.put(cx, shard, room, wish);
    }
}
