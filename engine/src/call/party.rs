//! One party of a call: its session, its media leg and what was agreed with it.

#[cfg(feature = "serde")]
mod view;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smol_str::SmolStr;
use telex_audio::codec::Encoding;

use super::account::Origin;
use super::dial::Routes;
use super::identity::Diversion;
use crate::border::{Action, Flow};
use crate::config::{Config, DigitsBy};
use crate::cx::{Cx, LegKey};
use crate::dialog::Digit;
use crate::event::{Event, Side};
use crate::limits;
use crate::mediactl::{
    Accepted, DigitWay, Digits, Handover, LegId, LegSpec, LegStats, MediaCommand, Play, PortId, Press,
    Presses, Revision, RoomId, ShardId,
};
use crate::offer::{
    self, Audio, Codec, Description, Direction, Local, Negotiation, OfferError, OutOfTurn, Ptime, Repertoire,
    Said, State, Stream,
};
use crate::planted::Fault;
use crate::sip::Status;
use crate::time::{Duration, WallTime};

/// A party of a call.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Party {
    /// Its session; `None` before it is asked and after it has gone.
    pub(crate) leg: Option<LegKey>,
    /// Its extension.
    pub(crate) extension: SmolStr,
    /// Its contact URI, or the caller's address, for people.
    pub(crate) contact: SmolStr,
    /// Where its signalling comes from.
    pub(crate) near: Option<IpAddr>,
    /// Its media leg.
    pub(crate) media: MediaLeg,
    /// What was offered and answered.
    session: Negotiation,
    /// The last answer, ours or its, came with a provisional response; the final one may be another.
    provisional: bool,
    /// The only encodings of speech it is to use.
    codecs: Option<Vec<Encoding>>,
    /// It is the only phone of its extension that is asked.
    pub(crate) alone: bool,
    /// How to ask it again, when it was offered less than there is, by what it named before.
    pub(crate) again: Option<(Flow, Routes)>,
    /// How digits reach it.
    pub(crate) digits: DigitsBy,
    /// It came from another call, with what was agreed there.
    pub(crate) joined: bool,
    /// Keys that the exchange presses into its ear.
    presses: Presses,
    /// It wants to hear nothing, and wanted to before.
    pub(crate) has_put_on_hold: bool,
    /// When it was asked; of the caller, when it called.
    pub(crate) asked: WallTime,
    /// When its session was over.
    pub(crate) left: Option<WallTime>,
    /// When it was connected.
    pub(crate) answered: Option<WallTime>,
    /// Its final response, when it refused.
    pub(crate) refused: Option<Status>,
    /// The call of its own from which it has joined this one.
    pub(crate) origin: Option<Box<Origin>>,
    /// It has said that it rings.
    pub(crate) rang: bool,
    /// It does not want to be shown.
    pub(crate) private: bool,
    /// Who sent the call on to it, the last first.
    pub(super) diversions: Vec<Diversion>,
    /// To of its INVITE, a name-addr; empty for what the caller's INVITE says.
    pub(super) to: SmolStr,
}

/// The media side of a party.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct MediaLeg {
    /// Its name.
    pub(crate) id: LegId,
    /// Our port, and the shard that has it.
    pub(crate) port: PortId,
    pub(crate) shard: ShardId,
    /// Whether it is on its way to another shard, and what it takes along from the last one.
    pub(crate) moving: Moving,
    pub(crate) handover: Option<Handover>,
    /// What it carried on shards before.
    pub(crate) before: LegStats,
    /// What it carried for other calls, which their records tell.
    pub(crate) elsewhere: LegStats,
    /// Whether the port is still ours.
    pub(crate) held: bool,
    /// Whether the shard knows it; then it must be dropped there.
    pub(crate) put: bool,
    /// Revision of the last put.
    pub(crate) rev: Revision,
    /// Whether silence is reported.
    pub(crate) watched: bool,
    /// What it carried so far, as far as that was told.
    pub(crate) stats: LegStats,
}

/// Whether a media leg is on its way to another shard.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Moving {
    /// It is where it is.
    #[default]
    No,
    /// To this one. What is wanted of it there, or elsewhere, is put when it has come.
    To(ShardId, Box<(ShardId, RoomId, Wish)>),
    /// To this one, and nobody needs it any more.
    Gone(ShardId),
}

