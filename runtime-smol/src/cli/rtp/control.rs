//! RTCP of one stream: what is said about it on both sides (RFC 3550 §6).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use telex_engine::rtp::{Compound, ControlPacket, ReportBlock, RtcpWriter, SenderInfo};

/// Seconds between 1900 and 1970.
const ERA: u64 = 2_208_988_800;
/// Mean time between two reports (RFC 3550 §6.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// The time of day as RTCP has it: seconds since 1900 in the upper, fractions in the lower 32 bits.
pub(super) fn ntp() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    now.as_secs().wrapping_add(ERA) << 32 | fraction
}

/// The part of it that reports refer to.
pub(super) fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// When the next report goes: spread between half and one and a half of the interval, so that parties that began
/// together do not report together (RFC 3550 §6.3.1).
pub(super) fn next_report(now: Instant, chance: u8) -> Instant {
    now + INTERVAL / 2 + INTERVAL * u32::from(chance) / 255
}

/// A report with the name of who sends it; a goodbye with it if it is the last.
pub(super) fn report(
    ssrc: u32,
    name: &str,
    info: Option<SenderInfo>,
    block: Option<&ReportBlock>,
    last: bool,
) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut writer = RtcpWriter::new(&mut octets);
    writer.report(ssrc, info, block).description(ssrc, name);
    if last {
        writer.goodbye(ssrc);
    }
    octets
}

/// What the far side says it hears of us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Packets it misses.
    lost: i32,
    /// Share of packets it missed lately, in 1/256.
    fraction: u8,
    jitter: Duration,
    round_trip: Option<Duration>,
}

impl Heard {
    /// Looks for what a datagram says about our source.
    pub(super) fn read(datagram: &[u8], ssrc: u32, clock: u32) -> Option<Self> {
        let compound = Compound::parse(datagram).ok()?;
        let block = compound.packets().find_map(|packet| match packet {
            ControlPacket::SenderReport { blocks, .. } | ControlPacket::ReceiverReport { blocks, .. } => {
                blocks.iter().find(|block| block.ssrc == ssrc)
            }
            _ => None,
        })?;
        // RFC 3550 §6.4.1, figure 2; in 1/65536 s.
        let gone = middle(ntp()).wrapping_sub(block.last_report).wrapping_sub(block.delay);
        let plausible = block.last_report != 0 && gone < 60 << 16;
        Some(Self {
            lost: block.lost,
            fraction: block.fraction_lost,
            jitter: Duration::from_secs_f64(f64::from(block.jitter) / f64::from(clock.max(1))),
            round_trip: plausible.then(|| Duration::from_secs_f64(f64::from(gone) / 65_536.0)),
        })
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "lost": self.lost,
            "lost_lately_percent": tenths(f64::from(self.fraction) / 2.56),
            "jitter_ms": tenths(self.jitter.as_secs_f64() * 1000.0),
            "round_trip_ms": self.round_trip.map(|t| tenths(t.as_secs_f64() * 1000.0)),
        })
    }
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (lately, jitter) = (f64::from(self.fraction) / 2.56, self.jitter.as_secs_f64() * 1000.0);
        write!(f, "far side: lost {} ({lately:.1}% lately), jitter {jitter:.1}ms", self.lost)?;
        match self.round_trip {
            Some(time) => write!(f, ", round trip {:.1}ms", time.as_secs_f64() * 1000.0),
            None => Ok(()),
        }
    }
}

/// Rounded to one digit.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_far_side_says_is_found_and_timed() {
        let sent = middle(ntp()).wrapping_sub(65_536);
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 64,
            lost: 3,
            highest: 100,
            jitter: 80,
            last_report: sent,
            delay: 65_536 / 2,
        };
        let datagram = report(9, "somebody", None, Some(&block), false);
        let heard = Heard::read(&datagram, 7, 8000).unwrap();
        assert_eq!((heard.lost, heard.fraction, heard.jitter), (3, 64, Duration::from_millis(10)));
        let round_trip = heard.round_trip.unwrap().as_millis();
        assert!((490..2000).contains(&round_trip), "{round_trip}");
        assert!(Heard::read(&datagram, 8, 8000).is_none());
        assert!(Heard::read(b"nonsense", 7, 8000).is_none());
    }

    #[test]
    fn reports_spread_around_five_seconds() {
        let now = Instant::now();
        assert_eq!(next_report(now, 0) - now, Duration::from_millis(2500));
        assert_eq!(next_report(now, 255) - now, Duration::from_millis(7500));
    }
}
