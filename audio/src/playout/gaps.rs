//! What comes next on the line: the next packet, or something in its place.

use super::clock::{length, samples};
use super::line::Kind;
use super::pace::Moment;
use super::queue::Waiting;
use super::source::SLOPPY;
use super::{Content, Playout, State};

/// Gaps are filled in pieces no longer than this, in nanoseconds.
const PIECE: i64 = 20_000_000;
/// Over which sound fades into other sound, and how much more of that is looked at for the best place.
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
    /// The first packet, without so many nanoseconds that have been concealed.
    Play(i64),
    /// The packet before the first one, which repeats some of it; else so many nanoseconds of concealment.
    Recover(i64),
    /// Up to so many nanoseconds of concealment.
    Conceal(i64),
    /// Noise, of the source or of the decoder.
    Noise,
    /// Nothing.
    Silence,
}

impl Playout {
    /// Puts at least one sample on the line, on which nothing waits.
    pub(super) fn supply(&mut self, moment: Moment) {
        let wanted = moment.samples - moment.done;
        let piece = length(wanted, self.rate).clamp(1, PIECE);
        match self.step(moment) {
            Step::Play(0) => self.play(),
            Step::Play(concealed) => self.play_rest(concealed),
            Step::Recover(lasts) => {
                if !self.recover(lasts) {
                    self.conceal(lasts.min(piece), Kind::Concealed);
                }
            }
            Step::Conceal(lasts) => self.conceal(lasts.min(piece), Kind::Concealed),
            Step::Noise => self.conceal(piece, Kind::Noise),
            Step::Silence => self.silence(wanted),
        }
        if self.line.waiting() == 0 {
            // Nothing could be made of it, or less than a sample.
            let last = self.line.last();
            self.line.append(Kind::Concealed, |line| line.push(last));
        }
    }

    fn step(&mut self, moment: Moment) -> Step {
        self.pass();
        let Some(first) = self.queue.first() else {
            return self.step_without();
        };
        if first.content.is_none() {
            self.given_up = true;
            return Step::Conceal(PIECE);
        }
        let (at, lasts) = (first.at, first.lasts);
        let missing = first.number.saturating_sub(self.next);
        let due = self.due(moment, at, lasts);
        if self.state == State::Idle {
            return if due { Step::Play(0) } else { Step::Silence };
        }
        let gap = at.saturating_sub(self.end).max(0);
        if missing == 0 && gap <= SLOPPY {
            if self.state == State::Playing {
                return Step::Play(0);
            }
            // It is late. Nothing else was there, so all of it is heard; or it was given up, and what was concealed is
            // left out of it, unless the longer wait is wanted anyway.
            if self.given_up && self.spare(moment, at, lasts) > lasts {
                return Step::Play(self.filled);
            }
            self.stats.belated += u64::from(self.state == State::Filling && lasts > 0);
            return Step::Play(0);
        }
        let overdue = self.filled > gap.saturating_add(LONG_WAIT);
        if missing == 0 || self.state == State::Noise || gap > LONG_GAP {
            return if due || overdue { Step::Play(0) } else { Step::Noise };
        }
        self.given_up = true;
        let left = gap - self.filled;
        if left < SLOPPY / 5 {
            return Step::Play(0);
        }
        match left - self.lasts {
            more if more > SLOPPY => Step::Conceal(more),
            more if more > -SLOPPY => Step::Recover(left),
            _ => Step::Conceal(left),
        }
    }

    /// Leaves out what is not heard, once what is missing before it has had its time.
    fn pass(&mut self) {
        while let Some(first) = self.queue.first().filter(|first| first.content.is_none()) {
            let missing = first.number.saturating_sub(self.next);
            let lost = self.state != State::Idle && missing > 0;
            if lost && missing.saturating_mul(self.lasts) > self.filled && self.filled < LONG_GAP {
                return;
            }
            if let Some(other) = self.take() {
                self.queue.recycle(other);
            }
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
            // Most likely the source says nothing because there is nothing to say.
            State::Playing | State::Filling if self.quiet => Step::Noise,
            State::Playing | State::Filling => Step::Conceal(PIECE),
        }
    }

