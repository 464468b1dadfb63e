//! Captures made by hand, for tests.

use std::net::{IpAddr, SocketAddr};

use crate::analysis::{Analyser, Options, Report};

/// A capture of raw IP packets in the classic format.
#[derive(Clone, Debug)]
pub(crate) struct Pcap {
    pub(crate) octets: Vec<u8>,
}

impl Pcap {
    pub(crate) fn new(link: u32) -> Self {
        let mut octets = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        octets.extend([0; 8]);
        octets.extend(65_535_u32.to_le_bytes());
        octets.extend(link.to_le_bytes());
        Self { octets }
    }

    /// Adds a frame, so many milliseconds after the start.
    pub(crate) fn add(&mut self, millis: u64, frame: &[u8]) -> &mut Self {
        let length = frame.len() as u32;
        let (seconds, micros) = (1_000_000_000 + millis / 1000, millis % 1000 * 1000);
        for field in [seconds as u32, micros as u32, length, length] {
            self.octets.extend(field.to_le_bytes());
        }
        self.octets.extend(frame);
        self
    }

    /// Adds a UDP datagram.
    pub(crate) fn udp(&mut self, millis: u64, from: &str, to: &str, payload: &[u8]) -> &mut Self {
        let frame = udp(address(from), address(to), payload);
        self.add(millis, &frame)
    }

    /// Adds an RTP packet.
    pub(crate) fn rtp(&mut self, millis: u64, (from, to): (&str, &str), rtp: &[u8]) -> &mut Self {
        self.udp(millis, from, to, rtp)
    }

    pub(crate) fn report(&self, options: Options) -> Report {
        let mut analyser = Analyser::new(options);
        analyser.read(&self.octets[..]).unwrap();
        analyser.finish()
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An IP packet.
pub(crate) fn ip(source: IpAddr, destination: IpAddr, protocol: u8, content: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ipv4(source.octets(), destination.octets(), (protocol, 7, 0), content)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend((content.len() as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend(content);
            packet
        }
        _ => panic!("addresses of two versions"),
    }
}

/// An IPv4 packet with its identification and the field of flags and offset.
pub(crate) fn ipv4(
    source: [u8; 4],
    destination: [u8; 4],
    (protocol, id, fragment): (u8, u16, u16),
    content: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + content.len() as u16).to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(content);
    packet
}

/// A UDP datagram, without IP.
pub(crate) fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    content.extend(source.to_be_bytes());
    content.extend(destination.to_be_bytes());
    content.extend((8 + payload.len() as u16).to_be_bytes());
    content.extend([0, 0]);
    content.extend(payload);
    content
}

pub(crate) fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    ip(source.ip(), destination.ip(), 17, &datagram(source.port(), destination.port(), payload))
}

/// A TCP segment in an IP packet; flags 2 for SYN, 1 for FIN.
pub(crate) fn tcp(
    source: SocketAddr,
    destination: SocketAddr,
    sequence: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut content = Vec::new();
    content.extend(source.port().to_be_bytes());
    content.extend(destination.port().to_be_bytes());
    content.extend(sequence.to_be_bytes());
    content.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    content.extend(payload);
    ip(source.ip(), destination.ip(), 6, &content)
}

/// A SIP message: a start line, what follows a Call-ID, and a body.
pub(crate) fn sip(
    start: &str,
    (call_id, cseq): (&str, &str),
    tags: (&str, &str),
    more: &str,
    body: &str,
) -> Vec<u8> {
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let branch = cseq.replace(' ', "").replace("ACK", "INVITE");
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.test>{}\r\nTo: <sip:bob@b.test>{}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        tag(tags.0),
        tag(tags.1),
        body.len()
    )
    .into_bytes()
}

/// A session description of PCMU and keys.
pub(crate) fn sdp(host: &str, port: u16, way: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={way}\r\n"
    )
}

/// An RTP packet.
pub(crate) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let header = telex_engine::rtp::Header { marker: false, payload_type, sequence, timestamp, ssrc };
    [&header.to_bytes()[..], payload].concat()
}

/// What a call needs: who says what, and when.
pub(crate) const ALICE: &str = "192.0.2.1:5060";
pub(crate) const BOB: &str = "198.51.100.2:5060";
pub(crate) const ALICE_MEDIA: &str = "192.0.2.1:4000";
pub(crate) const BOB_MEDIA: &str = "198.51.100.2:6000";
const SDP: &str = "Content-Type: application/sdp\r\n";

/// INVITE, 180, 200 and ACK between alice and bob within 300 ms; 3 s later a BYE and its 200.
pub(crate) fn call(pcap: &mut Pcap) {
    open(pcap);
    close(pcap, 3300);
}

pub(crate) fn open(pcap: &mut Pcap) {
    let (invite, tags) = (("call-1", "1 INVITE"), ("a1", "b1"));
    let offer = sdp("192.0.2.1", 4000, "sendrecv");
    pcap.udp(0, ALICE, BOB, &sip("INVITE sip:bob@b.test SIP/2.0", invite, ("a1", ""), SDP, &offer));
    pcap.udp(100, BOB, ALICE, &sip("SIP/2.0 180 Ringing", invite, tags, "", ""));
    let answer = sdp("198.51.100.2", 6000, "sendrecv");
    pcap.udp(200, BOB, ALICE, &sip("SIP/2.0 200 OK", invite, tags, SDP, &answer));
    pcap.udp(300, ALICE, BOB, &sip("ACK sip:bob@b.test SIP/2.0", ("call-1", "1 ACK"), tags, "", ""));
}

pub(crate) fn close(pcap: &mut Pcap, millis: u64) {
    let (bye, tags) = (("call-1", "2 BYE"), ("a1", "b1"));
    pcap.udp(millis, ALICE, BOB, &sip("BYE sip:bob@b.test SIP/2.0", bye, tags, "", ""));
    pcap.udp(millis + 10, BOB, ALICE, &sip("SIP/2.0 200 OK", bye, tags, "", ""));
}

/// So many packets of 20 ms of PCMU, from 400 ms on, but for those numbers.
pub(crate) fn audio(pcap: &mut Pcap, ends: (&str, &str), ssrc: u32, count: u16, but: &[u16]) {
    for n in (0..count).filter(|n| !but.contains(n)) {
        let packet = rtp(0, n, u32::from(n) * 160, ssrc, &[0x55; 160]);
        pcap.rtp(400 + 20 * u64::from(n), ends, &packet);
    }
}
