//! Frames to speech.

use super::frame::Frame;
use super::short_term::Lattice;
use super::{History, OCTETS, SAMPLES, SUBFRAME, excite, predict, pulses};
use crate::codec::Malformed;
use crate::codec::fixed::mul_round;

/// Pre-emphasis that is taken back (5.3.5).
const EMPHASIS: i16 = 28_180;

/// How much softer each further concealed frame is, in codes of the loudest pulse (eight are 6 dB), as the example of
/// ETSI EN 300 962 (GSM 06.11) has it.
const FADE: u8 = 4;

/// Frames after which nothing is left of the last one: the largest code of a peak is 63.
const CONCEALED: u8 = 16;

/// The receiving direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    history: History,
    lattice: Lattice,
    /// The last lag that was one.
    lag: u8,
    emphasis: i16,
    /// What is repeated in place of a lost frame.
    last: Frame,
    /// Frames concealed since.
    lost: u8,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            history: History::default(),
            lattice: Lattice::default(),
            lag: 40,
            emphasis: 0,
            last: Frame::default(),
            lost: CONCEALED,
        }
    }
}

impl Decoder {
    /// Appends 160 samples for each frame of a payload.
    ///
    /// # Errors
    /// When the payload is not a whole number of frames or one lacks the signature; nothing is appended.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Malformed> {
        let (frames, rest) = payload.as_chunks::<OCTETS>();
        if frames.is_empty() || !rest.is_empty() || !frames.iter().all(Frame::signed) {
            return Err(Malformed);
        }
        for frame in frames {
            self.last = Frame::read(frame);
            self.lost = 0;
            pcm.extend_from_slice(&self.speak(self.last));
        }
        Ok(())
    }

    /// Appends so many samples in place of lost frames: the last one again, softer each time, silence after 320 ms.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let end = pcm.len() + samples;
        while pcm.len() < end && self.lost < CONCEALED {
            let mut frame = self.last;
            for sub in &mut frame.subs {
                sub.peak = sub.peak.saturating_sub(self.lost * FADE);
                // Without pulses the long-term predictor would go on ringing by itself.
                if sub.peak == 0 {
                    sub.gain = 0;
                }
            }
            self.lost += 1;
            pcm.extend_from_slice(&self.speak(frame));
            if self.lost == CONCEALED {
                // Who speaks again after a pause has coded the pause: a filter that still fits the last word would make
                // a bang of the next one.
                (self.history, self.lattice, self.emphasis) = (History::default(), Lattice::default(), 0);
            }
        }
        pcm.resize(end, 0);
    }

    fn speak(&mut self, frame: Frame) -> [i16; SAMPLES] {
        let mut samples = [0; SAMPLES];
        for (part, sub) in samples.as_chunks_mut::<SUBFRAME>().0.iter_mut().zip(&frame.subs) {
            if (40..=120).contains(&sub.lag) {
                self.lag = sub.lag;
            }
            let predicted = predict(&self.history, usize::from(self.lag), sub.gain);
            *part = excite(&mut self.history, &pulses(sub), &predicted);
        }
        self.lattice.synthesise(&frame.ratios, &mut samples);
        for sample in &mut samples {
            self.emphasis = sample.saturating_add(mul_round(self.emphasis, EMPHASIS));
            // 13 bits are meant (5.3.6, 5.3.7).
            *sample = self.emphasis.saturating_add(self.emphasis) & !7;
        }
        samples
    }
}
