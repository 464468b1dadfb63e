//! What is cut out of the rings of media.
//!
//! The rings hold inputs and digests. Here the inputs are told again to the state they began upon, and the digests say
//! whether what comes out is what was sent then. Of one call only its rooms are taken: from the first command about
//! them on they are a machine of their own, which is told what concerns them and nothing else. What that machine does
//! is what the file says; where it is not what happened, a note says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use telex_engine::media::{MediaInput, MediaOut, MediaShard};
use telex_engine::mediactl::{LegId, Library, MediaCommand, MediaReport, RoomId};
use telex_engine::time::Instant;

use super::digest::Sum;
use super::ring::{Mark, Marks, MediaKept, Segment};
use super::told::Told;
use super::track::{MediaCheckpoint, MediaEntry, MediaStart, Track};
use crate::words;

/// The legs that are wanted; everything when it is `None`.
pub(crate) type Legs<'a> = Option<&'a BTreeSet<LegId>>;

/// Takes what is wanted out of what every machine kept, and says what its reader should know.
///
/// # Errors
/// When a state cannot be read back.
pub(crate) fn tracks(
    kept: &[MediaKept],
    wanted: Legs<'_>,
) -> Result<(Vec<Track>, Vec<String>), postcard::Error> {
    let (mut tracks, mut notes) = (Vec::new(), Vec::new());
    for one in kept {
        if let Some(refusal) = one.refusal {
            notes.push(format!("no media is kept by shard {} now: {refusal}", one.shard.0));
        }
        let run = latest_run(&one.segments);
        let Some((part, first)) = Part::find(run, wanted)? else { continue };
        let segments = run.get(first..).unwrap_or_default();
        let Some(cutter) = Cutter::new(one, segments, part)? else { continue };
        let (track, said) = cutter.run(segments)?;
        notes.extend(said);
        if !track.is_empty() {
            tracks.push(track);
        }
    }
    Ok((tracks, notes))
}

/// The latest segments that follow each other without a gap.
fn latest_run(segments: &[Arc<Segment>]) -> &[Arc<Segment>] {
    let told = |segment: &Segment| Marks(&segment.log).filter(|m| matches!(m, Mark::Told(..))).count() as u64;
    let gap = segments.windows(2).rposition(|pair| match pair {
        [one, next] => one.step + told(one) != next.step,
        _ => false,
    });
    segments.get(gap.map_or(0, |n| n + 1)..).unwrap_or_default()
}

/// What of a machine is wanted.
#[derive(Debug, Default)]
struct Part {
    /// Everything, whatever the sets say.
    all: bool,
    legs: BTreeSet<LegId>,
    rooms: BTreeSet<RoomId>,
    /// Some of it was there before the first segment.
    began_before: bool,
}

impl Part {
    /// What of `wanted` there is, and in which segment it begins. `None` when there is nothing.
    fn find(run: &[Arc<Segment>], wanted: Legs<'_>) -> Result<Option<(Self, usize)>, postcard::Error> {
        let Some(first) = run.first() else { return Ok(None) };
        let Some(wanted) = wanted else { return Ok(Some((Self { all: true, ..Self::default() }, 0))) };
        let mut part = Self::default();
        let machine: MediaShard = postcard::from_bytes(&first.state)?;
        for view in machine.views().filter(|view| wanted.contains(&view.leg)) {
            part.legs.insert(view.leg);
            part.rooms.insert(view.room);
            part.began_before = true;
        }
        let mut begins = part.began_before.then_some(0);
        for (n, segment) in run.iter().enumerate() {
            for mark in Marks(&segment.log) {
                if let Mark::Told(_, Told::Command(MediaCommand::PutLeg { leg, spec, .. })) = mark
                    && wanted.contains(&leg)
                {
                    part.legs.insert(leg);
                    part.rooms.insert(spec.room);
                    begins = begins.or(Some(n));
                }
            }
        }
        part.add_company(run, &machine);
        // The command that makes the room comes just before the first leg; a segment may begin in between.
        let begins = begins.map(|n| if part.began_before { n } else { n.saturating_sub(1) });
        Ok(begins.map(|n| (part, n)))
    }

    /// Adds the legs of other calls that were in the same rooms, and the rooms that those were in: what a leg of a
    /// conference was sent follows from what all others said.
    fn add_company(&mut self, run: &[Arc<Segment>], machine: &MediaShard) {
        loop {
            let before = (self.legs.len(), self.rooms.len());
            for view in machine.views() {
                self.add_leg(view.leg, view.room);
            }
            for mark in run.iter().flat_map(|segment| Marks(&segment.log)) {
                if let Mark::Told(_, Told::Command(MediaCommand::PutLeg { leg, spec, .. })) = mark {
                    self.add_leg(leg, spec.room);
                }
            }
            if before == (self.legs.len(), self.rooms.len()) {
                return;
            }
        }
    }

