//! What a receiver of one RTP source would have counted (RFC 3550 appendix A).

use std::time::Duration;

use crate::time::Time;

/// A jump of the sequence number beyond this starts the source anew (RFC 3550 A.1).
const DROPOUT: u64 = 3000;
/// Packets behind the newest whose arrival is remembered, to tell late ones from doubles.
const WINDOW: u64 = 1024;
/// Clock rates for which jitter is counted, as the clock may be known only at the end.
const CLOCKS: [u32; 9] = [8000, 11_025, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 90_000];
/// A difference between two transit times above this, in seconds, is a new time line, not jitter.
const BREAK: f64 = 60.0;

/// How a packet stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The newest so far, as its place in a sequence that does not wrap.
    New(u64),
    /// Behind a newer one.
    Late(u64),
    /// It has been there.
    Double,
    /// Far from all others: counted once a second one follows it.
    Stray,
}

/// Sequence numbers: what is lost, doubled, late.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// The first and the newest number since the source began anew; the numbers go on where they wrap.
    base: u64,
    newest: u64,
    /// Bits of the numbers behind the newest, the lowest for the newest itself.
    window: [u64; (WINDOW / 64) as usize],
    /// The number after a stray packet.
    stray: Option<u16>,
    /// Expected before the source began anew.
    before: u64,
    pub(crate) received: u64,
    pub(crate) doubles: u64,
    pub(crate) late: u64,
    /// Packets that followed the one before them by one.
    pub(crate) consecutive: u64,
}

impl Sequence {
    pub(crate) fn new(first: u16) -> Self {
        let first = (1 << 16) + u64::from(first);
        let mut window = [0; (WINDOW / 64) as usize];
        window[0] = 1;
        Self {
            base: first,
            newest: first,
            window,
            stray: None,
            before: 0,
            received: 1,
            doubles: 0,
            late: 0,
            consecutive: 0,
        }
    }

    /// Packets that should have come.
    pub(crate) fn expected(&self) -> u64 {
        self.before + self.newest - self.base + 1
    }

    /// Packets that did not come.
    pub(crate) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The place of the first packet.
    pub(crate) fn first(&self) -> u64 {
        self.base
    }

    pub(crate) fn add(&mut self, number: u16) -> Arrival {
        let ahead = u64::from(number.wrapping_sub(self.newest as u16));
        let behind = (1 << 16) - ahead;
        if (1..DROPOUT).contains(&ahead) {
            self.shift(ahead);
            self.newest += ahead;
            self.received += 1;
            self.consecutive += u64::from(ahead == 1);
            self.stray = None;
            return Arrival::New(self.newest);
        }
        if ahead == 0 || behind < WINDOW {
            let behind = if ahead == 0 { 0 } else { behind };
            return self.old(behind);
        }
        if self.stray == Some(number) {
            self.restart(number);
            return Arrival::New(self.newest);
        }
        self.stray = Some(number.wrapping_add(1));
        Arrival::Stray
    }

    fn old(&mut self, behind: u64) -> Arrival {
        let Some(word) = self.window.get_mut((behind / 64) as usize) else { return Arrival::Stray };
        let bit = 1 << (behind % 64);
        if *word & bit != 0 {
            self.doubles += 1;
            return Arrival::Double;
        }
        *word |= bit;
        self.received += 1;
        self.late += 1;
        let place = self.newest - behind;
        // Before the first that was captured: it is expected all the same.
        self.base = self.base.min(place);
        Arrival::Late(place)
    }

    /// The source has begun anew with the packet before this one.
    fn restart(&mut self, number: u16) {
        self.before = self.expected();
        let round = (self.newest >> 16) + 2;
        self.newest = (round << 16) + u64::from(number);
        self.base = self.newest - 1;
        self.received += 2;
        self.consecutive += 1;
        self.window.fill(0);
        if let Some(word) = self.window.first_mut() {
            *word = 0b11;
        }
        self.stray = None;
    }

    /// Makes room for `count` newer numbers, the last of which has come.
    fn shift(&mut self, count: u64) {
        let words = (count / 64) as usize;
        let bits = (count % 64) as u32;
        for at in (0..self.window.len()).rev() {
            let word = |i: Option<usize>| i.and_then(|i| self.window.get(i)).copied().unwrap_or(0);
            let (high, low) = (word(at.checked_sub(words)), word(at.checked_sub(words + 1)));
            let carried = if bits == 0 { 0 } else { low >> (64 - bits) };
            self.window[at] = high << bits | carried;
        }
        self.window[0] |= 1;
    }
}

/// Interarrival jitter (RFC 3550 A.8), for every clock that may be the right one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jitter {
    last: Option<(Time, u32)>,
    /// Current value, sum of values, largest value, in units of the clock.
    values: [(f64, f64, f64); CLOCKS.len()],
    count: u64,
}

