//! What a recording has of media: run again, and shown at a moment.

use std::fmt::Write as _;
use std::ops::Range;

use crate::sounds;
use telex_engine::media::LegView;
use telex_engine::mediactl::{LegId, RoomMode};
use telex_engine::time::Instant;
use telex_replay::{MediaEntry, MediaReplayError, MediaReplayer, MediaTally, Recording, Told, Track, words};

/// Packets of a leg that are shown, each way.
const PACKETS: usize = 3;

/// Runs every media machine to the end of what was recorded.
pub(in crate::cli) fn run_media(recording: &Recording) -> Result<Vec<MediaTally>, MediaReplayError> {
    recording
        .media
        .iter()
        .map(|track| Ok(MediaReplayer::new(track, sounds::builtin()).run()?.clone()))
        .collect()
}

/// What such a run has shown, for machines.
pub(in crate::cli) fn tally_json(tally: &MediaTally) -> serde_json::Value {
    serde_json::json!({
        "shard": tally.shard.0,
        "inputs": tally.inputs,
        "kinds": tally.kinds,
        "sounds_not_known": tally.hollow,
        "outputs": tally.outputs,
        "identical": tally.identical,
        "first_difference": tally.difference.as_ref().map(|difference| serde_json::json!({
            "input": difference.entry, "text": difference.to_string(),
        })),
    })
}

/// The media of a recording, on its way to the moments that are asked for.
#[derive(Debug)]
pub(super) struct Media<'a> {
    recording: &'a Recording,
    replayers: Vec<MediaReplayer<'a>>,
    /// How far they are.
    at: (Range<u64>, Instant),
}

/// What was known of a leg at a moment.
#[derive(Debug)]
pub(super) struct Known {
    /// Where to find its packets.
    track: usize,
    /// The number of the entry that comes next.
    next: usize,
    /// What it was like.
    pub(super) view: LegView,
}

impl<'a> Media<'a> {
    /// At its beginning.
    pub(super) fn new(recording: &'a Recording) -> Self {
        Self { recording, replayers: Vec::new(), at: (0..0, Instant::ZERO) }
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.recording.media.is_empty()
    }

    /// All legs at the moment `now`, which comes before the input of signalling of that number.
    pub(super) fn legs(&mut self, position: usize, now: Instant) -> Result<Vec<Known>, MediaReplayError> {
        let life = self.life(position);
        // It only goes forwards.
        if self.replayers.is_empty() || self.at.0 != life || self.at.1 > now {
            self.replayers = self
                .recording
                .media
                .iter()
                .map(|track| MediaReplayer::new(track, sounds::builtin()))
                .collect();
        }
        self.at = (life, now);
        let mut known = Vec::new();
        for (track, replayer) in self.replayers.iter_mut().enumerate() {
            let views: Vec<LegView> = match replayer.until(&self.at.0, now)? {
                Some(machine) => machine.views().collect(),
                None => Vec::new(),
            };
            let next = replayer.position();
            known.extend(views.into_iter().map(|view| Known { track, next, view }));
        }
        Ok(known)
    }

    /// The inputs of signalling between which the machine lives that is to be handed the input of this number.
    fn life(&self, position: usize) -> Range<u64> {
        let starts = || self.recording.starts.iter().map(|(at, _)| *at);
        // A machine that was handed nothing yet is not the one that is looked at.
        let begun = starts().filter(|at| *at < position.max(1)).max().unwrap_or(0);
        let end = starts().filter(|at| *at > begun).min().map_or(u64::MAX, |at| at as u64);
        begun as u64..end
    }

