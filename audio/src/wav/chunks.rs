//! The way to the sound of a WAV file: chunk after chunk up to `data`.

use std::io::{self, Read};

use super::{CHANNELS, Coding, Format, RATE, Warning, WavError};

/// Format tags.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;

/// The part of a subformat behind its tag that says that it is one (KSDATAFORMAT_SUBTYPE_WAVEFORMATEX).
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// Octets of a format chunk that matter: up to the end of the extension.
const FORMAT_OCTETS: usize = 40;

/// A length that was never filled in.
const UNKNOWN: u32 = u32::MAX;

/// Chunks that may follow another one, for telling whether an octet of padding is there.
const KNOWN: [&[u8; 4]; 6] = [b"data", b"fmt ", b"fact", b"LIST", b"bext", b"PEAK"];

/// An input that can be looked at a little ahead.
#[derive(Debug)]
pub(super) struct Source<R> {
    input: R,
    held: [u8; 16],
    count: usize,
    taken: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, held: [0; 16], count: 0, taken: 0 }
    }

    /// Octets taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Fills the buffer as far as the input goes: how many octets there are.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.count.min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&self.held[..filled]) {
            *to = *from;
        }
        self.held.copy_within(filled..self.count, 0);
        self.count -= filled;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.taken += filled as u64;
        Ok(filled)
    }

    /// What comes next, without taking it; shorter at the end of the input.
    fn peek<const N: usize>(&mut self) -> io::Result<&[u8]> {
        while self.count < N {
            match self.input.read(&mut self.held[self.count..N]) {
                Ok(0) => break,
                Ok(count) => self.count += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(&self.held[..self.count.min(N)])
    }

    /// Passes over `count` octets, or what there is.
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        let mut scratch = [0; 512];
        while count > 0 {
            let piece = usize::try_from(count).unwrap_or(usize::MAX).min(scratch.len());
            let read = self.read(&mut scratch[..piece])?;
            if read < piece {
                break;
            }
            count -= piece as u64;
        }
        Ok(())
    }
}

/// What stands before the sound.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) format: Format,
    /// Octets of sound as told; `None` when that was never filled in.
    pub(super) told: Option<u64>,
    /// The length of the whole file as told, less 8.
    pub(super) riff: u32,
    pub(super) warnings: Vec<Warning>,
}

/// Reads up to the first octet of sound.
pub(super) fn head<R: Read>(source: &mut Source<R>) -> Result<Head, WavError> {
    let mut start = [0; 12];
    let read = source.read(&mut start)?;
    let [id @ .., _, _, _, _, b'W', b'A', b'V', b'E'] = &start else { return Err(WavError::NotWav) };
    let long = match id {
        b"RIFF" => false,
        b"RF64" | b"BW64" => true,
        b"RIFX" => return Err(WavError::BigEndian),
        _ => return Err(WavError::NotWav),
    };
    if read < start.len() {
        return Err(WavError::NotWav);
    }
    let riff = u32::from_le_bytes([start[4], start[5], start[6], start[7]]);
    let (mut format, mut warnings, mut long_data) = (None, Vec::new(), None);
    loop {
        let mut head = [0; 8];
        if source.read(&mut head)? < head.len() {
            return Err(if format.is_none() { WavError::NoFormat } else { WavError::NoData });
        }
        let [id @ .., l0, l1, l2, l3] = head;
        let told = u32::from_le_bytes([l0, l1, l2, l3]);
        match &id {
            b"fmt " => {
                let mut body = [0; FORMAT_OCTETS];
                let wanted = usize::try_from(told).unwrap_or(usize::MAX).min(FORMAT_OCTETS);
                let read = source.read(&mut body[..wanted])?;
                format = Some(parse_format(&body[..read], &mut warnings)?);
                source.skip(u64::from(told) - wanted as u64)?;
            }
            b"ds64" if long => {
                let mut body = [0; 16];
                let wanted = usize::try_from(told).unwrap_or(usize::MAX).min(body.len());
                if source.read(&mut body[..wanted])? == body.len() {
                    let [.., d0, d1, d2, d3, d4, d5, d6, d7] = body;
                    long_data = Some(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]));
                }
                source.skip(u64::from(told) - wanted as u64)?;
            }
            b"data" => {
                let format = format.ok_or(WavError::NoFormat)?;
                let told = match told {
                    UNKNOWN => long_data,
                    0 if begins_sound(source.peek::<8>()?) => None,
                    told => Some(u64::from(told)),
                };
                if told.is_none() {
                    warnings.push(Warning::Unfinished);
                }
                return Ok(Head { format, told, riff, warnings });
            }
            _ => source.skip(u64::from(told))?,
        }
        pad(source, told, &mut warnings)?;
    }
}

/// What follows a data chunk of no octets is either another chunk or sound that was never counted.
fn begins_sound(next: &[u8]) -> bool {
    !next.is_empty() && !KNOWN.iter().any(|known| next.starts_with(*known))
}

/// Passes over the padding of a chunk of odd length. Some writers forget it: then the next chunk begins at once.
fn pad<R: Read>(source: &mut Source<R>, told: u32, warnings: &mut Vec<Warning>) -> io::Result<()> {
    if told.is_multiple_of(2) {
        return Ok(());
    }
    let next = source.peek::<5>()?;
    let begins_at = |at: usize| KNOWN.iter().any(|known| next.get(at..at + 4) == Some(*known));
    if begins_at(0) && !begins_at(1) {
        if !warnings.contains(&Warning::Unpadded) {
            warnings.push(Warning::Unpadded);
        }
        return Ok(());
    }
    source.skip(1)
}

/// Reads the body of a format chunk.
fn parse_format(body: &[u8], warnings: &mut Vec<Warning>) -> Result<Format, WavError> {
    let word = |at: usize| body.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (Some(mut tag), Some(channels), Some(low), Some(high), Some(told), Some(bits)) =
        (word(0), word(2), word(4), word(6), word(12), word(14))
    else {
        return Err(WavError::NoFormat);
    };
    if tag == EXTENSIBLE && body.get(26..40) == Some(&SUBFORMAT) {
        tag = word(24).unwrap_or(tag);
    }
    let rate = u32::from(high) << 16 | u32::from(low);
    if rate == 0 || rate > RATE {
        return Err(WavError::Rate { rate });
    }
    if channels == 0 || channels > CHANNELS {
        return Err(WavError::Channels { channels });
    }
    // Samples of 20 bits, say, lie in the upper bits of three octets or four: the frame tells which.
    let least = bits.div_ceil(8);
    let stride = if told.is_multiple_of(channels) { told / channels } else { 0 };
    let octets = |most: u16| if (least.max(1)..=most).contains(&stride) { stride } else { least };
    let (octets, coding) = match tag {
        PCM => match octets(4) {
            octets @ 1..=4 => (octets, Coding::Linear { octets: octets as u8 }),
            _ => return Err(WavError::Bits { tag, bits }),
        },
        FLOAT => match least {
            octets @ (4 | 8) => (octets, Coding::Float { octets: octets as u8 }),
            _ => return Err(WavError::Bits { tag, bits }),
        },
        A_LAW | MU_LAW if least > 1 => return Err(WavError::Bits { tag, bits }),
        A_LAW => (1, Coding::ALaw),
        MU_LAW => (1, Coding::MuLaw),
        _ => return Err(WavError::Format { tag }),
    };
    let used = octets * channels;
    if told != used {
        warnings.push(Warning::FrameOctets { told, used });
    }
    Ok(Format { rate, channels, coding })
}
