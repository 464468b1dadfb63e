//! Voices that outlive coding: a tone per speaker, told apart by its pitch.
//!
//! Every pitch is a multiple of 50 Hz, so that 20 ms hold whole turns of each of them: what a frame holds of one is
//! found by one sum, wherever the frame begins, and has nothing of the others.

use telex_audio::codec::Encoding;
use telex_engine::event::Side;

/// Samples of one turn of the table.
const TURN: usize = 320;
/// One turn of a sine, with 15 fractional bits.
const SINE: [i32; TURN] = sine();
/// The lowest pitch, and how many there are, in steps of 50 Hz: GSM takes 400 to 1400 Hz for voices.
const LOWEST: u8 = 8;
const PITCHES: usize = 21;
/// Frames in a second.
const FRAMES: u32 = 50;
/// The peaks that voices have: -24, -18 and -12 dB of full scale.
const PEAKS: [i32; 3] = [2068, 4125, 8231];
/// Quieter frames, by their mean square, hold no voice: 9 dB below the softest.
const SILENT: i64 = 2068 * 2068 / 2 / 8;
/// A frame is of one voice that has so many thousandths of its power.
const CLEAR: i64 = 700;
/// So much louder or softer than it was spoken, as a ratio of powers in thousandths, is still the same: 4 dB.
const LEVEL: std::ops::RangeInclusive<i64> = 398..=2512;

/// A pitch, in steps of 50 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pitch(u8);

/// What one frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    /// Nothing, or next to it.
    Silence,
    /// One voice; whether it is as loud as it was spoken.
    Voice(Pitch, bool),
    /// Something else: a voice that begins or ends, several together, a key.
    Other,
}

impl Pitch {
    /// That of a phone in a call: the first, second, ... of its extension. With more calls than pitches some share one.
    pub(crate) fn new(call: usize, side: Side, place: usize) -> Self {
        let speaker = match side {
            Side::Caller => 0,
            Side::Callee => 1 + place % 2,
        };
        Self::at((call * 3 + speaker) % PITCHES)
    }

    fn at(n: usize) -> Self {
        Self(LOWEST + u8::try_from(n).unwrap_or(0))
    }

    /// In hertz.
    pub(crate) fn hertz(self) -> u32 {
        u32::from(self.0) * 50
    }

    fn peak(self) -> i32 {
        PEAKS[usize::from(self.0 / 2) % PEAKS.len()]
    }

    /// The table's step from one sample to the next, at a rate of which a turn is a multiple.
    fn step(self, rate: u32) -> usize {
        usize::from(self.0) * TURN / (rate / FRAMES).max(1) as usize
    }

    /// Fills `pcm` with 20 ms of the voice.
    pub(crate) fn speak(self, rate: u32, pcm: &mut Vec<i16>) {
        let step = self.step(rate);
        let sample = |n: usize| (SINE[n * step % TURN] * self.peak()) >> 15;
        pcm.clear();
        pcm.extend((0..(rate / FRAMES) as usize).map(|n| i16::try_from(sample(n)).unwrap_or(0)));
    }

    /// The square of the amplitude that this pitch has in a frame.
    fn amplitude(self, rate: u32, pcm: &[i16]) -> i64 {
        let step = self.step(rate);
        let (mut re, mut im) = (0_i64, 0_i64);
        for (n, sample) in pcm.iter().enumerate() {
            let at = n * step;
            re += i64::from(*sample) * i64::from(SINE[(at + TURN / 4) % TURN]);
            im += i64::from(*sample) * i64::from(SINE[at % TURN]);
        }
        let count = pcm.len().max(1) as i64;
        let (re, im) = (2 * (re >> 15) / count, 2 * (im >> 15) / count);
        re * re + im * im
    }

    /// Whether the frame is of this voice.
    fn judge(self, rate: u32, pcm: &[i16], power: i64) -> Option<Sound> {
        let amplitude = self.amplitude(rate, pcm);
        let peak = i64::from(self.peak());
        let level = LEVEL.contains(&(amplitude * 1000 / (peak * peak)));
        (amplitude * 1000 / 2 > CLEAR * power).then_some(Sound::Voice(self, level))
    }
}

impl Sound {
    /// What 20 ms hold, of sound at `rate`; `likely` is looked for first.
    pub(crate) fn of(rate: u32, pcm: &[i16], likely: Option<Pitch>) -> Self {
        let energy: i64 = pcm.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
        let power = energy / pcm.len().max(1) as i64;
        if power < SILENT {
            return Self::Silence;
        }
        let all = (0..PITCHES).map(Pitch::at);
        let found = likely.into_iter().chain(all).find_map(|pitch| pitch.judge(rate, pcm, power));
        found.unwrap_or(Self::Other)
    }
}

