//! Offers and answers of a call's parties, and the media that follows from them.

use super::app::{App, AppEvent, CALLER, PartyId, side};
use super::party::Wish;
use super::{Below, Call};
use crate::border::Action;
use crate::cx::{Cx, LegKey};
use crate::event::Event;
use crate::mediactl::{MediaCommand, Playing, RoomMode, RoomSpec};
use crate::offer::{self, Direction, OfferError, Ptime};
use crate::sip::Status;

/// The tone of `*60`: 440 Hz at about -12 dBm0.
pub(super) const TONE: Playing = Playing::Tone { hertz: 440, level: 8000 };

/// Reason of a BYE to a party whose description cannot be used (RFC 3326).
const NOT_ACCEPTABLE: &str = "SIP;cause=488;text=\"Session description not acceptable\"";

impl Call {
    /// A callee's description in a provisional response. True when it can be heard from now on.
    pub(super) fn early_answer(&mut self, cx: &mut Cx<'_>, party: PartyId, body: &[u8]) -> bool {
        if body.is_empty() || self.parties[CALLER].theirs.is_none() {
            return false;
        }
        let known = self.parties[party].theirs.is_some();
        if self.parties[party].answered(body).is_err() {
            return false;
        }
        if !known {
            self.parties[party].tell(cx, self.id, side(party), false, true);
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
        // A 2xx may leave out what an earlier response said already.
        let early = self.parties[party].theirs.is_some();
        let usable = if body.is_empty() && early { Ok(()) } else { self.parties[party].answered(body) };
        if usable.is_ok() {
            if !early {
                self.parties[party].tell(cx, self.id, side(party), false, true);
            }
            return Some(AppEvent::Answered { party });
        }
        if let Some(leg) = self.parties[party].leg.take() {
            below.sessions.hang_up(cx, &mut below.stack, leg, NOT_ACCEPTABLE);
        }
        Some(AppEvent::Refused { party, status: Some(Status::NOT_ACCEPTABLE_HERE) })
    }

    /// A party's ACK, with its answer when our 2xx carried the offer.
    pub(super) fn confirmed(&mut self, cx: &mut Cx<'_>, party: PartyId, body: &[u8]) -> Option<AppEvent> {
        if body.is_empty() {
            // Without an answer to our first offer there is nothing to talk with.
            return self.parties[party].theirs.is_none().then_some(AppEvent::Lost { party });
        }
        if self.parties[party].answered(body).is_err() {
            return self.parties[party].theirs.is_none().then_some(AppEvent::Lost { party });
        }
        self.parties[party].tell(cx, self.id, side(party), false, true);
        self.put_media(cx);
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
                below.sessions.reject_offer(cx, &mut below.stack, leg, status);
            }
        }
    }

    fn consider(&mut self, cx: &mut Cx<'_>, party: PartyId, body: &[u8]) -> Result<bytes::Bytes, OfferError> {
        let offer = offer::read(body)?;
        let wanted = self.wanted_from(party);
        let chosen = match &wanted {
            Some(wanted) => offer::agree(&offer, wanted)?,
            None => offer.audio().map(|audio| audio.codecs.clone()).ok_or(OfferError::NoAudio)?,
        };
        let held = self.parties[party].holds();
        self.parties[party].offered(offer);
        let answer = self.parties[party].answer(chosen);
        self.parties[party].tell(cx, self.id, side(party), true, true);
        self.tell_hold(cx, party, held);
        self.put_media(cx);
        Ok(answer)
    }

    /// A party asks for our offer: what is in use.
    pub(super) fn offer_wanted(&mut self, cx: &mut Cx<'_>, below: &mut Below, party: PartyId, leg: LegKey) {
        let codecs = self.parties[party].ours.clone();
        let held = self.parties[party].holds();
        let ptime = self.parties[party].ptime();
        let body = self.parties[party].offer(codecs, Direction::SendRecv, ptime);
        self.tell_hold(cx, party, held);
        self.put_media(cx);
        below.sessions.accept_offer(cx, &mut below.stack, leg, body);
    }

    fn tell_hold(&self, cx: &mut Cx<'_>, party: PartyId, held: bool) {
        let on = self.parties[party].holds();
        if on != held {
            cx.report(Event::Hold { call: self.id, side: side(party), on });
        }
    }

    /// The codecs a party may name: those its peer understands; in a service those we produce; `None` for any.
    fn wanted_from(&self, party: PartyId) -> Option<Vec<offer::Codec>> {
        match (&self.app, self.playing()) {
            (App::Service, None) => None,
            (App::Service, Some(_)) => Some(offer::default_codecs()),
            _ => {
                let other = if party == CALLER { self.peer? } else { CALLER };
                Some(self.parties.get(other)?.their_codecs().to_vec())
            }
        }
    }

    /// Writes the answer to the caller's offer from what the callee answered, or our offer when the caller made none.
    pub(super) fn describe_to_caller(&mut self, cx: &mut Cx<'_>, callee: PartyId) -> bytes::Bytes {
        let theirs = self.parties[callee].their_codecs().to_vec();
        let ptime = self.parties[callee].ptime();
        let caller = &mut self.parties[CALLER];
        let (body, offer) = if caller.theirs.is_some() {
            let chosen = offer::choose(caller.their_codecs(), &theirs);
            (caller.answer(chosen), false)
        } else {
            let codecs = offer::choose(&offer::default_codecs(), &theirs);
            (caller.offer(codecs, Direction::SendRecv, ptime), true)
        };
        caller.tell(cx, self.id, side(CALLER), offer, false);
        body
    }

    /// Writes our offer to a callee: what the caller offered, in its order and with its numbers.
    pub(super) fn describe_to_callee(&mut self, cx: &mut Cx<'_>, callee: PartyId) -> bytes::Bytes {
        let caller = &self.parties[CALLER];
        let (codecs, ptime) = if caller.theirs.is_some() {
            (caller.their_codecs().to_vec(), caller.ptime())
        } else {
            (offer::default_codecs(), Ptime::default())
        };
        let party = &mut self.parties[callee];
        let body = party.offer(codecs, Direction::SendRecv, ptime);
        party.tell(cx, self.id, side(callee), true, false);
        body
    }

    /// What a service plays.
    pub(super) fn playing(&self) -> Option<Playing> {
        (matches!(self.app, App::Service) && self.to == "*60").then_some(TONE)
    }

    /// Brings media to what was agreed: the caller alone, or the caller and the callee it hears.
    pub(super) fn put_media(&mut self, cx: &mut Cx<'_>) {
        let (shard, room) = (self.shard, self.room);
        let service = matches!(self.app, App::Service);
        if !self.room_put {
            self.room_put = true;
            let mode = if service { RoomMode::Echo } else { RoomMode::Relay };
            let command = MediaCommand::PutRoom { room, rev: 1, spec: RoomSpec { mode } };
            cx.out.push(Action::Media { shard, command });
        }
        let playing = self.playing();
        let held = self.parties.iter().any(|p| p.leg.is_some() && (p.holds() || !p.direction.sends()));
        let silence =
            cx.config.media_timeout.filter(|_| self.answered.is_some() && !held && playing.is_none());
        if service {
            let caller = &mut self.parties[CALLER];
            let accept = if playing.is_none() {
                offer::payload_map(&caller.ours, caller.their_codecs())
            } else {
                Vec::new()
            };
            return caller.put(cx, shard, room, Wish { accept, playing, silence });
        }
        let Some(peer) = self.peer else { return };
        for (party, other) in [(CALLER, peer), (peer, CALLER)] {
            let accept = offer::payload_map(&self.parties[party].ours, self.parties[other].their_codecs());
            self.parties[party].put(cx, shard, room, Wish { accept, playing: None, silence });
        }
    }
}
