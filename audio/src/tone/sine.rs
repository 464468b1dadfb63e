//! Sines without floating point.

/// Points of one period.
const POINTS: usize = 1024;
/// One period of a sine of amplitude 32767, and its first point again, so that interpolation needs no wrap.
const SINE: &[i16; POINTS + 1] = &sine_table();

/// The peak of a sine of 0 dBm0: full scale is 3.14 dB above (ITU-T G.711 §5, A-law; mu-law differs by 0.03 dB).
const ZERO_DBM0: u64 = 22_827;

/// A sine that goes on without a step in phase from one frame to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sine {
    /// Position in the period; the period is 2^32.
    phase: u32,
    step: u32,
    peak: i16,
}

impl Sine {
    /// A sine of so many thousandths of a hertz, sampled `rate` times a second; `peak` is that of a 16-bit sample.
    /// Above half the rate it would be another frequency: there is silence instead.
    pub fn new(millihertz: u32, rate: u32, peak: i16) -> Self {
        if u64::from(millihertz) * 2 > u64::from(rate) * 1000 {
            return Self::default();
        }
        // To the nearest, so that it is off by one turn in ten days at most.
        let turn = u64::from(rate.max(1)) * 1000;
        let step = ((u64::from(millihertz) << 32) + turn / 2) / turn;
        Self { phase: 0, step: u32::try_from(step).unwrap_or(0), peak }
    }

    /// The next sample.
    #[inline]
    pub fn sample(&mut self) -> i16 {
        let unit = i32::from(sine(self.phase));
        self.phase = self.phase.wrapping_add(self.step);
        ((unit * i32::from(self.peak)) >> 15) as i16
    }

    /// Goes on as if `samples` had been taken.
    pub fn skip(&mut self, samples: u32) {
        self.phase = self.phase.wrapping_add(self.step.wrapping_mul(samples));
    }
}

/// The peak of a sine of so many tenths of a decibel relative to one milliwatt at the point of zero level (dBm0),
/// -990 to 31. What is louder than full scale is full scale.
pub const fn peak(tenths_dbm0: i16) -> i16 {
    /// 10^(1/200) and its inverse, with 32 fractional bits.
    const UP: u64 = 4_344_700_673;
    const DOWN: u64 = 4_245_803_212;
    let mut value = ZERO_DBM0 << 16;
    let (mut left, factor) = (tenths_dbm0.unsigned_abs(), if tenths_dbm0 < 0 { DOWN } else { UP });
    if left > 990 {
        left = 990;
    }
    while left > 0 && value < 32_767 << 16 {
        value = (value * factor + (1 << 31)) >> 32;
        left -= 1;
    }
    let peak = (value + (1 << 15)) >> 16;
    if peak > 32_767 { i16::MAX } else { peak as i16 }
}

/// sin of a phase whose period is 2^32, amplitude 32767.
#[inline]
pub(crate) const fn sine(phase: u32) -> i16 {
    // Cannot be out of bounds: ten bits index 1025 points.
    let at = (phase >> 22) as usize;
    let between = (phase >> 7 & 0x7fff) as i32;
    let (a, b) = (SINE[at] as i32, SINE[at + 1] as i32);
    (a + (((b - a) * between) >> 15)) as i16
}

/// sin(x) for x in 0..=π/2 by its series in 30-bit fixed point, mirrored into the other quarters.
const fn sine_table() -> [i16; POINTS + 1] {
    const QUARTER: usize = POINTS / 4;
    /// π/2 with 30 fractional bits.
    const HALF_PI: i64 = 1_686_629_713;
    let mut table = [0; POINTS + 1];
    let mut i = 0;
    while i <= QUARTER {
        let x = HALF_PI * i as i64 / QUARTER as i64;
        let square = (x * x) >> 30;
        let (mut term, mut sum, mut n) = (x, x, 1);
        while n < 8 {
            term = -(((term * square) >> 30) / ((2 * n) * (2 * n + 1)));
            sum += term;
            n += 1;
        }
        let value = ((sum * 32_767 + (1 << 29)) >> 30) as i16;
        table[i] = value;
        table[2 * QUARTER - i] = value;
        table[2 * QUARTER + i] = -value;
        table[4 * QUARTER - i] = -value;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_sine() {
        for (i, &value) in SINE.iter().enumerate() {
            let exact = (std::f64::consts::TAU * i as f64 / POINTS as f64).sin() * 32_767.0;
            assert!((f64::from(value) - exact).abs() <= 1.0, "{i}: {value} {exact}");
        }
    }

    #[test]
    fn a_sine_follows_its_formula_at_any_rate() {
        for (millihertz, rate) in [(440_000, 8000), (16_667, 8000), (1_633_500, 16_000), (19_000_250, 48_000)]
        {
            let mut tone = Sine::new(millihertz, rate, 8000);
            for n in 0..10 * rate {
                let turns = f64::from(millihertz) / 1000.0 * f64::from(n) / f64::from(rate);
                let exact = (std::f64::consts::TAU * turns).sin() * 8000.0;
                let got = f64::from(tone.sample());
                // The step is a whole number of 2^-32 turns: in ten seconds that is two steps of a sample.
                assert!((got - exact).abs() < 4.0, "sample {n}: {got} {exact}");
            }
        }
        let mut above = Sine::new(4_000_001, 8000, 8000);
        assert!((0..100).all(|_| above.sample() == 0));
    }

    #[test]
    fn skipping_is_taking_without_looking() {
        let (mut a, mut b) = (Sine::new(1_234_000, 8000, 1000), Sine::new(1_234_000, 8000, 1000));
        for _ in 0..777 {
            a.sample();
        }
        b.skip(777);
        assert_eq!(a, b);
    }

    #[test]
    fn levels_are_decibels() {
        for tenths in -600..=31 {
            let exact = 32_768.0 * 10f64.powf((f64::from(tenths) - 31.4) / 200.0);
            let got = f64::from(peak(tenths));
            assert!((got - exact.min(32_767.0)).abs() <= 1.0, "{tenths}: {got} {exact}");
        }
        assert_eq!((peak(i16::MIN), peak(i16::MAX), peak(32)), (peak(-990), 32_767, 32_767));
    }
}
