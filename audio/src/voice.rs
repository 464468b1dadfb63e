//! Whether somebody speaks.
//!
//! A frame is voice when it is louder than the noise of its line by a margin. That noise is the softest frame of the
//! last two seconds: speech has a dip in any two seconds, noise has none. So a fan, a hum or a held tone is taken for
//! noise after that time, and a line that becomes noisy is learnt.

/// Loudness is kept in sixteenths of a decibel above a mean square of one.
const FRACTION: u32 = 4;
/// Full scale, a square wave at the limit of the samples: 90.3 dB.
const OVERLOAD: i32 = 1445;
/// How much louder than the noise voice begins, and how much it may fall to.
const BEGINS: i32 = 9 << FRACTION;
const GOES_ON: i32 = 6 << FRACTION;
/// Below -63 dBov nothing is voice: a telephone is silent there.
const SOFTEST: i32 = OVERLOAD - (63 << FRACTION);
/// What the noise is taken for at most until two seconds were heard: -50 dBov.
const AT_FIRST: i32 = OVERLOAD - (50 << FRACTION);
/// The two seconds are kept as the softest frames of eighths.
const PIECES: usize = 8;
const PIECE_MS: u32 = 250;
/// How long voice is assumed to last on when it falls silent: as long as it has lasted, up to this.
const HANGOVER_MS: u32 = 300;

/// Decides for one stream, frame by frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Voice {
    rate: u32,
    /// Softest frame of each past piece, newest first; `i32::MAX` before the start.
    softest: [i32; PIECES],
    /// Softest frame of this piece, and its samples so far.
    current: i32,
    samples: u32,
    loudness: i32,
    /// Samples that voice has lasted without a pause beyond the hangover, and that it goes on to be assumed for.
    lasted: u32,
    hangover: u32,
    active: bool,
}

impl Voice {
    /// For a stream of so many samples per second.
    pub fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1),
            softest: [i32::MAX; PIECES],
            current: i32::MAX,
            samples: 0,
            loudness: 0,
            lasted: 0,
            hangover: 0,
            active: false,
        }
    }

    /// Takes the next frame, 10 to 60 ms, and returns whether it holds voice or ends a word. An empty one changes
    /// nothing.
    pub fn feed(&mut self, frame: &[i16]) -> bool {
        let samples = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        if samples == 0 {
            return self.active;
        }
        self.loudness = loudness(power(frame));
        let margin = if self.active { GOES_ON } else { BEGINS };
        let heard = self.loudness >= SOFTEST && self.loudness >= self.noise() + margin;
        self.learn(samples);
        if heard {
            self.lasted = self.lasted.saturating_add(samples);
            let most = self.rate / 1000 * HANGOVER_MS;
            self.hangover = self.hangover.max(self.lasted.min(most));
            self.active = true;
        } else {
            self.active = self.hangover > 0;
            self.hangover = self.hangover.saturating_sub(samples);
            self.lasted = if self.active { self.lasted } else { 0 };
        }
        self.active
    }

    /// Whether the last frame held voice.
    pub fn active(&self) -> bool {
        self.active
    }

    /// Level of the last frame in -dBov, as in RFC 6464: 0 is the loudest, 127 digital silence.
    pub fn level_dbov(&self) -> u8 {
        if self.loudness == 0 {
            return 127;
        }
        let below = (OVERLOAD - self.loudness + (1 << (FRACTION - 1))) >> FRACTION;
        u8::try_from(below.clamp(0, 126)).unwrap_or(126)
    }

    /// Level of the noise of the line in -dBov, 0 to 127.
    pub fn noise_dbov(&self) -> u8 {
        u8::try_from(((OVERLOAD - self.noise()) >> FRACTION).clamp(0, 127)).unwrap_or(127)
    }

    fn noise(&self) -> i32 {
        let known = self.softest.iter().copied().fold(self.current, i32::min);
        let most = if self.softest[PIECES - 1] == i32::MAX { AT_FIRST } else { i32::MAX };
        // A line is never quite silent: what follows digital silence need not be voice.
        known.min(most).max(SOFTEST - BEGINS)
    }

    fn learn(&mut self, samples: u32) {
        self.current = self.current.min(self.loudness);
        self.samples = self.samples.saturating_add(samples);
        if self.samples >= self.rate / 1000 * PIECE_MS {
            self.softest.rotate_right(1);
            self.softest[0] = self.current;
            (self.current, self.samples) = (i32::MAX, 0);
        }
    }
}

