//! The offer/answer exchange with one party, from the first offer to the end of the session.

use std::net::SocketAddr;

use bytes::Bytes;

use super::codec::{Codec, choose, events, noise, payload_map, speech};
use super::description::{Audio, Description, Layout, Ptime, read, read_answer};
use super::direction::Direction;
use super::error::{OfferError, OutOfTurn};
use super::write::{Local, write};
use crate::mediactl::{Accepted, Payload};

/// Whose turn it is (RFC 3264 §4, RFC 3261 §13.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was offered yet.
    Idle,
    /// We have offered; the party must answer.
    LocalOffer,
    /// The party has offered; we must answer.
    RemoteOffer,
    /// The last offer was answered; either may offer again.
    Stable,
}

/// What we told a party about our audio.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Said {
    /// Codecs by the numbers that the party is to use.
    pub codecs: Vec<Codec>,
    /// Direction as we see it.
    pub direction: Direction,
    /// Packet times that we ask for.
    pub ptime: Ptime,
}

/// What an exchange comes to, in the terms of [`crate::mediactl::LegSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where to send RTP.
    pub remote: Option<SocketAddr>,
    /// Where to send RTCP, when it is not the port above.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether we may send.
    pub send: bool,
    /// Whether the party may.
    pub receive: bool,
    /// Payload type to send speech by.
    pub audio: Option<Payload>,
    /// Payload type to send telephone events by.
    pub events: Option<Payload>,
    /// Payload type to describe noise by.
    pub noise: Option<Payload>,
    /// Milliseconds per packet of what we produce.
    pub ptime: u8,
}

impl Stream {
    /// What follows from what we said and what the party said.
    pub fn of(said: &Said, heard: &Audio) -> Self {
        let common = choose(&heard.codecs, &said.codecs);
        let speech = speech(&common);
        // It is produced as the party wants it, not as we want what we receive.
        let theirs = speech.and_then(|codec| heard.codecs.iter().find(|other| other.number == codec.number));
        Self {
            remote: heard.remote(),
            // One port for both is agreed where the party named it, since we always do with it.
            remote_rtcp: if heard.rtcp_mux { heard.remote() } else { heard.rtcp },
            send: said.direction.sends() && heard.direction.receives(),
            receive: said.direction.receives() && heard.direction.sends(),
            audio: theirs.map(Codec::payload),
            events: speech.and_then(|speech| events(&common, speech)).map(Codec::payload),
            noise: speech.and_then(|speech| noise(&common, speech)).map(Codec::payload),
            ptime: heard.ptime.produced(),
        }
    }
}

