//! One party of a call: its session, its media leg and what was agreed with it.

use std::net::IpAddr;

use bytes::Bytes;
use smol_str::SmolStr;

use crate::border::Action;
use crate::cx::{Cx, LegKey};
use crate::event::{Event, Side};
use crate::mediactl::{
    LegId, LegSpec, LegStats, MediaCommand, PayloadMap, Playing, PortId, Revision, RoomId, Security, ShardId,
};
use crate::offer::{self, Codec, Description, Direction, Layout, Local, OfferError, Ptime};
use crate::time::Duration;

/// A party of a call.
#[derive(Debug)]
pub(crate) struct Party {
    /// Its session; `None` before it is asked and after it has gone.
    pub(crate) leg: Option<LegKey>,
    /// Its contact URI, or the caller's address, for people.
    pub(crate) contact: SmolStr,
    /// Where its signalling comes from.
    pub(crate) near: Option<IpAddr>,
    /// Its media leg.
    pub(crate) media: MediaLeg,
    /// Facts of our descriptions to it.
    pub(crate) local: Local,
    /// Its streams, in the order that stays.
    layout: Layout,
    /// Our last description to it.
    written: Bytes,
    /// Codecs in our last description to it.
    pub(crate) ours: Vec<Codec>,
    /// Its last description.
    pub(crate) theirs: Option<Description>,
    /// The direction agreed, as it sees it.
    pub(crate) direction: Direction,
}

/// The media side of a party.
#[derive(Debug)]
pub(crate) struct MediaLeg {
    /// Its name.
    pub(crate) id: LegId,
    /// Our port.
    pub(crate) port: PortId,
    /// Whether the shard knows it; then it must be dropped there.
    pub(crate) put: bool,
    /// Revision of the last put.
    pub(crate) rev: Revision,
    /// Count of descriptions that may have changed its address.
    latch: u32,
    /// Whether silence is reported.
    pub(crate) watched: bool,
    /// What it carried, once dropped.
    pub(crate) stats: LegStats,
}

/// What a party's media leg shall do beside what was agreed with the party.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Payload types it may send, and their numbers on the other leg.
    pub(crate) accept: Vec<PayloadMap>,
    /// What it hears from us.
    pub(crate) playing: Option<Playing>,
    /// How long it may be silent.
    pub(crate) silence: Option<Duration>,
}

impl Party {
    /// A party reached at `address`, with a port of ours.
    pub(crate) fn new(contact: SmolStr, id: LegId, port: PortId, address: IpAddr, session_id: u64) -> Self {
        Self {
            leg: None,
            contact,
            near: None,
            media: MediaLeg {
                id,
                port,
                put: false,
                rev: 0,
                latch: 0,
                watched: false,
                stats: LegStats::default(),
            },
            local: Local { address, port: port.0, session_id, version: 1 },
            layout: Layout::default(),
            written: Bytes::new(),
            ours: Vec::new(),
            theirs: None,
            direction: Direction::SendRecv,
        }
    }

    /// Takes in an offer of the party's.
    pub(crate) fn offered(&mut self, offer: Description) {
        self.layout = offer.layout().clone();
        self.heard(offer);
    }

    /// Reads the answer to our offer.
    pub(crate) fn answered(&mut self, body: &[u8]) -> Result<(), OfferError> {
        let answer = offer::read_answer(body, &self.layout)?;
        let audio = answer.audio().ok_or(OfferError::NoAudio)?;
        if offer::choose(&self.ours, &audio.codecs).is_empty() {
            return Err(OfferError::NoCommonCodec);
        }
        self.direction = audio.direction;
        self.heard(answer);
        Ok(())
    }

    fn heard(&mut self, description: Description) {
        // A copy of what was said before lets nobody take over the stream.
        if self.theirs.as_ref() != Some(&description) {
            self.media.latch += 1;
        }
        self.theirs = Some(description);
    }

