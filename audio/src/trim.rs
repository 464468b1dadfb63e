//! Long pauses made shorter, without a cut into what is said.
//!
//! What is cut out is neither voice nor loud: music and tones that are held stay whole, as far as they are louder than
//! the noise of a telephone line. Of each long pause its beginning is kept, and the last [`AHEAD_MS`] before the next
//! word, so that a word that begins softly keeps its beginning.

use std::collections::VecDeque;

use crate::voice::Voice;

/// What is kept of a pause before the next word, in milliseconds.
pub const AHEAD_MS: u32 = 300;
/// Frames that are judged, in milliseconds.
const FRAME_MS: u32 = 20;
const AHEAD: u64 = (AHEAD_MS / FRAME_MS) as u64;
/// What is louder is kept, voice or not, in -dBov.
const LOUD: u8 = 40;

/// Shortens the pauses of a stream.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trimmer {
    /// One per channel: it is a pause when nobody speaks.
    voices: Vec<Voice>,
    /// Samples of a frame, all channels together.
    frame: usize,
    /// Frames that are kept of a pause.
    most: u64,
    /// Frames of the present pause.
    quiet: u64,
    /// Less than a frame.
    pending: Vec<i16>,
    /// The last frames of a long pause: they are kept if a word follows.
    held: VecDeque<i16>,
    /// The first frame that was cut out of this pause.
    seam: Vec<i16>,
    /// Samples cut out, all channels together.
    cut: u64,
    scratch: Vec<i16>,
}

impl Trimmer {
    /// Pauses longer than `most_ms` become so long, which is 600 ms at least.
    pub fn new(rate: u32, channels: u8, most_ms: u32) -> Self {
        let channels = usize::from(channels.max(1));
        let per_channel = ((rate / 1000).max(1) * FRAME_MS) as usize;
        Self {
            voices: vec![Voice::new(rate); channels],
            frame: per_channel * channels,
            most: u64::from(most_ms / FRAME_MS).max(2 * AHEAD),
            quiet: 0,
            pending: Vec::new(),
            held: VecDeque::new(),
            seam: Vec::new(),
            cut: 0,
            scratch: Vec::new(),
        }
    }

    /// Samples of each channel that were cut out so far.
    pub fn cut(&self) -> u64 {
        self.cut / self.voices.len() as u64
    }

    /// Takes the next samples, those of one moment side by side, and appends what is kept.
    pub fn process(&mut self, mut pcm: &[i16], out: &mut Vec<i16>) {
        while self.pending.len() + pcm.len() >= self.frame {
            let (now, later) = pcm.split_at(self.frame - self.pending.len());
            pcm = later;
            let mut frame = std::mem::take(&mut self.pending);
            frame.extend_from_slice(now);
            self.judge(&frame, out);
            frame.clear();
            self.pending = frame;
        }
        self.pending.extend_from_slice(pcm);
    }

