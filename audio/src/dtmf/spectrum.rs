//! The eight tones in a window of sound: what Goertzel's recursion computes, as sums of products with tables, which
//! integers do without growing and vector units do eight at a time.

use super::{COLUMNS, ROWS};
use crate::tone::sine::sine;

/// Milliseconds that are looked at together. A Hann window of 20 ms hears 36 Hz to either side of a tone at half its
/// power, and next to nothing of the other group.
const WINDOW_MS: u32 = 20;
/// Milliseconds from one look to the next.
pub(super) const HOP_MS: u32 = 5;

/// Fractional bits of the tables.
const SCALE: u32 = 11;
/// Products that are summed in 32 bits: (2^15 · 2^11) · 2^4 fits.
const TOGETHER: usize = 16;
/// Samples of a window at 8 and 16 kHz.
const SHORT: usize = 160;
const LONG: usize = 320;

const NARROW: &Tables<SHORT> = &Tables::new(8000);
const WIDE: &Tables<LONG> = &Tables::new(16_000);

/// The window, and the window times the cosine and the sine of each tone.
struct Tables<const N: usize> {
    window: [i16; N],
    cosines: [[i16; N]; 8],
    sines: [[i16; N]; 8],
}

/// A tone found in a window: 20 times its amplitude, as a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Vector {
    re: i32,
    im: i32,
}

/// What a window of sound holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Spectrum {
    /// Mean square of the samples, weighted by the window.
    pub(super) power: i64,
    /// Rows, then columns.
    pub(super) tones: [Vector; 8],
}

/// Frequency of tone `index` of a [`Spectrum`].
pub(super) const fn hertz(index: usize) -> u32 {
    if index < 4 { ROWS[index] } else { COLUMNS[index & 3] }
}

/// Samples of a window and of a hop at a rate; `None` for a rate without tables.
pub(super) fn sizes(rate: u32) -> Option<(usize, usize)> {
    match rate {
        8000 => Some((SHORT, SHORT / (WINDOW_MS / HOP_MS) as usize)),
        16_000 => Some((LONG, LONG / (WINDOW_MS / HOP_MS) as usize)),
        _ => None,
    }
}

impl Spectrum {
    /// Of one window of samples; its length tells the rate. With less power than `least` it is not searched for tones:
    /// most of a call is silence.
    pub(super) fn of(samples: &[i16], least: i64) -> Self {
        if samples.len() == LONG { WIDE.look(samples, least) } else { NARROW.look(samples, least) }
    }
}

impl<const N: usize> Tables<N> {
    const fn new(rate: u32) -> Self {
        let mut tables = Self { window: [0; N], cosines: [[0; N]; 8], sines: [[0; N]; 8] };
        let mut n = 0;
        while n < N {
            // Hann, symmetrical about the middle of the window: (1 - cos) / 2.
            let turn = ((2 * n as u64 + 1) << 31) / N as u64;
            let cosine = sine((turn as u32).wrapping_add(1 << 30)) as i64;
            let weight = (32_767 - cosine) / 2;
            tables.window[n] = scaled(weight * 32_767);
            let mut tone = 0;
            while tone < 8 {
                let step = ((hertz(tone) as u64) << 32) / rate as u64;
                let phase = (step * n as u64) as u32;
                tables.cosines[tone][n] = scaled(weight * sine(phase.wrapping_add(1 << 30)) as i64);
                tables.sines[tone][n] = scaled(weight * -(sine(phase) as i64));
                tone += 1;
            }
            n += 1;
        }
        tables
    }

    fn look(&self, samples: &[i16], least: i64) -> Spectrum {
        // Half the sum of the window brings a tone of amplitude A to A; the tables' scale is taken off to 20 A.
        let to_vector = |sum: i64| ((sum * 40) / ((N as i64 / 2) << SCALE)) as i32;
        let mut energy = 0_i64;
        for (&sample, &weight) in samples.iter().zip(&self.window) {
            // 2^30 · 2^11 · 320 fits.
            let square = i64::from(i32::from(sample).wrapping_mul(i32::from(sample)));
            energy = energy.wrapping_add(square.wrapping_mul(i64::from(weight)));
        }
        let mut found = Spectrum { power: energy / ((N as i64 / 2) << SCALE), ..Spectrum::default() };
        if found.power < least {
            return found;
        }
        for (tone, (cosine, sine)) in found.tones.iter_mut().zip(self.cosines.iter().zip(&self.sines)) {
            *tone = Vector { re: to_vector(dot(samples, cosine)), im: to_vector(dot(samples, sine)) };
        }
        found
    }
}