/// The encoding of a static payload type that phones here know (RFC 3551 §6).
pub(crate) fn encoding(payload_type: u8) -> Option<Encoding> {
    match payload_type {
        0 => Some(Encoding::Pcmu),
        3 => Some(Encoding::Gsm),
        8 => Some(Encoding::Pcma),
        9 => Some(Encoding::G722),
        _ => None,
    }
}

/// A vector that turns by a 320th each step, with 30 fractional bits.
const fn sine() -> [i32; TURN] {
    const COS: i64 = 1_073_534_850;
    const SIN: i64 = 21_081_517;
    let (mut x, mut y) = (1_i64 << 30, 0_i64);
    let mut table = [0; TURN];
    let mut n = 0;
    while n < TURN {
        table[n] = ((y * 32_767 + (1 << 29)) >> 30) as i32;
        (x, y) = ((x * COS - y * SIN) >> 30, (x * SIN + y * COS) >> 30);
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use telex_audio::codec::{Decoder, Encoder, Settings};
    use telex_audio::resample::Resampler;

    use super::*;

    const KNOWN: [u8; 4] = [0, 8, 9, 3];

    fn converted(resampler: &mut Option<Resampler>, pcm: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        match resampler {
            Some(resampler) => resampler.process(pcm, &mut out),
            None => out.extend_from_slice(pcm),
        }
        out
    }

    /// What is heard of a voice that is coded as one, decoded, and coded as another.
    fn heard(pitch: Pitch, one: u8, two: u8) -> Vec<Sound> {
        let coders = |n: u8| {
            let encoding = encoding(n).unwrap();
            (Encoder::new(encoding, Settings::default()), Decoder::new(encoding, 8000))
        };
        let ((mut a, mut from_a), (mut b, mut from_b)) = (coders(one), coders(two));
        let mut between = Resampler::new(a.rate(), b.rate()).filter(|_| a.rate() != b.rate());
        let (mut pcm, mut payload, mut sounds) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..8 {
            pitch.speak(a.rate(), &mut pcm);
            payload.clear();
            a.encode(&pcm, &mut payload);
            pcm.clear();
            from_a.decode(&payload, &mut pcm).unwrap();
            let passed = converted(&mut between, &pcm);
            payload.clear();
            b.encode(&passed, &mut payload);
            pcm.clear();
            from_b.decode(&payload, &mut pcm).unwrap();
            sounds.push(Sound::of(from_b.rate(), &pcm, None));
        }
        sounds
    }

    #[test]
    fn every_voice_is_known_through_every_pair_of_codecs() {
        for (one, two) in KNOWN.into_iter().flat_map(|one| KNOWN.map(|two| (one, two))) {
            for pitch in (0..PITCHES).map(Pitch::at) {
                let sounds = heard(pitch, one, two);
                let known = sounds[2..].iter().filter(|s| matches!(s, Sound::Voice(p, _) if *p == pitch));
                let level = sounds[2..].iter().filter(|s| matches!(s, Sound::Voice(p, true) if *p == pitch));
                let strange = sounds.iter().filter(|s| matches!(s, Sound::Voice(p, _) if *p != pitch));
                assert_eq!(strange.count(), 0, "{pitch:?} as {one} and {two}: {sounds:?}");
                assert_eq!(known.count(), 6, "{pitch:?} as {one} and {two}: {sounds:?}");
                // GSM predicts a tone from what it was, and needs a while for that.
                let loud = if one == 3 || two == 3 { 4 } else { 6 };
                assert!(level.count() >= loud, "{pitch:?} as {one} and {two}: {sounds:?}");
            }
        }
    }

    #[test]
    fn two_voices_are_neither() {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        Pitch::at(0).speak(8000, &mut one);
        assert_eq!(Sound::of(8000, &one, None), Sound::Voice(Pitch::at(0), true));
        let soft: Vec<i16> = one.iter().map(|s| s / 2).collect();
        assert_eq!(Sound::of(8000, &soft, None), Sound::Voice(Pitch::at(0), false));
        Pitch::at(1).speak(8000, &mut two);
        let both: Vec<i16> = one.iter().zip(&two).map(|(a, b)| a + b).collect();
        assert_eq!(Sound::of(8000, &both, None), Sound::Other);
        assert_eq!(Sound::of(8000, &[3; 160], None), Sound::Silence);
    }
}
