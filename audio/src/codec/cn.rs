//! Comfort noise (RFC 3389): what is heard while a phone that hears no voice sends nothing.
//!
//! A payload describes noise by its level and the reflection coefficients of an all-pole filter that colours it. It
//! has no length in samples, so it is no [`Encoding`](super::Encoding): a [`NoiseGenerator`] makes as much of it as
//! is wanted, at whatever rate its samples are played.

use super::Malformed;

/// Reflection coefficients that are used. RFC 3389 §3.2 lets a receiver ignore those beyond what it can do.
pub const MAX_ORDER: usize = 10;
/// The level that stands for silence, in -dBov.
const SILENCE: u8 = 127;

/// The root mean square of the white noise: a sum of four numbers, each even over 16 bits.
const WHITE: i64 = 37_837;
/// Fraction bits of the signals in the filter.
const FINE: u32 = 8;
/// The level follows a new payload with a time constant of 2^9 samples: 64 ms at 8 kHz.
const FOLLOW: u32 = 9;

/// Makes noise as payloads describe it. The same seed and payloads give the same noise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NoiseGenerator {
    chance: u64,
    /// Root mean square with [`FINE`] and another [`FOLLOW`] fraction bits, as it is and as it shall become.
    level: i64,
    wanted: i64,
    /// How much weaker the white noise must be than what the filter makes of it, with 16 fraction bits.
    shape: i64,
    /// Q15, nearest to the output first.
    reflections: [i16; MAX_ORDER],
    delayed: [i32; MAX_ORDER],
    described: bool,
}

const _: () = assert!(size_of::<NoiseGenerator>() <= 104);

impl NoiseGenerator {
    /// A generator that is silent until something is set. Streams of one call should differ in their seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            // The generator of numbers must not start at 0.
            chance: seed ^ 0x9e37_79b9_7f4a_7c15 | 1 << 63,
            level: 0,
            wanted: 0,
            shape: 1 << 16,
            reflections: [0; MAX_ORDER],
            delayed: [0; MAX_ORDER],
            described: false,
        }
    }

    /// Takes a description of the noise to come. The first counts at once, later ones are approached.
    ///
    /// # Errors
    /// When it is empty; the noise stays as it was.
    pub fn set(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (&level, coefficients) = payload.split_first().ok_or(Malformed)?;
        self.reflections = [0; MAX_ORDER];
        for (reflection, &code) in self.reflections.iter_mut().zip(coefficients) {
            *reflection = 258 * (i16::from(code.min(254)) - 127);
        }
        // What the filter adds in power is 1 / (1 - k^2) for each coefficient.
        let lost = self.reflections.iter().fold(1_u64 << 32, |power, &reflection| {
            let square = u64::from(reflection.unsigned_abs()).pow(2);
            ((power >> 2) * ((1 << 30) - square)) >> 28
        });
        self.shape = lost.isqrt().cast_signed();
        let power = POWER[usize::from(level & 127)];
        self.wanted = ((power << (2 * FINE)) >> POWER_FINE).isqrt().cast_signed() << FOLLOW;
        if !self.described {
            self.level = self.wanted;
            self.described = true;
        }
        Ok(())
    }

    /// Fills `pcm` with the next of the noise.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        let order =
            self.reflections.iter().rposition(|&reflection| reflection != 0).map_or(0, |last| last + 1);
        for sample in pcm {
            self.level += (self.wanted - self.level) >> FOLLOW;
            let power = (self.level >> FOLLOW) * self.shape / WHITE;
            let white = (self.white() * power) >> 16;
            let coloured = self.colour(white as i32, order);
            *sample = ((coloured + (1 << (FINE - 1))) >> FINE).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }

    /// The next white noise. Numbers by xorshift; four of them added sound like noise of nature.
    fn white(&mut self) -> i64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let mixed = self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (0..4).map(|part| i64::from((mixed >> (16 * part)) as i16)).sum()
    }

    /// An all-pole lattice. It is stable because every coefficient is less than 1; the bound is for the moment when
    /// coefficients change.
    fn colour(&mut self, input: i32, order: usize) -> i32 {
        const BOUND: i64 = 1 << 26;
        let mut forward = i64::from(input);
        for stage in (0..order).rev() {
            let (reflection, back) = (i64::from(self.reflections[stage]), i64::from(self.delayed[stage]));
            forward = (forward - ((reflection * back) >> 15)).clamp(-BOUND, BOUND);
            let back = (back + ((reflection * forward) >> 15)).clamp(-BOUND, BOUND);
            if let Some(next) = self.delayed.get_mut(stage + 1) {
                *next = back as i32;
            }
        }
        self.delayed[0] = forward as i32;
        forward as i32
    }
}

