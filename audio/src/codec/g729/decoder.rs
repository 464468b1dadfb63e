//! Frames to speech.

use super::frame::{Frame, parity};
use super::gain::{self, Gains};
use super::noise::{Noise, Silence};
use super::pitch::{Delay, LEAST, MOST, repeat};
use super::postfilter::Postfilter;
use super::spectrum::{COSINES_AT_START, Filter, Memory, Predictor, Ten, cosines, filters, vector};
use super::{Line, OCTETS, PAST, SAMPLES, SHARPEST, SILENCE_OCTETS, SUBFRAME, excite, pulses, samples};
use crate::codec::Malformed;

/// The receiving direction.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Decoder {
    spectrum: Memory,
    /// The last frequencies, and the last cosines.
    frequencies: Ten,
    cosines: Ten,
    predictor: u8,
    excitation: Line,
    /// The last ten samples of speech before the postfilter, newest first.
    speech: Ten,
    gains: gain::Memory,
    last: Gains,
    sharpness: i16,
    /// Whole delay of the last pitch.
    delay: usize,
    postfilter: Postfilter,
    noise: Noise,
    /// What silence was described as, while there is silence.
    silence: Option<i32>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            spectrum: Memory::default(),
            frequencies: [2339, 4679, 7018, 9358, 11_698, 14_037, 16_377, 18_717, 21_056, 23_396],
            cosines: COSINES_AT_START,
            predictor: 0,
            excitation: Line::default(),
            speech: [0; 10],
            gains: gain::Memory::default(),
            last: Gains::default(),
            sharpness: SHARPEST.0,
            delay: 60,
            postfilter: Postfilter::default(),
            noise: Noise::default(),
            silence: None,
        }
    }
}

impl Decoder {
    /// Appends 80 samples for each frame of a payload, and for the description of silence that may be its last.
    ///
    /// # Errors
    /// When the payload has no such length; nothing is appended.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Malformed> {
        samples(payload).ok_or(Malformed)?;
        let (frames, rest) = payload.as_chunks::<OCTETS>();
        for frame in frames {
            self.speech(&Frame::read(frame), pcm);
        }
        if let Some(&octets) = rest.first_chunk::<SILENCE_OCTETS>() {
            let silence = Silence::read(octets);
            self.frequencies = silence.frequencies(&mut self.spectrum);
            self.fill(silence.level(), pcm);
        }
        Ok(())
    }

    /// Appends so many samples in place of what never came: noise in silence, else like what was, fading.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let end = pcm.len() + samples;
        while pcm.len() < end {
            match self.silence {
                Some(level) => self.fill(level, pcm),
                None => self.lost(pcm),
            }
        }
        pcm.truncate(end);
    }

    fn speech(&mut self, frame: &Frame, pcm: &mut Vec<i16>) {
        self.silence = None;
        self.predictor = frame.spectrum.predictor;
        let predictor = Predictor::speech(self.predictor);
        self.frequencies = self.spectrum.decode(&predictor, &vector(frame.spectrum));
        let filters = self.next_filters();
        let mut first = Delay::first(frame.subs[0].pitch);
        if parity(frame.subs[0].pitch) != frame.parity {
            first = Delay { whole: self.delay.clamp(LEAST, MOST), thirds: 0 };
        }
        let delays = [first, Delay::second(frame.subs[1].pitch, first.whole)];
        for (at, (sub, delay)) in frame.subs.iter().zip(delays).enumerate() {
            let mut fixed = pulses::place(sub.places, sub.signs);
            pulses::sharpen(&mut fixed, delay.whole, self.sharpness);
            let gains = self.gains.decode(sub.gains, &fixed);
            self.subframe(at, delay, &fixed, gains);
            self.heard(at, &filters[at], pcm);
        }
        self.slide();
    }

    /// A frame that is lost: the filter is repeated, the pitch goes on, the pulses are random, all of it softer.
    fn lost(&mut self, pcm: &mut Vec<i16>) {
        self.spectrum.repeat(&Predictor::speech(self.predictor), &self.frequencies);
        let filters = self.next_filters();
        for (at, filter) in filters.iter().enumerate() {
            let delay = Delay { whole: self.delay.clamp(LEAST, MOST - 1) + 1, thirds: 0 };
            let (places, signs) = (self.noise.random() as u16 & 0x1fff, self.noise.random() as u8 & 15);
            let mut fixed = pulses::place(places, signs);
            pulses::sharpen(&mut fixed, delay.whole, self.sharpness);
            // 0.9, at most 0.9, and 0.98.
            let pitch = ((i32::from(self.last.pitch) * 29_491) >> 15).min(14_746) as i16;
            let gains = Gains { pitch, pulses: ((i32::from(self.last.pulses) * 32_111) >> 15) as i16 };
            self.gains.lose();
            self.subframe(at, delay, &fixed, gains);
            self.heard(at, filter, pcm);
        }
        self.slide();
    }

    /// A frame of noise at the level.
    fn fill(&mut self, level: i32, pcm: &mut Vec<i16>) {
        self.noise.approach(level, self.silence.is_none());
        self.silence = Some(level);
        let filters = self.next_filters();
        for (at, filter) in filters.iter().enumerate() {
            let noise = self.noise.samples();
            self.excitation[PAST + at * SUBFRAME..][..SUBFRAME].copy_from_slice(&noise);
            self.heard(at, filter, pcm);
        }
        self.sharpness = SHARPEST.0;
        self.slide();
    }

    /// The filters from the last frequencies to the present.
    fn next_filters(&mut self) -> [Filter; 2] {
        let now = cosines(&self.frequencies);
        filters(&std::mem::replace(&mut self.cosines, now), &now)
    }

    /// The excitation of a subframe.
    fn subframe(&mut self, at: usize, delay: Delay, fixed: &pulses::Samples, gains: Gains) {
        let start = PAST + at * SUBFRAME;
        repeat(&mut self.excitation, start, delay);
        for (sample, &pulse) in self.excitation[start..start + SUBFRAME].iter_mut().zip(fixed) {
            *sample = excite(*sample, pulse, gains);
        }
        self.last = gains;
        self.sharpness = gains.pitch.clamp(SHARPEST.0, SHARPEST.1);
        self.delay = delay.whole;
    }

    /// Appends the subframe as it shall be heard.
    fn heard(&mut self, at: usize, filter: &Filter, pcm: &mut Vec<i16>) {
        let mut speech = [0; SUBFRAME];
        let excitation = &self.excitation[PAST + at * SUBFRAME..][..SUBFRAME];
        for (sample, &new) in speech.iter_mut().zip(excitation) {
            let past: i64 =
                self.speech.iter().zip(&filter[1..]).map(|(&s, &a)| i64::from(s) * i64::from(a)).sum();
            let sum = (i64::from(new) << 12) - past;
            *sample = ((sum + (1 << 11)) >> 12).clamp(-32_768, 32_767) as i16;
            self.speech.rotate_right(1);
            self.speech[0] = *sample;
        }
        self.postfilter.run(&speech, filter, self.delay, pcm);
    }

    fn slide(&mut self) {
        self.excitation.copy_within(SAMPLES.., 0);
    }
}
