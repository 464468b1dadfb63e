//! The filters at both ends that let no hum and no offset through (clauses 3.1 and 4.2.5).

/// A filter of second order with both zeros at 0 Hz.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct HighPass {
    given: [i16; 2],
    /// 12 bits behind the point.
    taken: [i64; 2],
}

impl HighPass {
    /// Before the encoder: from 140 Hz, at half the level.
    pub(super) fn before(&mut self, sample: i16) -> i16 {
        saturate(self.run(sample, 2 * 1899, [2 * 7807, 2 * 3733]))
    }

    /// Behind the decoder: from 100 Hz, at twice the level.
    pub(super) fn behind(&mut self, sample: i16) -> i16 {
        saturate(2 * self.run(sample, 7699, [15_836, 7667]))
    }

    /// The next level, 12 bits behind the point; the coefficients have 13.
    fn run(&mut self, sample: i16, zeros: i64, poles: [i64; 2]) -> i64 {
        let [one, two] = self.given.map(i64::from);
        let zeros = zeros * (i64::from(sample) - 2 * one + two);
        let level = ((zeros << 12) + poles[0] * self.taken[0] - poles[1] * self.taken[1]) >> 13;
        self.given = [sample, self.given[0]];
        self.taken = [level, self.taken[0]];
        level
    }
}

fn saturate(level: i64) -> i16 {
    ((level + (1 << 11)) >> 12).clamp(-32_768, 32_767) as i16
}