/// Appends the payload that describes `pcm`: its level, and `order` reflection coefficients, at most [`MAX_ORDER`].
/// `pcm` should be 20 to 100 ms without voice.
pub fn describe(pcm: &[i16], order: usize, payload: &mut Vec<u8>) {
    let order = order.min(MAX_ORDER);
    let mut correlation = [0_i64; MAX_ORDER + 1];
    for (lag, sum) in correlation[..=order].iter_mut().enumerate() {
        let later = pcm.get(lag..).unwrap_or(&[]);
        *sum = later.iter().zip(pcm).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
    }
    payload.push(level(correlation[0].cast_unsigned(), pcm.len()));
    let reflections = reflections(&correlation);
    payload.extend(reflections[..order].iter().map(|&reflection| {
        let steps = (reflection + 129).div_euclid(258);
        (steps + 127).clamp(0, 254) as u8
    }));
}

/// The level in -dBov of so much energy in so many samples, to the nearest decibel.
fn level(energy: u64, samples: usize) -> u8 {
    let mean = (u128::from(energy) << POWER_FINE) / (samples.max(1) as u128);
    // Half a decibel is a factor of 1.122.
    let louder = POWER.iter().take_while(|&&power| mean * 1122 < u128::from(power) * 1000).count();
    louder.min(usize::from(SILENCE)) as u8
}

/// Reflection coefficients in Q15 by the recursion of Schur. A little white noise is added, so that tones and silence
/// do not make them 1.
fn reflections(correlation: &[i64; MAX_ORDER + 1]) -> [i64; MAX_ORDER] {
    let mut found = [0; MAX_ORDER];
    // 30 bits are enough and leave room for products of 15 more.
    let shift = (i64::BITS - correlation[0].leading_zeros()).saturating_sub(30);
    let mut forward = correlation.map(|sum| sum >> shift);
    forward[0] += (forward[0] >> 10) + 1;
    let mut back = forward;
    for order in 1..=MAX_ORDER {
        let energy = back[order - 1];
        if energy <= 0 {
            break;
        }
        let reflection = ((-forward[order] << 15) / energy).clamp(-32_767, 32_767);
        found[order - 1] = reflection;
        for at in (order..=MAX_ORDER).rev() {
            let (ahead, behind) = (forward[at], back[at - 1]);
            forward[at] = ahead + ((reflection * behind) >> 15);
            back[at] = behind + ((reflection * ahead) >> 15);
        }
    }
    found
}

