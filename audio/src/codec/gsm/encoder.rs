//! Speech to frames.

use super::frame::{Frame, Subframe};
use super::short_term::{LEAST, Lattice, MOST, OFFSET, SCALE};
use super::{History, OCTETS, SAMPLES, SUBFRAME, amplitude, excite, predict, pulses};
use crate::codec::fixed::{headroom, mul, mul_round, peak, quotient, saturate};

/// Where the gain of the long-term predictor goes from one code to the next (table 4.3a, DLB).
const GAIN_BOUND: [i16; 3] = [6554, 16384, 26214];

/// The filter before the pulses are chosen (table 4.4, H).
const WEIGHTING: [i32; 11] = [-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134];

/// One over the decoded mantissa (table 4.5, NRFAC).
const INVERSE_STEP: [i16; 8] = [29128, 26215, 23832, 21846, 20165, 18725, 17476, 16384];

/// The sending direction.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Encoder {
    history: History,
    lattice: Lattice,
    /// Offset compensation: the sample before, and what it has added up.
    before: i16,
    offset: i32,
    emphasis: i16,
}

impl Encoder {
    /// The frame for 160 samples.
    pub fn encode(&mut self, pcm: &[i16; SAMPLES]) -> [u8; OCTETS] {
        let mut samples = pcm.map(|sample| self.prepare(sample));
        let ratios = ratio_codes(&reflections(&autocorrelation(&mut samples)));
        self.lattice.analyse(&ratios, &mut samples);
        let mut frame = Frame { ratios, subs: [Subframe::default(); 4] };
        for (part, sub) in samples.as_chunks::<SUBFRAME>().0.iter().zip(&mut frame.subs) {
            *sub = self.subframe(part);
        }
        frame.write()
    }

    /// Takes the offset out of a sample and lifts its high frequencies (5.2.1 to 5.2.3).
    fn prepare(&mut self, sample: i16) -> i16 {
        let sample = (sample >> 3) << 2;
        let step = i32::from(sample - self.before) << 15;
        self.before = sample;
        let (high, low) = ((self.offset >> 15) as i16, (self.offset & 0x7fff) as i16);
        let step = step.saturating_add(i32::from(mul_round(low, 32_735)));
        self.offset = (i32::from(high) * 32_735).saturating_add(step);
        let level = (self.offset.saturating_add(1 << 14) >> 15) as i16;
        level.saturating_add(mul_round(std::mem::replace(&mut self.emphasis, level), -28_180))
    }

    /// The codes of 40 samples of what the short-term filter has left.
    fn subframe(&mut self, residual: &[i16; SUBFRAME]) -> Subframe {
        let (lag, gain) = pitch(residual, &self.history);
        let predicted = predict(&self.history, lag, gain);
        let error = std::array::from_fn(|k| residual[k].saturating_sub(predicted[k]));
        // Cannot be cut off: the lag is at most 120.
        let sub = Subframe { lag: lag as u8, gain, ..choose_pulses(&weigh(&error)) };
        excite(&mut self.history, &pulses(&sub), &predicted);
        sub
    }
}

/// Autocorrelation for lags 0 to 8 (5.2.4). The samples lose the bits that scaling took, as the standard has it.
fn autocorrelation(samples: &mut [i16; SAMPLES]) -> [i32; 9] {
    let loudest = i32::from(peak(samples));
    let scale = if loudest == 0 { 0 } else { 4 - headroom(loudest << 16).cast_signed() };
    if scale > 0 {
        let factor = 1 << (15 - scale);
        samples.iter_mut().for_each(|sample| *sample = mul_round(*sample, factor));
    }
    let sums = std::array::from_fn(|lag| {
        let pairs = samples[lag..].iter().zip(samples.iter());
        pairs.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>() << 1
    });
    if scale > 0 {
        samples.iter_mut().for_each(|sample| *sample <<= scale);
    }
    sums
}

/// Reflection coefficients by Schur's recursion (5.2.5).
fn reflections(sums: &[i32; 9]) -> [i16; 8] {
    let mut reflections = [0; 8];
    if sums[0] == 0 {
        return reflections;
    }
    let shift = headroom(sums[0]);
    let mut upper: [i16; 9] = sums.map(|sum| ((sum << shift) >> 16) as i16);
    let mut lower = upper;
    for (n, reflection) in reflections.iter_mut().enumerate() {
        let size = upper[1].saturating_abs();
        // Nothing is left when the first have predicted all.
        if upper[0] < size.max(1) {
            break;
        }
        let r = quotient(size, upper[0]);
        let r = if upper[1] > 0 { -r } else { r };
        *reflection = r;
        upper[0] = upper[0].saturating_add(mul_round(upper[1], r));
        for m in 1..8 - n {
            let (next, held) = (upper[m + 1], lower[m]);
            upper[m] = next.saturating_add(mul_round(held, r));
            lower[m] = held.saturating_add(mul_round(next, r));
        }
    }
    reflections
}