    fn add_leg(&mut self, leg: LegId, room: RoomId) {
        if self.legs.contains(&leg) || self.rooms.contains(&room) {
            self.legs.insert(leg);
            self.rooms.insert(room);
        }
    }

    fn concerns(&self, command: &MediaCommand) -> bool {
        self.all
            || match command {
                MediaCommand::PutRoom { room, .. } | MediaCommand::DropRoom { room } => {
                    self.rooms.contains(room)
                }
                MediaCommand::PutLeg { leg, .. }
                | MediaCommand::DropLeg { leg }
                | MediaCommand::GiveLeg { leg, .. } => self.legs.contains(leg),
                _ => false,
            }
    }
}

/// Who has which port.
#[derive(Debug, Default)]
struct Ports(BTreeMap<u16, LegId>);

impl Ports {
    fn before(&mut self, told: &Told<'_>) {
        if let Told::Command(MediaCommand::PutLeg { leg, spec, .. }) = told
            && !self.0.values().any(|one| one == leg)
        {
            self.0.entry(spec.port.0 & !1).or_insert(*leg);
        }
    }

    fn after(&mut self, out: &MediaOut) {
        for report in &out.reports {
            if let MediaReport::Dropped { leg, .. } | MediaReport::Given { leg, .. } = report {
                self.0.retain(|_, one| one != leg);
            }
        }
    }

    fn are_of(&self, port: u16, part: &Part) -> bool {
        part.all || self.0.get(&(port & !1)).is_some_and(|leg| part.legs.contains(leg))
    }
}

/// Tells a machine again what it was told, and beside it the part of it that is wanted.
struct Cutter {
    part: Part,
    track: Track,
    whole: MediaShard,
    /// Once there is something of it.
    piece: Option<MediaShard>,
    ports: Ports,
    /// The sounds that the machine had at last.
    library: Arc<Library>,
    sum: Sum,
    out: MediaOut,
    piece_out: MediaOut,
    scratch: Vec<u8>,
    /// When the whole machine first did something else than then.
    other: Option<Instant>,
    /// When the piece first did something else than the whole.
    apart: Option<Instant>,
}

impl Cutter {
    fn new(kept: &MediaKept, segments: &[Arc<Segment>], part: Part) -> Result<Option<Self>, postcard::Error> {
        let Some(first) = segments.first() else { return Ok(None) };
        let mut whole: MediaShard = postcard::from_bytes(&first.state)?;
        whole.fill(&kept.library);
        let ports = Ports(whole.views().map(|view| (view.port.0, view.leg)).collect());
        let mut cutter = Self {
            track: Track::new(kept.shard),
            library: Arc::clone(&kept.library),
            whole,
            piece: None,
            ports,
            sum: Sum::new(),
            out: MediaOut::new(),
            piece_out: MediaOut::new(),
            scratch: Vec::new(),
            other: None,
            apart: None,
            part,
        };
        if cutter.part.all || cutter.part.began_before {
            cutter.begin(first.now)?;
        }
        Ok(Some(cutter))
    }

    /// From now on the wanted part is a machine of its own: all others' rooms end there.
    fn begin(&mut self, now: Instant) -> Result<(), postcard::Error> {
        let mut piece: MediaShard = postcard::from_bytes(&postcard::to_stdvec(&self.whole)?)?;
        piece.fill(self.whole.library());
        if !self.part.all {
            let others: Vec<RoomId> = piece.rooms().filter(|room| !self.part.rooms.contains(room)).collect();
            for room in others {
                let end = MediaInput::Command(MediaCommand::DropRoom { room });
                piece.handle(now, end, &mut self.piece_out);
                self.piece_out.clear();
            }
        }
        let checkpoint = MediaCheckpoint::of(&piece, now);
        self.track.starts.push(MediaStart { at: 0, after: 0, checkpoint });
        self.piece = Some(piece);
        Ok(())
    }

    fn run(mut self, segments: &[Arc<Segment>]) -> Result<(Track, Vec<String>), postcard::Error> {
        let began = segments.first().map_or(Instant::ZERO, |segment| segment.now);
        for segment in segments {
            let mut last = segment.now;
            for mark in Marks(&segment.log) {
                match mark {
                    Mark::Told(now, told) => {
                        last = now;
                        self.tell(now, told)?;
                        self.sum.add(&self.out, segment.policy);
                    }
                    Mark::Came(digest) => {
                        let sum = std::mem::replace(&mut self.sum, Sum::new());
                        if sum.finish(self.whole.deadline()) != digest && self.is_busy() {
                            self.other.get_or_insert(last);
                        }
                    }
                }
            }
        }
        Ok(self.finish(began))
    }

