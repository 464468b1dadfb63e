//! WAV files of 16-bit PCM, read and written without any library.

use std::io;
use std::path::Path;

/// One channel of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Linear samples.
    pub samples: Vec<i16>,
}

impl Sound {
    /// How long it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The part that starts `from` seconds in, to the end; empty when it is not that long.
    pub fn after(&self, from: f64) -> Sound {
        let start = ((from * f64::from(self.rate)) as usize).min(self.samples.len());
        Sound { rate: self.rate, samples: self.samples[start..].to_vec() }
    }

    /// As a WAV file of one channel.
    pub fn to_wav(&self) -> Vec<u8> {
        let octets = (self.samples.len() * 2) as u32;
        let mut out = Vec::with_capacity(44 + self.samples.len() * 2);
        out.extend_from_slice(b"RIFF");
        out.extend_from_slice(&(36 + octets).to_le_bytes());
        out.extend_from_slice(b"WAVEfmt ");
        out.extend_from_slice(&16u32.to_le_bytes());
        out.extend_from_slice(&1u16.to_le_bytes()); // PCM
        out.extend_from_slice(&1u16.to_le_bytes()); // channels
        out.extend_from_slice(&self.rate.to_le_bytes());
        out.extend_from_slice(&(self.rate * 2).to_le_bytes());
        out.extend_from_slice(&2u16.to_le_bytes());
        out.extend_from_slice(&16u16.to_le_bytes());
        out.extend_from_slice(b"data");
        out.extend_from_slice(&octets.to_le_bytes());
        for sample in &self.samples {
            out.extend_from_slice(&sample.to_le_bytes());
        }
        out
    }

    /// Reads a WAV file of 16-bit PCM and keeps its first channel. The lengths of a file that is still being written,
    /// or whose writer was stopped, are not final; then the data goes to the end of the file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it is no such file.
    pub fn from_wav(file: &[u8]) -> io::Result<Sound> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if file.get(0..4) != Some(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
            return Err(bad("not a WAV file"));
        }
        let mut format = None;
        let mut rest = &file[12..];
        while let Some((head, after)) = rest.split_at_checked(8) {
            let told = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let is_data = &head[0..4] == b"data";
            let length = if is_data && (told == 0 || told > after.len()) { after.len() } else { told };
            let body = after.get(..length).ok_or_else(|| bad("a chunk is cut short"))?;
            if &head[0..4] == b"fmt " {
                let at = |i: usize| body.get(i..i + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                let (Some(channels), Some(low), Some(high), Some(bits)) = (at(2), at(4), at(6), at(14))
                else {
                    return Err(bad("the format chunk is cut short"));
                };
                if bits != 16 || channels == 0 || (low, high) == (0, 0) {
                    return Err(bad("not 16-bit PCM"));
                }
                format = Some((usize::from(channels), u32::from(low) | u32::from(high) << 16));
            }
            if is_data {
                let (channels, rate) = format.ok_or_else(|| bad("data before format"))?;
                let samples =
                    body.chunks_exact(2 * channels).map(|f| i16::from_le_bytes([f[0], f[1]])).collect();
                return Ok(Sound { rate, samples });
            }
            rest = after.get(length + (length & 1)..).unwrap_or_default();
        }
        Err(bad("no data"))
    }

    /// [`Sound::from_wav`] of a file.
    ///
    /// # Errors
    /// As there, and what reading the file says.
    pub fn read(path: &Path) -> io::Result<Sound> {
        Self::from_wav(&std::fs::read(path)?)
    }

    /// As G.711 mu-law octets without any header (ITU-T G.711, table 2a).
    pub fn to_mulaw(&self) -> Vec<u8> {
        self.samples.iter().map(|&s| mulaw(s)).collect()
    }
}

/// One sample in G.711 mu-law.
fn mulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = 31 - (magnitude >> 7).leading_zeros() as i32;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Sound {
        Sound { rate: 8000, samples: vec![0, 1, -1, i16::MAX, i16::MIN, 1234] }
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(Sound::from_wav(&some().to_wav()).unwrap(), some());
    }

    #[test]
    fn a_file_that_is_still_being_written_reads_to_its_end() {
        for told in [0u32, u32::MAX] {
            let mut file = some().to_wav();
            file[4..8].copy_from_slice(&told.to_le_bytes());
            file[40..44].copy_from_slice(&told.to_le_bytes());
            assert_eq!(Sound::from_wav(&file).unwrap(), some());
        }
    }

    #[test]
    fn other_chunks_are_passed_over_and_the_first_of_two_channels_is_kept() {
        let mut file = some().to_wav();
        file[22] = 2;
        file.splice(36..36, *b"LIST\x03\0\0\0abc\0");
        let heard = Sound::from_wav(&file).unwrap();
        assert_eq!(heard.samples, [0, -1, i16::MIN]);
    }

    #[test]
    fn what_is_not_wav_is_refused() {
        let good = some().to_wav();
        assert!(Sound::from_wav(b"").is_err());
        assert!(Sound::from_wav(&good[..30]).is_err());
        let mut eight_bits = good;
        eight_bits[34] = 8;
        assert!(Sound::from_wav(&eight_bits).is_err());
    }

    #[test]
    fn mulaw_has_its_known_values() {
        // Silence is 0xff, negative zero 0x7f; the ends of the scale are 0x80 and 0x00.
        assert_eq!(mulaw(0), 0xff);
        assert_eq!(mulaw(-1), 0x7f);
        assert_eq!(mulaw(i16::MAX), 0x80);
        assert_eq!(mulaw(i16::MIN), 0x00);
        // The decision value 33 << 2 begins the second segment.
        assert_eq!(mulaw(132), !0x10u8);
    }
}
