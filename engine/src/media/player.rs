//! What is played into a leg's ear.

use telex_audio::tone;
use telex_audio::tone::sine::Sine;

use super::converter::Converter;
use super::ring::FRAME_MS;
use crate::mediactl::{Clip, Play, Playing};

/// Frames that are passed over at most after a long delay; of a longer one the rest is played late.
const PASSED_OVER: u64 = 50;

/// What plays, and how far it is.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Player {
    play: Play,
    rate: u32,
    sound: Sound,
    /// It has ended, and that was not told yet.
    to_tell: bool,
    /// Lent to mixing.
    frame: Vec<i16>,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Sound {
    Sine(Sine),
    Cadence(Box<tone::Player>),
    Clips(Clips),
    Ended,
}

/// A place in a list of clips.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Clips {
    /// Which clip, and how many of its samples were taken.
    clip: usize,
    at: usize,
    /// From the rate of the clip; what it gives first is its delay, not the clip.
    converter: Converter,
    delay: usize,
    /// At the rate of the player, still to be played.
    line: Vec<i16>,
}

impl Clips {
    /// From the beginning of a clip.
    fn new(clips: &[Clip], clip: usize, at: usize, rate: u32) -> Self {
        let converter = Converter::new(clips.get(clip).map_or(rate, |clip| clip.rate), rate);
        let delay = converter.delay();
        Self { clip, at, converter, delay, line: Vec::new() }
    }

    /// Puts another piece on the line; false at the end.
    fn read(&mut self, clips: &[Clip], repeat: bool, rate: u32) -> bool {
        let Some(clip) = clips.get(self.clip) else { return false };
        let piece = usize::try_from(u64::from(clip.rate) * FRAME_MS / 1000).unwrap_or(1).max(1);
        let rest = clip.samples.get(self.at..).unwrap_or_default();
        let piece = rest.get(..piece).unwrap_or(rest);
        self.at += piece.len();
        self.take(piece);
        if self.at >= clip.samples.len() {
            (self.clip, self.at) = (self.clip + 1, 0);
            if repeat && self.clip >= clips.len() && clips.iter().any(|clip| !clip.samples.is_empty()) {
                self.clip = 0;
            }
            // A clip of the same rate goes on in the same filter: there is no seam.
            let next = clips.get(self.clip);
            if next.is_none_or(|next| next.rate != clip.rate) {
                self.finish();
                let line = std::mem::take(&mut self.line);
                *self = Self { line, ..Self::new(clips, self.clip, 0, rate) };
            }
        }
        true
    }

    fn take(&mut self, piece: &[i16]) {
        let start = self.line.len();
        self.converter.convert(piece, &mut self.line);
        let early = self.delay.min(self.line.len() - start);
        self.line.drain(start..start + early);
        self.delay -= early;
    }

    /// Gets what is still in the filter.
    fn finish(&mut self) {
        let end = self.line.len() + self.converter.delay() - self.delay;
        // Silence pushes it out; each sample of it gives one or more, or one comes of several.
        while self.line.len() < end {
            self.take(&[0; 16]);
        }
        self.line.truncate(end);
    }
}

fn start(play: &Play, rate: u32) -> Sound {
    match &play.sound {
        &Playing::Tone { hertz, level } => Sound::Sine(Sine::new(u32::from(hertz) * 1000, rate, level)),
        Playing::Tones(cadence) => Sound::Cadence(Box::new(tone::Player::new(cadence.clone(), rate))),
        Playing::Clips { clips, .. } => Sound::Clips(Clips::new(clips, 0, 0, rate)),
    }
}

impl Player {
    /// Starts at `rate` samples per second.
    pub(super) fn new(play: &Play, rate: u32) -> Self {
        Self { play: play.clone(), rate, sound: start(play, rate), to_tell: false, frame: Vec::new() }
    }

    /// Plays this from now on; the same goes on undisturbed, clips where they are even at another rate.
    pub(super) fn change(&mut self, play: &Play, rate: u32) {
        if self.play != *play {
            *self = Self::new(play, rate);
        } else if self.rate != rate {
            self.sound = match (&self.sound, &play.sound) {
                (Sound::Ended, _) => Sound::Ended,
                (Sound::Clips(old), Playing::Clips { clips, .. }) => {
                    Sound::Clips(Clips::new(clips, old.clip, old.at, rate))
                }
                _ => start(play, rate),
            };
            self.rate = rate;
        }
    }

    /// Whether it is this that plays, or has played.
    pub(super) fn plays(&self, play: &Play) -> bool {
        self.play == *play
    }

    /// Whether there is more.
    pub(super) fn is_playing(&self) -> bool {
        !matches!(self.sound, Sound::Ended)
    }

    /// The number of what has come to its end, once.
    pub(super) fn has_ended(&mut self) -> Option<u32> {
        std::mem::take(&mut self.to_tell).then_some(self.play.number)
    }

    /// What the leg would hear without it goes on below it.
    pub(super) fn is_over(&self) -> bool {
        self.play.over
    }

