//! Speech to frames.

use super::frame::{Frame, Subframe, parity};
use super::gain::{self, Gains, Likeness};
use super::highpass::HighPass;
use super::noise::{Noise, Silence};
use super::pitch::{self, Delay, repeat};
use super::predictor::{self, LOOKED_AT};
use super::pulses::{self, Samples};
use super::spectrum::{
    COSINES_AT_START, Filter, Memory, Predictor, Ten, cosines, damped, filter, filters, vector,
};
use super::voice::Voice;
use super::{Line, OCTETS, PAST, SAMPLES, SHARPEST, SUBFRAME, excite};
use crate::codec::Encoded;

/// How far the poles of the weighting filter are drawn in: 0.75 (clause A.3.3).
const WEIGHTED: i32 = 24_576;

/// The gain of the pitch that is allowed, 14 bits behind the point: always, and while errors might grow (1.2, 0.95).
const LOUDEST: (i16, i16) = (19_661, 15_564);
/// The growth of an error from which on they might (clause 3.10, in its simplest form).
const GROWN: i32 = 60_000;

/// Where the frame begins among the samples that are looked at; what is behind it is the look ahead.
const FRAME: usize = 120;

/// The sending direction. It hears five milliseconds ahead of what it sends.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    highpass: HighPass,
    speech: Line,
    /// Weighted speech, low-passed, in which the pitch is looked for: a delay's past and the frame.
    weighted: Line,
    excitation: Line,
    /// What was not met of the weighted target: the last ten samples, newest first.
    error: Ten,
    spectrum: Memory,
    cosines: Ten,
    /// The last predictor that was stable, in case one is not.
    stable: Ten,
    gains: gain::Memory,
    sharpness: i16,
    /// How much an error in the receiver's excitation might have grown.
    growth: i32,
    voice: Option<Voice>,
    noise: Noise,
}

impl Encoder {
    /// An encoder that leaves out silence (Annex B) or does not.
    pub fn new(silence_suppressed: bool) -> Self {
        Self {
            highpass: HighPass::default(),
            speech: Line::default(),
            weighted: Line::default(),
            excitation: Line::default(),
            error: [0; 10],
            spectrum: Memory::default(),
            cosines: COSINES_AT_START,
            stable: COSINES_AT_START,
            gains: gain::Memory::default(),
            sharpness: SHARPEST.0,
            growth: 0,
            voice: silence_suppressed.then(Voice::default),
            noise: Noise::default(),
        }
    }

