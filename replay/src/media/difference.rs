//! The first difference between what a media machine did and what came out again.

use std::fmt;

use telex_engine::media::MediaIo;
use telex_engine::mediactl::{MediaReport, ShardId};
use telex_engine::time::Instant;

use super::track::MediaEntry;
use crate::words;

/// One output of a media machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet was sent.
    Packet {
        /// In words.
        line: String,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Signalling was told something.
    Report(MediaReport),
    /// The driver was told something.
    Io(MediaIo),
    /// The machine wanted to be woken then.
    Deadline(Option<Instant>),
}

/// Where a media machine and its recording part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDifference {
    /// Which machine.
    pub shard: ShardId,
    /// The number of the input, counted from the start of what is recorded of this machine.
    pub entry: usize,
    /// When it came.
    pub now: Instant,
    /// The input in words.
    pub input: String,
    /// What was recorded; nothing when there were fewer outputs.
    pub expected: Option<Output>,
    /// What came out; nothing when there were fewer outputs.
    pub got: Option<Output>,
}

/// The outputs of an entry, in order: packets, reports, orders, the deadline.
fn outputs<'a>(entry: &'a MediaEntry<'_>) -> impl Iterator<Item = Output> + use<'a> {
    let packets = entry.packets.iter().map(|packet| {
        let line = format!("{} from port {} to {}", words::rtp(packet.bytes), packet.port, packet.remote);
        Output::Packet { line, bytes: packet.bytes.to_vec() }
    });
    let reports = entry.reports.iter().cloned().map(Output::Report);
    let io = entry.io.iter().cloned().map(Output::Io);
    packets.chain(reports).chain(io).chain([Output::Deadline(entry.deadline)])
}

/// The first output that differs, recorded and now.
pub(super) fn first(
    expected: &MediaEntry<'_>,
    got: &MediaEntry<'_>,
) -> Option<(Option<Output>, Option<Output>)> {
    if (&expected.packets, &expected.reports, &expected.io, expected.deadline)
        == (&got.packets, &got.reports, &got.io, got.deadline)
    {
        return None;
    }
    let kinds = [
        (expected.packets.len(), got.packets.len()),
        (expected.reports.len(), got.reports.len()),
        (expected.io.len(), got.io.len()),
    ];
    // Lists of one kind are compared with each other: one packet less does not make a report a packet.
    let (mut old, mut new) = (outputs(expected), outputs(got));
    for (recorded, now) in kinds {
        for place in 0..recorded.max(now) {
            let old = if place < recorded { old.next() } else { None };
            let new = if place < now { new.next() } else { None };
            if old != new {
                return Some((old, new));
            }
        }
    }
    Some((old.next(), new.next()))
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet { line, .. } => f.write_str(line),
            Self::Report(report) => write!(f, "report: {}", words::media_report(report)),
            Self::Io(MediaIo::Bind { count }) => write!(f, "bind {count} more pairs of ports"),
            Self::Io(MediaIo::Record { recording, samples, missing, .. }) => {
                let (recording, samples) = (recording.0, samples.len());
                write!(f, "recording {recording}: {samples} samples, {missing} missing before them")
            }
            Self::Io(MediaIo::Finish { recording, missing }) => {
                write!(f, "recording {} has ended, {missing} samples missing", recording.0)
            }
            Self::Io(MediaIo::Give { port, to }) => {
                write!(f, "port {} goes to shard {}", port.0, to.0)
            }
            Self::Deadline(None) => write!(f, "wants not to be woken"),
            Self::Deadline(Some(at)) => write!(f, "wants to be woken at +{} s", words::seconds(*at)),
        }
    }
}

/// Octets in a line of a dump.
const LINE: usize = 16;

impl fmt::Display for MediaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, entry, now) = (self.shard.0, self.entry, words::seconds(self.now));
        writeln!(f, "first difference of media: shard {shard}, input #{entry} at +{now} s")?;
        writeln!(f, "  input     {}", self.input)?;
        let say = |output: &Option<Output>| {
            output.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        writeln!(f, "  recorded  {}", say(&self.expected))?;
        writeln!(f, "  now       {}", say(&self.got))?;
        match (&self.expected, &self.got) {
            (Some(Output::Packet { bytes: old, .. }), Some(Output::Packet { bytes: new, .. })) => {
                dump(f, old, new)
            }
            _ => Ok(()),
        }
    }
}

/// The lines around the first octet that differs, `-` recorded and `+` now.
fn dump(f: &mut fmt::Formatter<'_>, old: &[u8], new: &[u8]) -> fmt::Result {
    let differs = (0..old.len().max(new.len())).find(|&n| old.get(n) != new.get(n));
    let Some(place) = differs else { return Ok(()) };
    writeln!(
        f,
        "  octet {place} is the first that differs, of {} recorded and {} now",
        old.len(),
        new.len()
    )?;
    let from = place / LINE * LINE;
    for (sign, octets) in [('-', old), ('+', new)] {
        let line = octets.iter().skip(from).take(LINE);
        let line: Vec<String> = line.map(|octet| format!("{octet:02x}")).collect();
        writeln!(f, "  {sign} {from:04}  {}", line.join(" "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use telex_engine::mediactl::{LegId, PortId};

    use super::super::told::Told;
    use super::super::track::Sent;
    use super::*;

    #[test]
    fn octets_that_differ_stand_under_each_other() {
        let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
        let packet: Vec<u8> = [0x80, 0, 0, 7, 0, 0, 0, 160, 0, 0, 0, 9].into_iter().chain(0..8).collect();
        let mut other = packet.clone();
        other[17] ^= 0xff;
        let entry = |bytes| MediaEntry {
            now: Instant::from_millis(1500),
            told: Told::Tick,
            packets: vec![Sent { port: 10_000, remote, bytes }],
            reports: vec![MediaReport::Silent { leg: LegId(1), rev: 2 }],
            io: Vec::new(),
            deadline: None,
        };
        let (old, new) = (entry(&packet), entry(&other));
        assert_eq!(first(&old, &old), None);
        let (expected, got) = first(&old, &new).unwrap();
        let difference = MediaDifference {
            shard: ShardId(1),
            entry: 12,
            now: old.now,
            input: words::told(&old.told),
            expected,
            got,
        };
        insta::assert_snapshot!(difference, @r"
        first difference of media: shard 1, input #12 at +1.500000 s
          input     the deadline has come
          recorded  RTP payload type 0, sequence 7, timestamp 160, SSRC 00000009, 8 octets from port 10000 to 192.0.2.1:4000
          now       RTP payload type 0, sequence 7, timestamp 160, SSRC 00000009, 8 octets from port 10000 to 192.0.2.1:4000
          octet 17 is the first that differs, of 20 recorded and 20 now
          - 0016  04 05 06 07
          + 0016  04 fa 06 07
        ");
        // One of two packets, one of two reports, and the deadline alone.
        let mut less = old.clone();
        less.packets.clear();
        assert!(matches!(first(&old, &less), Some((Some(Output::Packet { .. }), None))));
        let mut other = old.clone();
        other.reports = vec![MediaReport::Ports { ports: vec![PortId(2)] }];
        assert!(matches!(first(&old, &other), Some((Some(Output::Report(_)), Some(Output::Report(_))))));
        let mut later = old.clone();
        later.deadline = Some(Instant::ZERO);
        assert!(matches!(first(&old, &later), Some((_, Some(Output::Deadline(Some(_)))))));
    }
}
