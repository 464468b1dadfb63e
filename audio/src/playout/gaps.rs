//! What comes next on the line: the next packet, or something in its place.

use super::clock::{length, samples};
use super::line::Kind;
use super::pace::Moment;
use super::queue::Waiting;
use super::source::SLOPPY;
use super::{Content, Playout, State};

/// Concealment is made in pieces of this length, in nanoseconds.
const PIECE: i64 = 10_000_000;
/// Over which sound fades in behind concealment, and how much of that is looked at for the best place.
const FADE: i64 = 5_000_000;
const LOOK: i64 = 10_000_000;
/// Concealed no longer than this; noise that was described lasts longer. Then the source is taken to be gone.
const GONE: i64 = 1_000_000_000;
const GONE_IN_NOISE: i64 = 30_000_000_000;
/// A longer gap is not filled to its end, whatever is missing in it: the wait alone decides.
const LONG_GAP: i64 = 500_000_000;
/// However a wait is worked out, it is not longer.
const LONG_WAIT: i64 = 1_500_000_000;

/// What is to be put on the line.
enum Step {
    /// The first packet, behind the sound before it.
    Continue,
    /// The first packet, behind concealment, noise or silence.
    Enter,
    /// The first packet, of which so many nanoseconds have been concealed.
    EnterLate(i64),
    /// The packet before the first one, which repeats some of it; else so many nanoseconds of concealment.
    Recover(i64),
    /// So many nanoseconds of concealment.
    Conceal(i64),
    /// Noise, of the source or of the decoder.
    Noise,
    /// Nothing.
    Silence,
}

impl Playout {
    /// Puts at least one sample on the line, on which nothing waits.
    pub(super) fn supply(&mut self, moment: Moment) {
        match self.step(moment) {
            Step::Continue => self.play(None),
            Step::Enter => self.play(Some(0)),
            Step::EnterLate(concealed) => self.play(Some(concealed)),
            Step::Recover(lasts) => {
                if !self.recover(lasts) {
                    self.conceal(lasts.min(PIECE), Kind::Concealed);
                }
            }
            Step::Conceal(lasts) => self.conceal(lasts, Kind::Concealed),
            Step::Noise => self.conceal(PIECE, Kind::Noise),
            Step::Silence => self.silence(moment.samples - moment.done),
        }
        if self.line.waiting() == 0 {
            // Nothing could be made of it.
            self.silence(1);
        }
    }

    fn step(&mut self, moment: Moment) -> Step {
        let Some(first) = self.queue.first() else {
            return self.step_without();
        };
        let (at, lasts) = (first.at, first.lasts);
        let missing = first.number.saturating_sub(self.next);
        let due = self.due(moment, at, lasts);
        if self.state == State::Idle {
            return if due { Step::Enter } else { Step::Silence };
        }
        let gap = at.saturating_sub(self.end).max(0);
        if missing == 0 && gap <= SLOPPY {
            if self.state == State::Playing {
                return Step::Continue;
            }
            // It is late. If the wait for it is wanted it counts; else what was concealed is left out of it.
            let wait = self.spare(moment, at, lasts);
            let follower = self.queue.second().is_some_and(|second| second.at - at <= lasts + SLOPPY);
            let keep = self.state == State::Noise || !follower || wait <= pace_step(lasts);
            return if keep { Step::Enter } else { Step::EnterLate(self.filled) };
        }
        let overdue = self.filled > gap.saturating_add(LONG_WAIT);
        if missing == 0 || self.state == State::Noise || gap > LONG_GAP {
            return if due || overdue { Step::Enter } else { Step::Noise };
        }
        let left = gap - self.filled;
        if left < SLOPPY / 5 {
            return Step::Enter;
        }
        match left - self.lasts {
            more if more > SLOPPY => Step::Conceal(more.min(PIECE)),
            more if more > -SLOPPY => Step::Recover(left),
            _ => Step::Conceal(left.min(PIECE)),
        }
    }

    fn step_without(&mut self) -> Step {
        let gone = if self.state == State::Noise { GONE_IN_NOISE } else { GONE };
        if self.filled > gone {
            self.state = State::Idle;
        }
        match self.state {
            State::Idle => Step::Silence,
            State::Noise => Step::Noise,
            State::Playing | State::Filling => Step::Conceal(PIECE),
        }
    }

    /// Takes the first packet and puts it on the line. Behind anything but the packet before it, it is joined on
    /// smoothly, without the part that was concealed already.
    pub(super) fn play(&mut self, enter: Option<i64>) {
        let Some(packet) = self.queue.take() else { return };
        if self.next != i64::MIN {
            self.stats.lost += u64::try_from(packet.number - self.next).unwrap_or(0);
        }
        self.next = packet.number + 1;
        match packet.content {
            Some(Content::Sound(encoding)) => {
                if enter.is_some() {
                    self.prepare();
                }
                self.current = self.decoder(encoding);
                self.decode(&packet);
                self.deliver(&packet, enter);
            }
            _ => self.begin_noise(&packet),
        }
        self.queue.recycle(packet);
    }

