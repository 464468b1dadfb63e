//! How long to wait: the network's delay as the packets show it, and the target that costs the listener least.
//!
//! A packet's transit is its arrival less the source's time when it was sampled. The clocks are strangers, so only the
//! difference to the fastest packet of the last seconds counts. Those differences fill a histogram that forgets; the
//! target is where waiting longer would annoy more than the packets it saves, in the spirit of the E-model (ITU-T
//! G.107): a percent of packets too late is as bad as [`PERCENT`] more delay. So many small delays raise the target,
//! and so do spikes that come often, but not a rare one.

/// Width of a class of the histogram, in nanoseconds.
const CLASS: i64 = 4_000_000;
/// Classes; beyond a second nothing is waited for.
const CLASSES: usize = 256;
/// Longest difference that is a delay. What is above is another route, or a source that paused.
const RANGE: i64 = CLASS * CLASSES as i64;
/// In nanoseconds of sound, after which a packet counts 1/e.
const FORGET: i64 = 10_000_000_000;
/// What a percent of late packets costs, as nanoseconds of delay. By G.107 and G.113, one percent of concealed loss in
/// G.711 takes 3.6 points of R, as 150 ms of delay would; late packets are mostly heard all the same.
const PERCENT: i64 = 100_000_000;
/// Delay beyond this counts threefold, as talkers begin to interrupt each other.
const LONG: i64 = 150_000_000;
/// Pieces of time whose fastest packets are remembered, and how long one is.
const PIECES: usize = 8;
const PIECE: i64 = 500_000_000;
/// Weight of a packet at first. One of at least [`HEAVY`] makes all lighter.
const LIGHT: u32 = 1 << 12;
const HEAVY: u32 = 1 << 18;
/// Before anything is known, as if a packet had come so late.
const EXPECTED: usize = 9;

/// What is known about the way packets come.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Delay {
    /// Transit of the fastest packets, in nanoseconds. Unknown before the first.
    base: Option<i64>,
    /// Shortest transit of each of the last pieces of time.
    fastest: [i64; PIECES],
    piece: usize,
    piece_began: i64,
    /// Weight of the packets whose transit is so many classes above the base.
    classes: Vec<u32>,
    total: u64,
    weight: u32,
    target: i64,
}

impl Default for Delay {
    fn default() -> Self {
        let mut classes = vec![0; CLASSES];
        classes[EXPECTED] = LIGHT;
        let mut delay = Self {
            base: None,
            fastest: [i64::MAX; PIECES],
            piece: 0,
            piece_began: 0,
            classes,
            total: u64::from(LIGHT),
            weight: LIGHT,
            target: 0,
        };
        delay.aim();
        delay
    }
}

impl Delay {
    /// Transit of the fastest packets; 0 while unknown.
    pub(super) fn base(&self) -> i64 {
        self.base.unwrap_or(0)
    }

    /// How long to wait beyond the base, in nanoseconds.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// Another source: its clock is unknown, but the way is likely the same.
    pub(super) fn restart(&mut self) {
        self.base = None;
        self.fastest = [i64::MAX; PIECES];
    }

    /// A packet that lasts `lasts` and was sampled at `at` came at `arrival`.
    pub(super) fn observe(&mut self, arrival: i64, at: i64, lasts: i64) {
        let transit = arrival.saturating_sub(at);
        if arrival.saturating_sub(self.piece_began) >= PIECE || arrival < self.piece_began {
            self.piece = (self.piece + 1) % PIECES;
            self.piece_began = arrival;
            self.fastest[self.piece] = i64::MAX;
        }
        let base = *self.base.get_or_insert(transit);
        if transit.saturating_sub(base) >= RANGE {
            // Nothing this long can be waited out. If it was a hold-up, what comes behind it sets the base right.
            self.base = Some(transit);
            self.fastest = [transit; PIECES];
            return;
        }
        self.fastest[self.piece] = self.fastest[self.piece].min(transit);
        self.rebase();
        let above = transit.saturating_sub(self.base());
        // Below RANGE, and never below the base, which is no longer than any transit seen.
        let class = usize::try_from(above / CLASS).unwrap_or(0).min(CLASSES - 1);
        self.classes[class] += self.weight;
        self.total += u64::from(self.weight);
        self.grow(lasts);
        self.aim();
    }

    /// The base follows the fastest packets down at once, and up in whole classes, so that the histogram can follow.
    fn rebase(&mut self) {
        let fastest = self.fastest.iter().copied().min().unwrap_or(i64::MAX);
        let up = fastest.saturating_sub(self.base());
        if up < 0 {
            self.base = Some(fastest);
        } else if up >= CLASS {
            let steps = usize::try_from(up / CLASS).unwrap_or(CLASSES).min(CLASSES - 1);
            self.base = Some(self.base() + CLASS * steps as i64);
            let gone: u32 = self.classes[..steps].iter().sum();
            self.classes.rotate_left(steps);
            self.classes[CLASSES - steps..].fill(0);
            self.classes[0] += gone;
        }
    }

    /// Later packets weigh more, which is cheaper than making all earlier ones lighter.
    fn grow(&mut self, lasts: i64) {
        // At least 5 ms, so that no class can outgrow its 32 bits: all together weigh FORGET / 5 ms of the heaviest.
        let more = i64::from(self.weight) * lasts.clamp(5_000_000, 1_000_000_000) / FORGET;
        self.weight += u32::try_from(more).unwrap_or(0);
        if self.weight >= HEAVY {
            let shift = (HEAVY / LIGHT).ilog2();
            self.weight >>= shift;
            for class in &mut self.classes {
                *class >>= shift;
            }
            self.total = self.classes.iter().map(|&class| u64::from(class)).sum();
        }
    }

    fn aim(&mut self) {
        let mut late = self.total;
        let mut best = (u64::MAX, 0);
        for (class, weight) in self.classes.iter().enumerate() {
            late = late.saturating_sub(u64::from(*weight));
            let wait = (class as i64 + 1) * CLASS;
            let long = (wait - LONG).max(0);
            // In microseconds, so that weights fit.
            let cost = (wait + 2 * long) as u64 / 1000 * self.total + late * (PERCENT as u64 / 10);
            if cost < best.0 {
                best = (cost, wait);
            }
            if late == 0 {
                break;
            }
        }
        self.target = best.1;
    }
}