    /// Appends the frames of whole pieces of 80 samples; silence at the end is described or left out.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Encoded {
        let frames = pcm.as_chunks::<SAMPLES>().0;
        // Silence between speech cannot be left out of a payload: only what is behind the last speech is.
        let spoken = match &mut self.voice {
            Some(voice) => {
                frames.iter().enumerate().filter(|(_, frame)| voice.hears(frame)).map(|(at, _)| at + 1).last()
            }
            None => Some(frames.len()),
        };
        let spoken = spoken.unwrap_or(0);
        let mut described = false;
        for (at, frame) in frames.iter().enumerate() {
            if at < spoken {
                let octets = self.frame(frame);
                payload.extend_from_slice(&octets);
            } else if let Some(silence) = self.silent(frame)
                && at == spoken
            {
                payload.extend_from_slice(&silence.write());
                described = true;
            }
        }
        match (spoken, described) {
            (0, false) => Encoded::Nothing,
            (0, true) => Encoded::Noise,
            _ => Encoded::Sound,
        }
    }

    /// Takes in the next samples and finds the cosines of their frequencies.
    fn hear(&mut self, pcm: &[i16; SAMPLES]) -> Ten {
        self.speech.copy_within(SAMPLES.., 0);
        for (place, &sample) in self.speech[LOOKED_AT - SAMPLES..].iter_mut().zip(pcm) {
            *place = self.highpass.before(sample);
        }
        let found = predictor::levinson(&predictor::autocorrelation(&self.speech));
        self.stable = found.and_then(|filter| predictor::cosines(&filter)).unwrap_or(self.stable);
        self.stable
    }

    fn frame(&mut self, pcm: &[i16; SAMPLES]) -> [u8; OCTETS] {
        let heard = self.hear(pcm);
        let spectrum = predictor::quantise(&predictor::frequencies(&heard), &self.spectrum);
        let decoded =
            cosines(&self.spectrum.decode(&Predictor::speech(spectrum.predictor), &vector(spectrum)));
        let filters = filters(&std::mem::replace(&mut self.cosines, decoded), &decoded);
        self.weigh(&filters);
        let open = open_loop(&self.weighted);
        let mut frame = Frame { spectrum, ..Frame::default() };
        let mut first = None;
        for (at, filter) in filters.iter().enumerate() {
            let (sub, delay) = self.subframe(at, filter, open, first);
            frame.subs[at] = sub;
            first = Some(first.unwrap_or(delay.whole));
        }
        frame.parity = parity(frame.subs[0].pitch);
        self.excitation.copy_within(SAMPLES.., 0);
        if let Some(voice) = &mut self.voice {
            voice.spoke();
        }
        frame.write()
    }

    /// A frame of silence: all memories go on as the receiver's do; what it is described as, if that is due.
    fn silent(&mut self, pcm: &[i16; SAMPLES]) -> Option<Silence> {
        let heard = self.hear(pcm);
        let own = filter(&heard);
        let residual = [0, 1].map(|at| self.residual(at, &own));
        let energy = residual.as_flattened().iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
        let level = (energy * 64 / SAMPLES as i64).isqrt() as i32;
        let (due, gain) = self.voice.as_mut()?.describe(level, &heard);
        let silence = due.then(|| {
            let frequencies = predictor::frequencies(&heard);
            let (predictor, first, second) = predictor::quantise_noise(&frequencies, &self.spectrum);
            let silence = Silence { predictor, first, second, gain };
            self.cosines = cosines(&silence.frequencies(&mut self.spectrum));
            silence
        });
        self.noise.approach(Silence { gain, ..Silence::default() }.level(), true);
        let filter = filter(&self.cosines);
        self.weigh(&[filter, filter]);
        for at in 0..2 {
            let noise = self.noise.samples();
            self.excitation[PAST + at * SUBFRAME..][..SUBFRAME].copy_from_slice(&noise);
        }
        self.excitation.copy_within(SAMPLES.., 0);
        self.error = [0; 10];
        self.sharpness = SHARPEST.0;
        silence
    }

    /// What a filter leaves of a subframe of the speech.
    fn residual(&self, at: usize, filter: &Filter) -> Samples {
        let start = FRAME + at * SUBFRAME;
        std::array::from_fn(|n| {
            let sum: i64 =
                (0..11).map(|i| i64::from(filter[i]) * i64::from(self.speech[start + n - i])).sum();
            saturate((sum + (1 << 11)) >> 12)
        })
    }

    /// Weighted speech of the frame, in which the pitch is looked for (clause A.3.4).
    fn weigh(&mut self, filters: &[Filter; 2]) {
        self.weighted.copy_within(SAMPLES.., 0);
        for (at, filter) in filters.iter().enumerate() {
            let poles = damped(filter, WEIGHTED);
            // One more pole at 0.7 takes the high frequencies.
            let low: [i64; 11] = std::array::from_fn(|i| {
                let before = if i == 0 { 0 } else { (i64::from(poles[i - 1]) * 22_938) >> 15 };
                i64::from(poles[i]) - before
            });
            for (n, sample) in self.residual(at, filter).into_iter().enumerate() {
                let place = pitch::MOST + at * SUBFRAME + n;
                let past: i64 = (1..11).map(|i| low[i] * i64::from(self.weighted[place - i])).sum();
                self.weighted[place] = saturate(i64::from(sample) - ((past + (1 << 11)) >> 12));
            }
        }
    }

    /// The codes of a subframe and its delay; `first` is the delay of the first when this is the second.
    fn subframe(
        &mut self,
        at: usize,
        filter: &Filter,
        open: usize,
        first: Option<usize>,
    ) -> (Subframe, Delay) {
        let start = PAST + at * SUBFRAME;
        let poles = damped(filter, WEIGHTED);
        let residual = self.residual(at, filter);
        self.excitation[start..start + SUBFRAME].copy_from_slice(&residual);
        let target = self.target(&residual, &poles);
        let response = pulses::response(&poles);
        let delay = self.closed_loop(start, &pulses::backward(&target, &response), open, first);
        repeat(&mut self.excitation, start, delay);
        let mut adaptive = [0; SUBFRAME];
        adaptive.copy_from_slice(&self.excitation[start..start + SUBFRAME]);
        let pitched = pulses::convolve(&adaptive, &response);
        let most = if self.growth > GROWN { LOUDEST.1 } else { LOUDEST.0 };
        let gain = ideal_gain(&target, &pitched).min(most);

        let left =
            std::array::from_fn(|n| target[n] - ((i64::from(pitched[n]) * i64::from(gain)) >> 14) as i32);
        let mut sharpened = response;
        pulses::sharpen(&mut sharpened, delay.whole, self.sharpness);
        let (places, signs) = pulses::search(&pulses::backward(&left, &sharpened), &sharpened);
        let mut fixed = pulses::place(places, signs);
        pulses::sharpen(&mut fixed, delay.whole, self.sharpness);
        let pulsed = pulses::convolve(&fixed, &response);

        let likeness = Likeness {
            pitch: product(&pitched, &pitched),
            pulses: product(&pulsed, &pulsed),
            target_pitch: product(&target, &pitched),
            target_pulses: product(&target, &pulsed),
            both: product(&pitched, &pulsed),
        };
        let codes = gain::search(self.gains.expected(&fixed), &likeness, most);
        let gains = self.gains.decode(codes, &fixed);
        for (n, &pulse) in fixed.iter().enumerate() {
            self.excitation[start + n] = excite(adaptive[n], pulse, gains);
        }
        self.error = std::array::from_fn(|age| {
            let n = SUBFRAME - 1 - age;
            let met = i64::from(pitched[n]) * i64::from(gains.pitch)
                + i64::from(pulsed[n]) * i64::from(gains.pulses);
            saturate(i64::from(target[n]) - (met >> 14))
        });
        self.settle(gains);
        let pitch = first.map_or_else(|| delay.first_code(), |first| delay.second_code(first));
        (Subframe { pitch, places, signs, gains: codes }, delay)
    }

    /// What the excitation must become behind the weighting filter, errors so far included.
    fn target(&self, residual: &Samples, poles: &Filter) -> [i32; SUBFRAME] {
        let mut past = self.error;
        residual.map(|sample| {
            let sum: i64 = past.iter().zip(&poles[1..]).map(|(&x, &a)| i64::from(x) * i64::from(a)).sum();
            let new = saturate(i64::from(sample) - ((sum + (1 << 11)) >> 12));
            past.rotate_right(1);
            past[0] = new;
            i32::from(new)
        })
    }

    /// The delay near the open loop's, or near the first subframe's, whose excitation is most like the target.
    fn closed_loop(
        &mut self,
        start: usize,
        likeness: &[i64; SUBFRAME],
        open: usize,
        first: Option<usize>,
    ) -> Delay {
        let (least, count) = match first {
            None => (open.saturating_sub(3).clamp(pitch::LEAST, pitch::MOST - 6), 7),
            Some(first) => (pitch::floor(first), 10),
        };
        let like = |excitation: &[i16], delay: usize| -> i64 {
            let past = &excitation[start - delay..][..SUBFRAME];
            // Cannot overflow: the likeness has at most 37 bits.
            past.iter().zip(likeness).map(|(&sample, &like)| i64::from(sample) * like).sum()
        };
        // Where they are equal, the shorter.
        let whole =
            (least..least + count).rev().max_by_key(|&delay| like(&self.excitation, delay)).unwrap_or(least);
        if first.is_none() && whole >= 85 {
            return Delay { whole, thirds: 0 };
        }
        let mut best = (i64::MIN, 0);
        for thirds in [0, -1, 1] {
            repeat(&mut self.excitation, start, Delay { whole, thirds });
            let value = like(&self.excitation, 0);
            if value > best.0 {
                best = (value, thirds);
            }
        }
        Delay { whole, thirds: best.1 }
    }

    fn settle(&mut self, gains: Gains) {
        self.sharpness = gains.pitch.clamp(SHARPEST.0, SHARPEST.1);
        let grown = (i64::from(self.growth) * i64::from(gains.pitch)) >> 14;
        self.growth = grown.min(1_000_000) as i32 + 1;
    }
}