    /// Decodes into the scratch buffer.
    fn decode(&mut self, packet: &Waiting) {
        let (_, decoder) = &mut self.decoders[self.current];
        self.scratch.clear();
        if decoder.decode(&packet.payload, &mut self.scratch).is_err() || self.scratch.is_empty() {
            self.stats.malformed += 1;
            self.scratch.clear();
            decoder.conceal(samples(packet.lasts, decoder.rate()), &mut self.scratch);
        }
    }

    /// Puts what was decoded on the line.
    fn deliver(&mut self, packet: &Waiting, enter: Option<i64>) {
        let count = self.scratch.len().max(1) as i64;
        let power = self.scratch.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>() / count;
        self.loud = (self.loud - self.loud / 256).max(power as u32);
        let sound = std::mem::take(&mut self.scratch);
        self.end = packet.at.saturating_add(packet.lasts);
        self.lasts = packet.lasts;
        match enter {
            None => self.line.append(Kind::Sound, |line| line.extend_from_slice(&sound)),
            Some(concealed) => {
                let fade = samples(FADE, self.rate);
                let left = sound.get(samples(concealed, self.rate)..).unwrap_or(&[]);
                if concealed > 0 && left.len() < 2 * fade {
                    // All of it was concealed. Its decoder knows it now; what was made too much is in the next one's.
                    self.stats.late += 1;
                    self.filled = (concealed - packet.lasts).max(0);
                    self.scratch = sound;
                    self.state = State::Filling;
                    return;
                }
                self.line.follow(left, fade);
            }
        }
        self.scratch = sound;
        self.state = State::Playing;
        self.filled = 0;
    }

    /// Makes sure that what waits on the line is enough to join sound to, and no more.
    fn prepare(&mut self) {
        let wanted = samples(FADE + LOOK, self.rate);
        let have = self.line.waiting();
        if have >= wanted {
            return self.line.cut(wanted);
        }
        match self.state {
            State::Idle => {
                let fade = samples(FADE, self.rate);
                if have < fade {
                    self.silence(fade - have);
                }
            }
            _ => {
                let kind = if self.state == State::Noise { Kind::Noise } else { Kind::Concealed };
                self.conceal(length(wanted - have, self.rate), kind);
            }
        }
    }

    fn begin_noise(&mut self, packet: &Waiting) {
        if self.noise.set(&packet.payload).is_ok() && self.state != State::Noise {
            self.prepare();
            let mut sound = std::mem::take(&mut self.scratch);
            sound.clear();
            sound.resize(samples(FADE + LOOK, self.rate), 0);
            self.noise.fill(&mut sound);
            self.line.follow(&sound, samples(FADE, self.rate));
            self.line.call(Kind::Noise);
            self.scratch = sound;
            self.state = State::Noise;
        }
        self.end = packet.at;
        self.filled = 0;
    }

    /// The packet before the first one, from what that repeats of it. False when it repeats nothing.
    fn recover(&mut self, lasts: i64) -> bool {
        let Some(first) = self.queue.first() else { return false };
        let Some(Content::Sound(encoding)) = first.content else { return false };
        let Some((_, decoder)) = self.decoders.get_mut(self.current).filter(|(known, _)| *known == encoding)
        else {
            return false;
        };
        self.scratch.clear();
        if !decoder.recover(&first.payload, samples(lasts, decoder.rate()), &mut self.scratch) {
            return false;
        }
        let (number, at) = (first.number, first.at);
        self.stats.recovered += 1;
        self.stats.lost += u64::try_from(number - self.next).unwrap_or(0);
        self.next = number;
        self.end = at;
        let sound = std::mem::take(&mut self.scratch);
        if self.state == State::Playing {
            self.line.append(Kind::Sound, |line| line.extend_from_slice(&sound));
        } else {
            self.prepare();
            self.line.follow(&sound, samples(FADE, self.rate));
        }
        self.scratch = sound;
        self.state = State::Playing;
        self.filled = 0;
        true
    }

    /// So many nanoseconds in place of what is not there.
    fn conceal(&mut self, lasts: i64, kind: Kind) {
        let mut sound = std::mem::take(&mut self.scratch);
        sound.clear();
        let kind = if self.state == State::Noise {
            sound.resize(samples(lasts, self.rate).max(1), 0);
            self.noise.fill(&mut sound);
            Kind::Noise
        } else {
            if let Some((_, decoder)) = self.decoders.get_mut(self.current) {
                decoder.conceal(samples(lasts, decoder.rate()).max(1), &mut sound);
            }
            self.state = State::Filling;
            if sound.iter().all(|&sample| sample == 0) { Kind::Silence } else { kind }
        };
        self.filled = self.filled.saturating_add(length(sound.len(), self.rate));
        self.line.append(kind, |line| line.extend_from_slice(&sound));
        self.scratch = sound;
    }

    /// So many samples of nothing, into which the sound before them fades.
    fn silence(&mut self, count: usize) {
        let fade = samples(FADE, self.rate).min(count) as i32;
        let last = i32::from(self.line.last());
        self.line.append(Kind::Silence, |line| {
            line.extend((1..=fade).map(|step| (last * (fade - step) / fade) as i16));
            line.resize(line.len() + count - fade as usize, 0);
        });
        self.filled = self.filled.saturating_add(length(count, self.rate));
    }
}

/// A wait that is longer than wanted by less than this is kept: it can only change in steps.
fn pace_step(lasts: i64) -> i64 {
    lasts.max(PIECE)
}
