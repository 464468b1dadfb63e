//! Edges without clicks.

use super::sine::sine;

/// A sample that stands `at` samples from the nearer end of a tone whose edges are `length` samples: a raised cosine.
pub(crate) fn shape(sample: i32, at: u32, length: u32) -> i16 {
    // A sum of samples times a sample leaves 32 bits.
    let sample = i64::from(sample);
    let value = if at >= length {
        sample
    } else {
        // Half a turn over the edge, from the bottom up.
        let turn = (u64::from(2 * at + 1) << 30) / u64::from(length);
        let phase = u32::try_from(turn).unwrap_or(1 << 31).wrapping_add(3 << 30);
        (sample * ((i64::from(sine(phase)) + 32_767) >> 1)) >> 15
    };
    value.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_rises_from_nothing_to_all() {
        let edge: Vec<i16> = (0..=16).map(|at| shape(10_000, at, 16)).collect();
        assert!(edge.is_sorted());
        assert!(edge[0] < 30 && edge[15] > 9960 && edge[16] == 10_000, "{edge:?}");
        assert!((edge[7] + edge[8] - 10_000).abs() < 4);
        assert_eq!((shape(98_301, 15, 16), shape(-98_301, 15, 16)), (32_767, -32_768));
        assert_eq!((shape(40_000, 16, 16), shape(-40_000, 16, 16), shape(5, 0, 0)), (32_767, -32_768, 5));
    }
}