    /// Appends what is still inside: the stream has ended.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        self.release(out);
        out.append(&mut self.pending);
    }

    fn judge(&mut self, frame: &[i16], out: &mut Vec<i16>) {
        if self.is_kept(frame) {
            self.release(out);
            out.extend_from_slice(frame);
            self.quiet = 0;
            return;
        }
        self.quiet += 1;
        if self.quiet <= self.most - AHEAD {
            out.extend_from_slice(frame);
            return;
        }
        self.held.extend(frame);
        if self.held.len() > AHEAD as usize * self.frame {
            let oldest = self.held.drain(..self.frame);
            if self.seam.is_empty() {
                self.seam.extend(oldest);
            } else {
                drop(oldest);
            }
            self.cut += self.frame as u64;
        }
    }

    /// Whether somebody speaks or something sounds. Each channel is heard, so that each learns its noise.
    fn is_kept(&mut self, frame: &[i16]) -> bool {
        let (channels, mut kept) = (self.voices.len(), false);
        for (nth, voice) in self.voices.iter_mut().enumerate() {
            self.scratch.clear();
            self.scratch.extend(frame.iter().skip(nth).step_by(channels));
            kept |= voice.feed(&self.scratch) || voice.level_dbov() < LOUD;
        }
        kept
    }

    /// Gives what was held. Behind a cut it begins with a fade from what would have come.
    fn release(&mut self, out: &mut Vec<i16>) {
        let length = i32::try_from(self.frame).unwrap_or(i32::MAX);
        for (at, (&gone, here)) in self.seam.iter().zip(self.held.iter_mut()).enumerate() {
            let at = at as i32;
            *here = ((i32::from(gone) * (length - at) + i32::from(*here) * at) / length) as i16;
        }
        self.seam.clear();
        out.extend(self.held.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::tests::{add_words, noise};
    use proptest::prelude::*;

    fn trimmed(rate: u32, channels: u8, most_ms: u32, pcm: &[i16]) -> (Vec<i16>, u64) {
        let (mut trimmer, mut out) = (Trimmer::new(rate, channels, most_ms), Vec::new());
        for piece in pcm.chunks(1600 + 3) {
            trimmer.process(piece, &mut out);
        }
        trimmer.finish(&mut out);
        assert_eq!(out.len() as u64 + trimmer.cut() * u64::from(channels), pcm.len() as u64);
        (out, trimmer.cut())
    }

    #[test]
    fn a_long_pause_becomes_as_long_as_wanted_and_a_short_one_stays() {
        let mut seed = 5;
        let mut pcm = noise(1000, -65.0, &mut seed);
        for pause in [1500, 30_000, 1500] {
            let mut word = noise(840, -65.0, &mut seed);
            add_words(&mut word, -20.0);
            pcm.extend(word);
            pcm.extend(noise(pause, -65.0, &mut seed));
        }
        let (out, cut) = trimmed(8000, 1, 2000, &pcm);
        // What is taken for the end of a word is up to 300 ms.
        let milliseconds = cut / 8;
        assert!((27_660..=28_000).contains(&milliseconds), "{milliseconds}");
        let before = (1000 + 840 + 1500 + 840) * 8;
        assert_eq!(out[..before + 1600 * 8], pcm[..before + 1600 * 8]);
        let after = (840 + 1500) * 8 + 280 * 8;
        assert_eq!(out[out.len() - after..], pcm[pcm.len() - after..]);
        let (whole, cut) = trimmed(8000, 1, 40_000, &pcm);
        assert_eq!((whole, cut), (pcm, 0));
    }

    #[test]
    fn music_and_tones_are_no_pause() {
        let mut sine = crate::tone::sine::Sine::new(425_000, 16_000, 1000);
        let pcm: Vec<i16> = (0..16_000 * 20).map(|_| sine.sample()).collect();
        assert_eq!(trimmed(16_000, 1, 1000, &pcm), (pcm, 0));
    }

    #[test]
    fn one_side_is_not_cut_while_the_other_speaks() {
        let mut seed = 2;
        let mut said = noise(8000, -60.0, &mut seed);
        add_words(&mut said, -25.0);
        let silent = noise(8000, -60.0, &mut seed);
        let woven: Vec<i16> = silent.iter().zip(&said).flat_map(|(&a, &b)| [a, b]).collect();
        assert_eq!(trimmed(8000, 2, 1000, &woven), (woven, 0));
    }

    #[test]
    fn there_is_no_step_where_something_was_cut_out() {
        // A slow swing that is too soft to be kept: a cut would be a step of up to twice its height.
        let pcm: Vec<i16> = (0..80_000_i32).map(|at| (((at % 1000) - 500).abs() - 250) as i16).collect();
        let (out, cut) = trimmed(8000, 1, 1000, &pcm);
        assert!(cut > 60_000);
        let step = out.windows(2).map(|two| two[0].abs_diff(two[1])).max();
        assert!(step <= Some(6), "{step:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Words of any length and loudness above the noise, pauses of any length: each word is there whole, with 200
        /// ms before it, and no pause is longer than asked for.
        #[test]
        fn words_are_never_cut(
            mut seed in any::<u32>(),
            background in prop::sample::select(vec![-75.0_f64, -65.0, -55.0]),
            above in 15.0..35.0_f64,
            parts in prop::collection::vec((2..10_usize, 0..9000_usize), 1..8),
            most_ms in 600..4000_u32,
        ) {
            let mut pcm = noise(2500, background, &mut seed);
            let mut words = Vec::new();
            for &(syllables, pause) in &parts {
                let mut word = noise(syllables * 210, background, &mut seed);
                add_words(&mut word, (background + above).clamp(-50.0, -12.0));
                let start = pcm.len();
                pcm.extend(word);
                words.push(start - 200 * 8..pcm.len());
                pcm.extend(noise(pause, background, &mut seed));
            }
            let (out, _) = trimmed(8000, 1, most_ms, &pcm);
            let mut from = 0;
            for (nth, word) in words.iter().enumerate() {
                // The fade is 20 ms of the 300 before a word; a pause shorter than that is whole.
                let word = &pcm[word.clone()];
                let found = out[from..].windows(word.len()).position(|part| part == word);
                prop_assert!(found.is_some(), "word {} of {}", nth, words.len());
                let end = from + found.unwrap_or(0) + word.len();
                from = end - 200 * 8;
            }
            let most = u64::from(most_ms.max(2 * AHEAD_MS)) + 300 + 40;
            let longest: u64 = 2500_u64.min(most)
                + parts.iter().map(|&(syllables, pause)| syllables as u64 * 210 + (pause as u64).min(most)).sum::<u64>();
            prop_assert!(out.len() as u64 / 8 <= longest, "{} ms, {} at most", out.len() / 8, longest);
        }

        #[test]
        fn any_sound_will_do(
            rate in any::<u32>().prop_map(|rate| rate % 200_000), channels in 0..4_u8, most in any::<u32>(),
            pcm in prop::collection::vec(any::<i16>(), 0..3000)
        ) {
            let (mut trimmer, mut out) = (Trimmer::new(rate, channels, most), Vec::new());
            trimmer.process(&pcm, &mut out);
            trimmer.finish(&mut out);
            prop_assert!(out.len() <= pcm.len());
        }
    }
}
