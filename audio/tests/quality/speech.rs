//! A voice that is nobody's: syllables of changing pitch and vowel, fricatives and pauses over a little noise. Only
//! arithmetic that is the same on every machine.

use std::f64::consts::PI;

/// Numbers by xorshift.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to `below` - 1.
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % below
    }

    /// 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        self.draw(1 << 30) as f64 / f64::from(1 << 30)
    }

    fn noise(&mut self) -> f64 {
        self.share() + self.share() - self.share() - self.share()
    }
}

/// The cosine by its series; the library's may differ between machines.
fn cosine(angle: f64) -> f64 {
    let square = angle * angle;
    (0..12).rev().fold(1.0, |sum, n| {
        let n = f64::from(n);
        1.0 - square / ((2.0 * n + 1.0) * (2.0 * n + 2.0)) * sum
    })
}

struct Resonance {
    a: f64,
    b: f64,
    past: [f64; 2],
}

impl Resonance {
    fn new(hertz: f64, width: f64, rate: f64) -> Self {
        let radius = 1.0 - PI * width / rate;
        Self { a: 2.0 * radius * cosine(2.0 * PI * hertz / rate), b: -radius * radius, past: [0.0; 2] }
    }

    fn next(&mut self, input: f64) -> f64 {
        let out = input + self.a * self.past[0] + self.b * self.past[1];
        self.past = [out, self.past[0]];
        out
    }
}

/// First and second formant of some vowels, in hertz.
const VOWELS: [(f64, f64); 6] =
    [(730.0, 1090.0), (530.0, 1840.0), (270.0, 2290.0), (570.0, 840.0), (300.0, 870.0), (490.0, 1350.0)];

/// So many seconds of it.
pub(crate) fn speech(rate: u32, seconds: usize, seed: u64) -> Vec<i16> {
    let mut chance = Chance::new(seed);
    let per_second = f64::from(rate);
    // An hour is a minute again and again.
    let total = rate as usize * seconds.min(60);
    let mut sound: Vec<f64> = Vec::with_capacity(total + rate as usize);
    let mut phase = 0.0;
    while sound.len() < total {
        match chance.draw(10) {
            0 | 1 => {
                let pause = rate as usize * (100 + chance.draw(400) as usize) / 1000;
                sound.resize(sound.len() + pause, 0.0);
            }
            2 | 3 => fricative(&mut sound, per_second, &mut chance),
            _ => syllable(&mut sound, per_second, &mut phase, &mut chance),
        }
    }
    sound.truncate(total);
    let minute: Vec<i16> = sound
        .iter()
        .map(|sample| (sample * 9000.0 + chance.noise() * 12.0).clamp(-30_000.0, 30_000.0) as i16)
        .collect();
    minute.iter().copied().cycle().take(rate as usize * seconds).collect()
}

fn syllable(sound: &mut Vec<f64>, rate: f64, phase: &mut f64, chance: &mut Chance) {
    let length = (rate * (0.12 + 0.2 * chance.share())) as usize;
    let (from, to) = (100.0 + 120.0 * chance.share(), 90.0 + 120.0 * chance.share());
    let (first, second) = VOWELS[chance.draw(6) as usize];
    let loud = 0.4 + 0.6 * chance.share();
    let mut formants = [
        Resonance::new(first, 80.0, rate),
        Resonance::new(second, 110.0, rate),
        Resonance::new(2700.0, 180.0, rate),
    ];
    let begin = sound.len();
    // Vocal cords close softly: 12 dB less per octave.
    let (soft, mut cords) = (1.0 - 2.0 * PI * 200.0 / rate, [0.0; 2]);
    for index in 0..length {
        let share = index as f64 / length as f64;
        *phase += (from + (to - from) * share) / rate;
        let pulse = if *phase >= 1.0 { 1.0 } else { 0.0 };
        *phase -= pulse;
        cords[0] = cords[0] * soft + pulse;
        cords[1] = cords[1] * soft + cords[0];
        let input = cords[1] + chance.noise() * 0.05;
        let out: f64 = formants.iter_mut().zip([1.0, 0.5, 0.25]).map(|(f, gain)| gain * f.next(input)).sum();
        // Rises in an eighth, falls in the last third.
        let envelope = (share * 8.0).min((1.0 - share) * 3.0).min(1.0);
        sound.push(out * envelope * loud);
    }
    level(&mut sound[begin..], loud);
}

fn fricative(sound: &mut Vec<f64>, rate: f64, chance: &mut Chance) {
    let length = (rate * (0.05 + 0.1 * chance.share())) as usize;
    let mut hiss = Resonance::new(3000.0, 900.0, rate);
    let begin = sound.len();
    for index in 0..length {
        let share = index as f64 / length as f64;
        let envelope = (share * 4.0).min((1.0 - share) * 4.0).min(1.0);
        sound.push(hiss.next(chance.noise()) * envelope);
    }
    level(&mut sound[begin..], 0.2);
}

fn level(piece: &mut [f64], loud: f64) {
    let peak = piece.iter().fold(0.001, |peak: f64, sample| peak.max(sample.abs()));
    for sample in piece {
        *sample *= loud / peak;
    }
}
