//! Sines without floating point.

/// Points of one period.
const POINTS: usize = 1024;
/// One period of a sine of amplitude 32767, and its first point again, so that interpolation needs no wrap.
const SINE: &[i16; POINTS + 1] = &sine_table();

/// A sine that goes on without a step in phase from one frame to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tone {
    /// Position in the period; the period is 2^32.
    phase: u32,
    step: u32,
    level: i16,
}

impl Tone {
    /// `hertz` below half of the `rate`, `level` the peak of a 16-bit sample.
    pub(super) fn new(hertz: u16, level: i16, rate: u32) -> Self {
        // To the nearest, so that it is off by one turn in ten days at most.
        let step = ((u64::from(hertz) << 32) + u64::from(rate / 2)) / u64::from(rate.max(1));
        Self { phase: 0, step: u32::try_from(step).unwrap_or(0), level }
    }

    /// The next sample.
    pub(super) fn sample(&mut self) -> i16 {
        let at = (self.phase >> 22) as usize;
        let between = i32::from((self.phase >> 7 & 0x7fff) as u16);
        self.phase = self.phase.wrapping_add(self.step);
        // Cannot be out of bounds: ten bits index 1025 points.
        let (a, b) = (i32::from(SINE[at]), i32::from(SINE[at + 1]));
        let unit = a + (((b - a) * between) >> 15);
        i16::try_from((unit * i32::from(self.level)) >> 15).unwrap_or(0)
    }

    /// Goes on as if `samples` had been taken.
    pub(super) fn skip(&mut self, samples: u32) {
        self.phase = self.phase.wrapping_add(self.step.wrapping_mul(samples));
    }
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

    const RATE: u32 = 8000;

    #[test]
    fn the_table_is_a_sine() {
        for (i, &value) in SINE.iter().enumerate() {
            let exact = (std::f64::consts::TAU * i as f64 / POINTS as f64).sin() * 32_767.0;
            assert!((f64::from(value) - exact).abs() <= 1.0, "{i}: {value} {exact}");
        }
    }

    #[test]
    fn a_tone_follows_its_formula() {
        let mut tone = Tone::new(440, 8000, RATE);
        for n in 0..10 * RATE {
            let exact = (std::f64::consts::TAU * 440.0 * f64::from(n) / f64::from(RATE)).sin() * 8000.0;
            let got = f64::from(tone.sample());
            assert!((got - exact).abs() < 2.0, "sample {n}: {got} {exact}");
        }
    }

    #[test]
    fn skipping_is_taking_without_looking() {
        let (mut a, mut b) = (Tone::new(1234, 1000, RATE), Tone::new(1234, 1000, RATE));
        for _ in 0..777 {
            a.sample();
        }
        b.skip(777);
        assert_eq!(a, b);
    }
}
