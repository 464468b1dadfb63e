//! What a shard hands to its driver.

use std::net::SocketAddr;
use std::ops::Range;

use crate::mediactl::{MediaReport, PortId, RecordingFormat, RecordingId, ShardId};

/// Where a shard appends what it wants done. The driver empties it after each call and uses it again, so that nothing
/// is allocated once it has grown to the size of the traffic.
#[derive(Debug, Default)]
pub struct MediaOut {
    /// Packets to send, in order.
    pub packets: PacketArena,
    /// What signalling must hear, in order.
    pub reports: Vec<MediaReport>,
    /// What the driver itself must do.
    pub io: Vec<MediaIo>,
}

impl MediaOut {
    /// With nothing in it.
    pub const fn new() -> Self {
        let packets = PacketArena { bytes: Vec::new(), packets: Vec::new() };
        Self { packets, reports: Vec::new(), io: Vec::new() }
    }

    /// Empties everything and keeps the memory.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.reports.clear();
        self.io.clear();
    }
}

/// What the driver must do besides sending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MediaIo {
    /// Bind this many more pairs of UDP ports, the lower one even, and say so with `MediaInput::Ports`.
    Bind {
        /// How many pairs.
        count: u16,
    },
    /// Write this piece of a recording, and say so with `MediaInput::Written`. Pieces come in order, about five in a
    /// second; with too many unwritten the next are left out, and the one after them says how much is missing.
    Record {
        /// Which recording.
        recording: RecordingId,
        /// What kind of file it becomes; the same in all pieces.
        format: RecordingFormat,
        /// Samples per second.
        rate: u32,
        /// Channels: 1 or 2.
        channels: u8,
        /// Samples per channel that were left out before this piece.
        missing: u64,
        /// Channels alternate.
        samples: Vec<i16>,
    },
    /// A recording has ended: nothing more of it will come.
    Finish {
        /// Which recording.
        recording: RecordingId,
        /// Samples per channel that were left out at its end.
        missing: u64,
    },
    /// This pair of ports belongs to another shard from now on: its sockets are handed over as they are, with what
    /// waits in them. They must be there before a report of the same output is told to signalling.
    Give {
        /// The even port of the pair.
        port: PortId,
        /// Who gets it.
        to: ShardId,
    },
}

/// Packets back to back in one buffer.
#[derive(Debug, Default)]
pub struct PacketArena {
    bytes: Vec<u8>,
    packets: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    port: u16,
    remote: SocketAddr,
    bytes: Range<usize>,
}

/// One packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The local UDP port to send from.
    pub port: u16,
    /// Where to.
    pub remote: SocketAddr,
    /// The whole datagram.
    pub bytes: &'a [u8],
}

impl PacketArena {
    /// Takes all packets out and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }

    /// How many packets wait.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether no packet waits.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The packets in the order they shall be sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Outgoing<'_>> {
        self.packets.iter().map(|p| Outgoing {
            port: p.port,
            remote: p.remote,
            bytes: self.bytes.get(p.bytes.clone()).unwrap_or_default(),
        })
    }

    /// Appends a packet of a head and a payload.
    #[inline]
    pub(super) fn push(&mut self, port: u16, remote: SocketAddr, head: &[u8], payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(payload);
        self.packets.push(Place { port, remote, bytes: start..self.bytes.len() });
    }

    /// Appends a packet that `write` puts behind what is in the buffer.
    pub(super) fn write(&mut self, port: u16, remote: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.packets.push(Place { port, remote, bytes: start..self.bytes.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_and_in_order() {
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut arena = PacketArena::default();
        arena.push(2, remote, b"ab", b"cd");
        arena.write(4, remote, |out| out.extend(b"xyz"));
        let sent: Vec<_> = arena.iter().map(|p| (p.port, p.bytes)).collect();
        assert_eq!(sent, [(2, &b"abcd"[..]), (4, &b"xyz"[..])]);
        arena.clear();
        assert!(arena.is_empty());
        assert_eq!(arena.iter().len(), 0);
    }
}