/// Products of Q15 and Q15 to the scale of the tables, to the nearest.
const fn scaled(product: i64) -> i16 {
    ((product + (1 << (29 - SCALE))) >> (30 - SCALE)) as i16
}

fn dot<const N: usize>(samples: &[i16], table: &[i16; N]) -> i64 {
    let (pieces, tables) = (samples.as_chunks::<TOGETHER>().0, table.as_chunks::<TOGETHER>().0);
    let mut total = 0;
    for (piece, table) in pieces.iter().zip(tables) {
        let mut sum = 0_i32;
        for n in 0..TOGETHER {
            // Cannot wrap, see TOGETHER; checked sums would keep this from the vector unit.
            sum = sum.wrapping_add(i32::from(piece[n]).wrapping_mul(i32::from(table[n])));
        }
        total += i64::from(sum);
    }
    total
}

impl Vector {
    /// 400 times the square of the amplitude.
    pub(super) fn energy(self) -> i64 {
        let (re, im) = (i64::from(self.re), i64::from(self.im));
        re * re + im * im
    }

    /// How far tone `index` has turned since it was `before`, one hop ago, beyond what it does at its own frequency,
    /// in 1/65536 turns: its deviation in units of 200/65536 hertz.
    pub(super) fn deviation(self, before: Self, index: usize) -> i16 {
        // The remainder of a turn: 697 Hz make 3 turns and 31,785/65,536 in 5 ms.
        let own = (hertz(index) * HOP_MS * 65_536 / 1000) as u16;
        self.angle().wrapping_sub(before.angle()).wrapping_sub(own).cast_signed()
    }

    /// Angle in 1/65536 turns, by rotating the vector onto the axis in ever smaller steps (CORDIC).
    fn angle(self) -> u16 {
        /// The angles whose tangents are 1, 1/2, 1/4, ...
        const STEPS: [u16; 14] = [8192, 4836, 2555, 1297, 651, 326, 163, 81, 41, 20, 10, 5, 3, 1];
        let (mut x, mut y) = (i64::from(self.re) << 12, i64::from(self.im) << 12);
        let mut angle = 0_u16;
        if x < 0 {
            (x, y, angle) = (-x, -y, 1 << 15);
        }
        for (n, step) in STEPS.into_iter().enumerate() {
            if y > 0 {
                (x, y, angle) = (x + (y >> n), y - (x >> n), angle.wrapping_add(step));
            } else {
                (x, y, angle) = (x - (y >> n), y + (x >> n), angle.wrapping_sub(step));
            }
        }
        angle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::sine::Sine;

    #[test]
    fn a_tone_is_found_with_its_amplitude_and_frequency() {
        for (rate, index, millihertz, deviation) in [
            (8000, 0, 697_000, 0),
            (8000, 7, 1_633_000, 0),
            (16_000, 4, 1_197_000, -12),
            (8000, 3, 955_000, 14),
        ] {
            let mut sine = Sine::new(millihertz, rate, 10_000);
            let (window, hop) = sizes(rate).unwrap();
            let sound: Vec<i16> = (0..window + hop).map(|_| sine.sample()).collect();
            let (a, b) = (Spectrum::of(&sound[..window], 0), Spectrum::of(&sound[hop..], 0));
            assert!((b.power - 50_000_000).abs() < 500_000, "{}", b.power);
            let amplitude = (b.tones[index].energy() as f64).sqrt() / 20.0;
            let loss = if deviation == 0 { 0.002 } else { 0.06 };
            assert!((1.0 - loss..1.002).contains(&(amplitude / 10_000.0)), "{amplitude}");
            let off = f64::from(b.tones[index].deviation(a.tones[index], index)) * 200.0 / 65_536.0;
            assert!((off - f64::from(deviation)).abs() < 0.2, "{off}");
        }
    }

    #[test]
    fn angles_are_those_of_the_vector() {
        for degrees in 0..360 {
            let exact = f64::from(degrees).to_radians();
            let vector = Vector { re: (7000.0 * exact.cos()) as i32, im: (7000.0 * exact.sin()) as i32 };
            let got = f64::from(vector.angle()) / 65_536.0 * 360.0;
            let apart = (got - f64::from(degrees) + 540.0) % 360.0 - 180.0;
            assert!(apart.abs() < 0.05, "{degrees}: {got}");
        }
    }
}
