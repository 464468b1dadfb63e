//! What is played into a leg's ear.

use smol_str::{SmolStr, format_smolstr};
use telex_audio::tone;
use telex_audio::tone::sine::Sine;

use super::broadcast::{Broadcast, Sounds};
use super::converter::Converter;
use super::ring::FRAME_MS;
use crate::limits::PIECES;
use crate::mediactl::{CLIP_RATE, Clip, ClipPlace, Library, Piece, Play, Playing};

/// Frames that are passed over at most after a long delay; of a longer one the rest is played late.
const PASSED_OVER: u64 = 50;
/// Octets of a clip that are decoded at once: 20 ms.
const OCTETS: u32 = 160;

/// What plays, and how far it is.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Player {
    play: Play,
    rate: u32,
    sound: Sound,
    /// It has ended, and that was not told yet.
    to_tell: bool,
    /// Sounds that there are not, and that was not told yet.
    missing: Vec<SmolStr>,
    /// Lent to mixing.
    frame: Vec<i16>,
}

#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Sound {
    Sine(Sine),
    Cadence(Box<tone::Player>),
    Listed(Box<Listed>),
    Ended,
}

/// A place in a list of pieces.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Listed {
    /// Which piece, and how far into it: samples of a pause are at [`CLIP_RATE`].
    piece: usize,
    place: ClipPlace,
    paused: u32,
    /// Not the first time through the list.
    again: bool,
    /// Something was heard this time through.
    made: bool,
    /// What it gives first is its delay, not the sound.
    converter: Converter,
    delay: usize,
    /// For what is broadcast, while that is heard in its place.
    live: Option<Converter>,
    /// Lent to decoding.
    pcm: Vec<i16>,
    /// At the rate of the player, still to be played.
    line: Vec<i16>,
    /// Sounds that there are not.
    missing: Vec<SmolStr>,
}

/// One thing of a list.
enum Next<'a> {
    Clip(&'a Clip),
    /// So many samples.
    Pause(u32),
    Missing(SmolStr),
    End,
}

/// The piece of a list at a place.
fn at<'a>(sound: &Playing, place: usize, library: &'a Library) -> Next<'a> {
    match sound {
        Playing::Prompts { language, pieces, .. } => match pieces.get(place).filter(|_| place < PIECES) {
            Some(Piece::Prompt(name)) => {
                library.find(language, name).map_or_else(|| Next::Missing(name.clone()), Next::Clip)
            }
            Some(Piece::Pause(ms)) => Next::Pause(ms.saturating_mul(CLIP_RATE / 1000)),
            None => Next::End,
        },
        Playing::Music(class) => match library.class(class) {
            [] if place == 0 => Next::Missing(format_smolstr!("music/{class}")),
            list => list.get(place).map_or(Next::End, |(_, clip)| Next::Clip(clip)),
        },
        Playing::Tone { .. } | Playing::Tones(_) => Next::End,
    }
}

/// What is broadcast in the place of a sound.
fn live<'a>(sound: &Playing, sounds: &'a Sounds) -> Option<&'a Broadcast> {
    match sound {
        Playing::Music(class) => sounds.broadcast(class),
        _ => None,
    }
}

fn repeats(sound: &Playing) -> bool {
    matches!(sound, Playing::Music(_) | Playing::Prompts { repeat: true, .. })
}