/// Jitter in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterFigures {
    /// The estimate at the end of the stream: what its receiver would report last.
    pub last: f64,
    /// Mean of the estimates after each packet.
    pub mean: f64,
    /// The largest of them.
    pub most: f64,
}

impl Jitter {
    pub(crate) fn add(&mut self, at: Time, timestamp: u32) {
        let Some((before, stamp)) = self.last.replace((at, timestamp)) else { return };
        let elapsed = at.seconds_since(before);
        let units = f64::from(timestamp.wrapping_sub(stamp).cast_signed());
        self.count += 1;
        for (clock, (value, sum, most)) in CLOCKS.iter().zip(&mut self.values) {
            let clock = f64::from(*clock);
            let difference = (elapsed * clock - units).abs();
            if difference < BREAK * clock {
                *value += (difference - *value) / 16.0;
            }
            *sum += *value;
            *most = most.max(*value);
        }
    }

    /// The figures for a clock; `None` for a clock that nobody uses, or a single packet.
    pub(crate) fn figures(&self, clock: u32) -> Option<JitterFigures> {
        let index = CLOCKS.iter().position(|known| *known == clock)?;
        let (last, sum, most) = *self.values.get(index)?;
        let scale = 1000.0 / f64::from(clock);
        let mean = sum / self.count as f64;
        (self.count > 0).then_some(JitterFigures {
            last: last * scale,
            mean: mean * scale,
            most: most * scale,
        })
    }
}

/// The longest silence between two packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// How long.
    pub length: Duration,
    /// When it ended ...
    pub until: Time,
    /// ... and with which frame.
    pub frame: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(numbers: &[u16]) -> (u64, u64, u64, u64, u64) {
        let mut s = Sequence::new(numbers[0]);
        for n in &numbers[1..] {
            s.add(*n);
        }
        (s.expected(), s.received, s.lost(), s.doubles, s.late)
    }

    #[test]
    fn loss_doubles_and_late_ones_are_told_apart() {
        assert_eq!(counted(&[1, 2, 3, 4]), (4, 4, 0, 0, 0));
        assert_eq!(counted(&[1, 2, 4, 4, 7]), (7, 4, 3, 1, 0));
        assert_eq!(counted(&[1, 3, 2, 4, 2]), (4, 4, 0, 1, 1));
        assert_eq!(counted(&[65_534, 65_535, 0, 1, 65_535]), (4, 4, 0, 1, 0));
        // One that is older than the first captured.
        assert_eq!(counted(&[10, 9, 11]), (3, 3, 0, 0, 1));
        // A stray packet is not counted, a new beginning is.
        assert_eq!(counted(&[10, 40_000, 11, 12]), (3, 3, 0, 0, 0));
        assert_eq!(counted(&[10, 11, 40_000, 40_001, 40_003]), (6, 5, 1, 0, 0));
        let long: Vec<u16> = (0..200).map(|n| n * 300).collect();
        assert_eq!(counted(&long).3, 0);
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        let mut jitter = Jitter::default();
        // 20 ms of 8000 Hz, of which every second packet is 10 ms late.
        for n in 0..200u64 {
            let late = if n % 2 == 1 { 10_000_000 } else { 0 };
            jitter.add(Time::from_nanos(n * 20_000_000 + late), (n * 160) as u32);
        }
        let figures = jitter.figures(8000).unwrap();
        assert!((figures.last - 10.0).abs() < 0.01, "{figures:?}");
        assert!(figures.most <= 10.0 && figures.mean < figures.most);
        assert_eq!(jitter.figures(7999), None);
        assert_eq!(Jitter::default().figures(8000), None);
    }

    proptest! {
        #[test]
        fn a_shuffled_stream_loses_nothing(
            start in any::<u16>(),
            count in 2..300usize,
            swaps in prop::collection::vec((any::<prop::sample::Index>(), 0..20usize), 0..60),
        ) {
            let mut order: Vec<u16> = (0..count as u16).map(|n| start.wrapping_add(n)).collect();
            for (at, by) in swaps {
                let at = at.index(count);
                order.swap(at, (at + by).min(count - 1));
            }
            let (expected, received, lost, doubles, _) = counted(&order);
            prop_assert_eq!((expected, received, lost, doubles), (count as u64, count as u64, 0, 0));
        }

        #[test]
        fn any_numbers_are_survived(numbers in prop::collection::vec(any::<u16>(), 1..200)) {
            let (expected, received, lost, ..) = counted(&numbers);
            prop_assert!(received <= numbers.len() as u64 && lost <= expected);
        }
    }
}
