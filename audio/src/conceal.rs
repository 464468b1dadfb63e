//! Concealment of lost packets for codecs that have none of their own, of the class of G.711 appendix I.
//!
//! What was heard last goes on: its last pitch period is repeated, then the last two, then three, so that it does not
//! sound like a buzzer. After 10 ms it gets quieter by 20 % each 10 ms, after 60 ms there is silence. When sound comes
//! again, what was made up is faded into it.
//!
//! Appendix I delays all sound by 3.75 ms to fade into what it makes up. That would be paid by every call, lossy or
//! not; here the step at the seam is measured and leaks away over a quarter of a period instead.

/// What history must hold, in hundredths of milliseconds: three of the longest periods and a quarter.
const HISTORY: u32 = 4875;
/// Pitch periods that are looked for.
const SHORTEST: u32 = 500;
const LONGEST: u32 = 1500;
/// The end of the history that is compared with what was a period before.
const COMPARED: u32 = 2000;
/// How long sound goes on at full level, and the unit of everything that changes with the length of a gap.
const STEP: u32 = 1000;
/// Steps after which there is silence.
const AUDIBLE: u32 = 6;
/// What each further step adds to the fade at the end of a gap.
const SLOWER: u32 = 400;
/// Streams are treated as if their rate were within these bounds.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=96_000;

/// The end of a stream's sound, and what is made up while it is missing.
///
/// It holds about 120 ms of samples: 1.9 kB at 8 kHz.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Concealment {
    rate: u32,
    /// The last sound. In a gap the first of it, as long as the history, is what was before the gap, followed by what
    /// was played since.
    sound: Vec<i16>,
    gap: Option<Gap>,
}

/// A gap, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Gap {
    /// The pitch period, and how much of it is faded over.
    period: u32,
    overlap: u32,
    /// What the seam's step is.
    seam: i32,
    /// What was made up so far.
    made: u32,
    /// The fade into sound that came again: how much of how much.
    faded: u32,
    fade: u32,
}

impl Concealment {
    /// For a stream of so many samples per second that has been silent so far.
    pub fn new(rate: u32) -> Self {
        let rate = rate.clamp(*RATES.start(), *RATES.end());
        // It never grows: a gap is as long as it can be heard, and a fade is no longer than a step.
        let mut sound = Vec::with_capacity(samples(rate, HISTORY + (AUDIBLE + 1) * STEP));
        sound.resize(samples(rate, HISTORY), 0);
        Self { rate, sound, gap: None }
    }

    /// Takes sound that came. After a gap its beginning is changed.
    pub fn received(&mut self, pcm: &mut [i16]) {
        let mut rest = &mut *pcm;
        if let Some(mut gap) = self.gap {
            if gap.fade == 0 {
                gap.fade = self.fade(&gap);
            }
            let part = rest.len().min((gap.fade - gap.faded) as usize);
            let (fading, after) = rest.split_at_mut(part);
            for sample in &mut *fading {
                let made = self.made_up(&gap);
                *sample = mix(made, *sample, gap.faded, gap.fade);
                gap.faded += 1;
                gap.made = gap.made.saturating_add(1);
            }
            self.sound.extend_from_slice(fading);
            self.gap = (gap.faded < gap.fade).then_some(gap);
            rest = after;
        }
        if self.gap.is_none() {
            self.remember(rest);
        }
    }

