//! What payload types stand for (RFC 3551 §6), and what the E-model knows of codecs (ITU-T G.113 appendix I).

use std::fmt;

use telex_audio::emodel::Impairment;

/// What a payload type stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The number in the packets.
    pub payload_type: u8,
    /// Encoding name; empty when it is not known.
    pub name: String,
    /// Clock rate in hertz; 0 when it is not known.
    pub clock: u32,
    /// Channels.
    pub channels: u8,
    /// What `a=fmtp` says.
    pub parameters: String,
}

impl Codec {
    /// Whether it carries keys pressed (RFC 4733).
    pub fn is_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether it is this codec, by name and clock.
    pub fn is(&self, name: &str, clock: u32) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.clock == clock
    }

    /// The name, or the number for one that is not known.
    pub fn title(&self) -> String {
        if self.name.is_empty() { format!("payload type {}", self.payload_type) } else { self.name.clone() }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return write!(f, "payload type {}", self.payload_type);
        }
        let stereo = if self.channels == 2 { " stereo" } else { "" };
        write!(f, "{} {} Hz{stereo} ({})", self.name, self.clock, self.payload_type)
    }
}

/// The codec of a static payload type (RFC 3551 §6); one without name and clock for others.
pub(crate) fn of_payload_type(payload_type: u8) -> Codec {
    let (name, clock) = match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16_000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        // The clock is that of RFC 1890, though the audio has 16 kHz (RFC 3551 §4.5.2).
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44_100),
        12 => ("QCELP", 8000),
        13 | 19 => ("CN", 8000),
        14 => ("MPA", 90_000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11_025),
        17 => ("DVI4", 22_050),
        18 => ("G729", 8000),
        25 => ("CelB", 90_000),
        26 => ("JPEG", 90_000),
        28 => ("nv", 90_000),
        31 => ("H261", 90_000),
        32 => ("MPV", 90_000),
        33 => ("MP2T", 90_000),
        34 => ("H263", 90_000),
        _ => ("", 0),
    };
    let channels = if payload_type == 10 { 2 } else { 1 };
    Codec { payload_type, name: name.to_owned(), clock, channels, parameters: String::new() }
}

/// The codec of a format of an `m=` line, before its `a=rtpmap` is known.
pub(crate) fn of_format(format: &str) -> Option<Codec> {
    format.parse().ok().filter(|number| *number < 128).map(of_payload_type)
}

/// What the E-model knows of a narrowband codec. G.711 is taken to conceal loss as its own appendix I does, as
/// telephones do.
pub(crate) fn impairment(codec: &Codec) -> Option<Impairment> {
    let known = match codec.name.to_ascii_uppercase().as_str() {
        "PCMU" | "PCMA" => Impairment::G711,
        "G729" => Impairment::G729,
        "G723" => Impairment::G723,
        "GSM-EFR" => Impairment::GSM_EFR,
        _ => return None,
    };
    (codec.clock == 8000).then_some(known)
}
