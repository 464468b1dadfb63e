//! An ear for the tones of keys in a party's sound.
//!
//! Sound that is passed on untouched is listened to packet by packet, each before it goes on: the one in which a key
//! is recognised is the first that does not. So what has gone on of a tone is too short to be recognised by one who
//! listens as we do, and the key is heard once. Sound that is decoded anyway is listened to frame by frame.

use telex_audio::codec::{Decoder, Encoding};
use telex_audio::dtmf::{Detector, Event};

use super::converter::Converter;
use crate::limits::KEY_SILENCE;
use crate::rtp::Header;
use crate::time::Instant;

/// Samples per second at which tones are looked for, whatever the sound has: none is above 1633 Hz.
pub(super) const TONE_RATE: u32 = 8000;
/// Silence that ends any key, at that rate: 100 ms.
const SILENCE: [i16; 800] = [0; 800];

/// Looks for the tones of keys.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tones {
    converter: Converter,
    detector: Detector,
    /// What was converted.
    pcm: Vec<i16>,
}

impl Tones {
    pub(super) fn new() -> Option<Self> {
        let (converter, pcm) = (Converter::new(TONE_RATE, TONE_RATE), Vec::new());
        Some(Self { converter, detector: Detector::new(TONE_RATE)?, pcm })
    }

    /// Looks at sound of this rate. A key that is down stays down when the rate changes.
    pub(super) fn listen(&mut self, rate: u32, sound: &[i16], events: &mut Vec<Event>) {
        if self.converter.from() != rate {
            self.converter = Converter::new(rate, TONE_RATE);
        }
        self.pcm.clear();
        self.converter.convert(sound, &mut self.pcm);
        self.detector.feed(&self.pcm, events);
    }

    /// Nothing is heard for so many samples at [`TONE_RATE`]; more than a key survives are as good as enough.
    fn pass(&mut self, samples: usize, events: &mut Vec<Event>) {
        self.detector.feed(SILENCE.get(..samples).unwrap_or(&SILENCE), events);
    }

    /// Nothing more is heard: a key that is down goes up.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        if self.is_pressed() {
            self.pass(SILENCE.len(), events);
        }
    }

    /// Whether a key is down.
    pub(super) fn is_pressed(&self) -> bool {
        self.detector.pressed().is_some()
    }
}

/// Decodes packets as they come, for [`Tones`].
#[derive(Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Ear {
    decoder: Option<(Encoding, Decoder)>,
    /// Timestamp of the next packet, if none is missing.
    next: Option<u32>,
    heard: Option<Instant>,
    pcm: Vec<i16>,
}

impl Ear {
    /// Takes a packet of sound whose timestamps have this clock.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        (header, clock): (&Header, u32),
        (encoding, payload): (Encoding, &[u8]),
        tones: &mut Tones,
        events: &mut Vec<Event>,
    ) {
        let (_, decoder) = match &mut self.decoder {
            Some(known) if known.0 == encoding => known,
            other => other.insert((encoding, Decoder::new(encoding, TONE_RATE))),
        };
        let rate = decoder.rate().max(1);
        // The longest packets there are hold 120 ms (RFC 6716 §2.1.4).
        let Some(samples) = decoder.samples(payload).filter(|&samples| samples <= rate as usize / 8) else {
            return;
        };
        let ahead = self.next.map_or(0, |next| header.timestamp.wrapping_sub(next));
        if ahead.cast_signed() < 0 && ahead.wrapping_neg() < clock {
            // It comes too late to be listened to.
            return;
        }
        let missed = u64::from(ahead) * u64::from(TONE_RATE) / u64::from(clock.max(1));
        if missed > 0 {
            tones.pass(usize::try_from(missed).unwrap_or(usize::MAX), events);
        }
        let units = samples as u64 * u64::from(clock) / u64::from(rate);
        self.next = Some(header.timestamp.wrapping_add(u32::try_from(units).unwrap_or(0)));
        self.heard = Some(now);
        self.pcm.clear();
        if decoder.decode(payload, &mut self.pcm).is_ok() {
            tones.listen(rate, &self.pcm, events);
        }
    }

    /// The source begins anew.
    pub(super) fn restart(&mut self) {
        (self.decoder, self.next) = (None, None);
    }

    /// When a key that is down is up if no more packets come.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.heard.map(|heard| heard + KEY_SILENCE)
    }
}
