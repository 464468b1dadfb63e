//! What listeners would say: the E-model for both directions of a leg (ITU-T G.107).

use telex_audio::codec::Encoding;
use telex_audio::emodel::{Conditions, Impairment, opinion};

use crate::mediactl::LegStats;

/// One way through a network of which no round trip is known.
const ASSUMED_DELAY_US: u32 = 50_000;
/// Packet and coder.
const CODER_US: u32 = 20_000;
/// The least that a telephone's jitter buffer waits, as far as anybody knows.
const BUFFER_US: u32 = 40_000;
/// What is lost is concealed; an encoding of which nothing is published is taken for G.711.
const ASSUMED: Impairment = Impairment::G711;

/// Fills in both scores of a leg whose party speaks `encoding`. They stay 0 while too little was carried to tell.
pub(super) fn score(stats: &mut LegStats, encoding: Option<Encoding>) {
    let codec = encoding.and_then(Impairment::of).unwrap_or(ASSUMED);
    let way = match stats.round_trip_us {
        0 => ASSUMED_DELAY_US,
        round => round / 2,
    };
    // What is only forwarded waits in the listener's buffer and not in ours.
    let buffer = |jitter: u32| jitter.saturating_mul(2).max(BUFFER_US);
    let waits = match stats.playout_delay_ms {
        0 => buffer(stats.jitter_us),
        ms => u32::from(ms) * 1000,
    };
    let lost = stats.lost + stats.late;
    let expected = stats.received + stats.lost;
    if stats.received >= ENOUGH {
        let lost_ppm = u32::try_from(lost.min(expected) * 1_000_000 / expected).unwrap_or(0);
        stats.mos = opinion(&Conditions { codec, lost_ppm, burst: 100, delay_us: way + CODER_US + waits });
    }
    // Their report says how it was of late; it is all there is.
    if stats.sent >= ENOUGH && stats.round_trip_us > 0 {
        let lost_ppm = u32::from(stats.remote_fraction_lost) * 1_000_000 / 256;
        let delay_us = way + CODER_US + buffer(stats.remote_jitter_us);
        stats.remote_mos = opinion(&Conditions { codec, lost_ppm, burst: 100, delay_us });
    }
}

/// Packets before anything is said: two seconds of usual ones.
const ENOUGH: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(stats: LegStats, encoding: Encoding) -> (u16, u16) {
        let mut stats = stats;
        score(&mut stats, Some(encoding));
        (stats.mos, stats.remote_mos)
    }

    #[test]
    fn loss_and_delay_cost_and_nothing_is_said_too_early() {
        let good = LegStats { received: 1000, sent: 1000, round_trip_us: 20_000, ..LegStats::default() };
        let (heard, told) = scored(good, Encoding::Pcmu);
        assert!((430..=441).contains(&heard) && heard == told, "{heard} {told}");
        assert_eq!(scored(LegStats { received: 99, sent: 99, ..good }, Encoding::Pcmu), (0, 0));
        let lossy = scored(LegStats { lost: 50, remote_fraction_lost: 26, ..good }, Encoding::Pcmu);
        assert!(lossy.0 < heard - 30 && lossy.1 < lossy.0, "{lossy:?}");
        let late = scored(LegStats { late: 50, ..good }, Encoding::Pcmu);
        assert!(late.0 < heard - 30, "a packet too late is as good as lost: {late:?}");
        let far = scored(LegStats { round_trip_us: 800_000, ..good }, Encoding::Pcmu);
        assert!(far.0 < 380 && far.1 < 380, "{far:?}");
        let waits = scored(LegStats { playout_delay_ms: 400, ..good }, Encoding::Pcmu);
        assert!(waits.0 < 380 && waits.1 == told, "{waits:?}");
    }
}
