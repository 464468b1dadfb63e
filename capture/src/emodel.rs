//! What is put into the E-model for a stream of a capture.
//!
//! A capture shows loss and jitter, not delay and not what a telephone does with late packets. Assumed are 50 ms of
//! network, a jitter buffer of twice the jitter but at least 40 ms that loses nothing, 20 ms of packet and coder,
//! losses that come singly (BurstR 1), and no echo. The figure compares streams; it measures no telephone.

use std::time::Duration;

use telex_audio::emodel::{Conditions, Impairment, fine_opinion, rating};

/// Network delay that is assumed, as none can be seen.
pub const ASSUMED_DELAY: Duration = Duration::from_millis(50);
/// Delay of packet and coder.
const CODER: Duration = Duration::from_millis(20);
/// Least depth of the jitter buffer in milliseconds.
const BUFFER: f64 = 40.0;

/// Mean opinion score, 1 to 4.5, for a codec, `lost` of `expected` packets, and jitter in milliseconds.
pub(crate) fn score(codec: Impairment, (lost, expected): (u64, u64), jitter: f64) -> f64 {
    let buffer = (2.0 * jitter).max(BUFFER) * 1000.0;
    let fixed = (ASSUMED_DELAY + CODER).as_micros() as u32;
    let lost_ppm = u128::from(lost) * 1_000_000 / u128::from(expected.max(1));
    let conditions = Conditions {
        codec,
        lost_ppm: u32::try_from(lost_ppm).unwrap_or(u32::MAX),
        burst: 100,
        // From float to integer saturates.
        delay_us: fixed.saturating_add(buffer as u32),
    };
    f64::from(fine_opinion(rating(&conditions))) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_jitter_make_it_worse() {
        let g711 = Impairment::G711;
        let perfect = score(g711, (0, 100), 0.0);
        assert!((4.3..4.4).contains(&perfect), "{perfect}");
        assert!(score(g711, (5, 100), 0.0) < perfect - 0.3);
        assert!(score(g711, (0, 100), 150.0) < perfect - 0.3);
        assert!(score(Impairment::G729, (0, 100), 0.0) < perfect - 0.2);
        assert!(score(g711, (100, 100), 0.0) < 2.0);
        assert!(score(g711, (u64::MAX, 1), f64::INFINITY) < 1.01);
    }
}