/// Codes of the log area ratios (5.2.6, 5.2.7).
fn ratio_codes(reflections: &[i16; 8]) -> [u8; 8] {
    std::array::from_fn(|i| {
        let size = reflections[i].saturating_abs();
        let bent = match size {
            ..22_118 => size >> 1,
            22_118..31_130 => size - 11_059,
            _ => (size - 26_112) << 2,
        };
        let ratio = if reflections[i] < 0 { -bent } else { bent };
        let level = mul(SCALE[i], ratio).saturating_add(OFFSET[i]).saturating_add(256) >> 9;
        // Cannot be negative: it is at least the least.
        (level.clamp(LEAST[i], MOST[i]) - LEAST[i]) as u8
    })
}

/// Lag and gain code of the long-term predictor: where the past is most like the present (5.2.11).
fn pitch(residual: &[i16; SUBFRAME], history: &History) -> (usize, u8) {
    let past = history.as_flattened();
    let loudest = i32::from(peak(residual));
    let room = if loudest == 0 { 0 } else { headroom(loudest << 16) };
    let scale = 6_u32.saturating_sub(room);
    let scaled = residual.map(|sample| sample >> scale);
    let (mut best, mut best_lag) = (0, 40);
    for lag in 40..=120 {
        let then = &past[past.len() - lag..][..SUBFRAME];
        let likeness: i32 = scaled.iter().zip(then).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        if likeness > best {
            (best, best_lag) = (likeness, lag);
        }
    }
    let best = (best << 1) >> (6 - scale);
    let then = &past[past.len() - best_lag..][..SUBFRAME];
    let power = then.iter().map(|&sample| i32::from(sample >> 3).pow(2)).sum::<i32>() << 1;
    if best <= 0 {
        return (best_lag, 0);
    }
    if best >= power {
        return (best_lag, 3);
    }
    let shift = headroom(power);
    let (best, power) = (((best << shift) >> 16) as i16, ((power << shift) >> 16) as i16);
    let gain = GAIN_BOUND.iter().position(|&bound| best <= mul(power, bound)).unwrap_or(3);
    (best_lag, gain as u8)
}

/// The weighting filter (5.2.13).
fn weigh(error: &[i16; SUBFRAME]) -> [i16; SUBFRAME] {
    let mut padded = [0; SUBFRAME + 10];
    padded[5..45].copy_from_slice(error);
    std::array::from_fn(|k| {
        let taps = padded[k..].iter().zip(WEIGHTING);
        let sum: i32 = taps.map(|(&sample, weight)| i32::from(sample) * weight).sum();
        saturate((sum + (1 << 12)) >> 13)
    })
}

/// The grid with most energy and the codes of its pulses (5.2.14, 5.2.15).
fn choose_pulses(weighted: &[i16; SUBFRAME]) -> Subframe {
    let grid_of = |grid: usize| weighted[grid..].iter().step_by(3).take(13);
    let energy = |grid| grid_of(grid).map(|&sample| i32::from(sample >> 2).pow(2)).sum::<i32>();
    // The first of equals; `max_by_key` would take the last.
    let grid = (1..4).fold(0, |best, grid| if energy(grid) > energy(best) { grid } else { best });
    let mut chosen = [0; 13];
    grid_of(grid).zip(&mut chosen).for_each(|(&sample, place)| *place = sample);
    let loudest = peak(&chosen);
    let exponent = 16 - (loudest >> 9).leading_zeros();
    let code = ((loudest >> (exponent + 5)) as u32 + (exponent << 3)) as u8;
    let (exponent, mantissa) = amplitude(code);
    let pulses = chosen.map(|sample| {
        // Wraps nowhere: a pulse is not louder than the loudest.
        let level = mul(sample << (6 - exponent), INVERSE_STEP[mantissa]);
        ((level >> 12) + 4) as u8 & 7
    });
    Subframe { grid: grid as u8, peak: code, pulses, ..Subframe::default() }
}