    fn tell(&mut self, now: Instant, told: Told<'_>) -> Result<(), postcard::Error> {
        if self.piece.is_none() && matches!(&told, Told::Command(command) if self.part.concerns(command)) {
            self.begin(now)?;
        }
        self.out.clear();
        self.piece_out.clear();
        self.ports.before(&told);
        self.whole.handle(now, told.input(&mut self.scratch), &mut self.out);
        if matches!(told, Told::Library(_)) {
            self.whole.fill(&self.library);
        }
        let part = &self.part;
        if let Some(piece) = &mut self.piece {
            let wanted = match &told {
                Told::Tick => part.all || piece.deadline().is_some_and(|at| at <= now),
                Told::Command(command) => part.concerns(command),
                Told::Ports(_) => part.all,
                // To a machine without the recording it means nothing.
                Told::Seed(_) | Told::Library(_) | Told::Written { .. } => true,
                // All hear the same.
                Told::Music { .. } | Told::MusicLength { .. } => true,
                Told::Packet { port, .. } | Told::Headers { port, .. } => self.ports.are_of(*port, part),
            };
            if wanted {
                piece.handle(now, told.input(&mut self.scratch), &mut self.piece_out);
                if matches!(told, Told::Library(_)) {
                    piece.fill(&self.library);
                }
                let entry = MediaEntry::new(now, told, &self.piece_out, piece.deadline());
                self.track.push(&entry)?;
            }
            if !self.is_same() {
                self.apart.get_or_insert(now);
            }
        }
        self.ports.after(&self.out);
        Ok(())
    }

    /// Whether the wanted part is there at this moment.
    fn is_busy(&self) -> bool {
        let stats = self.piece.as_ref().map(MediaShard::stats).unwrap_or_default();
        stats.legs + stats.rooms > 0
    }

    /// Whether the piece just did what the whole machine did for its legs.
    fn is_same(&self) -> bool {
        let part = &self.part;
        let of = |report: &&MediaReport| {
            part.all
                || match report {
                    MediaReport::Ports { .. } => false,
                    MediaReport::Latched { leg, .. }
                    | MediaReport::Silent { leg, .. }
                    | MediaReport::Digit { leg, .. }
                    | MediaReport::Pressed { leg, .. }
                    | MediaReport::Played { leg, .. }
                    | MediaReport::Quiet { leg, .. }
                    | MediaReport::NoSound { leg, .. }
                    | MediaReport::Carried { leg, .. }
                    | MediaReport::Given { leg, .. }
                    | MediaReport::Dropped { leg, .. } => part.legs.contains(leg),
                    MediaReport::Recorded { room, .. } => part.rooms.contains(room),
                }
        };
        let packets = self.out.packets.iter().filter(|packet| self.ports.are_of(packet.port, part));
        packets.eq(self.piece_out.packets.iter())
            && self.out.reports.iter().filter(of).eq(&self.piece_out.reports)
    }