/// Level of a frame in -dBov, as in RFC 6464: 0 is the loudest, 127 digital silence.
pub fn level_dbov(frame: &[i16]) -> u8 {
    Voice { loudness: loudness(power(frame)), ..Voice::new(8000) }.level_dbov()
}

/// Mean square of the samples about their mean, so that an offset is no sound.
fn power(frame: &[i16]) -> u64 {
    let (mut sum, mut squares) = (0_i64, 0_u64);
    // Pieces of a size that sums of 32 bits hold, for the vector unit.
    for piece in frame.chunks(1 << 15) {
        let mut part = 0_i32;
        for &sample in piece {
            part = part.wrapping_add(i32::from(sample));
            let square = i32::from(sample).wrapping_mul(i32::from(sample));
            squares = squares.wrapping_add(u64::from(square.cast_unsigned()));
        }
        sum += i64::from(part);
    }
    let count = frame.len().max(1) as u64;
    let mean = (sum / count as i64).unsigned_abs();
    (squares / count).saturating_sub(mean * mean)
}

/// Ten times the decimal logarithm, in sixteenths.
fn loudness(power: u64) -> i32 {
    let Some(whole) = power.checked_ilog2() else { return 0 };
    // The rest is in 1..2 with 31 fractional bits; squaring it gives a binary digit of its logarithm each time.
    let mut rest = if whole > 31 { power >> (whole - 31) } else { power << (31 - whole) };
    let mut log = i64::from(whole);
    for _ in 0..8 {
        rest = (rest * rest) >> 31;
        log <<= 1;
        if rest >= 1 << 32 {
            rest >>= 1;
            log += 1;
        }
    }
    // 10 log 2 = 3.0103 dB per doubling: 48.165 sixteenths, by 2^8.
    ((log * 48_165 / 1000 + 128) >> 8) as i32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tone::sine::Sine;
    use proptest::prelude::*;

    /// Noise of so many dBov, nearly normal.
    pub(crate) fn noise(milliseconds: usize, dbov: f64, seed: &mut u32) -> Vec<i16> {
        let deviation = 32_768.0 * 10f64.powf(dbov / 20.0);
        let mut uniform = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(*seed >> 8) / f64::from(1 << 24) - 0.5
        };
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>();
        (0..8 * milliseconds).map(|_| (normal() * deviation).round() as i16).collect()
    }

    /// Syllables of a tone with harmonics, 150 ms each with dips of 60 ms between.
    pub(crate) fn add_words(pcm: &mut [i16], dbov: f64) {
        let peak = (32_768.0 * 10f64.powf(dbov / 20.0)) as i16;
        let mut sines = [150, 300, 750].map(|hertz| Sine::new(hertz * 1000, 8000, peak));
        for (n, sample) in pcm.iter_mut().enumerate() {
            let sum: i16 = sines.iter_mut().map(|sine| sine.sample() / 2).sum();
            if n % (210 * 8) < 150 * 8 {
                *sample = sample.saturating_add(sum);
            }
        }
    }

    fn share(voice: &mut Voice, pcm: &[i16]) -> f64 {
        let frames = pcm.chunks(160);
        let count = frames.len() as f64;
        frames.filter(|frame| voice.feed(frame)).count() as f64 / count
    }

    #[test]
    fn levels_are_those_of_rfc_6464() {
        for (peak, level) in [(32_767, 3), (16_384, 9), (3277, 23), (328, 43), (33, 63)] {
            let mut sine = Sine::new(1_000_000, 8000, peak);
            let pcm: Vec<i16> = (0..160).map(|_| sine.sample()).collect();
            assert_eq!(level_dbov(&pcm), level, "{peak}");
        }
        let square: Vec<i16> = (0..160).map(|n| if n % 2 == 0 { 32_767 } else { -32_768 }).collect();
        assert_eq!((level_dbov(&square), level_dbov(&[0; 160]), level_dbov(&[])), (0, 127, 127));
        // An offset is no sound.
        assert_eq!(level_dbov(&[20_000; 160]), 127);
    }

    #[test]
    fn noise_alone_is_no_voice_once_it_is_known() {
        let mut seed = 1;
        for dbov in [-70.0, -60.0, -50.0, -40.0, -30.0] {
            let mut voice = Voice::new(8000);
            share(&mut voice, &noise(2500, dbov, &mut seed));
            let part = share(&mut voice, &noise(20_000, dbov, &mut seed));
            assert!(part < 0.01, "{part} of noise at {dbov} is voice");
        }
        assert!(!Voice::new(8000).feed(&[0; 160]));
    }

    #[test]
    fn words_are_voice_from_their_first_frame_and_pauses_are_none() {
        let mut seed = 7;
        for (background, words) in [(-65.0, -25.0), (-50.0, -35.0), (-40.0, -20.0), (-40.0, -28.0)] {
            let mut voice = Voice::new(8000);
            share(&mut voice, &noise(3000, background, &mut seed));
            for _ in 0..5 {
                let mut pcm = noise(2100, background, &mut seed);
                add_words(&mut pcm, words);
                assert!(voice.feed(&pcm[..160]), "{background} {words}: the first frame");
                let part = share(&mut voice, &pcm[160..]);
                assert!(part > 0.97, "{background} {words}: only {part}");
                // Behind the hangover it is quiet.
                share(&mut voice, &noise(400, background, &mut seed));
                let part = share(&mut voice, &noise(1600, background, &mut seed));
                assert!(part < 0.02, "{background} {words}: {part} of the pause");
            }
        }
    }

    #[test]
    fn one_who_begins_to_speak_at_once_is_heard() {
        let mut pcm = noise(2000, -60.0, &mut 3);
        add_words(&mut pcm, -25.0);
        assert!(share(&mut Voice::new(8000), &pcm) > 0.97);
    }

    #[test]
    fn noise_that_rises_is_learnt() {
        let (mut voice, mut seed) = (Voice::new(8000), 9);
        share(&mut voice, &noise(3000, -65.0, &mut seed));
        assert_eq!(share(&mut voice, &noise(1000, -40.0, &mut seed)), 1.0);
        share(&mut voice, &noise(1600, -40.0, &mut seed));
        assert!(share(&mut voice, &noise(5000, -40.0, &mut seed)) < 0.01);
        assert!((40..=44).contains(&voice.noise_dbov()), "{}", voice.noise_dbov());
    }

    #[test]
    fn a_click_is_over_soon_and_a_word_lasts_on() {
        let (mut voice, mut seed) = (Voice::new(8000), 5);
        share(&mut voice, &noise(3000, -60.0, &mut seed));
        let mut click = [0; 160];
        click[80] = 20_000;
        assert!(voice.feed(&click));
        assert!(voice.feed(&noise(20, -60.0, &mut seed)));
        assert!(!voice.feed(&noise(20, -60.0, &mut seed)));
        let mut word = noise(600, -60.0, &mut seed);
        add_words(&mut word, -20.0);
        share(&mut voice, &word[..560 * 8]);
        let after = noise(1000, -60.0, &mut seed);
        let hangover = after.chunks(160).take_while(|frame| voice.feed(frame)).count();
        assert!((14..=16).contains(&hangover), "{hangover}");
    }

    proptest! {
        /// The logarithm of anything a sample can be.
        #[test]
        fn loudness_is_a_logarithm(power in 1..=1_u64 << 31) {
            let exact = 160.0 * (power as f64).log10();
            prop_assert!((f64::from(loudness(power)) - exact).abs() <= 1.0, "{} {}", power, exact);
        }

        #[test]
        fn any_frames_will_do(
            rate in any::<u32>(),
            frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..50), 0..20),
        ) {
            let mut voice = Voice::new(rate);
            for frame in frames {
                voice.feed(&frame);
                prop_assert!(voice.level_dbov() <= 127 && voice.noise_dbov() <= 127);
            }
        }
    }
}