/// Fraction bits of [`POWER`].
const POWER_FINE: u32 = 16;
/// Mean squares of 0 to -127 dBov; 0 is a square wave at full scale.
const POWER: [u64; 128] = {
    let mut table = [0; 128];
    // A decibel less is a factor of 0.79433; 32 more bits keep the error of all steps small.
    let (mut power, mut level) = ((32_768_u128 * 32_768) << (POWER_FINE + 32), 0);
    while level < table.len() {
        table[level] = (power >> 32) as u64;
        power = (power * 3_411_613_798) >> 32;
        level += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(payload: &[u8], samples: usize) -> Vec<i16> {
        let mut generator = NoiseGenerator::new(7);
        generator.set(payload).expect("not empty");
        let mut pcm = vec![0; samples];
        generator.fill(&mut pcm);
        pcm
    }

    fn decibels(pcm: &[i16]) -> f64 {
        let energy: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        10.0 * (energy / pcm.len() as f64 / 32_768_f64.powi(2)).log10()
    }

    /// How like each sample is to the one so many before.
    fn likeness(pcm: &[i16], lag: usize) -> f64 {
        let sum =
            |lag: usize| pcm[lag..].iter().zip(pcm).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        sum(lag) / sum(0)
    }

    /// A hundred members of a conference whose noise is made up are as loud as ten times one of them, not a hundred.
    #[test]
    fn noise_of_different_seeds_does_not_add_up_in_step() {
        let made = |seed: u64| {
            let mut generator = NoiseGenerator::new(seed);
            generator.set(&[50]).expect("not empty");
            let mut pcm = vec![0_i16; 8000];
            generator.fill(&mut pcm);
            pcm
        };
        let power = |pcm: &[i32]| pcm.iter().map(|&s| i64::from(s).pow(2)).sum::<i64>();
        let one: Vec<i32> = made(1).into_iter().map(i32::from).collect();
        let mut sum = vec![0_i32; one.len()];
        for seed in 1..=100 {
            sum.iter_mut().zip(made(seed)).for_each(|(sum, sample)| *sum += i32::from(sample));
        }
        let ratio = power(&sum) / power(&one);
        assert!((70..140).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_level_is_that_of_the_payload() {
        for level in [12, 20, 40, 60, 75] {
            // White, dark, and with all coefficients.
            for coefficients in [&[][..], &[30], &[20, 200, 90, 140, 120, 127, 135, 100, 150, 127]] {
                let payload = [&[level], coefficients].concat();
                let got = decibels(&noise(&payload, 80_000));
                assert!((got + f64::from(level)).abs() < 0.7, "{payload:?}: {got:.2}");
            }
        }
        assert!(noise(&[127], 1000).iter().all(|&sample| sample == 0));
    }

    #[test]
    fn a_first_coefficient_below_the_middle_makes_it_dark() {
        assert!(likeness(&noise(&[40], 80_000), 1).abs() < 0.02);
        // 258 * (40 - 127) / 32768 = -0.685, which is the likeness of neighbours with its sign turned.
        assert!((likeness(&noise(&[40, 40], 80_000), 1) - 0.685).abs() < 0.02);
        assert!((likeness(&noise(&[40, 214], 80_000), 1) + 0.685).abs() < 0.02);
    }

    /// What is described is made again: level to a decibel, coefficients to a few steps.
    #[test]
    fn noise_survives_the_description_of_it() {
        let payload = [45, 60, 180, 110, 140, 127, 120, 130, 127, 125, 127];
        let mut again = Vec::new();
        describe(&noise(&payload, 80_000), 10, &mut again);
        assert_eq!(again.len(), payload.len());
        for (was, is) in payload.iter().zip(&again) {
            assert!(was.abs_diff(*is) <= 3, "{payload:?} {again:?}");
        }
    }

    #[test]
    fn levels_are_measured_to_the_decibel() {
        let level_of = |pcm: &[i16]| {
            let mut payload = Vec::new();
            describe(pcm, 0, &mut payload);
            payload
        };
        let square = |peak: i16| (0..160).map(|at| if at % 8 < 4 { peak } else { -peak }).collect::<Vec<_>>();
        assert_eq!(level_of(&square(32_767)), [0]);
        assert_eq!(level_of(&square(3277)), [20]);
        assert_eq!(level_of(&square(33)), [60]);
        assert_eq!(level_of(&square(1)), [90]);
        assert_eq!(level_of(&[0; 160]), [127]);
        assert_eq!(level_of(&[]), [127]);
    }

    /// A new level is reached without a step: 20 dB more take about 64 ms to sound.
    #[test]
    fn a_new_level_is_approached() {
        let mut generator = NoiseGenerator::new(3);
        generator.set(&[60]).unwrap();
        let mut pcm = [0; 4000];
        generator.fill(&mut pcm);
        generator.set(&[40]).unwrap();
        generator.fill(&mut pcm);
        assert!(decibels(&pcm[..80]) < -50.0);
        assert!((decibels(&pcm[2500..]) + 40.0).abs() < 0.7);
        assert_eq!(generator.set(&[]), Err(Malformed));
    }

    proptest! {
        /// No payload and no sound stops either side, and the noise never gets louder than described by more than noise
        /// does.
        #[test]
        fn anything_may_come(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..14), 1..6),
            pcm in prop::collection::vec(any::<i16>(), 0..300),
        ) {
            let mut generator = NoiseGenerator::new(1);
            let mut out = [0; 400];
            for payload in &payloads {
                generator.set(payload).unwrap();
                generator.fill(&mut out);
            }
            let mut described = Vec::new();
            describe(&pcm, 10, &mut described);
            prop_assert!(described.len() == 11 && described[0] < 128 && !described[1..].contains(&255));
        }
    }
}
