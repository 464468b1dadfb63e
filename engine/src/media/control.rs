//! RTCP of one leg: reports both ways (RFC 3550 §6). Each leg is a session of two; nothing is passed on to the other
//! leg, since what one party says about our packets means nothing to the other.

use std::net::SocketAddr;

use smol_str::SmolStr;

use super::egress::Egress;
use super::out::PacketArena;
use super::reception::Reception;
use crate::limits::{RTCP_INTERVAL, RTCP_ROUND_TRIP};
use crate::rng::Rng;
use crate::rtp::{Compound, ControlPacket, ReportBlock, ReportBlocks, RtcpWriter, SenderInfo};
use crate::time::{Duration, Instant};

/// Reports fall on multiples of this, so that many legs share a wake-up.
const GRID: u64 = 20_000_000;

/// RTCP state of one leg.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Control {
    /// Our canonical name: random, short-lived, tells nothing (RFC 7022 §4.2).
    cname: SmolStr,
    /// Where the party's RTCP comes from.
    pub(super) learnt: Option<SocketAddr>,
    /// Middle of the NTP timestamp of the party's last sender report, and when it came.
    last_report: Option<(u32, Instant)>,
    /// Packets sent up to the last report and the one before: who was silent for two intervals sends no SR.
    sent: [u64; 2],
    /// Something was sent: leaving is worth a goodbye (RFC 3550 §6.3.7).
    spoke: bool,
    /// The party about us: fraction lost in 1/256.
    pub(super) fraction_lost: u8,
    /// The party about us: packets missed in all.
    pub(super) lost: u32,
    /// The party about us: jitter in timestamp units.
    jitter: u32,
    /// Round trip in microseconds, 0 when unknown.
    pub(super) round_trip_us: u32,
}

/// Time since start as an NTP timestamp. Its zero is our start, which RFC 3550 §4 allows: only differences are used.
fn ntp(at: Instant) -> u64 {
    let (seconds, rest) = (at.as_nanos() / 1_000_000_000, at.as_nanos() % 1_000_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000_000)
}

/// The middle 32 bits: 1/65536 s.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16 & 0xffff_ffff) as u32
}

impl Control {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            cname: rng.token::<20>(),
            learnt: None,
            last_report: None,
            sent: [0; 2],
            spoke: false,
            fraction_lost: 0,
            lost: 0,
            jitter: 0,
            round_trip_us: 0,
        }
    }

    /// The jitter that the party sees, in microseconds by this clock.
    pub(super) fn jitter_us(&self, clock: u32) -> u32 {
        u32::try_from(u64::from(self.jitter) * 1_000_000 / u64::from(clock.max(1))).unwrap_or(u32::MAX)
    }

    /// When to report next: at half to one and a half of the interval, half of that the first time (RFC 3550 §6.2).
    pub(super) fn next(now: Instant, rng: &mut Rng, first: bool) -> Instant {
        let interval = RTCP_INTERVAL / if first { 2 } else { 1 };
        let spread = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        let at = now + interval / 2 + Duration::from_millis(u64::from(rng.below(spread)));
        Instant::from_nanos(at.as_nanos().div_ceil(GRID).saturating_mul(GRID))
    }

    /// Reads what the party says. False when it is no RTCP.
    pub(super) fn hear(&mut self, now: Instant, bytes: &[u8], ssrc: u32) -> bool {
        // Whether it was agreed or not, some send a goodbye without the report that belongs before it.
        let Ok(compound) = Compound::parse_reduced(bytes) else { return false };
        for packet in compound.packets() {
            match packet {
                ControlPacket::SenderReport { info, blocks, .. } => {
                    self.last_report = Some((middle(info.ntp), now));
                    self.about_us(now, blocks, ssrc);
                }
                ControlPacket::ReceiverReport { blocks, .. } => self.about_us(now, blocks, ssrc),
                // A source that leaves may be followed by another; that the party is gone is for signalling to say.
                _ => {}
            }
        }
        true
    }

    fn about_us(&mut self, now: Instant, blocks: ReportBlocks<'_>, ssrc: u32) {
        for block in blocks.iter().filter(|b| b.ssrc == ssrc) {
            self.fraction_lost = block.fraction_lost;
            self.lost = u32::try_from(block.lost).unwrap_or(0);
            self.jitter = block.jitter;
            if block.last_report == 0 {
                continue;
            }
            let trip = middle(ntp(now)).wrapping_sub(block.last_report).wrapping_sub(block.delay);
            if u64::from(trip) <= RTCP_ROUND_TRIP.as_secs() << 16 {
                self.round_trip_us = u32::try_from((u64::from(trip) * 1_000_000) >> 16).unwrap_or(u32::MAX);
            }
        }
    }

    /// Sends a report; with `goodbye` the last one.
    pub(super) fn speak(&mut self, now: Instant, clock: u32, leg: Speaker<'_>, out: &mut PacketArena) {
        let Speaker { egress, reception, port, remote, goodbye } = leg;
        if goodbye && !self.spoke && egress.sent() == 0 {
            return;
        }
        let info = (egress.sent() > self.sent[1]).then(|| SenderInfo {
            ntp: ntp(now),
            timestamp: egress.timestamp(now, clock),
            // Both counters are modulo 2^32 on the wire.
            packets: (egress.sent() & 0xffff_ffff) as u32,
            octets: (egress.octets() & 0xffff_ffff) as u32,
        });
        let block = self.block(now, reception);
        out.write(port, remote, |bytes| {
            let mut writer = RtcpWriter::new(bytes);
            writer.report(egress.ssrc(), info, block.as_ref()).description(egress.ssrc(), &self.cname);
            if goodbye {
                writer.goodbye(egress.ssrc());
            }
        });
        self.sent = [egress.sent(), self.sent[0]];
        self.spoke = true;
    }

    fn block(&self, now: Instant, reception: &mut Reception) -> Option<ReportBlock> {
        let (last, delay) = self
            .last_report
            .map_or((0, 0), |(last, at)| (last, middle(ntp(now)).wrapping_sub(middle(ntp(at)))));
        reception.report(last, delay)
    }
}

/// The leg a report is about, and the way it goes.
pub(super) struct Speaker<'a> {
    pub(super) egress: &'a Egress,
    pub(super) reception: &'a mut Reception,
    pub(super) port: u16,
    pub(super) remote: SocketAddr,
    pub(super) goodbye: bool,
}
