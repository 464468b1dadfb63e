//! The wait: how long it is, how long it should be, and time scaling to make it so.
//!
//! A listener that pulls 20 ms at a time from packets of 20 ms takes a packet out when it wakes up: how long that
//! waited can only change in steps of 20 ms, and what was decoded and not yet heard is a wait for nothing. So what
//! counts is the shortest wait of any packet if all goes on evenly. It must not be below the target; and of what is
//! above, as much is taken out as leaves it there.

use super::clock::{length, samples};
use super::source::SLOPPY;
use super::{Playout, State};
use crate::stretch::{ALIKE, Join};

/// Samples heard are remembered so long, in nanoseconds: enough to look for a pitch period back from the line's place.
pub(super) const MEMORY: i64 = 25_000_000;
/// Pitch periods, and the fade between two pieces.
const SHORTEST: i64 = 2_500_000;
const LONGEST: i64 = 16_000_000;
const FADE: i64 = 6_000_000;
/// Waits this much longer than wanted are shortened, this much shorter are lengthened.
const LONGER: i64 = 6_000_000;
const SHORTER: i64 = 1_000_000;
/// Between two looks for a place to join.
const PATIENCE: i64 = 10_000_000;
/// Mean square of what is nearly silence: -57 dBov, or 26 dB below the loudest lately.
const QUIET: u32 = 2000;
const QUIETER: u32 = 400;
/// No pull counts as longer.
const LONG_PULL: i64 = 100_000_000;

/// A place in a pull.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// When the first sample of the pull is heard.
    pub(super) now: i64,
    /// How many samples of it are there.
    pub(super) done: usize,
    /// How many it shall be.
    pub(super) samples: usize,
}

impl Playout {
    /// How long to wait beyond the fastest packets.
    pub(super) fn target(&self) -> i64 {
        self.delay.target().clamp(self.least, self.most)
    }

    /// Whether a packet should be played at this moment if nothing is heard before it.
    pub(super) fn due(&self, moment: Moment, at: i64, lasts: i64) -> bool {
        self.spare(moment, at, lasts) >= 0
    }

    /// By how much packets from this one on wait longer than wanted, at the least, if this is played at this moment.
    pub(super) fn spare(&self, moment: Moment, at: i64, lasts: i64) -> i64 {
        let start = moment.now.saturating_add(length(moment.done, self.rate));
        let wait = start.saturating_sub(at).saturating_sub(self.delay.base());
        wait - self.idle((moment.samples, lasts), moment.done).0 - self.target()
    }

    /// Of a wait, how much no packet profits from when pulls and packets are so long and `over` samples of a packet are
    /// left behind a pull; and how much of that could be taken out. Both in nanoseconds.
    fn idle(&self, (pull, lasts): (usize, i64), over: usize) -> (i64, usize) {
        let pull = pull.clamp(1, samples(LONG_PULL, self.rate).max(1));
        let packet = samples(lasts, self.rate);
        let step = if packet == 0 { pull } else { gcd(packet, pull) };
        (length(pull - step + over % step, self.rate), over % step)
    }

    /// How long the sample to be heard next has waited beyond the fastest packets.
    fn wait(&self, now: i64) -> i64 {
        let position = self.end - length(self.line.waiting(), self.rate);
        now.saturating_sub(position).saturating_sub(self.delay.base())
    }

    /// Leaves out packets that wait longer than anything may, if others wait behind them.
    pub(super) fn skip(&mut self, now: i64) {
        if self.state == State::Playing && self.wait(now) <= self.most {
            return;
        }
        let oldest = now.saturating_sub(self.delay.base()).saturating_sub(self.most);
        let before = self.queue.len();
        while self.queue.len() > 1 && self.queue.first().is_some_and(|first| first.at < oldest) {
            self.queue.drop_first();
        }
        let dropped = before - self.queue.len();
        if dropped == 0 {
            return;
        }
        self.stats.dropped += dropped as u64;
        if let Some(first) = self.queue.first() {
            self.next = first.number;
            match self.state {
                State::Idle => {}
                State::Playing => self.jump(),
                State::Filling | State::Noise => self.play(),
            }
        }
    }

    /// Makes the wait longer or shorter by a pitch period, if it should be and the sound allows it.
    pub(super) fn pace(&mut self, now: i64, pull: usize) {
        if self.state != State::Playing || self.line.fill() > 0 {
            return;
        }
        let wait = self.wait(now);
        let micros = u32::try_from(wait / 1000).unwrap_or(0);
        self.stats.delay_us = micros;
        self.stats.most_us = self.stats.most_us.max(micros);
        if self.rest > 0 || pull == 0 {
            return;
        }
        let (idle, over) = self.idle((pull, self.lasts), self.line.waiting());
        let spare = wait - idle - self.target();
        if spare < -SHORTER {
            self.lengthen(-spare);
        } else {
            self.shorten(spare, over, pull);
        }
    }

    fn shorten(&mut self, spare: i64, over: usize, pull: usize) {
        let step = length(pull.min(samples(self.lasts, self.rate)), self.rate);
        let (least, fade) = (samples(SHORTEST, self.rate), samples(FADE, self.rate));
        let most = if spare - step >= LONGER { samples(LONGEST, self.rate) } else { over };
        // Never into what has not come yet.
        let there = self.queue.last().map_or(self.end, |last| last.at + last.lasts);
        let there = samples(there - self.end, self.rate) + self.line.waiting();
        let most = most.min(there.saturating_sub(pull));
        if most < least {
            return;
        }
        while self.line.waiting() < most + fade && self.continues() {
            self.play();
        }
        let Some(join) = self.line.shorter((least, most), fade) else { return };
        let excess = spare / 1_000_000;
        let (speed, wanted) = if excess > 100 { (2, 73) } else { (5, 98 - excess.max(0) / 4) };
        if self.may_join(join, wanted.max(50), speed) {
            self.line.shorten(join, fade);
            self.stats.compressed += join.lag as u64;
        }
    }

    fn lengthen(&mut self, lack: i64) {
        let (least, fade) = (samples(SHORTEST, self.rate), samples(FADE, self.rate));
        while self.line.waiting() < fade && self.continues() {
            self.play();
        }
        let Some(join) = self.line.longer((least, samples(LONGEST, self.rate)), fade) else { return };
        let lack = lack / 1_000_000;
        if self.may_join(join, (95 - lack).max(50), 2) {
            self.line.lengthen(join, fade);
            self.stats.expanded += join.lag as u64;
        }
    }

    /// Whether the first packet continues the line.
    fn continues(&self) -> bool {
        self.queue.first().is_some_and(|first| {
            first.number == self.next && first.lasts > 0 && first.at - self.end <= SLOPPY
        })
    }

    /// Whether sound of this mean square is nearly silence.
    pub(super) fn is_quiet(&self, power: u32) -> bool {
        power < QUIET || power < self.loud / QUIETER
    }

    /// Whether two pieces may be joined: if they are alike to so many percent, or in what is nearly silence. The next
    /// time is after so many lags, sooner in silence.
    fn may_join(&mut self, join: Join, percent: i64, lags: usize) -> bool {
        let quiet = self.is_quiet(join.power);
        let alike = i64::from(join.likeness) * 100 >= percent * i64::from(ALIKE);
        self.rest = match (quiet, alike) {
            (true, _) => join.lag,
            (_, true) => join.lag * lags,
            _ => samples(PATIENCE, self.rate),
        };
        quiet || alike
    }
}

fn gcd(a: usize, b: usize) -> usize {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}
