//! A stand-in for the media machines: it knows what each party would hear and says when a prompt has ended, and no
//! sound is made.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use telex_audio::tone::{Plan, Signal};
use telex_engine::mediactl::{
    DigitHeard, LegId, LegSpec, LegStats, Library, MediaCommand, MediaReport, Piece, Play, Playing, PortId,
    Resume, RoomId, RoomMode, RoomSpec,
};
use telex_engine::time::Instant;

/// The first RTP port.
const FIRST_PORT: u16 = 10_000;
/// Keys are held for so long, in milliseconds.
const HELD_MS: u32 = 100;

/// All legs and rooms.
#[derive(Debug)]
pub(super) struct Media {
    legs: BTreeMap<LegId, Leg>,
    rooms: BTreeMap<RoomId, RoomSpec>,
    sounds: Arc<Library>,
    country: SmolStr,
    next_port: u16,
    /// What signalling is to be told.
    pub(super) reports: VecDeque<MediaReport>,
}

#[derive(Debug)]
struct Leg {
    rev: u32,
    spec: LegSpec,
    playing: Option<Running>,
    /// Number of the key that is pressed into it next.
    next_key: u32,
    /// Keys that it heard.
    keys: String,
}

/// Prompts being played.
#[derive(Debug)]
struct Running {
    number: u32,
    since: Instant,
    /// Each with the time at which it ends; a pause has no name.
    pieces: Vec<(Duration, Option<SmolStr>)>,
    repeat: bool,
}

/// What somebody hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    #[default]
    Nothing,
    /// A pause between prompts.
    Pause,
    /// A prompt.
    Prompt(SmolStr),
    /// Music of a class.
    Music(SmolStr),
    /// That it rings elsewhere.
    Ringback,
    /// A tone, by its name.
    Tone(&'static str),
    /// Itself.
    Itself,
    /// Others, by where they receive their media; they hear it as well when they are told apart as `true`.
    Others(Vec<(SocketAddr, bool)>),
}

impl Media {
    /// Nothing is going on, and some ports are bound.
    pub(super) fn new(sounds: Arc<Library>, country: SmolStr) -> Self {
        let mut media = Self {
            legs: BTreeMap::new(),
            rooms: BTreeMap::new(),
            sounds,
            country,
            next_port: FIRST_PORT,
            reports: VecDeque::new(),
        };
        media.bind(64);
        media
    }

    fn bind(&mut self, count: u16) {
        let mut ports = Vec::new();
        while ports.len() < usize::from(count) && self.next_port < u16::MAX - 2 {
            ports.push(PortId(self.next_port));
            self.next_port += 2;
        }
        self.reports.push_back(MediaReport::Ports { ports });
    }