    fn finish(self, began: Instant) -> (Track, Vec<String>) {
        let shard = self.track.shard.0;
        let mut notes = Vec::new();
        let mut note = |at: Option<Instant>, what: &str| {
            if let Some(at) = at {
                notes.push(format!(
                    "media of shard {shard} from {} after its beginning on {what}",
                    words::span(at.since(began))
                ));
            }
        };
        note(
            self.other,
            "is not in every octet what was sent: sound that was decoded cannot be had again without payloads, nor \
             from the middle of a codec's state",
        );
        note(self.apart, "depended on other calls as well and may not be in every octet what was sent");
        if self.part.began_before {
            notes.push("media is kept from a later moment than the call's beginning".to_owned());
        }
        (self.track, notes)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use telex_engine::mediactl::{Accepted, Kind, LegSpec, Payload, PortId, RoomMode, RoomSpec, ShardId};
    use telex_engine::rng::Seed;

    use super::super::{MediaPolicy, MediaRecorder, MediaReplayer};
    use super::*;

    /// A machine and its recorder.
    struct Recorded {
        machine: MediaShard,
        recorder: MediaRecorder,
        now: u64,
    }

    impl Recorded {
        fn new() -> Self {
            let machine = MediaShard::new(ShardId(0), Seed::from_number(1));
            Self { machine, recorder: MediaRecorder::new(MediaPolicy::All, 1 << 20), now: 0 }
        }

        /// Tells the machine; the recorder learns of what came of it, or of nothing.
        fn tell(&mut self, input: MediaInput<'_>, truly: bool) -> usize {
            self.now += 20;
            let (now, mut out) = (Instant::from_millis(self.now), MediaOut::new());
            self.recorder.before(&self.machine, now, &input);
            self.machine.handle(now, input, &mut out);
            let sent = out.packets.len();
            if !truly {
                out.clear();
            }
            self.recorder.after(&out, self.machine.deadline());
            sent
        }

        fn room(&mut self, room: u64) {
            let spec = RoomSpec::new(RoomMode::Echo);
            self.tell(MediaInput::Command(MediaCommand::PutRoom { room: RoomId(room), rev: 1, spec }), true);
        }

        fn leg(&mut self, leg: u64, room: u64, port: u16) {
            let spec = Box::new(LegSpec {
                remote: Some("192.0.2.1:4000".parse().unwrap()),
                send: true,
                receive: true,
                accept: vec![Accepted {
                    payload: Payload::opaque(0, 8000),
                    kind: Kind::Speech,
                    forward: Some(0),
                }],
                latch: 1,
                ..LegSpec::new(RoomId(room), PortId(port))
            });
            self.tell(MediaInput::Command(MediaCommand::PutLeg { leg: LegId(leg), rev: 1, spec }), true);
        }

        /// A packet from near the party, in sequence.
        fn packet(&mut self, port: u16, truly: bool) -> usize {
            let remote: SocketAddr = "192.0.2.1:4002".parse().unwrap();
            let sequence = (self.now / 20) as u8;
            let mut bytes = [0x80, 0, 0, sequence, 0, 0, 0, sequence, 0, 0, 0, 7, 1, 2, 3];
            self.tell(MediaInput::Packet { port, remote, bytes: &mut bytes }, truly)
        }

        /// Both legs named 1 and 2, cut out; it replays identical whatever the notes say.
        fn cut(&self) -> (Track, Vec<String>) {
            let wanted = [LegId(1), LegId(2)].into();
            let (mut tracks, notes) = tracks(&[self.recorder.kept(ShardId(0))], Some(&wanted)).unwrap();
            let track = tracks.pop().unwrap();
            let mut replayer = MediaReplayer::new(&track, Arc::default());
            let tally = replayer.run().unwrap();
            assert!(tally.difference.is_none(), "{tally}");
            (track, notes)
        }
    }

    #[test]
    fn what_was_not_sent_so_is_told() {
        for truly in [true, false] {
            let mut recorded = Recorded::new();
            recorded.room(1);
            recorded.leg(1, 1, 4);
            assert_eq!(recorded.packet(4, true), 1);
            assert_eq!(recorded.packet(4, truly), 1);
            let (track, notes) = recorded.cut();
            assert_eq!(track.len(), 4);
            assert_eq!(notes.len(), usize::from(!truly), "{notes:?}");
            assert!(truly || notes[0].contains("is not in every octet what was sent"), "{notes:?}");
        }
    }

    /// Who is in a conference hears the others: they come along.
    #[test]
    fn a_conference_is_cut_out_whole() {
        let mut recorded = Recorded::new();
        let spec = RoomSpec::new(RoomMode::Mix);
        let put = MediaCommand::PutRoom { room: RoomId(1), rev: 1, spec };
        recorded.tell(MediaInput::Command(put), true);
        recorded.leg(9, 1, 6);
        recorded.room(7);
        recorded.leg(7, 7, 8);
        recorded.leg(1, 1, 4);
        for _ in 0..3 {
            recorded.packet(4, true);
            recorded.packet(6, true);
            recorded.packet(8, true);
            recorded.tell(MediaInput::Tick, true);
        }
        let (track, notes) = recorded.cut();
        assert_eq!(notes, Vec::<String>::new());
        let (mut legs, mut ports) = (Vec::new(), Vec::new());
        for entry in track.entries() {
            match entry.told {
                Told::Command(MediaCommand::PutLeg { leg, .. }) => legs.push(leg.0),
                Told::Packet { port, .. } => ports.push(port),
                _ => {}
            }
        }
        assert_eq!((legs, ports), (vec![9, 1], vec![4, 6, 4, 6, 4, 6]));
    }

    /// Two calls in one machine are alone in a cut, unless one took over the port of the other.
    #[test]
    fn what_another_call_had_to_do_with_it_is_told() {
        for same in [false, true] {
            let mut recorded = Recorded::new();
            recorded.room(1);
            recorded.leg(1, 1, 4);
            recorded.room(9);
            recorded.leg(9, 9, 6);
            assert_eq!(recorded.packet(6, true), 1);
            recorded.tell(MediaInput::Command(MediaCommand::DropLeg { leg: LegId(9) }), true);
            recorded.leg(2, 1, if same { 6 } else { 8 });
            // What the last leg of a port heard is refused there.
            assert_eq!(recorded.packet(if same { 6 } else { 8 }, true), usize::from(!same));
            let (track, notes) = recorded.cut();
            assert_eq!(track.entries().count(), 4, "room, leg, leg, packet");
            assert_eq!(notes.len(), usize::from(same), "{notes:?}");
            assert!(!same || notes[0].contains("depended on other calls"), "{notes:?}");
        }
    }
}