/// What a party's media leg shall do beside what was agreed with the party.
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Wish {
    /// Payload types it may send, and what can be done with them.
    pub(crate) accept: Vec<Accepted>,
    /// What it hears from us.
    pub(crate) playing: Option<Play>,
    /// How long it may be silent.
    pub(crate) silence: Option<Duration>,
    /// Its key presses are told to signalling, which passes them on.
    pub(crate) report: bool,
    /// Its key presses are looked for in its sound if it does not send them as events.
    pub(crate) tones: bool,
    /// Its key presses reach nobody by media: signalling passes on what it has no use of.
    pub(crate) keep: bool,
}

impl Party {
    /// A party reached at `address`, with a port of ours.
    pub(crate) fn new(
        contact: SmolStr,
        id: LegId,
        (shard, port): (ShardId, PortId),
        address: IpAddr,
        session_id: u64,
    ) -> Self {
        Self {
            leg: None,
            extension: SmolStr::default(),
            contact,
            near: None,
            media: MediaLeg {
                id,
                port,
                shard,
                moving: Moving::No,
                handover: None,
                before: LegStats::default(),
                elsewhere: LegStats::default(),
                held: true,
                put: false,
                rev: 0,
                watched: false,
                stats: LegStats::default(),
            },
            session: Negotiation::new(Local { address, port: port.0, session_id, version: 1 }),
            provisional: false,
            codecs: None,
            alone: false,
            again: None,
            digits: DigitsBy::Auto,
            joined: false,
            presses: Presses::default(),
            has_put_on_hold: false,
            asked: WallTime::default(),
            left: None,
            answered: None,
            refused: None,
            origin: None,
            rang: false,
            private: false,
            diversions: Vec::new(),
            to: SmolStr::default(),
        }
    }

    /// It is this extension: takes over what is configured for it.
    pub(crate) fn configured(mut self, config: &Config, extension: &SmolStr) -> Self {
        self.extension = extension.clone();
        if let Some(phone) = config.phones.get(extension) {
            (self.codecs, self.digits) = (phone.codecs.clone(), phone.digits);
        }
        self
    }

    /// What may be spoken with this party beside what another names.
    pub(crate) fn repertoire(&self, config: &Config) -> Repertoire {
        let codecs = self.codecs.as_ref().unwrap_or(&config.codecs);
        Repertoire::new(codecs, config.transcode, config.suppress_silence)
    }

    /// Whether it is kept to some encodings.
    pub(crate) fn is_restricted(&self) -> bool {
        self.codecs.is_some()
    }

    /// Leaves out speech that the party is not to use.
    pub(crate) fn allowed(&self, codecs: &[Codec]) -> Vec<Codec> {
        let allowed = |codec: &Codec| {
            let Some(only) = self.codecs.as_ref().filter(|_| codec.is_speech()) else { return true };
            codec.encoding().is_some_and(|known| only.contains(&known))
        };
        codecs.iter().filter(|codec| allowed(codec)).cloned().collect()
    }

    /// What to offer it on behalf of a party that named `theirs`. `known` is what it named itself before.
    pub(crate) fn offer_for(&self, config: &Config, theirs: &[Codec], known: Option<&[Codec]>) -> Vec<Codec> {
        let known = known.map(|known| self.allowed(known));
        self.allowed(&self.repertoire(config).offer_for(theirs, known.as_deref()))
    }

    /// Our descriptions name this address from now on. Nothing must have been said yet.
    pub(crate) fn reached_at(&mut self, address: IpAddr) {
        self.session = Negotiation::new(Local { address, ..*self.session.local() });
    }

    /// Our address in descriptions.
    pub(crate) fn address(&self) -> IpAddr {
        self.session.local().address
    }

    /// Takes in an offer of the party's; [`Party::answer`] or [`Party::refuse`] must follow.
    pub(crate) fn offered(&mut self, mut offer: Description) -> Result<(), OutOfTurn> {
        if let Some(only) = &self.codecs {
            offer.restrict(only);
        }
        self.session.take_offer(offer)
    }

    /// Refuses the open offer, or gives up on an answer to ours. What was agreed before holds.
    pub(crate) fn refuse(&mut self) {
        self.session.withdraw();
    }

    /// Reads the answer to our offer. One in a provisional response may be followed by another.
    pub(crate) fn answered(&mut self, body: &[u8], provisional: bool) -> Result<(), OfferError> {
        if self.provisional {
            self.session.reopen();
        }
        let read = self.session.received_answer(body).map(drop);
        if read.is_ok() {
            self.provisional = provisional;
        } else if self.has_spoken() {
            self.session.withdraw();
        }
        read
    }

