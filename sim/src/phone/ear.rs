//! What a phone says and hears when the sound is coded anew on its way.

use telex_audio::codec::{Decoder, Encoder, Settings};
use telex_engine::time::{Duration, Instant};

use crate::tone::{Pitch, Sound, encoding};
use crate::voice::Rtp;

/// Frames that a voice says without a pause, and the pauses between: often at first, and then ever more rarely, so that
/// a run is not mostly media.
const TALK: [(u8, Duration); 3] =
    [(14, Duration::from_millis(900)), (10, Duration::from_millis(1000)), (7, Duration::from_millis(1300))];
/// What an RTP packet stands for.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// Something said without a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spurt {
    pub(crate) from: Instant,
    pub(crate) frames: u8,
}

impl Spurt {
    /// When its last frame has been said.
    pub(crate) fn end(&self) -> Instant {
        self.from + FRAME * u32::from(self.frames)
    }
}

/// The voice of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) pitch: Pitch,
    /// All that was said.
    pub(crate) spurts: Vec<Spurt>,
    /// Frames that remain of the last.
    left: u8,
    encoder: Option<(u8, Encoder)>,
    pcm: Vec<i16>,
    pub(super) payload: Vec<u8>,
}

impl Voice {
    pub(super) fn new(pitch: Pitch) -> Self {
        let (pcm, payload) = (Vec::new(), Vec::new());
        Self { pitch, spurts: Vec::new(), left: 0, encoder: None, pcm, payload }
    }

    /// Codes the next frame; true when it is the first after a pause. Then [`Voice::pause`] says when to go on.
    pub(super) fn speak(&mut self, now: Instant, payload_type: u8) -> bool {
        let first = self.left == 0;
        if first {
            // It has heard the silence before, as the decoder has.
            self.encoder = None;
            self.spurts.push(Spurt { from: now, frames: 0 });
            self.left = self.manner().0;
        }
        self.left -= 1;
        if let Some(spurt) = self.spurts.last_mut() {
            spurt.frames += 1;
        }
        if self.encoder.as_ref().is_none_or(|(known, _)| *known != payload_type) {
            self.encoder = encoding(payload_type)
                .map(|encoding| (payload_type, Encoder::new(encoding, Settings::default())));
        }
        self.payload.clear();
        if let Some((_, encoder)) = &mut self.encoder {
            self.pitch.speak(encoder.rate(), &mut self.pcm);
            encoder.encode(&self.pcm, &mut self.payload);
        }
        first
    }

    /// When the next frame is due after the one that was said.
    pub(super) fn pause(&self) -> Duration {
        if self.left > 0 { FRAME } else { self.manner().1 }
    }

    /// Something keeps it from speaking.
    pub(super) fn break_off(&mut self) {
        self.left = 0;
    }

    /// How the last spurt goes, of which there is one.
    fn manner(&self) -> (u8, Duration) {
        TALK[self.spurts.len().clamp(1, TALK.len()) - 1]
    }
}

/// A frame in which one voice was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clear {
    pub(crate) at: Instant,
    pub(crate) pitch: Pitch,
    /// It was as loud as it was spoken.
    pub(crate) level: bool,
}

/// What one leg hears.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear {
    /// Frames of one voice, by time.
    pub(crate) clear: Vec<Clear>,
    decoder: Option<(u8, Decoder)>,
    latest: Option<u16>,
    pcm: Vec<i16>,
}

impl Ear {
    /// A packet of sound. One that was overtaken comes too late to be decoded.
    pub(super) fn hear(&mut self, now: Instant, rtp: &Rtp<'_>) {
        let overtaken = |latest: u16| rtp.sequence.wrapping_sub(latest).wrapping_sub(1) >= 0x8000;
        if self.latest.is_some_and(overtaken) {
            return;
        }
        self.latest = Some(rtp.sequence);
        if self.decoder.as_ref().is_none_or(|(known, _)| *known != rtp.payload_type) {
            self.decoder =
                encoding(rtp.payload_type).map(|encoding| (rtp.payload_type, Decoder::new(encoding, 16_000)));
        }
        let Some((_, decoder)) = &mut self.decoder else { return };
        self.pcm.clear();
        if decoder.decode(rtp.payload, &mut self.pcm).is_err() {
            return;
        }
        let likely = self.clear.last().map(|clear| clear.pitch);
        if let Sound::Voice(pitch, level) = Sound::of(decoder.rate(), &self.pcm, likely) {
            self.clear.push(Clear { at: now, pitch, level });
        }
    }

    /// When this voice was last heard.
    pub(crate) fn last_heard(&self, pitch: Pitch) -> Option<Instant> {
        self.clear.iter().rev().find(|clear| clear.pitch == pitch).map(|clear| clear.at)
    }
}
