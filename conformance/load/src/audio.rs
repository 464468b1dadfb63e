//! G.711, and marker packets: a loud frame of 160 samples whose signs carry a 16-bit stream number, so that it
//! survives conversion between mu-law and A-law.

use telex_audio::codec::{Decoder, Encoder, Encoding, Settings, g711};

const MAGIC: u32 = 0b1011;

/// What the audio is coded with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
}

impl Codec {
    /// The codec of a name.
    pub fn parse(s: &str) -> Option<Codec> {
        match s.to_ascii_lowercase().as_str() {
            "pcmu" | "ulaw" => Some(Codec::Pcmu),
            "pcma" | "alaw" => Some(Codec::Pcma),
            "g722" => Some(Codec::G722),
            _ => None,
        }
    }

    /// Its payload type.
    pub fn pt(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
        }
    }

    /// Its name in SDP.
    pub fn rtpmap(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU/8000",
            Codec::Pcma => "PCMA/8000",
            Codec::G722 => "G722/8000",
        }
    }

    fn encoding(self) -> Encoding {
        match self {
            Codec::Pcmu => Encoding::Pcmu,
            Codec::Pcma => Encoding::Pcma,
            Codec::G722 => Encoding::G722,
        }
    }

    fn enc(self, s: i16) -> u8 {
        match self {
            Codec::Pcmu => g711::mu_encode(s),
            Codec::Pcma => g711::a_encode(s),
            Codec::G722 => 0,
        }
    }

    fn dec(self, b: u8) -> i16 {
        match self {
            Codec::Pcmu => g711::mu_decode(b),
            Codec::Pcma => g711::a_decode(b),
            Codec::G722 => 0,
        }
    }
}

/// Frames of a tone after which it is sent from the first again.
pub const TONE_FRAMES: usize = 50;

/// Pitch of the tone; its period divides a frame.
const HERTZ: f64 = 400.0;

/// A second of the tone at amplitude `amp`, a frame of 20 ms each.
pub fn tone(c: Codec, amp: f64) -> Vec<[u8; 160]> {
    let mut encoder = Encoder::new(c.encoding(), Settings::default());
    let samples = encoder.rate() as usize / 50;
    let turn = HERTZ * std::f64::consts::TAU / f64::from(encoder.rate());
    let mut frames = Vec::new();
    for frame in 0..TONE_FRAMES {
        let at = |n: usize| ((turn * (frame * samples + n) as f64).sin() * amp) as i16;
        let pcm: Vec<i16> = (0..samples).map(at).collect();
        let mut payload = Vec::new();
        encoder.encode(&pcm, &mut payload);
        frames.push(payload.try_into().expect("a codec of 64 kbit/s has 160 octets in a frame"));
    }
    frames
}

/// Amplitude of the tone in the second half of some packets in sequence, and its share of all that is heard there.
pub fn find_tone(c: Codec, payloads: &[u8]) -> (f64, f64) {
    let mut decoder = Decoder::new(c.encoding(), if c == Codec::G722 { 16_000 } else { 8000 });
    let mut pcm = Vec::new();
    for payload in payloads.chunks_exact(160) {
        let _ = decoder.decode(payload, &mut pcm);
    }
    let pcm = &pcm[pcm.len() / 2..];
    let turn = HERTZ * std::f64::consts::TAU / f64::from(decoder.rate());
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), turn * n as f64);
        sine += sample * angle.sin();
        cosine += sample * angle.cos();
        all += sample * sample;
    }
    let count = pcm.len().max(1) as f64;
    let amplitude = 2.0 * sine.hypot(cosine) / count;
    (amplitude, amplitude * amplitude / 2.0 / (all / count).max(1.0))
}

/// A frame that carries `id`.
pub fn marker(c: Codec, id: u16) -> [u8; 160] {
    let word = (MAGIC << 16) | id as u32;
    let mut p = [0u8; 160];
    for k in 0..20 {
        let bit = (word >> (19 - k)) & 1;
        let v = c.enc(if bit == 1 { 16000 } else { -16000 });
        p[k * 8..k * 8 + 8].fill(v);
    }
    p
}

/// The number a frame carries, if it is a marker.
pub fn decode_marker(c: Codec, p: &[u8]) -> Option<u16> {
    if p.len() != 160 {
        return None;
    }
    let mut word = 0u32;
    for k in 0..20 {
        let s: i32 = p[k * 8..k * 8 + 8].iter().map(|b| c.dec(*b) as i32).sum::<i32>() / 8;
        if s.abs() < 8000 {
            return None;
        }
        word = (word << 1) | (s > 0) as u32;
    }
    (word >> 16 == MAGIC).then_some(word as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_survives_transcoding() {
        for id in [0u16, 1, 799, 65535] {
            let m = marker(Codec::Pcmu, id);
            let t: Vec<u8> = m.iter().map(|b| Codec::Pcma.enc(Codec::Pcmu.dec(*b))).collect();
            assert_eq!(decode_marker(Codec::Pcma, &t), Some(id));
            assert_eq!(decode_marker(Codec::Pcmu, &m), Some(id));
        }
        assert_eq!(decode_marker(Codec::Pcmu, &tone(Codec::Pcmu, 300.0)[0]), None);
    }

    #[test]
    fn a_tone_is_found_and_silence_is_not() {
        for c in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
            let (amplitude, share) = find_tone(c, tone(c, 1000.0)[30..40].as_flattened());
            assert!((amplitude - 1000.0).abs() < 60.0 && share > 0.98, "{c:?} {amplitude} {share}");
            let (amplitude, share) = find_tone(c, tone(c, 0.0)[30..40].as_flattened());
            assert!(amplitude < 10.0 && share < 0.5, "{c:?} {amplitude} {share}");
        }
    }
}
