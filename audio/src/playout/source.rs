//! The numbers and times of a source: 16-bit sequence numbers and 32-bit timestamps counted on without end, as far as
//! they can be believed.

/// How far a sequence number may be ahead of the newest, or behind, and still belong to the same count (RFC 3550 A.1).
const AHEAD: i64 = 3000;
const BEHIND: i64 = 100;
/// Timestamps of neighbours that differ by so much from what their lengths say still mean that nothing lies between.
pub(super) const SLOPPY: i64 = 5_000_000;
/// So many timestamps in a row that run ahead of time: they are not believed any more.
const LIES: u8 = 8;

/// What a sequence number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A packet of this number, for the first time.
    New(i64),
    /// It was here before.
    Again,
    /// Far from all others.
    Astray,
    /// The second in a row that is far from the others: a new count begins with it.
    Restart(i64),
}

/// No packet was sampled so many nanoseconds after it came, whatever a count of those missing says.
const FUTURE: i64 = 1_000_000_000;

/// Later than any time that is sampled or told, with room to count from there.
const LATEST: i64 = 1 << 61;

/// The newest packet that was placed.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Newest {
    number: i64,
    timestamp: u32,
    clock: u32,
    at: i64,
    lasts: i64,
}

/// The count of a source.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Source {
    highest: Option<i64>,
    /// Bit n: the packet n below the highest was here.
    seen: u128,
    /// The sequence number that would make the last one astray a restart.
    wanted: Option<u16>,
    newest: Option<Newest>,
    lies: u8,
}

impl Source {
    /// Places a sequence number.
    pub(super) fn place(&mut self, sequence: u16) -> Place {
        let Some(highest) = self.highest else {
            return Place::New(self.begin(sequence));
        };
        // The lower 16 bits are the sequence number.
        let step = i64::from(sequence.wrapping_sub(highest as u16).cast_signed());
        if !(-BEHIND..=AHEAD).contains(&step) {
            if self.wanted == Some(sequence) {
                return Place::Restart(self.begin(sequence));
            }
            self.wanted = Some(sequence.wrapping_add(1));
            return Place::Astray;
        }
        self.wanted = None;
        let number = highest + step;
        if step > 0 {
            self.seen = self.seen.checked_shl(step as u32).unwrap_or(0) | 1;
            self.highest = Some(number);
            return Place::New(number);
        }
        let bit = 1 << -step;
        if self.seen & bit != 0 {
            return Place::Again;
        }
        self.seen |= bit;
        Place::New(number)
    }

    /// Whether a number is that of a packet before the newest that was never here.
    pub(super) fn misses(&self, sequence: u16) -> bool {
        let Some(highest) = self.highest else { return false };
        let step = i64::from(sequence.wrapping_sub(highest as u16).cast_signed());
        (-BEHIND..0).contains(&step) && self.seen & 1 << -step == 0
    }

    fn begin(&mut self, sequence: u16) -> i64 {
        let number = i64::from(sequence);
        *self = Self { highest: Some(number), seen: 1, ..Self::default() };
        number
    }

    /// When a packet was sampled, in nanoseconds of a time that starts anywhere. `lasts` is its length in nanoseconds,
    /// `soonest` the time of a packet that would arrive now by the fastest way.
    ///
    /// Timestamps are believed as long as they make sense: sound does not overlap the sound before it, and silence has
    /// passed before it is reported.
    pub(super) fn time(
        &mut self,
        number: i64,
        (timestamp, clock): (u32, u32),
        lasts: i64,
        soonest: i64,
    ) -> i64 {
        let Some(newest) = self.newest else {
            self.newest = Some(Newest { number, timestamp, clock, at: soonest, lasts });
            return soonest;
        };
        let step = number - newest.number;
        let ticks = i64::from(timestamp.wrapping_sub(newest.timestamp).cast_signed());
        let told = newest.at.saturating_add(nanoseconds(ticks, clock));
        let end = newest.at.saturating_add(newest.lasts);
        if step <= 0 {
            let counted = newest.at + step * newest.lasts;
            return if told < newest.at && told >= counted - 1_000_000_000 { told } else { counted };
        }
        // Saturates when packets without length of their own have counted on for days.
        let counted = end.saturating_add((step - 1).saturating_mul(newest.lasts)).min(LATEST);
        let at = if clock != newest.clock || told < end - SLOPPY {
            counted
        } else if told > counted + SLOPPY && (told - soonest > (told - counted) / 2 || self.lies >= LIES) {
            self.lies = self.lies.saturating_add(2).min(2 * LIES);
            counted
        } else {
            told
        };
        self.lies = self.lies.saturating_sub(1);
        let at = at.min(soonest.saturating_add(FUTURE));
        self.newest = Some(Newest { number, timestamp, clock, at, lasts });
        at
    }
}

/// Ticks of a clock as nanoseconds.
pub(super) fn nanoseconds(ticks: i64, clock: u32) -> i64 {
    ticks * 1_000_000_000 / i64::from(clock.max(1))
}