    /// Does what signalling wants.
    pub(super) fn command(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::WantPorts { count } => self.bind(count),
            MediaCommand::PutRoom { room, spec, .. } => {
                let before = self.rooms.insert(room, spec);
                self.recorded(room, before);
            }
            MediaCommand::DropRoom { room } => {
                let before = self.rooms.remove(&room);
                self.recorded(room, before);
            }
            MediaCommand::PutLeg { leg, rev, spec } => self.put(now, leg, rev, *spec),
            // There is one shard, so nothing goes to another.
            MediaCommand::GiveLeg { leg, .. } => {
                let (stats, resume) = (LegStats::default(), None);
                self.reports.push_back(MediaReport::Given { leg, stats, resume });
            }
            MediaCommand::DropLeg { leg } => {
                self.legs.remove(&leg);
                let resume = Resume { ssrc: 0, sequence: 0, timestamp: 0 };
                self.reports.push_back(MediaReport::Dropped { leg, stats: LegStats::default(), resume });
            }
        }
    }

    /// Recordings that are not wanted any more have ended.
    fn recorded(&mut self, room: RoomId, before: Option<RoomSpec>) {
        let wanted = self.rooms.get(&room).map_or(&[][..], |spec| &spec.recordings);
        let gone = before.into_iter().flat_map(|spec| spec.recordings);
        let gone = gone.filter(|old| wanted.iter().all(|recording| recording.id != old.id));
        let ended = gone.map(|old| MediaReport::Recorded { room, recording: old.id, samples: 0, missing: 0 });
        self.reports.extend(ended);
    }

    fn put(&mut self, now: Instant, id: LegId, rev: u32, spec: LegSpec) {
        let before = self.legs.remove(&id);
        let same = before.as_ref().is_some_and(|leg| leg.spec.playing == spec.playing);
        let (playing, mut next_key, mut keys) =
            before.map_or((None, 0, String::new()), |leg| (leg.playing, leg.next_key, leg.keys));
        let playing = match &spec.playing {
            Some(_) if same => playing,
            Some(play) => self.begin(now, id, rev, play),
            None => None,
        };
        let end = spec.presses.first + u32::try_from(spec.presses.keys.len()).unwrap_or(0);
        if end > next_key {
            let new = spec.presses.keys.iter().zip(spec.presses.first..).filter(|(_, n)| *n >= next_key);
            keys.extend(new.map(|(press, _)| press.digit));
            next_key = end;
            self.reports.push_back(MediaReport::Pressed { leg: id, rev, next: end });
        }
        self.legs.insert(id, Leg { rev, spec, playing, next_key, keys });
    }

    /// Begins to play, if it is something that has an end.
    fn begin(&mut self, now: Instant, leg: LegId, rev: u32, play: &Play) -> Option<Running> {
        let (language, pieces, repeat) = match &play.sound {
            Playing::Prompts { language, pieces, repeat } => (language, pieces, repeat),
            Playing::Tones(cadence) => {
                let pieces = vec![(Duration::from_millis(cadence.milliseconds()?), None)];
                return Some(Running { number: play.number, since: now, pieces, repeat: false });
            }
            Playing::Tone { .. } | Playing::Music(_) => return None,
        };
        let mut end = Duration::ZERO;
        let mut timed = Vec::new();
        for piece in pieces {
            let (length, name) = match piece {
                Piece::Pause(ms) => (u64::from(*ms), None),
                Piece::Prompt(name) => match self.sounds.find(language, name) {
                    Some(clip) => (clip.ms(), Some(name.clone())),
                    None => {
                        self.reports.push_back(MediaReport::NoSound { leg, rev, name: name.clone() });
                        (0, None)
                    }
                },
            };
            end += Duration::from_millis(length);
            timed.push((end, name));
        }
        Some(Running { number: play.number, since: now, pieces: timed, repeat: *repeat && !end.is_zero() })
    }

    /// When something has been played to its end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.legs.values().filter_map(|leg| leg.playing.as_ref()?.end()).min()
    }

    /// When somebody begins to hear the next piece, or has heard the last.
    pub(super) fn next_piece(&self, now: Instant) -> Option<Instant> {
        let running = self.legs.values().filter_map(|leg| leg.playing.as_ref());
        running
            .flat_map(|running| running.pieces.iter().map(|piece| running.since + piece.0))
            .filter(|at| *at > now)
            .min()
    }

    /// Says what has been played to its end.
    pub(super) fn wake(&mut self, now: Instant) {
        for (id, leg) in &mut self.legs {
            if leg.playing.as_ref().is_some_and(|running| running.end().is_some_and(|end| end <= now))
                && let Some(running) = leg.playing.take()
            {
                let (leg, rev, number) = (*id, leg.rev, running.number);
                self.reports.push_back(MediaReport::Played { leg, rev, number });
            }
        }
    }

    /// The leg of the party that receives its media here.
    fn leg(&self, party: SocketAddr) -> Option<(LegId, &Leg)> {
        self.legs.iter().find(|(_, leg)| leg.spec.remote == Some(party)).map(|(id, leg)| (*id, leg))
    }

    /// Whether the exchange hears keys of this party, or somebody else does.
    pub(super) fn takes_keys(&self, party: SocketAddr) -> bool {
        self.leg(party).is_some_and(|(_, leg)| leg.spec.receive)
    }

    /// A party presses a key.
    pub(super) fn press(&mut self, party: SocketAddr, digit: char) {
        let Some((id, leg)) = self.leg(party) else { return };
        let (rev, room, report) = (leg.rev, leg.spec.room, leg.spec.digits.report);
        if report {
            let (duration_ms, how) = (HELD_MS, DigitHeard::Event);
            self.reports.push_back(MediaReport::Digit { leg: id, rev, digit, duration_ms, how });
        } else if self.rooms.get(&room).is_some_and(|room| room.mode == RoomMode::Relay) {
            let others = self.legs.iter_mut().filter(|(other, leg)| **other != id && leg.spec.room == room);
            others.for_each(|(_, leg)| leg.keys.push(digit));
        }
    }

    /// The keys that a party has heard.
    pub(super) fn keys(&self, party: SocketAddr) -> &str {
        self.leg(party).map_or("", |(_, leg)| leg.keys.as_str())
    }

    /// What a party hears now.
    pub(super) fn hears(&self, now: Instant, party: SocketAddr) -> Heard {
        let Some((id, leg)) = self.leg(party).filter(|(_, leg)| leg.spec.send) else { return Heard::Nothing };
        if let Some(play) = leg.plays() {
            match &play.sound {
                Playing::Music(class) => return Heard::Music(class.clone()),
                Playing::Tones(cadence) => return self.tone(|signal| signal == cadence),
                Playing::Tone { .. } => return Heard::Tone("tone"),
                Playing::Prompts { .. } => {
                    if let Some(running) = &leg.playing {
                        return running.heard(now);
                    }
                }
            }
        }
        match self.rooms.get(&leg.spec.room).map(|room| room.mode) {
            Some(RoomMode::Echo) if leg.spec.receive => Heard::Itself,
            Some(RoomMode::Relay | RoomMode::Mix) => {
                let others = self.legs.iter().filter(|(other, _)| **other != id);
                let others = others.filter(|(_, other)| other.spec.room == leg.spec.room && other.speaks());
                let back = |other: &Leg| leg.speaks() && other.spec.send && other.is_free();
                let heard: Vec<_> =
                    others.filter_map(|(_, other)| Some((other.spec.remote?, back(other)))).collect();
                if heard.is_empty() { Heard::Nothing } else { Heard::Others(heard) }
            }
            _ => Heard::Nothing,
        }
    }

    fn tone(&self, is: impl Fn(&telex_audio::tone::Cadence) -> bool) -> Heard {
        let plan = Plan::of(&self.country).unwrap_or(&Plan::all()[0]);
        let known = [
            (Signal::Ringback, Heard::Ringback),
            (Signal::Busy, Heard::Tone("busy")),
            (Signal::Congestion, Heard::Tone("congestion")),
            (Signal::Dial, Heard::Tone("dial tone")),
            (Signal::Information, Heard::Tone("information")),
        ];
        let found = known.into_iter().find(|(signal, _)| is(&plan.cadence(*signal)));
        found.map_or(Heard::Tone("tone"), |(_, heard)| heard)
    }
}