    /// Appends so many samples, silence behind its end.
    pub(super) fn fill(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let end = pcm.len() + samples;
        match &mut self.sound {
            Sound::Sine(sine) => pcm.extend((0..samples).map(|_| sine.sample())),
            Sound::Cadence(player) => {
                let from = pcm.len();
                pcm.resize(end, 0);
                player.fill(pcm.get_mut(from..).unwrap_or_default());
                if player.finished() {
                    self.end();
                }
            }
            Sound::Clips(state) => {
                let Playing::Clips { clips, repeat } = &self.play.sound else { return };
                let mut more = true;
                while more && state.line.len() < samples {
                    more = state.read(clips, *repeat, self.rate);
                }
                let ready = samples.min(state.line.len());
                pcm.extend(state.line.drain(..ready));
                if !more && state.line.is_empty() {
                    self.end();
                }
            }
            Sound::Ended => {}
        }
        pcm.resize(end, 0);
    }

    fn end(&mut self) {
        (self.sound, self.to_tell) = (Sound::Ended, true);
    }

    /// Adds the next samples to what is there.
    pub(super) fn add(&mut self, pcm: &mut [i16]) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        self.fill(pcm.len(), &mut frame);
        pcm.iter_mut().zip(&frame).for_each(|(sum, &sample)| *sum = sum.saturating_add(sample));
        self.frame = frame;
    }

    /// Goes on as if so many frames had been taken, up to [`PASSED_OVER`].
    pub(super) fn skip(&mut self, frames: u64) {
        let samples = (u64::from(self.rate) * FRAME_MS / 1000) as usize;
        if let Sound::Sine(sine) = &mut self.sound {
            // Phases wrap, and so may this.
            return sine.skip((frames.wrapping_mul(samples as u64) & 0xffff_ffff) as u32);
        }
        let mut frame = std::mem::take(&mut self.frame);
        for _ in 0..frames.min(PASSED_OVER) {
            frame.clear();
            self.fill(samples, &mut frame);
        }
        self.frame = frame;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(rate: u32, samples: impl IntoIterator<Item = i16>) -> Clip {
        Clip { rate, samples: samples.into_iter().collect() }
    }

    fn all(clips: Vec<Clip>, repeat: bool, rate: u32, frames: usize) -> (Vec<i16>, Option<u32>) {
        let play = Play { number: 7, sound: Playing::Clips { clips, repeat }, over: false };
        let mut player = Player::new(&play, rate);
        let mut pcm = Vec::new();
        for _ in 0..frames {
            player.fill(rate as usize / 50, &mut pcm);
        }
        (pcm, player.has_ended())
    }

    #[test]
    fn clips_follow_each_other_without_a_gap() {
        let (a, b) = (clip(8000, 1..=333), clip(8000, 334..=500));
        let (pcm, ended) = all(vec![a.clone(), clip(8000, []), b.clone()], false, 8000, 4);
        let want: Vec<i16> = (1..=500).chain(std::iter::repeat_n(0, 140)).collect();
        assert_eq!((pcm, ended), (want, Some(7)));
        let (pcm, ended) = all(vec![a, b], true, 8000, 10);
        let want: Vec<i16> = (0..1600).map(|n| n % 500 + 1).collect();
        assert_eq!((pcm, ended), (want, None));
        assert_eq!(all(vec![clip(8000, [])], true, 8000, 1).1, Some(7), "nothing for ever is nothing");
        assert_eq!(all(Vec::new(), true, 8000, 1).1, Some(7));
    }

    #[test]
    fn clips_of_other_rates_keep_their_length_and_sound() {
        let sine = |rate: u32, from: u32| {
            let samples = (0..rate / 5).map(move |n| {
                let seconds = f64::from(from) / 5.0 + f64::from(n) / f64::from(rate);
                ((std::f64::consts::TAU * 400.0 * seconds).sin() * 10_000.0) as i16
            });
            clip(rate, samples)
        };
        let list = vec![sine(8000, 0), sine(48_000, 1), sine(48_000, 2), sine(16_000, 3)];
        let (pcm, ended) = all(list, false, 16_000, 41);
        assert_eq!(ended, Some(7));
        // One sine over all seams, but for a little at each where the rate changes and half a filter has nothing.
        let mut off = 0;
        for (n, &sample) in pcm.iter().enumerate().take(16_000 * 4 / 5) {
            let exact = (std::f64::consts::TAU * 400.0 * n as f64 / 16_000.0).sin() * 10_000.0;
            off += usize::from((f64::from(sample) - exact).abs() > 200.0);
        }
        assert!(off < 200, "{off}");
        assert!(pcm[16_000 * 4 / 5 + 32..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn a_rate_that_changes_keeps_the_place() {
        let list = vec![clip(8000, (0..800).map(|n| n * 10))];
        let play = Play { number: 1, sound: Playing::Clips { clips: list, repeat: false }, over: false };
        let mut player = Player::new(&play, 8000);
        let mut pcm = Vec::new();
        player.fill(160, &mut pcm);
        player.change(&play, 16_000);
        player.fill(320, &mut pcm);
        assert!((pcm[160 + 200] - 1600 - 1000).abs() < 60, "{}", pcm[360]);
    }
}