    /// Writes an offer with these codecs. What is the same as before is the same edition (RFC 3264 §8).
    pub(crate) fn offer(&mut self, codecs: Vec<Codec>, direction: Direction, ptime: Ptime) -> Bytes {
        let layout = self.layout.clone();
        self.direction = direction.reversed();
        self.write(codecs, |local, codecs| offer::write_reoffer(local, &layout, codecs, direction, ptime))
    }

    /// Writes the answer to the party's last offer.
    pub(crate) fn answer(&mut self, codecs: Vec<Codec>) -> Bytes {
        let Some(theirs) = self.theirs.clone() else { return Bytes::new() };
        let Some(audio) = theirs.audio() else { return Bytes::new() };
        let (direction, ptime) = (audio.direction.reversed(), audio.ptime);
        self.direction = audio.direction;
        self.write(codecs, |local, codecs| offer::write_answer(local, &theirs, codecs, direction, ptime))
    }

    fn write(&mut self, codecs: Vec<Codec>, write: impl Fn(&Local, &[Codec]) -> Bytes) -> Bytes {
        let mut body = write(&self.local, &codecs);
        if !self.written.is_empty() && body != self.written {
            self.local.version += 1;
            body = write(&self.local, &codecs);
        }
        self.ours = codecs;
        self.written = body.clone();
        body
    }

    /// Codecs the party named last.
    pub(crate) fn their_codecs(&self) -> &[Codec] {
        self.theirs.as_ref().and_then(Description::audio).map_or(&[], |audio| &audio.codecs)
    }

    /// Packet times the party asks for.
    pub(crate) fn ptime(&self) -> Ptime {
        self.theirs.as_ref().and_then(Description::audio).map(|audio| audio.ptime).unwrap_or_default()
    }

    /// Whether the party wants to hear nothing.
    pub(crate) fn holds(&self) -> bool {
        !self.direction.receives()
    }

    /// The codec in use: the first of the party's that we named, too.
    pub(crate) fn speech(&self) -> Option<Codec> {
        let common = offer::choose(self.their_codecs(), &self.ours);
        offer::speech(&common).cloned()
    }

    /// Brings the shard to what was agreed.
    pub(crate) fn put(&mut self, cx: &mut Cx<'_>, shard: ShardId, room: RoomId, wish: Wish) {
        let audio = self.theirs.as_ref().and_then(Description::audio);
        let speech = self.speech();
        let events = speech.as_ref().and_then(|speech| offer::events(&self.ours, speech));
        let receive = self.direction.sends() && audio.is_some();
        let silence = wish.silence.filter(|_| receive);
        let spec = LegSpec {
            room,
            port: self.media.port,
            remote: audio.and_then(|audio| audio.remote()),
            remote_rtcp: audio.and_then(|audio| audio.rtcp),
            near: self.near,
            send: self.direction.receives(),
            receive,
            audio: speech.as_ref().map(Codec::payload),
            events: events.map(Codec::payload),
            accept: wish.accept,
            ptime: self.ptime().produced(),
            playing: wish.playing,
            latch: self.media.latch,
            silence,
            security: Security::Plain,
            resume: None,
        };
        self.media.put = true;
        self.media.rev += 1;
        self.media.watched = silence.is_some();
        let (leg, rev) = (self.media.id, self.media.rev);
        let command = MediaCommand::PutLeg { leg, rev, spec: Box::new(spec) };
        cx.out.push(Action::Media { shard, command });
    }

    /// Tells people what the party said, or was told.
    pub(crate) fn tell(&self, cx: &mut Cx<'_>, call: u64, side: Side, offer: bool, received: bool) {
        let audio = self.theirs.as_ref().and_then(Description::audio).filter(|_| received);
        let local = std::net::SocketAddr::new(self.local.address, self.local.port);
        let event = Event::Description {
            call,
            side,
            offer,
            received,
            codecs: offer::describe(audio.map_or(&self.ours, |audio| &audio.codecs)),
            address: if received { audio.map(|audio| audio.address) } else { Some(local) },
            direction: if received { self.direction } else { self.direction.reversed() }.as_str(),
        };
        cx.report(event);
    }
}
