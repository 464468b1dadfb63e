//! Every bound of this crate in one place. A capture may hold anything: nothing is allocated by a length that it
//! tells, and every table here stops growing.

use std::time::Duration;

/// Octets of one captured frame. Offloading makes frames of 64 KiB; a record that claims more is taken for damage.
pub const FRAME_OCTETS: usize = 1 << 20;
/// Interfaces of one pcapng section.
pub const INTERFACES: usize = 4096;
/// VLAN tags in a row, and IP packets inside each other.
pub const NESTING: usize = 4;
/// Datagrams whose fragments are waited for; the oldest is given up for a new one.
pub const FRAGMENTED: usize = 1024;
/// Fragments of one datagram.
pub const FRAGMENTS: usize = 512;
/// Octets of one reassembled datagram (RFC 791 §3.1).
pub const DATAGRAM_OCTETS: usize = 65_535;
/// Fragments are waited for no longer than this (RFC 8200 §4.5).
pub const FRAGMENT_WAIT: Duration = Duration::from_secs(60);
/// Directions of TCP connections that are followed; the longest silent one is given up for a new one.
pub const TCP_FLOWS: usize = 65_536;
/// Octets of one direction that wait for an earlier segment. Beyond it the missing octets are given up.
pub const TCP_WAITING_OCTETS: usize = 1 << 20;
/// Octets that all directions may hold; one that would go beyond is given up.
pub const TCP_OCTETS: usize = 1 << 28;
/// Segments of one direction that wait.
pub const TCP_WAITING_SEGMENTS: usize = 256;
/// Octets of one SIP message. More than the exchange itself takes: it shows what it refuses.
pub const MESSAGE_OCTETS: usize = 1 << 20;
/// Octets of the header section of one SIP message in a stream.
pub const HEAD_OCTETS: usize = 1 << 17;
/// SIP messages that are kept; more are counted only.
pub const MESSAGES: usize = 1_000_000;
/// Octets of all SIP messages that are kept.
pub const MESSAGES_OCTETS: usize = 1 << 29;
/// Media addresses learnt from session descriptions.
pub const ANNOUNCED: usize = 262_144;
/// Sources of what may be RTP; when there are more, those with few packets are forgotten.
pub const STREAMS: usize = 65_536;
/// Payload types told apart within one stream.
pub const PAYLOAD_TYPES: usize = 8;
/// Keys pressed that are kept of one stream.
pub const DIGITS: usize = 10_000;
/// Octets of audio that are kept of all streams, for files.
pub const AUDIO_OCTETS: usize = 1 << 29;
/// Packets of audio that are kept of one stream: five and a half hours of 20 ms each.
pub const AUDIO_PACKETS: usize = 1_000_000;
/// Samples of one audio file: six hours at 8000 Hz.
pub const AUDIO_SAMPLES: usize = 6 * 3600 * 8000;
/// Lines of a session description that are read.
pub const SDP_LINES: usize = 4096;
/// Media descriptions of one session description.
pub const SDP_MEDIA: usize = 256;
/// Candidates of one media description that are looked at.
pub const CANDIDATES: usize = 64;
/// Distinct remarks that are kept of one call.
pub const REMARKS: usize = 64;