    /// Reads the answer to an offer that repeated our last description. True when the party says something new.
    pub(crate) fn refreshed(&mut self, body: &[u8]) -> bool {
        let before = self.session.changes();
        let Some(said) = self.session.said().cloned() else { return false };
        let offered = self.session.offer(said).is_ok();
        offered && self.answered(body, false).is_ok() && self.session.changes() != before
    }

    /// Writes an offer with these codecs.
    pub(crate) fn offer(&mut self, codecs: Vec<Codec>, ptime: Ptime) -> Result<Bytes, OutOfTurn> {
        self.session.offer(Said { codecs, direction: Direction::SendRecv, ptime })
    }

    /// Writes the answer to the party's last offer. One in a provisional response may be followed by another.
    pub(crate) fn answer(&mut self, codecs: Vec<Codec>, provisional: bool) -> Result<Bytes, OutOfTurn> {
        if self.provisional {
            self.session.reopen();
        }
        self.provisional = provisional;
        let ptime = self.ptime();
        self.session.answer(Said { codecs, direction: Direction::SendRecv, ptime })
    }

    /// Whether the party has described its side.
    pub(crate) fn has_spoken(&self) -> bool {
        self.session.heard().is_some()
    }

    /// Whether the party owes us an answer.
    pub(crate) fn is_asked(&self) -> bool {
        self.session.state() == State::LocalOffer
    }

    /// Whether there is audio to be heard or spoken.
    pub(crate) fn is_usable(&self) -> bool {
        self.session.stream().is_some_and(|stream| stream.audio.is_some())
    }

    fn their_audio(&self) -> Option<&Audio> {
        self.session.heard().and_then(Description::audio)
    }

    /// Codecs the party named last.
    pub(crate) fn their_codecs(&self) -> &[Codec] {
        self.their_audio().map_or(&[], |audio| &audio.codecs)
    }

    /// Codecs we named last.
    pub(crate) fn our_codecs(&self) -> &[Codec] {
        self.session.said().map_or(&[], |said| &said.codecs)
    }

    /// Codecs that both named last, in our order.
    pub(crate) fn agreed_codecs(&self) -> Vec<Codec> {
        let theirs = self.their_codecs();
        let both = |codec: &&Codec| theirs.iter().any(|their| their.name.eq_ignore_ascii_case(&codec.name));
        self.our_codecs().iter().filter(both).cloned().collect()
    }

    /// What it may be expected to send: all that was agreed with it, where one codec is turned into another; otherwise
    /// only the speech that it sends now, which nobody asks it to change when it comes to talk with somebody else.
    pub(crate) fn codecs_in_use(&self, transcode: bool) -> Vec<Codec> {
        let mut codecs = self.agreed_codecs();
        if let Some(now) = self.codec().filter(|_| !transcode) {
            codecs.retain(|codec| !codec.is_speech() || codec.name.eq_ignore_ascii_case(&now.name));
        }
        codecs
    }

    /// Packet times the party asks for.
    pub(crate) fn ptime(&self) -> Ptime {
        self.their_audio().map(|audio| audio.ptime).unwrap_or_default()
    }

    /// Whether the party wants to hear nothing.
    pub(crate) fn holds(&self) -> bool {
        self.session.stream().is_some_and(|stream| !stream.send)
    }

    /// Whether the party sends nothing by its own word.
    pub(crate) fn is_mute(&self) -> bool {
        self.session.stream().is_some_and(|stream| !stream.receive)
    }