    /// Takes the first packet and puts it on the line.
    pub(super) fn play(&mut self) {
        let Some(packet) = self.take() else { return };
        match packet.content {
            Some(Content::Sound(encoding)) => {
                let coder = self.coder(encoding).unwrap_or(self.current);
                // Decoders fade by themselves from what they concealed into sound, if all of that was heard.
                let own = matches!(self.state, State::Playing | State::Filling) && coder == self.current;
                if !own {
                    self.extend();
                }
                self.current = coder;
                self.decode(&packet);
                self.deliver(&packet, 0);
            }
            Some(Content::Noise { .. }) => self.begin_noise(&packet),
            None => {}
        }
        self.queue.recycle(packet);
    }

    /// The same for a packet of which so many nanoseconds were concealed: they are left out, or all if few remain.
    fn play_rest(&mut self, concealed: i64) {
        let Some(packet) = self.take() else { return };
        if let Some(Content::Noise { .. }) = packet.content {
            self.begin_noise(&packet);
        } else if let Some(Content::Sound(encoding)) = packet.content {
            self.extend();
            self.current = self.coder(encoding).unwrap_or(self.current);
            self.decode(&packet);
            if packet.lasts - concealed > 2 * FADE {
                self.deliver(&packet, samples(concealed, self.rate));
            } else {
                // Its decoder knows it now. What was concealed beyond it is left out of the next one.
                self.stats.late += 1;
                self.end = packet.at.saturating_add(packet.lasts);
                self.filled = (concealed - packet.lasts).max(0);
                self.state = State::Filling;
            }
        }
        self.queue.recycle(packet);
    }

    /// The first packet follows though it does not follow the line.
    pub(super) fn jump(&mut self) {
        let fade = samples(FADE, self.rate);
        if self.line.waiting() < fade {
            self.conceal(PIECE / 2, Kind::Concealed);
        }
        self.state = State::Filling;
        self.play();
    }

    fn take(&mut self) -> Option<Waiting> {
        let packet = self.queue.take()?;
        if self.next != i64::MIN {
            let missing = u64::try_from(packet.number - self.next).unwrap_or(0);
            self.stats.lost += missing;
            self.reveal(missing > 0);
        }
        self.next = packet.number + 1;
        Some(packet)
    }

    /// What was heard as noise or silence while nothing came was in place of lost packets after all, or was not.
    fn reveal(&mut self, lost: bool) {
        let samples = std::mem::take(&mut self.doubtful);
        if lost {
            let noise = samples.min(self.stats.noise);
            self.stats.noise -= noise;
            self.stats.silence = self.stats.silence.saturating_sub(samples - noise);
            self.stats.concealed += samples;
        }
    }

    /// Decodes into the scratch buffer.
    fn decode(&mut self, packet: &Waiting) {
        self.scratch.clear();
        if let Some(coder) = self.coders.get_mut(self.current) {
            // Another's, if the right one cannot give the listener's rate any more.
            let right = packet.content == Some(Content::Sound(coder.encoding));
            let decoded = right && coder.decode(&packet.payload, &mut self.scratch).is_ok();
            if !decoded || self.scratch.is_empty() {
                self.stats.malformed += 1;
                coder.conceal(packet.lasts, &mut self.scratch);
            }
        }
        self.loud = (self.loud - self.loud / 256).max(power(&self.scratch));
        let end = self.scratch.len().saturating_sub(samples(FADE, self.rate));
        self.quiet = self.is_quiet(power(&self.scratch[end..]));
    }

