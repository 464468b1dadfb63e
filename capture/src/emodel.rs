//! An estimate of what listeners would say: the E-model (ITU-T G.107) with its default values.
//!
//! A capture shows loss and jitter, not delay and not what a telephone does with late packets. Assumed are 50 ms of
//! network, a jitter buffer of twice the jitter but at least 40 ms that loses nothing, 20 ms of packet and coder,
//! losses that come singly (BurstR 1), and no echo. The figure compares streams; it measures no telephone.

use std::time::Duration;

/// Transmission rating of a perfect narrowband connection: R0 minus Is with the defaults of G.107.
const PERFECT: f64 = 93.2;
/// Network delay that is assumed, as none can be seen.
pub const ASSUMED_DELAY: Duration = Duration::from_millis(50);
/// Delay of packet and coder.
const CODER: f64 = 20.0;
/// Least depth of the jitter buffer in milliseconds.
const BUFFER: f64 = 40.0;

/// Mean opinion score, 1 to 4.5, for a codec with this impairment and robustness, a share of packets lost between 0
/// and 1, and jitter in milliseconds.
pub(crate) fn score((impairment, robustness): (f64, f64), lost: f64, jitter: f64) -> f64 {
    let delay = ASSUMED_DELAY.as_secs_f64() * 1000.0 + CODER + (2.0 * jitter).max(BUFFER);
    // The simplification of Cole and Rosenbluth for delay without echo.
    let slow = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let percent = 100.0 * lost.clamp(0.0, 1.0);
    let effective = impairment + (95.0 - impairment) * percent / (percent + robustness);
    opinion(PERFECT - slow - effective)
}

/// From rating to opinion (G.107 annex B).
fn opinion(rating: f64) -> f64 {
    if rating <= 0.0 {
        return 1.0;
    }
    if rating >= 100.0 {
        return 4.5;
    }
    let opinion = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    opinion.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opinions_are_those_of_the_recommendation() {
        // G.107 table B.1: R 90, 80, 70, 60, 50.
        for (rating, wanted) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!((opinion(rating) - wanted).abs() < 0.01, "{rating}: {}", opinion(rating));
        }
        assert!((opinion(-5.0) - 1.0).abs() < 1e-9 && (opinion(120.0) - 4.5).abs() < 1e-9);
    }

    #[test]
    fn loss_and_jitter_make_it_worse() {
        let g711 = (0.0, 25.1);
        let perfect = score(g711, 0.0, 0.0);
        assert!((4.3..4.4).contains(&perfect), "{perfect}");
        assert!(score(g711, 0.05, 0.0) < perfect - 0.3);
        assert!(score(g711, 0.0, 150.0) < perfect - 0.3);
        assert!(score((11.0, 19.0), 0.0, 0.0) < perfect - 0.2);
        assert!((score(g711, 1.0, 0.0) - 1.0).abs() < 1.0);
    }
}