    /// The codec in use.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.session.codec()
    }

    /// Payload types the party may send, and their numbers for `other`.
    pub(crate) fn relay_to(&self, other: &Self) -> Vec<Accepted> {
        self.session.relay_to(&other.session)
    }

    /// What a record says of it, and nothing else: it goes on in another call.
    pub(crate) fn stub(&self) -> Self {
        let MediaLeg { id, port, shard, .. } = self.media;
        let mut stub = Self::new(self.contact.clone(), id, (shard, port), self.address(), 0);
        (stub.media.held, stub.media.stats) = (false, self.media.stats);
        stub.extension = self.extension.clone();
        stub.private = self.private;
        (stub.asked, stub.answered) = (self.asked, self.answered);
        stub
    }

    /// Whether the sound of each can be brought to the other.
    pub(crate) fn can_talk_with(&self, other: &Self, transcode: bool) -> bool {
        let (Some(ours), Some(theirs)) = (self.codec(), other.codec()) else { return false };
        let known = ours.encoding().is_some() && theirs.encoding().is_some();
        transcode && known || ours.name.eq_ignore_ascii_case(&theirs.name)
    }

    /// Brings the shard to what was agreed. A leg that has its port on another shard is sent for first.
    pub(crate) fn put(&mut self, cx: &mut Cx<'_>, shard: ShardId, room: RoomId, wish: Wish) {
        let Some(wish) = self.media.here(cx, shard, room, wish) else { return };
        let stream = self.session.stream().unwrap_or(SILENT);
        let silence = wish.silence.filter(|_| stream.receive);
        let spec = LegSpec {
            remote: stream.remote,
            remote_rtcp: stream.remote_rtcp,
            near: self.near,
            send: stream.send || cx.planted.is(Fault::HoldNotHonoured),
            receive: stream.receive,
            audio: stream.audio,
            events: stream.events,
            noise: stream.noise.filter(|_| cx.config.suppress_silence),
            accept: wish.accept,
            ptime: stream.ptime,
            playing: wish.playing,
            digits: Digits {
                report: wish.report,
                keep: wish.keep,
                tones: wish.tones && stream.events.is_none(),
                way: self.digit_way(stream.events.is_some()),
            },
            presses: self.presses.clone(),
            latch: self.session.changes(),
            silence,
            resume: self.media.handover,
            ..LegSpec::new(room, self.media.port)
        };
        self.media.put = true;
        self.media.rev += 1;
        self.media.watched = silence.is_some();
        let (leg, rev) = (self.media.id, self.media.rev);
        let command = MediaCommand::PutLeg { leg, rev, spec: Box::new(spec) };
        cx.out.push(Action::Media { shard, command });
    }

    /// How digits reach the party, which takes events or not.
    fn digit_way(&self, events: bool) -> DigitWay {
        match self.digits {
            DigitsBy::Auto if events => DigitWay::Events,
            DigitsBy::Auto | DigitsBy::Tones => DigitWay::Tones,
            DigitsBy::Info => DigitWay::Nothing,
        }
    }

    /// Whether the party takes key presses as events.
    pub(crate) fn takes_events(&self) -> bool {
        self.session.stream().is_some_and(|stream| stream.events.is_some())
    }

    /// Presses a key into the party's ear with the next [`Party::put`]. What nobody could follow is not pressed.
    pub(crate) fn press(&mut self, digit: Digit) {
        if self.presses.keys.len() < limits::PRESSES {
            let ms = u16::try_from(digit.length.as_millis()).unwrap_or(u16::MAX);
            self.presses.keys.push(Press { digit: digit.key, ms });
        }
    }

    /// The keys before this number have been pressed.
    pub(crate) fn pressed(&mut self, next: u32) {
        let done = next.saturating_sub(self.presses.first).min(self.presses.keys.len() as u32);
        self.presses.keys.drain(..done as usize);
        self.presses.first += done;
    }

    /// Tells people what the party said.
    pub(crate) fn tell_heard(&self, cx: &mut Cx<'_>, call: u64, side: Side, offer: bool) {
        let audio = self.their_audio();
        cx.report(Event::Description {
            call,
            side,
            offer,
            received: true,
            codecs: offer::describe(self.their_codecs()),
            address: audio.map(|audio| audio.address),
            direction: audio.map_or(Direction::Inactive, |audio| audio.direction).as_str().into(),
        });
    }

    /// Tells people what the party was told.
    pub(crate) fn tell_said(&self, cx: &mut Cx<'_>, call: u64, side: Side, offer: bool) {
        let local = self.session.local();
        cx.report(Event::Description {
            call,
            side,
            offer,
            received: false,
            codecs: offer::describe(self.our_codecs()),
            address: Some(SocketAddr::new(local.address, local.port)),
            direction: self.session.said().map_or(Direction::Inactive, |said| said.direction).as_str().into(),
        });
    }
}

/// What a leg does before there is an agreement.
const SILENT: Stream = Stream {
    remote: None,
    remote_rtcp: None,
    send: false,
    receive: false,
    audio: None,
    events: None,
    noise: None,
    ptime: 20,
};