    /// Puts what was decoded on the line, without the first samples. What waits there goes over into it.
    fn deliver(&mut self, packet: &Waiting, without: usize) {
        let sound = std::mem::take(&mut self.scratch);
        let rest = sound.get(without..).unwrap_or(&[]);
        let fade = samples(FADE, self.rate);
        if self.state == State::Playing || self.line.waiting() < fade {
            self.line.append(Kind::Sound, |line| line.extend_from_slice(rest));
        } else {
            self.line.cut(samples(FADE + LOOK, self.rate));
            self.line.follow(rest, fade);
        }
        self.scratch = sound;
        self.end = packet.at.saturating_add(packet.lasts);
        self.lasts = packet.lasts;
        self.play_on();
    }

    /// Makes sure that enough waits on the line for other sound to be joined to it.
    fn extend(&mut self) {
        let (fade, look) = (samples(FADE, self.rate), samples(FADE + LOOK, self.rate));
        let have = self.line.waiting();
        if have >= fade {
            return;
        }
        match self.state {
            State::Idle => self.silence(fade - have),
            State::Noise => self.conceal(length(look - have, self.rate), Kind::Noise),
            State::Playing | State::Filling => {
                self.conceal(length(look - have, self.rate), Kind::Concealed);
            }
        }
    }

    fn begin_noise(&mut self, packet: &Waiting) {
        if self.noise.set(&packet.payload).is_ok() && self.state != State::Noise {
            self.extend();
            let mut sound = std::mem::take(&mut self.scratch);
            sound.clear();
            sound.resize(samples(FADE + LOOK, self.rate), 0);
            self.noise.fill(&mut sound);
            self.line.cut(samples(FADE + LOOK, self.rate));
            self.line.follow(&sound, samples(FADE, self.rate));
            self.line.call(Kind::Noise);
            self.scratch = sound;
            self.state = State::Noise;
        }
        self.end = packet.at;
        (self.filled, self.given_up) = (0, false);
    }

    fn play_on(&mut self) {
        self.state = State::Playing;
        (self.filled, self.given_up) = (0, false);
    }

    /// The packet before the first one, from what that repeats of it. False when it repeats nothing.
    fn recover(&mut self, lasts: i64) -> bool {
        let Some(first) = self.queue.first() else { return false };
        let Some(Content::Sound(encoding)) = first.content else { return false };
        let Some(coder) = self.coders.get_mut(self.current).filter(|coder| coder.encoding == encoding) else {
            return false;
        };
        self.scratch.clear();
        if !coder.recover(&first.payload, lasts, &mut self.scratch) {
            return false;
        }
        let (number, at) = (first.number, first.at);
        self.stats.recovered += 1;
        self.stats.lost += u64::try_from(number - self.next).unwrap_or(0);
        self.reveal(true);
        self.next = number;
        self.end = at;
        let sound = std::mem::take(&mut self.scratch);
        self.line.append(Kind::Sound, |line| line.extend_from_slice(&sound));
        self.scratch = sound;
        self.play_on();
        true
    }

    /// So many nanoseconds in place of what is not there.
    fn conceal(&mut self, lasts: i64, kind: Kind) {
        let mut sound = std::mem::take(&mut self.scratch);
        sound.clear();
        // Exactly as much as is wanted: what waits when sound comes again cannot be taken back from the decoder.
        let kind = if self.state == State::Noise {
            sound.resize(samples(lasts, self.rate).max(1), 0);
            self.noise.fill(&mut sound);
            Kind::Noise
        } else {
            if let Some(coder) = self.coders.get_mut(self.current) {
                coder.conceal(lasts, &mut sound);
            }
            self.state = State::Filling;
            let kind = if sound.iter().all(|&sample| sample == 0) { Kind::Silence } else { kind };
            self.doubtful += if kind == Kind::Concealed { 0 } else { sound.len() as u64 };
            kind
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

/// Mean square.
fn power(sound: &[i16]) -> u32 {
    let sum: u64 = sound.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    // A sample's square has 31 bits.
    (sum / sound.len().max(1) as u64) as u32
}
