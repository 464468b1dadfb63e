//! Luck as a function of what it is about, never the next draw of a shared generator: taking one action out
//! of a plan, or sending one packet more on one link, leaves the luck of everything else as it was.

/// What a decision is about. Two kinds never share their luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    /// Is this packet lost alone?
    Loss = 1,
    /// Does a burst of loss begin with this packet?
    Burst,
    /// How many packets does that burst take?
    BurstLength,
    /// Is this packet doubled?
    Duplicate,
    /// How late is the double?
    DuplicateDelay,
    /// Is this packet overtaken by later ones?
    Reorder,
    /// How late is it then?
    ReorderDelay,
    /// How much later than the link's base latency?
    Jitter,
    /// Into how many pieces does a stream break this write?
    Pieces,
    /// Where does it break?
    Cut,
    /// How long does one thread take to hand something to another?
    Handover,
    /// Everything that is drawn while a plan is made or a phone invents a name.
    Draw,
    /// Is this packet damaged, and dropped for it?
    Corrupt,
    /// Is it damaged, and arrives all the same?
    Garble,
    /// Which bit?
    Bit,
    /// Where does a stream that breaks inside a message break?
    BreakOff,
    /// How late does the host wake the exchange?
    Late,
    /// Does a phone overlook this message?
    Overlook,
}

/// 64 bits of luck for packet `ordinal` of `link` in the world of `seed`.
pub(crate) fn luck(seed: u64, link: u64, ordinal: u64, kind: Kind) -> u64 {
    let mut h = scramble(seed ^ 0x9e37_79b9_7f4a_7c15);
    h = scramble(h ^ link.wrapping_mul(0xd1b5_4a32_d192_ed03));
    h = scramble(h ^ ordinal.wrapping_mul(0xaef1_7502_108e_f2d9));
    scramble(h ^ (kind as u64).wrapping_mul(0xf135_7aea_2e62_a9c5))
}

/// Whether something with a probability of `ppm` in a million happens.
pub(crate) fn happens(ppm: u32, luck: u64) -> bool {
    below(1_000_000, luck) < u64::from(ppm)
}

/// A number in `0..bound`; 0 when `bound` is 0.
pub(crate) fn below(bound: u64, luck: u64) -> u64 {
    u64::try_from((u128::from(luck) * u128::from(bound)) >> 64).unwrap_or(0)
}

/// A bijection of 64 bits in which every input bit reaches every output bit.
const fn scramble(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

/// Draws for one part of a plan, or of one phone: a stream of its own.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    seed: u64,
    stream: u64,
    count: u64,
}

impl Draw {
    /// The draws named `name` and `number` in the world of `seed`.
    pub(crate) fn new(seed: u64, name: &str, number: u64) -> Self {
        let mut stream = number;
        for byte in name.bytes() {
            stream = scramble(stream ^ u64::from(byte));
        }
        Self { seed, stream, count: 0 }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.count += 1;
        luck(self.seed, self.stream, self.count, Kind::Draw)
    }

    /// A number in `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + below(to.saturating_sub(from).saturating_add(1), self.bits())
    }

    /// True with a probability of `percent` in a hundred.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        happens(percent * 10_000, self.bits())
    }

    /// One of `choices`, which has at least one.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = choices.len() as u64 - 1;
        choices[usize::try_from(self.between(0, last)).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luck_depends_on_every_part_of_its_name() {
        let base = luck(1, 2, 3, Kind::Loss);
        assert_eq!(base, luck(1, 2, 3, Kind::Loss));
        assert_ne!(base, luck(2, 2, 3, Kind::Loss));
        assert_ne!(base, luck(1, 3, 3, Kind::Loss));
        assert_ne!(base, luck(1, 2, 4, Kind::Loss));
        assert_ne!(base, luck(1, 2, 3, Kind::Burst));
    }

    #[test]
    fn probability_is_kept_over_many_packets() {
        for (ppm, from, to) in [(50_000, 4_700, 5_300), (200_000, 19_500, 20_500), (0, 0, 0)] {
            let lost = (0..100_000).filter(|n| happens(ppm, luck(42, 7, *n, Kind::Loss))).count();
            assert!((from..=to).contains(&lost), "{lost} of 100000 at {ppm} ppm");
        }
        assert!((0..1000).all(|n| happens(1_000_000, luck(1, 1, n, Kind::Loss))));
    }

    #[test]
    fn neighbours_are_not_alike() {
        let run = |ordinal| happens(500_000, luck(9, 1, ordinal, Kind::Loss));
        let changes = (0..10_000).filter(|n| run(*n) != run(n + 1)).count();
        assert!((4_800..=5_200).contains(&changes), "{changes} changes");
    }
}
