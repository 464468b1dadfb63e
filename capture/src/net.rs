//! From a captured frame to the datagram or TCP segment in it: link layers, VLAN tags, tunnels, fragments.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use etherparse::{LaxIpv4Slice, LaxIpv6Slice, LenSource, TcpSlice, UdpSlice};

use crate::file::{Frame, Link};
use crate::fragments::{Fragment, Fragments, Key};
use crate::limits::NESTING;

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried<'a> {
    /// A UDP datagram.
    Datagram {
        /// Who sent it.
        source: SocketAddr,
        /// Who gets it.
        destination: SocketAddr,
        /// Its content.
        payload: Octets<'a>,
        /// Octets of its content that were not captured.
        missing: usize,
        /// Identification of its IPv4 packet, which tells a second packet from a second capture of one; 0 without.
        id: u16,
    },
    /// A TCP segment.
    Segment {
        /// Who sent it.
        source: SocketAddr,
        /// Who gets it.
        destination: SocketAddr,
        /// Sequence number of its first octet (of the SYN, when it has one).
        sequence: u32,
        /// It opens the connection.
        syn: bool,
        /// It ends its direction, or the connection.
        end: bool,
        /// Its content.
        payload: Octets<'a>,
        /// Octets of its content that were not captured.
        missing: usize,
    },
    /// An ICMP message that something could not be delivered.
    Unreachable {
        /// Who says so.
        by: IpAddr,
        /// Who had sent it.
        source: SocketAddr,
        /// Where it should have gone.
        destination: SocketAddr,
    },
    /// A fragment of an IP packet that is not whole yet.
    Fragment,
}

/// What was decoded of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// What it carries.
    pub carried: Carried<'a>,
    /// It was a fragment, or was made of fragments.
    pub fragmented: bool,
}

/// Octets of a frame, or octets put together from several.
#[derive(Clone, Debug)]
pub enum Octets<'a> {
    /// A part of the frame.
    Part(&'a [u8]),
    /// Reassembled.
    Whole(Vec<u8>),
}

impl PartialEq for Octets<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Octets<'_> {}

impl AsRef<[u8]> for Octets<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Part(octets) => octets,
            Self::Whole(octets) => octets,
        }
    }
}

impl Octets<'_> {
    fn cut(self, range: Range<usize>) -> Self {
        match self {
            Self::Part(octets) => Self::Part(octets.get(range).unwrap_or_default()),
            Self::Whole(mut octets) => {
                octets.truncate(range.end);
                octets.drain(..range.start.min(octets.len()));
                Self::Whole(octets)
            }
        }
    }
}

const ETHERNET_IPV4: u16 = 0x0800;
const ETHERNET_IPV6: u16 = 0x86dd;

const ICMP: u8 = 1;
const IP_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;

/// Decodes frames. It keeps nothing but fragments that wait for the rest of their packet.
#[derive(Debug, Default)]
pub struct Network {
    fragments: Fragments,
}

impl Network {
    /// What the frame carries; `None` for what is of no interest or cannot be read.
    pub fn decode<'a>(&mut self, frame: &Frame<'a>) -> Option<Decoded<'a>> {
        let mut octets = Octets::Part(network_layer(frame.link, frame.data)?);
        let mut fragmented = false;
        for _ in 0..=NESTING {
            let mut packet = Packet::read(octets.as_ref())?;
            if let Some((id, fragment)) = packet.fragment {
                fragmented = true;
                let Packet { source, destination, .. } = packet;
                let key = Key { source, destination, protocol: packet.protocol, id };
                let content = octets.as_ref().get(packet.content.clone())?;
                match self.fragments.add(key, fragment, content, frame.at) {
                    None => return Some(Decoded { carried: Carried::Fragment, fragmented }),
                    Some(whole) => {
                        packet.content = 0..whole.len();
                        packet.missing = 0;
                        octets = Octets::Whole(whole);
                    }
                }
            }
            let content = octets.cut(packet.content.clone());
            let inner = match packet.protocol {
                IP_IN_IP | IPV6_IN_IP => 0,
                GRE => generic_encapsulation(content.as_ref())?,
                _ => return transport(&packet, content).map(|carried| Decoded { carried, fragmented }),
            };
            let end = content.as_ref().len();
            octets = content.cut(inner..end);
        }
        None
    }
}

/// An IP packet: addresses, and where its content is.
struct Packet {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    content: Range<usize>,
    /// Octets of the content that were not captured.
    missing: usize,
    fragment: Option<(u32, Fragment)>,
    id: u16,
}

impl Packet {
    fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? >> 4 {
            4 => Self::v4(octets),
            6 => Self::v6(octets),
            _ => None,
        }
    }

    fn v4(octets: &[u8]) -> Option<Self> {
        let (ip, _) = LaxIpv4Slice::from_slice(octets).ok()?;
        let header = ip.header();
        let payload = ip.payload();
        let content = range_in(octets, payload.payload);
        let claimed = usize::from(header.total_len());
        let fragment = payload.fragmented.then(|| {
            let offset = usize::from(header.fragments_offset().byte_offset());
            (u32::from(header.identification()), Fragment { offset, more: header.more_fragments() })
        });
        Some(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: payload.ip_number.0,
            missing: if payload.incomplete { claimed.saturating_sub(content.end) } else { 0 },
            content,
            fragment,
            id: header.identification(),
        })
    }

    fn v6(octets: &[u8]) -> Option<Self> {
        let (ip, _) = LaxIpv6Slice::from_slice(octets).ok()?;
        let header = ip.header();
        let payload = ip.payload();
        let content = range_in(octets, payload.payload);
        let claimed = usize::from(header.payload_length()) + 40;
        let fragment = if payload.fragmented {
            let found = ip.extensions().clone().into_iter().find_map(|extension| match extension {
                etherparse::Ipv6ExtensionSlice::Fragment(f) => Some(f),
                _ => None,
            })?;
            let offset = usize::from(found.fragment_offset().byte_offset());
            Some((found.identification(), Fragment { offset, more: found.more_fragments() }))
        } else {
            None
        };
        Some(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: payload.ip_number.0,
            missing: if payload.len_source == LenSource::Slice {
                claimed.saturating_sub(content.end)
            } else {
                0
            },
            content,
            fragment,
            id: 0,
        })
    }
}

