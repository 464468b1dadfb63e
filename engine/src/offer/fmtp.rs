//! The parameters of encodings that we produce, as `a=fmtp` has them: read from a party's, and written as ours.

use telex_audio::codec::{Encoding, Settings};

/// Share of lost packets, in percent, that Opus is asked to be ready for by a party that wants redundancy.
const LOSS: u8 = 10;
/// Rates at which Opus sound can be handed in (RFC 7587 §4.1).
const OPUS_RATES: [u32; 4] = [48_000, 24_000, 16_000, 8000];
/// Bounds of `maxaveragebitrate` (RFC 7587 §6.1).
const OPUS_BITS: std::ops::RangeInclusive<u32> = 6000..=510_000;

/// How to produce `encoding` for a party that wrote `fmtp`. What is not understood is as if it were not there.
pub(super) fn settings(encoding: Encoding, fmtp: &str) -> Settings {
    match encoding {
        Encoding::Opus => opus(fmtp),
        _ => Settings::default(),
    }
}

/// RFC 7587 §6.1.
fn opus(fmtp: &str) -> Settings {
    let number = |name| parameter(fmtp, name).and_then(|value| value.parse::<u32>().ok());
    // Without a bound it is coded at the rate of what is to be heard.
    let best = |heard| OPUS_RATES.into_iter().find(|rate| *rate <= heard).unwrap_or(8000);
    Settings {
        rate: number("maxplaybackrate").map_or(0, best),
        bits: number("maxaveragebitrate").map_or(0, |bits| bits.clamp(*OPUS_BITS.start(), *OPUS_BITS.end())),
        silence_suppressed: parameter(fmtp, "usedtx") == Some("1"),
        loss_percent: if parameter(fmtp, "useinbandfec") == Some("1") { LOSS } else { 0 },
    }
}

/// What we write for an encoding that we offer.
pub(super) fn ours(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Opus => "minptime=10;useinbandfec=1",
        _ => "",
    }
}

/// The value of a parameter, by its name in any case.
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = fmtp.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_says_what_it_wants_of_opus() {
        let usual = Settings::default();
        assert_eq!(opus(""), usual);
        assert_eq!(opus("minptime=10;useinbandfec=1"), Settings { loss_percent: LOSS, ..usual });
        assert_eq!(opus("useinbandfec=0; UseDTX = 1"), Settings { silence_suppressed: true, ..usual });
        assert_eq!(
            opus("maxplaybackrate=16000;maxaveragebitrate=20000"),
            Settings { rate: 16_000, bits: 20_000, ..usual }
        );
        assert_eq!(opus("maxplaybackrate=12000").rate, 8000);
    }

    #[test]
    fn nonsense_is_as_if_it_were_not_there() {
        assert_eq!(opus("maxplaybackrate=1"), Settings { rate: 8000, ..Settings::default() });
        assert_eq!(opus("maxaveragebitrate=1").bits, 6000);
        assert_eq!(opus("maxaveragebitrate=4294967295").bits, 510_000);
        assert_eq!(opus(";;=;maxplaybackrate=99999999999999;a"), opus(""));
    }
}
