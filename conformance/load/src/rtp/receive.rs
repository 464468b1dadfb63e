//! The thread that receives.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use rustix::event::{Timespec, epoll};

use super::{FRAME, JUDGED, MARKER_EVERY, PERIOD_NS, Probe, STAMP_MAGIC, Shared, grow};
use crate::audio::{self, Codec};
use crate::hist::Hist;
use crate::sys;

/// Counts of one stream.
#[derive(Clone)]
pub struct Stream {
    pub received: u64,
    /// Of those sent while measuring.
    pub counted: u64,
    /// In the window.
    pub window: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub crosstalk: u64,
    /// Number of the first packet heard.
    pub first: i64,
    pub rtp_gaps: u64,
    pub jitter_us: f64,
    pub max_gap_us: u64,
    pub ssrc_changes: u64,
    /// The first packets of the window, one after the other.
    pub judged: Vec<u8>,
    peer: Option<u32>,
    highest: i64,
    /// Which of the 64 numbers up to `highest` have been seen.
    seen: u64,
    /// Sequence number and SSRC of the packet before.
    before: Option<(u16, u32)>,
    transit: Option<i64>,
    arrived: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            received: 0,
            counted: 0,
            window: 0,
            duplicates: 0,
            reordered: 0,
            crosstalk: 0,
            first: -1,
            rtp_gaps: 0,
            jitter_us: 0.0,
            max_gap_us: 0,
            ssrc_changes: 0,
            judged: Vec::new(),
            peer: None,
            highest: -1,
            seen: 0,
            before: None,
            transit: None,
            arrived: 0,
        }
    }
}

impl Stream {
    /// Holes in what the server sent, by RTP sequence numbers.
    fn follow_rtp(&mut self, sequence: u16, ssrc: u32, in_window: bool) {
        match self.before {
            Some((before, same)) if same == ssrc => {
                let step = i64::from(sequence.wrapping_sub(before) as i16);
                if step > 1 && in_window {
                    self.rtp_gaps += step as u64 - 1;
                }
            }
            Some(_) => {
                self.ssrc_changes += 1;
                self.transit = None;
            }
            None => {}
        }
        self.before = Some((sequence, ssrc));
    }

    /// Takes the stamp of a packet; whether it is the first of that number and from the stream's peer.
    fn follow_stamp(&mut self, peer: u32, number: i64) -> bool {
        match self.peer {
            None => {
                self.peer = Some(peer);
                self.first = number;
                self.highest = number - 1;
            }
            Some(known) if known != peer => {
                self.crosstalk += 1;
                return false;
            }
            Some(_) => {}
        }
        if number > self.highest {
            let ahead = number - self.highest;
            self.seen = if ahead >= 64 { 1 } else { (self.seen << ahead) | 1 };
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if behind < 64 {
            if (self.seen >> behind) & 1 == 1 {
                self.duplicates += 1;
                return false;
            }
            self.seen |= 1 << behind;
        }
        self.reordered += 1;
        true
    }

    /// Jitter as RFC 3550 estimates it.
    fn follow_transit(&mut self, transit: i64) {
        if let Some(before) = self.transit {
            let change = (transit - before).unsigned_abs() as f64 / 1000.0;
            if change < 1_000_000.0 {
                self.jitter_us += (change - self.jitter_us) / 16.0;
            }
        }
        self.transit = Some(transit);
    }
}

/// What was received.
#[derive(Default)]
pub struct Received {
    pub streams: Vec<Stream>,
    pub latency_us: Hist,
    pub gap_us: Hist,
    pub alien: u64,
    pub stale: u64,
    pub bad_payload: u64,
    pub no_timestamp: u64,
    pub markers: u64,
}

/// Receives until told to stop.
pub fn run(shared: &Shared) -> Received {
    let mut out = Received::default();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
    for (number, leg) in shared.legs.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&epoll, &leg.socket, data, epoll::EventFlags::IN).expect("the socket is open and new");
    }
    let mut events = Vec::with_capacity(512);
    let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let mut room = [0u8; 2048];
    while !shared.stop.load(Relaxed) {
        events.clear();
        let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
        for event in &events {
            let number = event.data.u64() as usize;
            for _ in 0..8 {
                let Some((length, arrived)) = sys::receive(&shared.legs[number].socket, &mut room) else {
                    break;
                };
                out.no_timestamp += u64::from(arrived.is_none());
                let arrived = arrived.unwrap_or_else(sys::real_ns);
                on_packet(shared, &mut out, number, &room[..length], arrived);
            }
        }
    }
    out
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

fn on_packet(shared: &Shared, out: &mut Received, number: usize, packet: &[u8], arrived: u64) {
    let leg = &shared.legs[number];
    let header = 12 + 4 * usize::from(packet.first().unwrap_or(&0) & 0x0f);
    if packet.len() < 13 || packet[0] >> 6 != 2 {
        out.alien += 1;
        return;
    }
    let id = leg.stream.load(Acquire);
    if id == u32::MAX {
        out.stale += 1;
        return;
    }
    if packet[1] & 0x7f != leg.codec.pt() {
        out.bad_payload += 1;
        return;
    }
    let Some(body) = packet.get(header..) else {
        out.alien += 1;
        return;
    };
    let in_window = shared.in_window(arrived);
    let stream = grow(&mut out.streams, id as usize);
    stream.received += 1;
    if in_window {
        stream.window += 1;
        if stream.arrived != 0 && arrived > stream.arrived {
            let gap = (arrived - stream.arrived) / 1000;
            out.gap_us.add(gap);
            stream.max_gap_us = stream.max_gap_us.max(gap);
        }
    }
    stream.arrived = arrived;
    stream.follow_rtp(u16::from_be_bytes([packet[2], packet[3]]), word(packet, 8), in_window);
    let transit = if shared.probe == Probe::Stamp {
        stamped(out, id, body, arrived)
    } else {
        if shared.probe == Probe::Tone && in_window && stream.judged.len() < JUDGED * FRAME {
            stream.judged.extend_from_slice(body);
        }
        marked(shared, out, leg.codec, body, arrived);
        Some(arrived as i64 - i64::from(word(packet, 4)) * 125_000)
    };
    if let Some(transit) = transit.filter(|_| in_window) {
        out.streams[id as usize].follow_transit(transit);
    }
}

/// How long a stamped packet was under way, unless it does not count.
fn stamped(out: &mut Received, id: u32, body: &[u8], arrived: u64) -> Option<i64> {
    if body.len() < 21 || word(body, 0) != STAMP_MAGIC {
        out.alien += 1;
        return None;
    }
    let sent = u64::from(word(body, 4)) << 32 | u64::from(word(body, 8));
    let stream = &mut out.streams[id as usize];
    if !stream.follow_stamp(word(body, 12), i64::from(word(body, 16))) {
        return None;
    }
    if body[20] == 1 {
        stream.counted += 1;
        out.latency_us.add(arrived.saturating_sub(sent) / 1000);
    }
    Some(arrived as i64 - sent as i64)
}

fn marked(shared: &Shared, out: &mut Received, codec: Codec, body: &[u8], arrived: u64) {
    if shared.probe != Probe::Marker || codec == Codec::G722 {
        return;
    }
    let Some(id) = audio::decode_marker(codec, body) else { return };
    let sent = shared.marker_sent[usize::from(id)].load(Acquire);
    let fresh = arrived > sent && arrived - sent < PERIOD_NS * u64::from(MARKER_EVERY);
    if fresh && shared.in_window(arrived) {
        out.markers += 1;
        out.latency_us.add((arrived - sent) / 1000);
    }
}