impl Listed {
    fn new(rate: u32) -> Self {
        let converter = Converter::new(CLIP_RATE, rate);
        Self {
            piece: 0,
            place: ClipPlace::default(),
            paused: 0,
            again: false,
            made: false,
            delay: converter.delay(),
            converter,
            live: None,
            pcm: Vec::new(),
            line: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// From the same place on at another rate.
    fn at_rate(&mut self, rate: u32) {
        self.converter = Converter::new(CLIP_RATE, rate);
        self.delay = self.converter.delay();
        self.live = None;
        self.line.clear();
    }

    /// Appends a frame of what is broadcast. The list waits meanwhile.
    fn tune_in(&mut self, broadcast: &Broadcast, present: u64, rate: u32, pcm: &mut Vec<i16>) {
        self.pcm.clear();
        broadcast.read(present, 2 * OCTETS as usize, &mut self.pcm);
        self.live.get_or_insert_with(|| Converter::new(CLIP_RATE, rate)).convert(&self.pcm, pcm);
    }

    /// Puts another bit on the line; false at the end. The library may be another than before: a piece that is shorter
    /// now is over.
    fn read(&mut self, sound: &Playing, library: &Library) -> bool {
        let mut pcm = std::mem::take(&mut self.pcm);
        pcm.clear();
        let more = match at(sound, self.piece, library) {
            Next::Clip(clip) => self.place.read(clip, OCTETS, &mut pcm),
            Next::Pause(samples) => {
                let some = samples.saturating_sub(self.paused).min(2 * OCTETS);
                pcm.resize(some as usize, 0);
                self.paused += some;
                self.paused < samples
            }
            Next::Missing(name) => {
                self.missing.extend((!self.again).then_some(name));
                false
            }
            Next::End if repeats(sound) && self.made => {
                (self.piece, self.again, self.made) = (0, true, false);
                self.pcm = pcm;
                return true;
            }
            Next::End => {
                self.pcm = pcm;
                self.finish();
                return false;
            }
        };
        if !more {
            (self.piece, self.place, self.paused) = (self.piece + 1, ClipPlace::default(), 0);
        }
        self.made |= !pcm.is_empty();
        self.take(&pcm);
        self.pcm = pcm;
        true
    }

    fn take(&mut self, pcm: &[i16]) {
        let start = self.line.len();
        self.converter.convert(pcm, &mut self.line);
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
        Playing::Prompts { .. } | Playing::Music(_) => Sound::Listed(Box::new(Listed::new(rate))),
    }
}

impl Player {
    /// Starts at `rate` samples per second.
    pub(super) fn new(play: &Play, rate: u32) -> Self {
        Self {
            play: play.clone(),
            rate,
            sound: start(play, rate),
            to_tell: false,
            missing: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Plays this from now on; the same goes on undisturbed, a list where it is even at another rate.
    pub(super) fn change(&mut self, play: &Play, rate: u32) {
        if self.play != *play {
            *self = Self::new(play, rate);
        } else if self.rate != rate {
            match &mut self.sound {
                Sound::Ended => {}
                Sound::Listed(list) => list.at_rate(rate),
                other => *other = start(play, rate),
            }
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

    /// Sounds that were to be played and that there are not, each once.
    pub(super) fn missing(&mut self) -> impl Iterator<Item = SmolStr> {
        self.missing.drain(..)
    }

    /// What the leg would hear without it goes on below it.
    pub(super) fn is_over(&self) -> bool {
        self.play.over
    }

    /// Appends so many samples, silence behind its end.
    pub(super) fn fill(&mut self, sounds: &Sounds, samples: usize, pcm: &mut Vec<i16>) {
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
            Sound::Listed(list) => {
                if let Some(broadcast) = live(&self.play.sound, sounds) {
                    list.tune_in(broadcast, sounds.present(), self.rate, pcm);
                    return pcm.resize(end, 0);
                }
                list.live = None;
                let mut more = true;
                while more && list.line.len() < samples {
                    more = list.read(&self.play.sound, &sounds.library);
                }
                self.missing.append(&mut list.missing);
                let ready = samples.min(list.line.len());
                pcm.extend(list.line.drain(..ready));
                if !more && list.line.is_empty() {
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
    pub(super) fn add(&mut self, sounds: &Sounds, pcm: &mut [i16]) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        self.fill(sounds, pcm.len(), &mut frame);
        pcm.iter_mut().zip(&frame).for_each(|(sum, &sample)| *sum = sum.saturating_add(sample));
        self.frame = frame;
    }

    /// Goes on as if so many frames had been taken, up to [`PASSED_OVER`].
    pub(super) fn skip(&mut self, sounds: &Sounds, frames: u64) {
        let samples = (u64::from(self.rate) * FRAME_MS / 1000) as usize;
        if let Sound::Sine(sine) = &mut self.sound {
            // Phases wrap, and so may this.
            return sine.skip((frames.wrapping_mul(samples as u64) & 0xffff_ffff) as u32);
        }
        // What is broadcast goes on by itself.
        if live(&self.play.sound, sounds).is_some() {
            return;
        }
        let mut frame = std::mem::take(&mut self.frame);
        for _ in 0..frames.min(PASSED_OVER) {
            frame.clear();
            self.fill(sounds, samples, &mut frame);
        }
        self.frame = frame;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of a sine of 400 Hz at 16 kHz, from this sample to that.
    fn sine(samples: std::ops::Range<u32>) -> Clip {
        let wave = |n| (f64::from(n) * 400.0 / 16_000.0 * std::f64::consts::TAU).sin() * 10_000.0;
        Clip::of(16_000, &samples.map(|n| wave(n) as i16).collect::<Vec<_>>()).unwrap()
    }

    fn library(clips: &[(&str, Clip)]) -> Sounds {
        let library: Library = clips.iter().map(|(name, clip)| (SmolStr::new(name), clip.clone())).collect();
        let mut sounds = Sounds::default();
        sounds.library = library.into();
        sounds
    }

    fn prompts(pieces: &str, repeat: bool) -> Playing {
        let piece = |word: &str| word.parse().map_or_else(|_| Piece::Prompt(word.into()), Piece::Pause);
        let pieces = pieces.split_whitespace().map(piece).collect();
        Playing::Prompts { language: "de".into(), pieces, repeat }
    }

    /// What is heard in so many frames, what ended, and what was missing.
    fn all(
        sound: Playing,
        library: &Sounds,
        rate: u32,
        frames: usize,
    ) -> (Vec<i16>, Option<u32>, Vec<SmolStr>) {
        let mut player = Player::new(&Play { number: 7, sound, over: false }, rate);
        let mut pcm = Vec::new();
        for _ in 0..frames {
            player.fill(library, rate as usize / 50, &mut pcm);
        }
        (pcm, player.has_ended(), player.missing().collect())
    }

    /// Samples that are not those of the sine, to a fiftieth of its height.
    fn off(pcm: &[i16], rate: u32) -> usize {
        let exact = |n: usize| (n as f64 * 400.0 / f64::from(rate) * std::f64::consts::TAU).sin() * 10_000.0;
        pcm.iter().enumerate().filter(|&(n, &sample)| (f64::from(sample) - exact(n)).abs() > 500.0).count()
    }

    #[test]
    fn prompts_follow_each_other_without_a_gap_at_any_rate() {
        let library = library(&[
            ("a", sine(0..3334)),
            ("de/b", sine(3334..6000)),
            ("b", sine(0..1)),
            ("c", sine(0..0)),
        ]);
        for rate in [8000, 16_000, 48_000] {
            let (pcm, ended, missing) = all(prompts("a c x b", false), &library, rate, 20);
            let length = rate as usize * 6000 / 16_000;
            // At each start the coder has to find the level: half a millisecond.
            let wrong = off(&pcm[..length], rate);
            assert!(wrong < rate as usize / 500, "{rate}: {wrong}");
            assert!(pcm[length..].iter().all(|&sample| sample == 0), "{rate}");
            assert_eq!((ended, missing), (Some(7), vec!["x".into()]));
        }
    }

    #[test]
    fn pauses_are_as_long_as_they_say_and_what_repeats_tells_once_what_it_misses() {
        let library = library(&[("a", sine(0..1600))]);
        let (pcm, ended, missing) = all(prompts("x 100 a 100 x", true), &library, 16_000, 100);
        assert_eq!((ended, missing), (None, vec!["x".into(), "x".into()]));
        for pass in 0..6 {
            let at = pass * 4800;
            assert!(pcm[at..at + 1600].iter().all(|&sample| sample == 0));
            assert!(off(&pcm[at + 1600..at + 3200], 16_000) < 40);
        }
        let nothing = |pieces, repeat| all(prompts(pieces, repeat), &library, 16_000, 1).1;
        assert_eq!(
            [nothing("", true), nothing("x 0", true), nothing("", false)],
            [Some(7); 3],
            "is over at once"
        );
        let (pcm, ended, _) = all(prompts(&"20 ".repeat(PIECES + 9), false), &library, 8000, PIECES + 1);
        assert_eq!((pcm.len(), ended), ((PIECES + 1) * 160, Some(7)));
    }

    #[test]
    fn music_is_played_in_order_and_for_ever() {
        let library = library(&[
            ("music/quiet/2", sine(800..2000)),
            ("music/quiet/1", sine(0..800)),
            ("music/quieter/1", sine(0..9)),
        ]);
        let (pcm, ended, missing) = all(Playing::Music("quiet".into()), &library, 16_000, 50);
        assert_eq!((ended, missing.len()), (None, 0));
        for pass in pcm.chunks(2000) {
            assert!(off(pass, 16_000) < 60);
        }
        let (_, ended, missing) = all(Playing::Music("loud".into()), &library, 16_000, 1);
        assert_eq!((ended, missing), (Some(7), vec!["music/loud".into()]));
    }

    #[test]
    fn a_rate_that_changes_and_a_library_that_is_replaced_keep_the_place() {
        let (first, second) = (library(&[("a", sine(0..16_000))]), library(&[("a", sine(0..3300))]));
        let play = Play { number: 1, sound: prompts("a", false), over: false };
        let mut player = Player::new(&play, 8000);
        let mut pcm = Vec::new();
        player.fill(&first, 1600, &mut pcm);
        player.change(&play, 16_000);
        let mut wide = Vec::new();
        player.fill(&first, 160, &mut wide);
        // The same phase but for what was on its way through the filter, and as far as that.
        let crossings = wide.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((3..=5).contains(&crossings), "{crossings}");
        player.fill(&second, 320, &mut wide);
        assert!(!player.is_playing() || wide[480 - 64..].iter().all(|&sample| sample == 0));
        assert_eq!(player.has_ended(), Some(1));
    }
}
