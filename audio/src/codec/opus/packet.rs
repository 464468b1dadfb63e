//! How a packet holds its frames (RFC 6716 §3), read without decoding.

use super::LONGEST;

/// The longest frame in octets.
const LONGEST_FRAME: usize = 1275;

/// What can be seen of a packet that is well-formed by RFC 6716 §3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// The first octet without its lowest two bits: mode, bandwidth, length of a frame, channels.
    pub(super) config: u8,
    /// Length of each frame in units of 2.5 ms.
    pub(super) units: usize,
    /// How many there are.
    pub(super) frames: usize,
    /// The first of them; may be empty.
    pub(super) first: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it is malformed.
    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        let (&toc, rest) = payload.split_first()?;
        let (frames, first) = match toc & 3 {
            0 => (1, rest),
            1 if rest.len().is_multiple_of(2) => (2, &rest[..rest.len() / 2]),
            2 => {
                let (length, rest) = length(rest)?;
                let (first, second) = rest.split_at_checked(length)?;
                (if second.len() <= LONGEST_FRAME { 2 } else { return None }, first)
            }
            3 => many(rest)?,
            _ => return None,
        };
        let packet = Self { config: toc & 0xfc, units: units(toc), frames, first };
        (first.len() <= LONGEST_FRAME && packet.frames * packet.units <= LONGEST).then_some(packet)
    }

    /// Whether its frames have no layer of SILK, in which alone a frame repeats the one before.
    pub(super) fn is_celt(&self) -> bool {
        self.config >= 0x80
    }

    /// Whether the first frame repeats some of the frame before it (RFC 6716 §4.2.3, §4.2.4): the range coder's first
    /// bits are, for each channel, a bit of voice activity for each 20 ms and then the bit that is looked for.
    pub(super) fn repeats(&self) -> bool {
        let Some(&head) = self.first.first() else { return false };
        if self.is_celt() || self.first.len() < 2 {
            return false;
        }
        let voiced = self.units.div_ceil(8);
        let stereo = self.config & 4 != 0;
        head >> (7 - voiced) & 1 == 1 || stereo && head >> (6 - 2 * voiced) & 1 == 1
    }
}

/// Units of 2.5 ms in a frame (table 2 of RFC 6716).
fn units(toc: u8) -> usize {
    let config = usize::from(toc >> 3);
    match config {
        0..12 => [4, 8, 16, 24][config % 4],
        12..16 => [4, 8][config % 2],
        _ => [1, 2, 4, 8][config % 4],
    }
}

/// The length of a frame, and what is behind it (RFC 6716 §3.2.1).
fn length(octets: &[u8]) -> Option<(usize, &[u8])> {
    match *octets {
        [first @ ..252, ref rest @ ..] => Some((usize::from(first), rest)),
        [first, second, ref rest @ ..] => Some((usize::from(first) + 4 * usize::from(second), rest)),
        _ => None,
    }
}

/// Number of frames and the first of a packet of code 3 (RFC 6716 §3.2.5).
fn many(octets: &[u8]) -> Option<(usize, &[u8])> {
    let (&head, mut rest) = octets.split_first()?;
    let (varying, frames) = (head & 0x80 != 0, usize::from(head & 0x3f));
    let (mut padding, mut padded) = (0, head & 0x40 != 0);
    while padded {
        let (&more, behind) = rest.split_first()?;
        rest = behind;
        // 255 stands for 254 and that there are more.
        padded = more == 255;
        padding += usize::from(more.min(254));
    }
    if frames == 0 {
        return None;
    }
    if !varying {
        let all = rest.len().checked_sub(padding)?;
        return all.is_multiple_of(frames).then(|| (frames, &rest[..all / frames]));
    }
    let (mut lengths, mut first) = (0, None);
    for _ in 1..frames {
        let (next, behind) = length(rest)?;
        (lengths, rest) = (lengths + next, behind);
        first.get_or_insert(next);
    }
    let all = rest.len().checked_sub(padding)?;
    let last = all.checked_sub(lengths)?;
    (last <= LONGEST_FRAME).then(|| (frames, &rest[..first.unwrap_or(last)]))
}
