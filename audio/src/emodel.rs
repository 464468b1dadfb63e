//! An estimate of what listeners would say: the E-model (ITU-T G.107) with its default values, in whole numbers.
//!
//! The rating begins at 93.2, what a perfect narrowband connection has by the defaults, and loses by the codec, by
//! packets lost (§7.4) and by delay, for which the approximation of Cole and Rosenbluth for connections without echo
//! stands. The opinion follows from the rating by annex B. The figure compares connections; it measures no telephone.

use crate::codec::Encoding;

/// Rating of a perfect narrowband connection, in thousandths: R0 minus Is with the defaults.
const PERFECT: i64 = 93_200;
/// Delay from which conversation suffers more, in microseconds.
const NOTICED: i64 = 177_300;
/// Longest delay that is told apart, in microseconds. The rating is at its end long before.
const LONGEST: i64 = 60_000_000;

/// What a codec costs (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impairment {
    /// Equipment impairment factor Ie, in tenths.
    pub equipment: u16,
    /// Robustness to loss Bpl, in tenths.
    pub robustness: u16,
}

impl Impairment {
    /// G.711 that conceals loss as its appendix I does.
    pub const G711: Self = Self { equipment: 0, robustness: 251 };
    /// G.711 that plays silence for what is lost.
    pub const G711_UNCONCEALED: Self = Self { equipment: 0, robustness: 43 };
    /// G.729 annex A, with annex B too.
    pub const G729: Self = Self { equipment: 110, robustness: 190 };
    /// G.723.1 at 6.3 kbit/s with its voice activity detection.
    pub const G723: Self = Self { equipment: 150, robustness: 161 };
    /// GSM enhanced full rate.
    pub const GSM_EFR: Self = Self { equipment: 50, robustness: 100 };

    /// What is published about an encoding; `None` for those of wideband, which this narrowband scale cannot hold, and
    /// those about whose robustness nothing is published.
    pub fn of(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Pcmu | Encoding::Pcma => Some(Self::G711),
            Encoding::G729 => Some(Self::G729),
            _ => None,
        }
    }
}

/// What is known of one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// The codec.
    pub codec: Impairment,
    /// Packets lost, or too late to be of use, out of a million.
    pub lost_ppm: u32,
    /// How much longer bursts of loss are than by chance, in hundredths (BurstR): 100 for losses that come singly.
    pub burst: u32,
    /// From mouth to ear, in microseconds.
    pub delay_us: u32,
}

/// Transmission rating R in thousandths, 0 to 93,200.
pub fn rating(conditions: &Conditions) -> u32 {
    let Conditions { codec, lost_ppm, burst, delay_us } = *conditions;
    let delay = i64::from(delay_us).min(LONGEST);
    let slow = delay * 24 / 1000 + (delay - NOTICED).max(0) * 110 / 1000;
    let lost = i64::from(lost_ppm.min(1_000_000));
    let equipment = i64::from(codec.equipment) * 100;
    // Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl), where Ppl is in percent: ten thousandths here as in `lost`.
    let against = lost * 100 / i64::from(burst.max(1)) + i64::from(codec.robustness.max(1)) * 1000;
    let effective = equipment + (95_000 - equipment) * lost / against;
    u32::try_from(PERFECT - slow - effective).unwrap_or(0)
}

/// Mean opinion score in hundredths, 100 to 441.
pub fn opinion(conditions: &Conditions) -> u16 {
    (fine_opinion(rating(conditions)) + 5) / 10
}

/// From rating in thousandths to mean opinion score in thousandths too, 1000 to 4500 (G.107 annex B).
pub fn fine_opinion(rating: u32) -> u16 {
    let r = i64::from(rating.min(100_000));
    // 1 + 0.035 R + R (R - 60) (100 - R) 7e-6, times a thousand million, R being in thousandths.
    let scaled = 1_000_000_000 + 35_000 * r + r * (r - 60_000) * (100_000 - r) * 7 / 1_000_000;
    let thousandths = (scaled + 500_000) / 1_000_000;
    // The polynomial dips below 1 near 0, where annex B has 1.
    u16::try_from(thousandths.clamp(1000, 4500)).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(codec: Impairment, lost_ppm: u32, delay_us: u32) -> Conditions {
        Conditions { codec, lost_ppm, burst: 100, delay_us }
    }

    #[test]
    fn opinions_are_those_of_the_recommendation() {
        // G.107 table B.1 has 4.34, 4.03, 3.60, 3.10, 2.58 for R 90, 80, 70, 60, 50; the ends; and the default
        // connection, whose opinion is 4.41.
        let of = |tenths: u32| fine_opinion(tenths * 100);
        assert_eq!([900, 800, 700, 600, 500].map(of), [4339, 4024, 3597, 3100, 2575]);
        assert_eq!([0, 10, 1000, 2000].map(of), [1000, 1000, 4500, 4500]);
        assert_eq!(opinion(&with(Impairment::G711, 0, 0)), 441);
    }

    #[test]
    fn loss_costs_what_the_formula_says() {
        // 5 % single losses: Ie,eff = 95 * 5 / (5 + Bpl).
        assert_eq!(rating(&with(Impairment::G711, 50_000, 0)), 93_200 - 15_780);
        assert_eq!(rating(&with(Impairment::G711_UNCONCEALED, 50_000, 0)), 93_200 - 51_075);
        // The same loss in bursts twice as long: 95 * 5 / (5 / 2 + Bpl).
        let bursts = Conditions { burst: 200, ..with(Impairment::G711, 50_000, 0) };
        assert_eq!(rating(&bursts), 93_200 - 17_210);
        // G.729: 11 + 84 * 1 / (1 + 19).
        assert_eq!(rating(&with(Impairment::G729, 10_000, 0)), 93_200 - 15_200);
    }

    #[test]
    fn delay_costs_more_from_177_ms_on() {
        assert_eq!(rating(&with(Impairment::G711, 0, 100_000)), 93_200 - 2_400);
        assert_eq!(rating(&with(Impairment::G711, 0, 277_300)), 93_200 - 6_655 - 11_000);
    }

    proptest! {
        #[test]
        fn worse_is_never_better(
            lost in 0..1_000_000_u32, more in 0..1_000_000_u32, delay in any::<u32>(), longer in any::<u32>(),
            burst in 0..1000_u32, codec in any::<(u16, u16)>(),
        ) {
            let codec = Impairment { equipment: codec.0 % 950, robustness: codec.1 };
            let one = Conditions { codec, lost_ppm: lost, burst, delay_us: delay };
            let other = Conditions { lost_ppm: lost.saturating_add(more), delay_us: delay.saturating_add(longer), ..one };
            prop_assert!(opinion(&other) <= opinion(&one));
            prop_assert!((100..=441).contains(&opinion(&one)));
        }
    }
}