    /// A leg in lines, with its latest packets.
    pub(super) fn leg(&self, known: &Known, now: Instant) -> String {
        let mut out = String::new();
        let view = &known.view;
        let mode = match view.mode {
            Some(RoomMode::Relay) => "relay",
            Some(RoomMode::Echo) => "echo",
            Some(RoomMode::Mix) => "mix",
            None => "gone",
        };
        let (room, ssrc) = (view.room.0, view.ssrc);
        let to = view.sends_to.map_or_else(|| "nowhere".to_owned(), |remote| remote.to_string());
        let _ =
            writeln!(out, "      in room {room} ({mode}), sends to {to} as SSRC {ssrc:08x}{}", extras(view));
        let heard = match view.heard_from {
            None => "from nobody yet".to_owned(),
            Some((remote, ssrc)) => format!(
                "from {remote}, SSRC {ssrc:08x}, last {} ago{}",
                words::exact(now.since(view.last_received)),
                if view.silent { ", its silence was reported" } else { "" }
            ),
        };
        let _ = writeln!(out, "      heard {heard}");
        let s = &view.stats;
        let _ = writeln!(
            out,
            "      received {} packets ({} octets), sent {} ({}), lost {}, jitter {} ms, refused {}, not understood {}",
            s.received,
            s.received_octets,
            s.sent,
            s.sent_octets,
            s.lost,
            millis(s.jitter_us),
            s.refused,
            s.unknown
        );
        if s.played_ms > 0 {
            let (delay, played, concealed, late) = (s.playout_delay_ms, s.played_ms, s.concealed_ms, s.late);
            let _ = writeln!(
                out,
                "      decoded: {played} ms played, {concealed} ms of it concealed, {late} packets too late, {delay} ms behind"
            );
        }
        if s.round_trip_us > 0 || s.remote_lost > 0 || s.remote_jitter_us > 0 {
            let (lost, jitter, trip) = (s.remote_lost, millis(s.remote_jitter_us), millis(s.round_trip_us));
            let _ = writeln!(
                out,
                "      it says of our packets: {lost} lost, jitter {jitter} ms, round trip {trip} ms"
            );
        }
        if let Some(track) = self.recording.media.get(known.track) {
            latest(&mut out, track, known, now);
        }
        out
    }
}

fn extras(view: &LegView) -> String {
    let mut text = String::new();
    if let Some(audio) = view.audio {
        let name = audio.encoding.map_or("relayed", |encoding| encoding.properties().name);
        let _ = write!(text, ", payload type {} {name}/{}", audio.number, audio.clock);
    }
    if view.playing {
        text.push_str(", something is played to it");
    }
    text
}

/// Milliseconds with one decimal.
fn millis(micros: u32) -> String {
    format!("{}.{}", micros / 1000, micros / 100 % 10)
}

/// The latest packets from and to a leg.
fn latest(out: &mut String, track: &Track, known: &Known, now: Instant) {
    let port = known.view.port.0;
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for entry in (0..known.next).rev().filter_map(|n| track.entry(n)) {
        if received.len() >= PACKETS && sent.len() >= PACKETS || put(&entry, known.view.leg) {
            break;
        }
        let ago = words::exact(now.since(entry.now));
        if let Told::Packet { port: at, .. } | Told::Headers { port: at, .. } = &entry.told
            && at & !1 == port
            && received.len() < PACKETS
        {
            received.push(format!("      {ago} ago received {}\n", words::told(&entry.told)));
        }
        for packet in entry.packets.iter().rev().filter(|packet| packet.port & !1 == port) {
            if sent.len() < PACKETS {
                sent.push(format!(
                    "      {ago} ago sent {} to {}\n",
                    words::rtp(packet.bytes),
                    packet.remote
                ));
            }
        }
    }
    received.iter().rev().chain(sent.iter().rev()).for_each(|line| out.push_str(line));
}

/// Whether the leg came into being here: what is before it was another's.
fn put(entry: &MediaEntry<'_>, leg: LegId) -> bool {
    use telex_engine::mediactl::MediaCommand::PutLeg;
    matches!(&entry.told, Told::Command(PutLeg { leg: named, rev, .. }) if *named == leg && *rev <= 1)
}