/// The gain that brings one nearest to the other, not below nothing; 14 bits behind the point.
fn ideal_gain(target: &[i32; SUBFRAME], pitched: &[i32; SUBFRAME]) -> i16 {
    let (like, energy) = (product(target, pitched), product(pitched, pitched));
    if like <= 0 { 0 } else { ((like << 14) / energy.max(1)).min(32_767) as i16 }
}

fn product(a: &[i32; SUBFRAME], b: &[i32; SUBFRAME]) -> i128 {
    a.iter().zip(b).map(|(&a, &b)| i128::from(i64::from(a) * i64::from(b))).sum()
}

fn saturate(value: i64) -> i16 {
    value.clamp(-32_768, 32_767) as i16
}

/// The pitch of weighted speech: every second sample is looked at, and short delays are preferred to their multiples
/// (clause A.3.4).
fn open_loop(weighted: &[i16]) -> usize {
    let frame = pitch::MOST;
    let like = |delay: usize| -> i64 {
        let pairs = (frame..frame + SAMPLES).step_by(2);
        pairs.map(|n| i64::from(weighted[n]) * i64::from(weighted[n - delay])).sum()
    };
    let [mut short, mut middle, long] = [(20..40, 1), (40..80, 1), (80..144, 2)].map(|(range, step)| {
        let mut best = range.clone().step_by(step).max_by_key(|&delay| like(delay)).unwrap_or(range.start);
        if step == 2 {
            best = [best, best - 1, best + 1]
                .into_iter()
                .filter(|delay| range.contains(delay))
                .max_by_key(|&delay| like(delay))
                .unwrap_or(best);
        }
        let energy: i64 =
            (frame..frame + SAMPLES).step_by(2).map(|n| i64::from(weighted[n - best]).pow(2)).sum();
        // By the square root of the energy, some bits behind the point.
        (best, (like(best) << 12) / energy.isqrt().max(1))
    });
    let multiple =
        |short: usize, long: usize| (short * 2).abs_diff(long) < 5 || (short * 3).abs_diff(long) < 7;
    if multiple(middle.0, long.0) {
        middle.1 += long.1.max(0) / 4;
    }
    if multiple(short.0, middle.0) {
        short.1 += middle.1.max(0) / 5;
    }
    [middle, long].into_iter().fold(short, |best, next| if next.1 > best.1 { next } else { best }).0
}
