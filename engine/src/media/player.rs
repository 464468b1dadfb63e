//! What is played into a leg's ear.

use telex_audio::tone::sine::Sine;

use crate::mediactl::{Play, Playing};

/// What plays, and how far it is.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Player {
    play: Play,
    rate: u32,
    sound: Sound,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Sound {
    Tone(Sine),
    Ended,
}

fn start(play: &Play, rate: u32) -> Sound {
    match &play.sound {
        &Playing::Tone { hertz, level } => Sound::Tone(Sine::new(u32::from(hertz) * 1000, rate, level)),
        Playing::Clips { .. } => Sound::Ended,
    }
}

impl Player {
    /// Starts at `rate` samples per second.
    pub(super) fn new(play: &Play, rate: u32) -> Self {
        Self { play: play.clone(), rate, sound: start(play, rate) }
    }

    /// Plays this from now on; the same goes on undisturbed.
    pub(super) fn change(&mut self, play: &Play, rate: u32) {
        if self.play != *play || self.rate != rate {
            *self = Self::new(play, rate);
        }
    }

    /// Whether it is this that plays, or has played.
    pub(super) fn plays(&self, play: &Play) -> bool {
        self.play == *play
    }

    /// Adds the next samples to what is there.
    pub(super) fn add(&mut self, pcm: &mut [i16]) {
        match &mut self.sound {
            Sound::Tone(tone) => pcm.iter_mut().for_each(|s| *s = s.saturating_add(tone.sample())),
            Sound::Ended => {}
        }
    }

    /// Whether it has come to its end since this was asked last.
    pub(super) fn has_just_ended(&self) -> bool {
        false
    }

    /// Whether there is more.
    pub(super) fn is_playing(&self) -> bool {
        !matches!(self.sound, Sound::Ended)
    }

    /// What the leg would hear without it goes on below it.
    pub(super) fn is_over(&self) -> bool {
        self.play.over
    }

    /// Appends so many samples, silence once it has ended.
    pub(super) fn fill(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        match &mut self.sound {
            Sound::Tone(tone) => pcm.extend((0..samples).map(|_| tone.sample())),
            Sound::Ended => pcm.resize(pcm.len() + samples, 0),
        }
    }

    /// Goes on as if so many samples had been taken.
    pub(super) fn skip(&mut self, samples: u64) {
        match &mut self.sound {
            // Phases wrap, and so may this.
            Sound::Tone(tone) => tone.skip((samples & 0xffff_ffff) as u32),
            Sound::Ended => {}
        }
    }
}