impl Leg {
    /// What is played and has not come to its end.
    fn plays(&self) -> Option<&Play> {
        let ends = |sound: &Playing| match sound {
            Playing::Prompts { .. } => true,
            Playing::Tones(cadence) => cadence.milliseconds().is_some(),
            Playing::Tone { .. } | Playing::Music(_) => false,
        };
        self.spec.playing.as_ref().filter(|play| self.playing.is_some() || !ends(&play.sound))
    }

    /// Whether others may hear it: who is only paged has nothing accepted from it.
    fn speaks(&self) -> bool {
        self.spec.receive && !self.spec.accept.is_empty()
    }

    /// Nothing takes the place of what others say.
    fn is_free(&self) -> bool {
        self.plays().is_none_or(|play| play.over)
    }
}

impl Running {
    fn end(&self) -> Option<Instant> {
        let length = self.pieces.last().map_or(Duration::ZERO, |piece| piece.0);
        (!self.repeat).then_some(self.since + length)
    }

    fn heard(&self, now: Instant) -> Heard {
        let mut at = now.since(self.since);
        let length = self.pieces.last().map_or(Duration::ZERO, |piece| piece.0);
        if self.repeat && at >= length {
            let (at_ms, whole) = (at.as_millis(), length.as_millis().max(1));
            at = Duration::from_millis(u64::try_from(at_ms % whole).unwrap_or(0));
        }
        match self.pieces.iter().find(|piece| piece.0 > at) {
            Some((_, Some(name))) => Heard::Prompt(name.clone()),
            Some((_, None)) => Heard::Pause,
            None => Heard::Nothing,
        }
    }
}
