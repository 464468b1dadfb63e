//! Names of encodings, as people and session descriptions write them.

use super::{Encoding, speex};

/// Every encoding that can be sent and received, L16 at its usual rates, in the order in which they are shown.
pub const ALL: &[Encoding] = &[
    Encoding::Pcmu,
    Encoding::Pcma,
    Encoding::G722,
    Encoding::Opus,
    Encoding::Gsm,
    Encoding::G729,
    Encoding::Speex { clock: 8000 },
    Encoding::Speex { clock: 16_000 },
    Encoding::Speex { clock: 32_000 },
    Encoding::L16 { rate: 8000 },
    Encoding::L16 { rate: 16_000 },
    Encoding::L16 { rate: 44_100 },
    Encoding::L16 { rate: 48_000 },
];

/// Highest clock rate that a description may give for L16, in hertz.
const L16_CLOCK: u32 = 192_000;

impl Encoding {
    /// Every encoding: see [`ALL`].
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied()
    }

    /// The encoding of an `a=rtpmap` (RFC 8866 §6.6): name in any case, clock rate in hertz, channels. Opus is always
    /// described with two channels, whatever is sent (RFC 7587 §7); all others are known with one only.
    pub fn from_rtpmap(name: &str, clock: u32, channels: u32) -> Option<Self> {
        if name.eq_ignore_ascii_case("L16") {
            return (channels == 1 && (1..=L16_CLOCK).contains(&clock)).then_some(Self::L16 { rate: clock });
        }
        if name.eq_ignore_ascii_case("speex") {
            return (channels == 1 && speex::CLOCKS.contains(&clock)).then_some(Self::Speex { clock });
        }
        let known = Self::all().find(|e| e.properties().name.eq_ignore_ascii_case(name))?;
        let properties = known.properties();
        (clock == properties.clock && (channels == 1 || u32::from(properties.channels) == channels))
            .then_some(known)
    }

    /// The encoding that people call so: a name in any case, with the clock rate behind a slash if there is a choice
    /// (`pcmu`, `L16/16000`), or a usual other name (`ulaw`, `alaw`).
    pub fn from_name(text: &str) -> Option<Self> {
        let (name, clock) = match text.split_once('/') {
            Some((name, clock)) => (name, Some(clock)),
            None => (text, None),
        };
        let name = match name.to_ascii_lowercase().as_str() {
            "ulaw" | "mulaw" | "mu-law" | "g711u" => "PCMU",
            "alaw" | "a-law" | "g711a" => "PCMA",
            _ => name,
        };
        let first = Self::all().find(|e| e.properties().name.eq_ignore_ascii_case(name))?;
        match clock {
            None => Some(first),
            Some(clock) => {
                let (clock, channels) = clock.split_once('/').unwrap_or((clock, "1"));
                Self::from_rtpmap(name, clock.parse().ok()?, channels.parse().ok()?)
            }
        }
    }

    /// The encoding of a payload type whose meaning is fixed (RFC 3551 §6).
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        Self::all().find(|e| e.properties().payload_type == Some(payload_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_names_and_numbers() {
        for encoding in Encoding::all() {
            let properties = encoding.properties();
            let rtpmap = format!("{}/{}", properties.name.to_lowercase(), properties.clock);
            assert_eq!(Encoding::from_name(&rtpmap), Some(encoding));
            assert_eq!(
                Encoding::from_rtpmap(properties.name, properties.clock, properties.channels.into()),
                Some(encoding)
            );
            if let Some(number) = properties.payload_type {
                assert_eq!(Encoding::of_payload_type(number), Some(encoding));
            }
        }
        assert_eq!(Encoding::from_name("uLaw"), Some(Encoding::Pcmu));
        assert_eq!(Encoding::from_name("l16"), Some(Encoding::L16 { rate: 8000 }));
        assert_eq!(Encoding::from_name("L16/22050"), Some(Encoding::L16 { rate: 22_050 }));
    }

    #[test]
    fn what_is_not_known_is_none() {
        for text in
            ["", "/", "g7", "pcmu/16000", "pcmu/8000/2", "l16/0", "l16/8000/2", "L16/4000000000", "pcmu/x"]
        {
            assert_eq!(Encoding::from_name(text), None, "{text}");
        }
        assert_eq!(Encoding::of_payload_type(96), None);
    }
}
