//! What we say to a party: samples in, packets out.

use telex_audio::codec::{Encoded, Encoder, Encoding};

use super::converter::Converter;
use super::hush::{Hush, Verdict};
use crate::limits::PTIME_MAX;
use crate::mediactl::Payload;

/// Milliseconds in a packet when the party asks for none in particular (RFC 3551 §4.2).
const USUAL_PTIME: u8 = 20;

/// The sending direction towards one party, or towards several that hear the same.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Outlet {
    payload: Payload,
    ptime: u8,
    /// From the rate of what it takes to the encoder's.
    converter: Converter,
    encoder: Encoder,
    /// Samples of one packet, at the encoder's rate.
    samples: usize,
    /// The same in units of the RTP clock.
    units: u32,
    /// Less than one packet.
    pending: Vec<i16>,
    /// For a party that takes descriptions of noise.
    hush: Option<Box<Hush>>,
}

/// What is due to the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// A packet of so many units.
    Packet { units: u32, payload: &'a [u8] },
    /// A description of noise in the place of so many units.
    Noise { units: u32, payload: &'a [u8] },
    /// Nothing, for so many units.
    Nothing { units: u32 },
}

/// How a payload is made at a rate near `rate`, for those that leave a choice.
fn make(payload: &Payload, encoding: Encoding, rate: u32) -> Encoder {
    let mut settings = payload.settings;
    if settings.rate == 0 {
        settings.rate = rate;
    }
    Encoder::new(encoding, settings)
}

/// Whether an encoding has no way of its own to leave out silence. Comfort noise is for those (RFC 3389 §1).
fn is_plain(encoding: Encoding) -> bool {
    !matches!(encoding, Encoding::Opus | Encoding::G729 | Encoding::Speex { .. })
}

/// Samples of one packet: as many as `ptime` milliseconds, in whole frames.
fn packet(encoding: Encoding, rate: u32, ptime: u8) -> usize {
    let ms = if ptime == 0 { USUAL_PTIME } else { ptime.min(PTIME_MAX) };
    let wanted = u64::from(ms) * u64::from(rate) / 1000;
    let properties = encoding.properties();
    // The frame is told at the best rate.
    let frame = (u64::from(properties.frame) * u64::from(rate) / u64::from(properties.rate.max(1))).max(1);
    usize::try_from((wanted / frame).max(1) * frame).unwrap_or(1)
}

impl Outlet {
    /// A direction in which nothing was said yet; `None` for a payload that we cannot produce. What is heard comes at
    /// `source` samples per second; the encoder works at the same if its encoding leaves a choice.
    /// With `hushed`, noise is described where the encoding has no way of its own.
    pub(super) fn new(payload: &Payload, ptime: u8, source: u32, hushed: bool) -> Option<Self> {
        let encoding = payload.encoding?;
        let encoder = make(payload, encoding, source);
        let rate = encoder.rate().max(1);
        let samples = packet(encoding, rate, ptime);
        let units = samples as u64 * u64::from(payload.clock) / u64::from(rate);
        Some(Self {
            payload: *payload,
            ptime,
            converter: Converter::new(source, rate),
            encoder,
            samples,
            units: u32::try_from(units).unwrap_or(u32::MAX),
            pending: Vec::with_capacity(samples),
            hush: (hushed && is_plain(encoding)).then(|| Box::new(Hush::new(rate))),
        })
    }

    /// What is heard comes at this rate from now on.
    pub(super) fn set_source(&mut self, source: u32) {
        if self.converter.from() == source {
            return;
        }
        if let Some(other) = Self::new(&self.payload, self.ptime, source, self.hush.is_some()) {
            if other.rate() == self.rate() {
                self.converter = other.converter;
            } else {
                *self = other;
            }
        }
    }

    /// Appends what is heard to `pcm` at the encoder's rate.
    pub(super) fn convert(&mut self, heard: &[i16], pcm: &mut Vec<i16>) {
        self.converter.convert(heard, pcm);
    }

    /// Samples per second that the encoder takes.
    pub(super) fn rate(&self) -> u32 {
        self.encoder.rate()
    }

    /// What it produces.
    pub(super) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Whether it produces this.
    pub(super) fn makes(&self, payload: &Payload, ptime: u8, hushed: bool) -> bool {
        let hushes = hushed && payload.encoding.is_some_and(is_plain);
        self.payload == *payload && self.ptime == ptime && self.hush.is_some() == hushes
    }

    /// Whether it produces the same octets as another from the same samples, but for the number of the payload type,
    /// and at the same moments.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let kind = |o: &Self| {
            let sound = (o.payload.encoding, o.payload.settings, o.payload.clock, o.rate());
            (sound, o.samples, o.pending.len(), o.hush.is_some())
        };
        kind(self) == kind(other)
    }

    /// Goes on as another of the same kind would: what it makes can be told from the other's only by the number of its
    /// payload type.
    pub(super) fn continue_from(&mut self, other: &Self) {
        let (payload, ptime) = (self.payload, self.ptime);
        *self = Self { payload, ptime, ..other.clone() };
    }

    /// Takes the next samples and tells each packet that is full. `payload` is scratch space. `kept` says that these
    /// are no noise, whatever they sound like.
    pub(super) fn say(
        &mut self,
        mut pcm: &[i16],
        kept: bool,
        payload: &mut Vec<u8>,
        mut tell: impl FnMut(Due<'_>),
    ) {
        while self.pending.len() + pcm.len() >= self.samples {
            payload.clear();
            if self.pending.is_empty() {
                let (now, later) = pcm.split_at(self.samples);
                pcm = later;
                tell(self.packet(now, kept, payload));
            } else {
                let (now, later) = pcm.split_at(self.samples - self.pending.len());
                pcm = later;
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(now);
                tell(self.packet(&whole, kept, payload));
                whole.clear();
                self.pending = whole;
            }
        }
        self.pending.extend_from_slice(pcm);
    }

    /// What is sent for the samples of one packet.
    fn packet<'a>(&mut self, pcm: &[i16], kept: bool, payload: &'a mut Vec<u8>) -> Due<'a> {
        let (units, ms) = (self.units, (pcm.len() as u64 * 1000 / u64::from(self.rate().max(1))) as u32);
        let verdict = match &mut self.hush {
            Some(hush) => hush.judge(pcm, ms, kept, payload),
            None => Verdict::Said,
        };
        match verdict {
            Verdict::Nothing => return Due::Nothing { units },
            Verdict::Described => return Due::Noise { units, payload },
            Verdict::Said => {}
        }
        match self.encoder.encode(pcm, payload) {
            Encoded::Sound | Encoded::Noise => Due::Packet { units, payload },
            Encoded::Nothing => Due::Nothing { units },
        }
    }

    /// Units of the RTP clock in so many samples.
    pub(super) fn units_of(&self, samples: u64) -> u32 {
        let units = samples.saturating_mul(u64::from(self.payload.clock)) / u64::from(self.rate().max(1));
        u32::try_from(units & 0xffff_ffff).unwrap_or(0)
    }

    /// Forgets samples that wait for a packet to be full; gives their units.
    pub(super) fn forget(&mut self) -> u32 {
        let units = self.units_of(self.pending.len() as u64);
        self.pending.clear();
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(ptime: u8, pieces: &[usize]) -> Vec<(u32, usize)> {
        let mut outlet = Outlet::new(&Payload::of(0, Encoding::Pcmu), ptime, 8000, false).unwrap();
        let (mut told, mut scratch) = (Vec::new(), Vec::new());
        for &piece in pieces {
            outlet.say(&vec![5; piece], false, &mut scratch, |due| match due {
                Due::Packet { units, payload } => told.push((units, payload.len())),
                Due::Noise { .. } | Due::Nothing { .. } => unreachable!(),
            });
        }
        told
    }

    #[test]
    fn packets_are_full_whatever_the_pieces() {
        assert_eq!(packets(0, &[160, 160]), [(160, 160); 2]);
        assert_eq!(packets(10, &[160, 40, 41]), [(80, 80); 3]);
        assert_eq!(packets(30, &[160, 160, 160]), [(240, 240); 2]);
        assert_eq!(packets(255, &[160; 7]), [(960, 960)]);
        assert_eq!(Outlet::new(&Payload::opaque(18, 8000), 20, 8000, true).map(|o| o.rate()), None);
    }
}