/// Where `part` lies in `whole`.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

fn transport<'a>(packet: &Packet, content: Octets<'a>) -> Option<Carried<'a>> {
    match packet.protocol {
        UDP => datagram(packet, content),
        TCP => segment(packet, content),
        ICMP | ICMPV6 => unreachable(packet, content.as_ref()),
        _ => None,
    }
}

fn datagram<'a>(packet: &Packet, content: Octets<'a>) -> Option<Carried<'a>> {
    let udp = UdpSlice::from_slice_lax(content.as_ref()).ok()?;
    let source = SocketAddr::new(packet.source, udp.source_port());
    let destination = SocketAddr::new(packet.destination, udp.destination_port());
    let range = range_in(content.as_ref(), udp.payload());
    let missing = usize::from(udp.length()).saturating_sub(range.end);
    Some(Carried::Datagram { source, destination, payload: content.cut(range), missing, id: packet.id })
}

fn segment<'a>(packet: &Packet, content: Octets<'a>) -> Option<Carried<'a>> {
    let tcp = TcpSlice::from_slice(content.as_ref()).ok()?;
    let source = SocketAddr::new(packet.source, tcp.source_port());
    let destination = SocketAddr::new(packet.destination, tcp.destination_port());
    let (sequence, syn, end) = (tcp.sequence_number(), tcp.syn(), tcp.fin() || tcp.rst());
    // What a reset carries is a text for people (RFC 9293 §3.5.3).
    let range = if tcp.rst() { 0..0 } else { range_in(content.as_ref(), tcp.payload()) };
    let payload = content.cut(range);
    Some(Carried::Segment { source, destination, sequence, syn, end, payload, missing: packet.missing })
}

/// What an ICMP error says of a UDP datagram that it quotes (RFC 792, RFC 4443 §3.1).
fn unreachable<'a>(packet: &Packet, content: &[u8]) -> Option<Carried<'a>> {
    let kind = if packet.protocol == ICMP { 3 } else { 1 };
    let (&[first, ..], quoted) = content.split_first_chunk::<8>()?;
    let inner = Packet::read(quoted).filter(|inner| first == kind && inner.protocol == UDP)?;
    let &[s0, s1, d0, d1] = quoted.get(inner.content)?.first_chunk::<4>()?;
    Some(Carried::Unreachable {
        by: packet.source,
        source: SocketAddr::new(inner.source, u16::from_be_bytes([s0, s1])),
        destination: SocketAddr::new(inner.destination, u16::from_be_bytes([d0, d1])),
    })
}

/// The IP packet in a frame.
fn network_layer(link: Link, data: &[u8]) -> Option<&[u8]> {
    match link.0 {
        // BSD loopback, in either byte order: a protocol family, of which only the length matters.
        0 | 108 => data.get(4..),
        1 => ethernet(data),
        // PPP, with and without its framing octets.
        9 | 50 => point_to_point(data.strip_prefix(&[0xff, 0x03]).unwrap_or(data)),
        // Raw IP, under the numbers of several systems.
        12 | 14 | 101 | 228 | 229 => Some(data),
        // Linux cooked, version 1 and 2.
        113 => ether_type(short(data, 14)?, data.get(16..)?),
        276 => ether_type(short(data, 0)?, data.get(20..)?),
        _ => None,
    }
}

fn ethernet(data: &[u8]) -> Option<&[u8]> {
    ether_type(short(data, 12)?, data.get(14..)?)
}

/// The IP packet behind an EtherType: through VLAN tags, PPPoE and MPLS.
fn ether_type(mut kind: u16, mut data: &[u8]) -> Option<&[u8]> {
    for _ in 0..=NESTING {
        match kind {
            ETHERNET_IPV4 | ETHERNET_IPV6 => return Some(data),
            // 802.1Q, 802.1ad, and the number used before it.
            0x8100 | 0x88a8 | 0x9100 => {
                kind = short(data, 2)?;
                data = data.get(4..)?;
            }
            0x8864 => return point_to_point(data.get(6..)?),
            0x8847 | 0x8848 => {
                let last = data.get(2)? & 1 != 0;
                data = data.get(4..)?;
                if last {
                    return Some(data);
                }
            }
            _ => return None,
        }
    }
    None
}

fn point_to_point(data: &[u8]) -> Option<&[u8]> {
    matches!(short(data, 0)?, 0x0021 | 0x0057).then(|| data.get(2..))?
}

/// Octets before the IP packet in generic routing encapsulation (RFC 2890), if there is one.
fn generic_encapsulation(data: &[u8]) -> Option<usize> {
    let (flags, kind) = (short(data, 0)?, short(data, 2)?);
    let optional = [0x8000, 0x2000, 0x1000].iter().filter(|flag| flags & **flag != 0).count();
    let plain = flags & 0x4007 == 0 && matches!(kind, ETHERNET_IPV4 | ETHERNET_IPV6);
    plain.then_some(4 + 4 * optional)
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

#[cfg(test)]
mod tests;
