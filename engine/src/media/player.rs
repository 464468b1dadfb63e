//! Audio generated into a leg's ear, in step with the clock.

use std::net::SocketAddr;

use telex_audio::codec::{Encoding, g711};

use super::egress::Egress;
use super::out::PacketArena;
use super::ring::{self, FRAME_MS, millis};
use super::tone::{RATE, Tone};
use crate::limits::{MEDIA_CATCH_UP, PTIME_MAX};
use crate::mediactl::{Play, Playing};
use crate::time::Instant;

/// Samples of one frame of the ring.
const FRAME_SAMPLES: u32 = RATE / 1000 * FRAME_MS as u32;

/// What plays, and how far it is.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Player {
    playing: Play,
    tone: Tone,
    /// The millisecond of the next frame.
    next: u64,
    /// Samples that are due and not yet enough for a packet.
    pending: u32,
}

/// How the packets are made and where they go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) payload_type: u8,
    /// How a sample is written.
    pub(super) encode: fn(i16) -> u8,
    /// Samples per packet.
    pub(super) samples: u32,
    pub(super) port: u16,
    pub(super) remote: SocketAddr,
}

/// How an encoding writes a sample; `None` when we cannot produce it.
pub(super) fn encoder(encoding: Encoding) -> Option<fn(i16) -> u8> {
    match encoding {
        Encoding::Pcmu => Some(g711::mu_encode),
        Encoding::Pcma => Some(g711::a_encode),
        _ => None,
    }
}

/// Samples in a packet of `ptime` milliseconds; 0 means the usual 20 ms (RFC 3551 §4.2).
pub(super) fn packet_samples(ptime: u8) -> u32 {
    let ms = if ptime == 0 { 20 } else { ptime.min(PTIME_MAX) };
    u32::from(ms) * (RATE / 1000)
}

fn tone(play: &Play) -> Tone {
    match play.sound {
        Playing::Tone { hertz, level } => Tone::new(hertz, level),
        Playing::Clips { .. } => Tone::new(0, 0),
    }
}

impl Player {
    /// Starts at the next millisecond of `phase`.
    pub(super) fn new(now: Instant, phase: u8, playing: &Play) -> Self {
        let tone = tone(playing);
        Self { playing: playing.clone(), tone, next: ring::next(millis(now), phase), pending: 0 }
    }

    /// Plays this from now on; the same goes on undisturbed.
    pub(super) fn change(&mut self, playing: &Play) {
        if self.playing != *playing {
            (self.playing, self.tone) = (playing.clone(), tone(playing));
        }
    }

    /// Sends what is due. Of a long delay only the last [`MEDIA_CATCH_UP`] frames are made up for; before them the
    /// timestamp leaps by what is skipped and the marker says so.
    pub(super) fn run(&mut self, now: Instant, way: &Way, egress: &mut Egress, out: &mut PacketArena) {
        let Some(late) = millis(now).checked_sub(self.next) else { return };
        let due = late / FRAME_MS + 1;
        self.next += due * FRAME_MS;
        let skipped = due.saturating_sub(MEDIA_CATCH_UP);
        if skipped > 0 {
            // Timestamps and phases wrap, and so may this.
            let samples = u32::try_from(skipped & 0xffff_ffff).unwrap_or(0).wrapping_mul(FRAME_SAMPLES);
            egress.skip(samples);
            self.tone.skip(samples);
        }
        // At most three: the conversion cannot fail.
        self.pending += u32::try_from(due - skipped).unwrap_or(0) * FRAME_SAMPLES;
        while self.pending >= way.samples {
            self.pending -= way.samples;
            let header = egress.generate(now, way.payload_type, way.samples);
            out.write(way.port, way.remote, |bytes| {
                bytes.extend_from_slice(&header.to_bytes());
                bytes.extend((0..way.samples).map(|_| (way.encode)(self.tone.sample())));
            });
        }
    }
}