/// Our side of the session with one party. It sees to it that offers and answers alternate, that the streams keep their
/// places, that `o=` says when something changed, and that a refused offer leaves everything as it was.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Negotiation {
    local: Local,
    /// What we wrote last; empty before.
    written: Bytes,
    pending: Pending,
    settled: Option<Settled>,
    changes: u32,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Pending {
    Nothing,
    Local { layout: Layout, said: Said },
    Remote { heard: Description },
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Settled {
    layout: Layout,
    said: Said,
    heard: Description,
    /// We had offered.
    ours: bool,
}

impl Negotiation {
    /// Nothing said yet. `local.version` is that of the first description.
    pub fn new(local: Local) -> Self {
        Self { local, written: Bytes::new(), pending: Pending::Nothing, settled: None, changes: 0 }
    }

    /// Whose turn it is.
    pub fn state(&self) -> State {
        match (&self.pending, &self.settled) {
            (Pending::Local { .. }, _) => State::LocalOffer,
            (Pending::Remote { .. }, _) => State::RemoteOffer,
            (Pending::Nothing, Some(_)) => State::Stable,
            (Pending::Nothing, None) => State::Idle,
        }
    }

    /// Whether we may offer now.
    pub fn can_offer(&self) -> bool {
        matches!(self.pending, Pending::Nothing)
    }

    /// Our facts in the descriptions.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// What we said last, unless it was refused.
    pub fn said(&self) -> Option<&Said> {
        match &self.pending {
            Pending::Local { said, .. } => Some(said),
            _ => self.settled.as_ref().map(|settled| &settled.said),
        }
    }

    /// What the party said last, unless we refused it.
    pub fn heard(&self) -> Option<&Description> {
        match &self.pending {
            Pending::Remote { heard } => Some(heard),
            _ => self.settled.as_ref().map(|settled| &settled.heard),
        }
    }

    /// How often the party's description has become another one. A copy of what it said before lets nobody take over
    /// the stream.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// The codec in use: the first of the party's that we named, too.
    pub fn codec(&self) -> Option<Codec> {
        let settled = self.settled.as_ref()?;
        let common = choose(&settled.heard.audio()?.codecs, &settled.said.codecs);
        speech(&common).cloned()
    }

    /// What the last complete exchange comes to; `None` before, and when it came to no audio.
    pub fn stream(&self) -> Option<Stream> {
        let settled = self.settled.as_ref()?;
        Some(Stream::of(&settled.said, settled.heard.audio()?))
    }

    /// What the party takes, in its words: of what it named what we named, too.
    fn agreed(&self) -> Vec<Codec> {
        let Some(settled) = &self.settled else { return Vec::new() };
        let heard = settled.heard.audio().map_or(&[][..], |audio| &audio.codecs);
        let common = choose(heard, &settled.said.codecs);
        let taken = |codec: &&Codec| common.iter().any(|other| other.number == codec.number);
        heard.iter().filter(taken).cloned().collect()
    }

    /// How a relay renumbers what this party sends for `other`: [`payload_map`]. A party that answered with numbers of
    /// its own should send by ours, but some send by their own, and those are taken where they are not ambiguous.
    /// Nothing goes on by a number that `other` named and we did not take up (§6.1).
    pub fn relay_to(&self, other: &Self) -> Vec<Accepted> {
        let to = other.agreed();
        let said = self.said().map_or(&[][..], |said| &said.codecs);
        let heard = self.heard().and_then(Description::audio).map_or(&[][..], |audio| &audio.codecs);
        let mut map = payload_map(said, &to);
        for own in payload_map(heard, &to) {
            if said.iter().all(|codec| codec.number != own.payload.number) {
                map.push(own);
            }
        }
        map
    }

    /// Makes an offer.
    ///
    /// # Errors
    /// [`OutOfTurn`] while an offer of either side is open.
    pub fn offer(&mut self, said: Said) -> Result<Bytes, OutOfTurn> {
        self.no_offer_open()?;
        let mut layout = self.settled.as_ref().map(|settled| settled.layout.clone()).unwrap_or_default();
        layout.open_audio();
        let body = self.write(&layout, &said);
        self.pending = Pending::Local { layout, said };
        Ok(body)
    }

    /// Takes the party's answer.
    ///
    /// # Errors
    /// [`OutOfTurn::NoOffer`] when we have not offered, as with the copy of an answer that came already; else as
    /// [`read_answer`], and the offer stays open.
    pub fn received_answer(&mut self, body: &[u8]) -> Result<&Description, OfferError> {
        let heard = match &self.pending {
            Pending::Local { layout, .. } => read_answer(body, layout)?,
            _ => return Err(OutOfTurn::NoOffer.into()),
        };
        let Pending::Local { mut layout, said } = std::mem::replace(&mut self.pending, Pending::Nothing)
        else {
            return Err(OutOfTurn::NoOffer.into());
        };
        layout.audio = heard.layout().audio;
        Ok(self.settle(Settled { layout, said, heard, ours: true }))
    }

    /// Opens the last exchange again, for another answer to the same offer: the first came with a provisional response,
    /// and the final one may be that of another fork (RFC 3261 §13.2.1). Nothing happens when there was none, or an
    /// offer is open.
    pub fn reopen(&mut self) {
        if let (Pending::Nothing, Some(settled)) = (&self.pending, &self.settled) {
            let Settled { mut layout, said, heard, ours } = settled.clone();
            layout.open_audio();
            self.pending = if ours { Pending::Local { layout, said } } else { Pending::Remote { heard } };
        }
    }

    /// Takes the party's offer.
    ///
    /// # Errors
    /// [`OutOfTurn`] while an offer of either side is open; else as [`read`]. Nothing has changed then.
    pub fn received_offer(&mut self, body: &[u8]) -> Result<&Description, OfferError> {
        self.no_offer_open()?;
        self.take_offer(read(body)?)?;
        self.heard().ok_or(OutOfTurn::NoOffer.into())
    }

    /// Takes the party's offer as [`read`] gave it.
    ///
    /// # Errors
    /// [`OutOfTurn`] while an offer of either side is open. Nothing has changed then.
    pub fn take_offer(&mut self, heard: Description) -> Result<(), OutOfTurn> {
        self.no_offer_open()?;
        self.pending = Pending::Remote { heard };
        Ok(())
    }

    /// Answers the party's offer. `said.direction` is cut to what the offer allows (RFC 3264 §6.1).
    ///
    /// # Errors
    /// [`OutOfTurn::NoOffer`] when the party has not offered.
    pub fn answer(&mut self, mut said: Said) -> Result<Bytes, OutOfTurn> {
        let heard = match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Remote { heard } => heard,
            other => {
                self.pending = other;
                return Err(OutOfTurn::NoOffer);
            }
        };
        if let Some(audio) = heard.audio() {
            said.direction = said.direction.and(audio.direction.reversed());
        }
        let layout = heard.layout().clone();
        let body = self.write(&layout, &said);
        self.settle(Settled { layout, said, heard, ours: false });
        Ok(body)
    }

    fn settle(&mut self, settled: Settled) -> &Description {
        if self.settled.as_ref().is_none_or(|before| before.heard != settled.heard) {
            self.changes = self.changes.wrapping_add(1);
        }
        &self.settled.insert(settled).heard
    }

    /// Forgets the open offer, ours or theirs: it was refused, or its request failed (RFC 3261 §14.1). What was agreed
    /// before holds.
    pub fn withdraw(&mut self) {
        self.pending = Pending::Nothing;
    }

    fn no_offer_open(&self) -> Result<(), OutOfTurn> {
        match self.pending {
            Pending::Nothing => Ok(()),
            Pending::Local { .. } => Err(OutOfTurn::LocalOffer),
            Pending::Remote { .. } => Err(OutOfTurn::RemoteOffer),
        }
    }

    /// Writes a description; the edition grows when it differs from the one before (RFC 3264 §8).
    fn write(&mut self, layout: &Layout, said: &Said) -> Bytes {
        let body = write(&self.local, layout, &said.codecs, said.direction, said.ptime);
        if !self.written.is_empty() && self.written != body {
            self.local.version = self.local.version.wrapping_add(1);
            self.written = write(&self.local, layout, &said.codecs, said.direction, said.ptime);
        } else {
            self.written = body;
        }
        self.written.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::default_codecs;
    use std::net::{IpAddr, Ipv4Addr};

    const LOCAL: Local =
        Local { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port: 10_000, session_id: 7, version: 1 };
    const PARTY: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                           m=audio 6000 RTP/AVP 0\r\n";

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        Offer,
        ReceivedAnswer,
        ReceivedOffer,
        Answer,
        Withdraw,
    }
    const STEPS: [Step; 5] =
        [Step::Offer, Step::ReceivedAnswer, Step::ReceivedOffer, Step::Answer, Step::Withdraw];

    fn said(direction: Direction) -> Said {
        Said { codecs: default_codecs(), direction, ptime: Ptime::default() }
    }

    fn take(negotiation: &mut Negotiation, step: Step) -> Result<(), OfferError> {
        match step {
            Step::Offer => negotiation.offer(said(Direction::SendRecv)).map(drop).map_err(OfferError::from),
            Step::Answer => negotiation.answer(said(Direction::SendRecv)).map(drop).map_err(OfferError::from),
            Step::ReceivedAnswer => negotiation.received_answer(PARTY).map(drop),
            Step::ReceivedOffer => negotiation.received_offer(PARTY).map(drop),
            Step::Withdraw => {
                negotiation.withdraw();
                Ok(())
            }
        }
    }

    /// The table of RFC 3264 §4 and RFC 3261 §14: the next state, or the refusal.
    fn law(state: State, agreed: bool, step: Step) -> Result<State, OutOfTurn> {
        use State::{Idle, LocalOffer, RemoteOffer, Stable};
        let before = if agreed { Stable } else { Idle };
        match (state, step) {
            (_, Step::Withdraw) => Ok(before),
            (Idle | Stable, Step::Offer) => Ok(LocalOffer),
            (Idle | Stable, Step::ReceivedOffer) => Ok(RemoteOffer),
            (LocalOffer, Step::ReceivedAnswer) | (RemoteOffer, Step::Answer) => Ok(Stable),
            (LocalOffer, Step::Offer | Step::ReceivedOffer) => Err(OutOfTurn::LocalOffer),
            (RemoteOffer, Step::Offer | Step::ReceivedOffer) => Err(OutOfTurn::RemoteOffer),
            (_, Step::ReceivedAnswer | Step::Answer) => Err(OutOfTurn::NoOffer),
        }
    }

    #[test]
    fn every_sequence_of_six_steps_keeps_the_law() {
        for number in 0..STEPS.len().pow(6) {
            let mut negotiation = Negotiation::new(LOCAL);
            let mut agreed = false;
            let mut rest = number;
            for _ in 0..6 {
                let step = STEPS[rest % STEPS.len()];
                rest /= STEPS.len();
                let state = negotiation.state();
                let expected = law(state, agreed, step);
                let result = take(&mut negotiation, step);
                assert_eq!(result, expected.map(drop).map_err(OfferError::from), "{step:?} in {state:?}");
                assert_eq!(negotiation.state(), expected.unwrap_or(state), "{step:?} in {state:?}");
                agreed |= negotiation.state() == State::Stable;
                assert_eq!(
                    negotiation.can_offer(),
                    matches!(negotiation.state(), State::Idle | State::Stable)
                );
                assert_eq!(negotiation.stream().is_some(), agreed);
            }
        }
    }

    fn version(body: &Bytes) -> u64 {
        let text = std::str::from_utf8(body).unwrap();
        text.lines().nth(1).and_then(|line| line.split(' ').nth(2)).unwrap().parse().unwrap()
    }

    #[test]
    fn the_edition_grows_only_with_a_change() {
        let mut negotiation = Negotiation::new(LOCAL);
        let mut offer = |direction| {
            let body = negotiation.offer(said(direction)).unwrap();
            negotiation.received_answer(PARTY).unwrap();
            body
        };
        let first = offer(Direction::SendRecv);
        assert_eq!(version(&first), 1);
        assert_eq!(offer(Direction::SendRecv), first, "unchanged: the same bytes");
        assert_eq!(version(&offer(Direction::SendOnly)), 2);
        assert_eq!(version(&offer(Direction::SendOnly)), 2);
        assert_eq!(version(&offer(Direction::SendRecv)), 3);
    }

    #[test]
    fn a_refused_offer_changes_nothing_but_its_edition_is_used_up() {
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.offer(said(Direction::SendRecv)).unwrap();
        negotiation.received_answer(PARTY).unwrap();
        let (said_before, stream) = (negotiation.said().cloned(), negotiation.stream());
        assert_eq!(version(&negotiation.offer(said(Direction::Inactive)).unwrap()), 2);
        assert_eq!(negotiation.said().map(|said| said.direction), Some(Direction::Inactive));
        negotiation.withdraw();
        assert_eq!((negotiation.said().cloned(), negotiation.stream()), (said_before, stream));
        assert_eq!(version(&negotiation.offer(said(Direction::SendRecv)).unwrap()), 3);
    }

    #[test]
    fn a_bad_answer_leaves_the_offer_open() {
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.offer(said(Direction::SendRecv)).unwrap();
        assert!(matches!(negotiation.received_answer(b"v=1"), Err(OfferError::Syntax(_))));
        assert_eq!(negotiation.state(), State::LocalOffer);
        assert!(negotiation.received_answer(PARTY).is_ok());
        assert_eq!(negotiation.received_answer(PARTY), Err(OutOfTurn::NoOffer.into()));
    }

    #[test]
    fn an_exchange_can_be_opened_again_for_another_answer() {
        let other = [PARTY, b"a=inactive\r\n"].concat();
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.reopen();
        assert_eq!(negotiation.state(), State::Idle);
        negotiation.offer(said(Direction::SendRecv)).unwrap();
        negotiation.received_answer(PARTY).unwrap();
        negotiation.reopen();
        assert_eq!((negotiation.state(), negotiation.changes()), (State::LocalOffer, 1));
        negotiation.received_answer(PARTY).unwrap();
        assert_eq!(negotiation.changes(), 1, "the same answer again");
        negotiation.reopen();
        negotiation.received_answer(&other).unwrap();
        assert_eq!(negotiation.changes(), 2);
        // Ours to an offer of the party.
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.received_offer(PARTY).unwrap();
        let first = negotiation.answer(said(Direction::SendRecv)).unwrap();
        negotiation.reopen();
        assert_eq!(negotiation.answer(said(Direction::SendRecv)).unwrap(), first);
        negotiation.reopen();
        assert_eq!(version(&negotiation.answer(said(Direction::SendOnly)).unwrap()), 2);
        negotiation.reopen();
        negotiation.withdraw();
        assert_eq!((negotiation.state(), negotiation.changes()), (State::Stable, 1));
    }

    #[test]
    fn hold_and_resume_from_either_side() {
        let with = |direction: &str| [PARTY, format!("a={direction}\r\n").as_bytes()].concat();
        let mut negotiation = Negotiation::new(LOCAL);
        let flow =
            |negotiation: &Negotiation| negotiation.stream().map(|stream| (stream.send, stream.receive));
        negotiation.received_offer(PARTY).unwrap();
        negotiation.answer(said(Direction::SendRecv)).unwrap();
        assert_eq!(flow(&negotiation), Some((true, true)));
        // The party holds.
        negotiation.received_offer(&with("sendonly")).unwrap();
        let answer = negotiation.answer(said(Direction::SendRecv)).unwrap();
        assert!(answer.ends_with(b"a=recvonly\r\n"));
        assert_eq!(flow(&negotiation), Some((false, true)));
        // Now we hold, too, and the party stays on hold.
        negotiation.offer(said(Direction::SendOnly)).unwrap();
        negotiation.received_answer(&with("inactive")).unwrap();
        assert_eq!(flow(&negotiation), Some((false, false)));
        // Both resume.
        negotiation.offer(said(Direction::SendRecv)).unwrap();
        negotiation.received_answer(&with("sendrecv")).unwrap();
        assert_eq!(flow(&negotiation), Some((true, true)));
    }

    #[test]
    fn our_offers_keep_the_streams_of_the_party() {
        let with_video = [PARTY, b"m=video 6002 RTP/AVP 96\r\n"].concat();
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.received_offer(&with_video).unwrap();
        negotiation.answer(said(Direction::SendRecv)).unwrap();
        let offer = negotiation.offer(said(Direction::SendOnly)).unwrap();
        assert!(offer.ends_with(b"a=sendonly\r\nm=video 0 RTP/AVP 96\r\n"));
        assert_eq!(negotiation.received_answer(PARTY), Err(OfferError::NoFit));
        negotiation.received_answer(&[PARTY, b"m=video 0 RTP/AVP 96\r\n"].concat()).unwrap();
    }

    #[test]
    fn media_sends_by_the_numbers_of_the_party() {
        let body =
            b"v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 6000 RTP/AVP 8 98\n\
                     a=rtpmap:98 telephone-event/8000\na=rtcp:7001\na=ptime:30\n";
        let mut caller = Negotiation::new(LOCAL);
        caller.offer(said(Direction::SendRecv)).unwrap();
        caller.received_answer(body).unwrap();
        let stream = caller.stream().unwrap();
        assert_eq!(stream.audio.map(|payload| payload.number), Some(8));
        assert_eq!(stream.events.map(|payload| payload.number), Some(98));
        assert_eq!(stream.remote_rtcp.map(|rtcp| rtcp.port()), Some(7001));
        assert_eq!(stream.ptime, 30);
        // What the party sends as 101, or by its own 98, goes to a like one as 98.
        let map = caller.relay_to(&caller.clone());
        let pairs: Vec<_> = map.iter().filter_map(|a| Some((a.payload.number, a.forward?))).collect();
        assert_eq!(pairs, [(8, 8), (101, 98), (98, 98)]);
    }

    #[test]
    fn one_port_for_rtp_and_rtcp_is_agreed_when_the_party_offers_it() {
        let offer = [PARTY, b"a=rtcp-mux\r\na=rtcp-rsize\r\na=rtcp:6001\r\n"].concat();
        let mut negotiation = Negotiation::new(LOCAL);
        negotiation.received_offer(&offer).unwrap();
        let answer = negotiation.answer(said(Direction::SendRecv)).unwrap();
        assert!(answer.ends_with(b"a=rtcp-mux\r\na=rtcp-rsize\r\na=sendrecv\r\n"));
        let stream = negotiation.stream().unwrap();
        assert_eq!(stream.remote_rtcp, stream.remote);
        // Our next offer says so again; a party that has changed its mind gets its own port.
        assert!(
            String::from_utf8_lossy(&negotiation.offer(said(Direction::SendOnly)).unwrap())
                .contains("rtcp-mux")
        );
        negotiation.received_answer(PARTY).unwrap();
        assert_eq!(negotiation.stream().unwrap().remote_rtcp, None);
        let mut plain = Negotiation::new(LOCAL);
        assert!(
            !String::from_utf8_lossy(&plain.offer(said(Direction::SendRecv)).unwrap()).contains("rtcp-mux")
        );
    }
}