    /// Appends so much made-up sound.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let mut gap = match self.gap {
            Some(gap) if gap.faded == 0 => gap,
            // The first loss, or one in the middle of a fade.
            _ => {
                self.remember(&[]);
                self.open()
            }
        };
        let end = self.audible();
        let audible = samples.min(end.saturating_sub(gap.made) as usize);
        let start = pcm.len();
        for _ in 0..audible {
            pcm.push(self.made_up(&gap));
            gap.made += 1;
        }
        self.sound.extend_from_slice(&pcm[start..]);
        pcm.resize(start + samples, 0);
        gap.made = gap.made.saturating_add(u32::try_from(samples - audible).unwrap_or(u32::MAX));
        self.gap = Some(gap);
    }

    /// How much of a gap can be heard.
    fn audible(&self) -> u32 {
        samples(self.rate, AUDIBLE * STEP) as u32
    }

    fn step(&self) -> u32 {
        samples(self.rate, STEP) as u32
    }

    /// Moves the end of the sound on by `pcm`, and forgets what is older than the history.
    fn remember(&mut self, pcm: &[i16]) {
        let history = samples(self.rate, HISTORY);
        let pcm = &pcm[pcm.len().saturating_sub(history)..];
        let excess = (self.sound.len() + pcm.len()).saturating_sub(history);
        self.sound.copy_within(excess.., 0);
        self.sound.truncate(self.sound.len() - excess);
        self.sound.extend_from_slice(pcm);
    }

    /// Looks at what was before a gap.
    fn open(&self) -> Gap {
        let period = pitch(&self.sound, self.rate);
        let last = self.sound.len() - 1;
        let seam = i32::from(self.sound[last]) - i32::from(self.sound[last - period]);
        let period = period as u32;
        Gap { period, overlap: period / 4, seam, made: 0, faded: 0, fade: 0 }
    }

    /// How long to fade when sound comes again: the longer, the longer the gap was.
    fn fade(&self, gap: &Gap) -> u32 {
        let steps = (gap.made.max(1) - 1) / self.step();
        (gap.overlap + steps.min(AUDIBLE) * samples(self.rate, SLOWER) as u32).min(self.step())
    }

    /// The next sample of a gap.
    fn made_up(&self, gap: &Gap) -> i16 {
        let (step, at, end) = (self.step(), gap.made, self.audible());
        if at >= end {
            return 0;
        }
        let stage = (at / step).min(2);
        let since = at - stage * step;
        let mut sample = self.cycle(gap, stage, at);
        if stage > 0 && since < gap.overlap {
            sample = mix(self.cycle(gap, stage - 1, at), sample, since, gap.overlap);
        }
        let mut sample = i32::from(sample);
        if at < gap.overlap {
            sample += gap.seam * (gap.overlap - at) as i32 / gap.overlap as i32;
        }
        if at > step {
            sample = sample * (end - at) as i32 / (end - step) as i32;
        }
        sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    /// The last periods before the gap, one more than `stage`, as an endless sound. Each stage begins where the one
    /// before left off in a period.
    fn cycle(&self, gap: &Gap, stage: u32, at: u32) -> i16 {
        let length = (stage + 1) * gap.period;
        let begun = stage * self.step();
        let position = (begun % gap.period + (at - begun)) % length;
        let index = samples(self.rate, HISTORY) - (length - position) as usize;
        let sample = self.sound[index];
        let tail = length - gap.overlap;
        if position < tail {
            return sample;
        }
        // Its end is faded into what was before its beginning.
        mix(sample, self.sound[index - length as usize], position - tail, gap.overlap)
    }
}

/// Samples in so many hundredths of milliseconds.
const fn samples(rate: u32, hundredths: u32) -> usize {
    (rate as u64 * hundredths as u64 / 100_000) as usize
}

/// A fade from one sample to another, `at` of `length` done.
fn mix(from: i16, to: i16, at: u32, length: u32) -> i16 {
    let (at, length) = (at as i32, length as i32);
    // Cannot leave 16 bits: it lies between the two.
    ((i32::from(from) * (length - at) + i32::from(to) * at) / length) as i16
}

/// The period at the end of `sound`, by the greatest normalised correlation: looked for at a low rate first, then among
/// its neighbours.
fn pitch(sound: &[i16], rate: u32) -> usize {
    /// Samples that are looked at: 35 ms at the highest rate, and at less than 16 kHz.
    const FINE: usize = samples(*RATES.end(), COMPARED + LONGEST);
    const COARSE: usize = samples(16_000, COMPARED + LONGEST);
    let (mut fine, mut coarse) = ([0_i16; FINE], [0_i16; COARSE]);

    let step = (rate / 8000) as usize;
    let low = rate / step as u32;
    let coarse = &mut coarse[..samples(low, COMPARED) + samples(low, LONGEST)];
    let fine = &mut fine[..step * coarse.len()];
    let tail = &sound[sound.len() - fine.len()..];
    // Ten bits are enough, and sums of products fit 32.
    let loudest = tail.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let shift = (16 - loudest.leading_zeros()).saturating_sub(10);
    for (scaled, sample) in fine.iter_mut().zip(tail) {
        *scaled = sample >> shift;
    }
    for (sample, group) in coarse.iter_mut().zip(fine.chunks_exact(step)) {
        *sample = group.iter().sum::<i16>() / step as i16;
    }

    let (shortest, longest) = (samples(low, SHORTEST), samples(low, LONGEST));
    let around = best_lag(coarse, samples(low, COMPARED), shortest..=longest);
    if step == 1 {
        return around;
    }
    let (from, to) = (around.saturating_sub(1).max(shortest), (around + 1).min(longest));
    best_lag(fine, step * samples(low, COMPARED), step * from..=step * to)
}

/// The lag at which the last `compared` samples are most like those before; the longest when nothing is like them.
fn best_lag(sound: &[i16], compared: usize, lags: std::ops::RangeInclusive<usize>) -> usize {
    let last = &sound[sound.len() - compared..];
    let (mut best, mut most, mut of) = (*lags.end(), 0, 1);
    for lag in lags {
        let before = &sound[sound.len() - compared - lag..][..compared];
        let (likeness, energy) = (product(last, before), product(before, before));
        let square = u128::from(likeness.max(0).unsigned_abs()).pow(2);
        let energy = u128::from(energy.unsigned_abs());
        if square * of > most * energy {
            (best, most, of) = (lag, square, energy);
        }
    }
    best
}

/// The sum of products of samples of few bits.
fn product(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests;
